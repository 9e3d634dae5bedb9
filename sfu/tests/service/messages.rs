//! Messages and warnings: stored, delivered once and in order, again until acknowledged.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::ExamInfo;
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn room(world: &World) -> (ExamInfo, String, Value, Client) {
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (proctor, _) = world.in_room(&token, exam.id).await;
    (
        exam,
        text(&joined["access_token"]).to_owned(),
        joined["participant"].clone(),
        proctor,
    )
}

async fn send(proctor: &mut Client, to: &Value, kind: &str, words: &str) -> Value {
    let sent = proctor
        .request(json!({ "type": "message:send", "to": to, "kind": kind, "text": words }))
        .await;
    assert_eq!(text(&sent["type"]), "message:sent", "{sent}");
    sent
}

#[tokio::test]
async fn messages_arrive_once_in_order_and_again_until_acknowledged() {
    let mut world = World::start().await;
    let (exam, token, to, mut proctor) = room(&world).await;
    let (candidate, _) = world.in_room(&token, exam.id).await;
    proctor.until_type("participant:joined").await;
    drop(candidate);
    proctor.until(|f| f["participant"]["presence"] == "lost").await;
    // While the candidate is away.
    let mut ids = Vec::new();
    for n in 0..5 {
        let sent = send(&mut proctor, &to, "chat", &format!("message {n}")).await;
        assert_eq!(sent["delivered"], false);
        ids.push(sent["message"].clone());
    }
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    let texts = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|m| text(&m["text"]).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        texts(&state["messages"]),
        ["message 0", "message 1", "message 2", "message 3", "message 4"]
    );
    assert!(
        state["messages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|m| m["author"] == "Proctor"),
        "no name crosses"
    );
    for id in &ids {
        let told = proctor
            .until(|f| f["type"] == "message:sent" && f["message"] == *id)
            .await;
        assert_eq!(told["delivered"], true);
    }
    // And while the candidate is there.
    let warning = send(&mut proctor, &to, "warning", "eyes on your screen").await;
    assert_eq!(warning["delivered"], true);
    let received = candidate.until_type("message:received").await;
    assert_eq!(
        (text(&received["message"]["kind"]), &received["message"]["id"]),
        ("warning", &warning["message"])
    );
    assert!(
        candidate
            .settled()
            .await
            .iter()
            .all(|f| f["type"] != "message:received"),
        "once"
    );

    for id in &ids[..3] {
        assert_eq!(
            candidate
                .request(json!({ "type": "message:acknowledge", "message": id }))
                .await["type"],
            "ok"
        );
        proctor
            .until(|f| f["type"] == "message:acknowledged" && f["message"] == *id)
            .await;
    }
    world.restart().await;
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    assert_eq!(
        texts(&state["messages"]),
        ["message 3", "message 4", "eyes on your screen"]
    );
    let unknown = candidate
        .request(json!({ "type": "message:acknowledge", "message": to }))
        .await;
    assert_eq!(text(&unknown["code"]), "not_found");
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (_, state) = world.in_room(&proctor_token, exam.id).await;
    let marks: Vec<_> = state["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["body"]["what"] == "message")
        .collect();
    assert_eq!(marks.len(), 6);
    assert!(marks.iter().all(|e| e["body"]["delivered"] == true));
    assert_eq!(marks.iter().filter(|e| e["body"]["acknowledged"] == true).count(), 3);
}

#[tokio::test]
async fn a_candidate_writes_to_whoever_watches() {
    let world = World::start().await;
    let (exam, token, from, mut proctor) = room(&world).await;
    let (mut candidate, _) = world.in_room(&token, exam.id).await;
    let sent = candidate
        .request(json!({ "type": "message:send", "to": null, "kind": "chat", "text": "  may I? " }))
        .await;
    assert_eq!(
        (text(&sent["type"]), &sent["delivered"]),
        ("message:sent", &json!(true))
    );
    let received = proctor.until_type("message:received").await;
    let message = &received["message"];
    assert_eq!(
        (text(&message["text"]), text(&message["author"]), &message["candidate"]),
        ("may I?", "Candidate 1", &from)
    );
    proctor.until(|f| f["entry"]["body"]["message"] == message["id"]).await;
}

#[tokio::test]
async fn messages_that_cannot_be_are_refused() {
    let world = World::start().await;
    let (exam, token, to, mut proctor) = room(&world).await;
    let (mut candidate, _) = world.in_room(&token, exam.id).await;
    let long = "ä".repeat(2_001);
    let nobody = json!(exam.id);
    for (to, kind, words, code) in [
        (&to, "chat", " ", "bad_message"),
        (&to, "chat", "a\0b", "bad_message"),
        (&to, "chat", long.as_str(), "message_too_long"),
        (&nobody, "chat", "x", "not_found"),
        (&Value::Null, "chat", "x", "not_found"),
        (&to, "telegram", "x", "unsupported"),
    ] {
        let answer = proctor
            .request(json!({ "type": "message:send", "to": to, "kind": kind, "text": words }))
            .await;
        assert_eq!(text(&answer["code"]), code);
    }
    let longest = "ä".repeat(2_000);
    send(&mut proctor, &to, "chat", &longest).await;
    assert_eq!(
        candidate.until_type("message:received").await["message"]["text"],
        longest
    );
    let warned = proctor
        .request(json!({ "type": "action", "action": "warn", "participant": to, "reason": "look here" }))
        .await;
    assert_eq!(text(&warned["type"]), "message:sent");
    assert_eq!(
        candidate.until_type("message:received").await["message"]["kind"],
        "warning"
    );
    let later = proctor
        .request(json!({ "type": "action", "action": "levitate", "participant": to, "reason": "x" }))
        .await;
    assert_eq!(text(&later["code"]), "unsupported");
}

#[tokio::test]
async fn a_state_larger_than_a_frame_arrives_whole() {
    let world = World::start().await;
    let (exam, token, to, mut proctor) = room(&world).await;
    let (candidate, _) = world.in_room(&token, exam.id).await;
    proctor.until_type("participant:joined").await;
    drop(candidate);
    proctor.until(|f| f["participant"]["presence"] == "lost").await;
    let words = "w".repeat(2_000);
    for _ in 0..45 {
        send(&mut proctor, &to, "chat", &words).await;
    }
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    assert!(state.to_string().len() <= invigil_shared::limits::MAX_FRAME);
    let within = state["messages"].as_array().unwrap().len();
    let after = candidate
        .settled()
        .await
        .iter()
        .filter(|f| f["type"] == "message:received")
        .count();
    assert!(within > 0 && after > 0);
    assert_eq!(within + after, 45);
}
