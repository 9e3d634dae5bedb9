//! What is sent again because its answer was lost is done once: messages, broadcasts, extra time. The server may have restarted meanwhile.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::ExamInfo;
use invigil_shared::limits::BROADCASTS_PER_MINUTE;
use invigil_shared::role::Role;
use serde_json::{Value, json};

const ONCE: &str = "01983b6e-5b7a-7c11-9d1e-3f2a5c6b7d8e";

async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, Value, String) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, _) = world.in_room(&token, exam.id).await;
    (client, joined["participant"].clone(), token)
}

async fn proctor(world: &World, exam: &ExamInfo, email: &str) -> (Client, Value) {
    let token = world.user_token(email, Role::Proctor).await;
    world.in_room(&token, exam.id).await
}

/// The texts that a client was sent.
async fn texts(client: &mut Client) -> Vec<String> {
    let frames = client.settled().await.iter();
    let received = frames.filter(|frame| frame["type"] == "message:received");
    received
        .map(|frame| text(&frame["message"]["text"]).to_owned())
        .collect()
}

/// Lines of the timeline of this kind, as somebody who comes into the room sees them.
fn lines<'s>(state: &'s Value, what: &str) -> Vec<&'s Value> {
    let entries = state["timeline"].as_array().unwrap().iter();
    entries.filter(|entry| entry["body"]["what"] == what).collect()
}

#[tokio::test]
async fn words_that_are_sent_again_arrive_once() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut candidate, to, token) = seated(&world, &exam, 1).await;
    let (mut writer, _) = proctor(&world, &exam, "p@x.org").await;
    let words =
        json!({ "type": "message:send", "once": ONCE, "to": to, "kind": "warning", "text": "Eyes on your screen" });
    let all = json!({ "type": "message:broadcast", "once": ONCE.replace("0198", "0199"), "audience": "everyone", "text": "Ten minutes left" });
    let mut first = Vec::new();
    for request in [&words, &all] {
        let sent = writer.request(request.clone()).await;
        assert_eq!(sent["type"], "message:sent", "{sent}");
        let again = writer.request(request.clone()).await;
        assert_eq!(
            (&again["message"], &again["at"]),
            (&sent["message"], &sent["at"]),
            "the same answer: {again}"
        );
        first.push(sent["message"].clone());
    }
    assert_eq!(texts(&mut candidate).await, ["Eyes on your screen", "Ten minutes left"]);

    let mut other = words.clone();
    other["text"] = "Other words".into();
    let refused = writer.request(other).await;
    assert_eq!(refused["code"], "idempotency_mismatch", "{refused}");
    // Nor does it count as another one.
    for _ in 0..BROADCASTS_PER_MINUTE {
        assert_eq!(writer.request(all.clone()).await["message"], first[1]);
    }
    for wrong in ["", "7", "not-an-id"] {
        let mut other = words.clone();
        other["once"] = wrong.into();
        assert_eq!(writer.request(other).await["code"], "bad_message", "{wrong}");
    }

    world.restart().await;
    let (mut candidate, _) = world.in_room(&token, exam.id).await;
    let (mut writer, _) = proctor(&world, &exam, "p@x.org").await;
    for (request, message) in [&words, &all].into_iter().zip(&first) {
        assert_eq!(
            writer.request(request.clone()).await["message"],
            *message,
            "after a restart"
        );
    }
    assert!(texts(&mut candidate).await.is_empty());
    // Somebody else's key is another one.
    let (mut second, state) = proctor(&world, &exam, "q@x.org").await;
    assert_eq!(
        (lines(&state, "message").len(), lines(&state, "broadcast").len()),
        (1, 1)
    );
    let sent = second.request(words.clone()).await;
    assert_ne!(sent["message"], first[0], "{sent}");
    assert_eq!(texts(&mut candidate).await, ["Eyes on your screen"]);
}

#[tokio::test]
async fn a_candidate_writes_once_too() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut candidate, _, _) = seated(&world, &exam, 1).await;
    let (mut reader, _) = proctor(&world, &exam, "p@x.org").await;
    let words = json!({ "type": "message:send", "once": ONCE, "kind": "chat", "text": "May I leave?" });
    let sent = candidate.request(words.clone()).await;
    assert_eq!(candidate.request(words).await["message"], sent["message"]);
    assert_eq!(texts(&mut reader).await, ["May I leave?"]);
}

#[tokio::test]
async fn extra_time_is_given_once() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (_candidate, who, token) = seated(&world, &exam, 1).await;
    let (mut writer, _) = proctor(&world, &exam, "p@x.org").await;
    let give = |once: Option<&str>, minutes: u16| {
        let mut ask =
            json!({ "type": "action", "action": "extra_time", "participant": who, "minutes": minutes, "reason": "" });
        if let Some(once) = once {
            ask["once"] = once.into();
        }
        ask
    };
    for _ in 0..2 {
        assert_eq!(writer.request(give(Some(ONCE), 5)).await["type"], "ok");
    }
    let refused = writer.request(give(Some(ONCE), 6)).await;
    assert_eq!(refused["code"], "idempotency_mismatch", "{refused}");
    // What was done once may be done again by whoever wants that.
    assert_eq!(writer.request(give(None, 5)).await["type"], "ok");
    world.restart().await;
    let (_candidate, _) = world.in_room(&token, exam.id).await;
    let (mut writer, _) = proctor(&world, &exam, "p@x.org").await;
    assert_eq!(writer.request(give(Some(ONCE), 5)).await["type"], "ok");
    let (_, state) = proctor(&world, &exam, "q@x.org").await;
    let sitting = &state["participants"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == who)
        .unwrap()["sitting"];
    assert_eq!(sitting["extra_min"], 10, "{sitting}");
    assert_eq!(lines(&state, "sitting").len(), 2);
}

/// A pause that is sent again is no pause of somebody who is paused.
#[tokio::test]
async fn a_step_that_is_sent_again_is_answered_as_the_first_time() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (_candidate, who, _) = seated(&world, &exam, 1).await;
    let (mut writer, _) = proctor(&world, &exam, "p@x.org").await;
    let pause = json!({ "type": "action", "action": "pause", "participant": who, "reason": "", "once": ONCE });
    assert_eq!(writer.request(pause.clone()).await["type"], "ok");
    assert_eq!(writer.request(pause.clone()).await["type"], "ok");
    let mut without = pause;
    without.as_object_mut().unwrap().remove("once");
    assert_eq!(writer.request(without).await["code"], "sitting_transition");
}
