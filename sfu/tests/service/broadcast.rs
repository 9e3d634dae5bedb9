//! Words to many: stored once, delivered to each once and in order, after a reconnect and a restart too, with one line for those who watch.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, String, String) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, text(&state["you"]["id"]).to_owned(), token)
}

async fn watcher(world: &World, exam: &ExamInfo, email: &str, role: Role) -> (Client, Value) {
    let token = world.user_token(email, role).await;
    world.in_room(&token, exam.id).await
}

async fn say(client: &mut Client, audience: &str, words: &str) -> Value {
    let ask = json!({ "type": "message:broadcast", "audience": audience, "text": words });
    client.request(ask).await
}

/// The texts that a client was sent, in order.
async fn texts(client: &mut Client) -> Vec<String> {
    let frames = client.settled().await.iter();
    let received = frames.filter(|frame| frame["type"] == "message:received");
    received
        .map(|frame| text(&frame["message"]["text"]).to_owned())
        .collect()
}

async fn reach(client: &mut Client, message: &Value, wanted: [u16; 3]) {
    let [recipients, delivered, acknowledged] = wanted;
    let so = json!({ "recipients": recipients, "delivered": delivered, "acknowledged": acknowledged });
    client
        .until(|frame| frame["type"] == "broadcast:updated" && frame["message"] == *message && frame["reach"] == so)
        .await;
}

#[tokio::test]
async fn everybody_gets_it_once_and_in_order_whoever_was_away_too() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, _, one_token) = seated(&world, &exam, 1).await;
    let (two, two_id, two_token) = seated(&world, &exam, 2).await;
    let (mut done, _, _) = seated(&world, &exam, 3).await;
    assert_eq!(done.request(json!({ "type": "session:finish" })).await["type"], "ok");
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    drop(two);
    proctor
        .until(|frame| {
            frame["type"] == "participant:updated"
                && frame["participant"]["id"] == two_id.as_str()
                && frame["participant"]["presence"] == "lost"
        })
        .await;
    let first = say(&mut proctor, "everyone", "  Question 4 has a misprint.\n").await;
    assert_eq!(
        (text(&first["type"]), &first["delivered"]),
        ("message:sent", &json!(true))
    );
    let chat = json!({ "type": "message:send", "to": two_id, "kind": "chat", "text": "and this is for you" });
    assert_eq!(proctor.request(chat).await["type"], "message:sent");
    let second = say(&mut proctor, "everyone", "Five minutes left.").await;
    let line = proctor
        .until(|frame| frame["type"] == "timeline:entry" && frame["entry"]["body"]["message"] == first["message"])
        .await;
    let body = &line["entry"]["body"];
    assert_eq!(
        (text(&body["what"]), text(&body["by"])),
        ("broadcast", "Name of p@x.org")
    );
    assert_eq!(body["reach"]["recipients"], 2, "who has handed in gets nothing");
    reach(&mut proctor, &first["message"], [2, 1, 0]).await;
    assert_eq!(
        texts(&mut one).await,
        ["Question 4 has a misprint.", "Five minutes left."]
    );
    assert!(texts(&mut done).await.is_empty());
    for hidden in ["Name of p@x.org", two_id.as_str(), "broadcast", "reach"] {
        assert!(!one.transcript.contains(hidden), "a candidate heard {hidden}");
    }
    let acknowledge = json!({ "type": "message:acknowledge", "message": first["message"] });
    assert_eq!(one.request(acknowledge.clone()).await["type"], "ok");
    assert_eq!(
        one.request(acknowledge).await["type"],
        "ok",
        "again is no more than once"
    );
    reach(&mut proctor, &first["message"], [2, 1, 1]).await;

    world.restart().await;
    let (_two, state) = world.in_room(&two_token, exam.id).await;
    let waiting = state["messages"].as_array().unwrap();
    let waiting: Vec<&str> = waiting.iter().map(|message| text(&message["text"])).collect();
    assert_eq!(
        waiting,
        [
            "Question 4 has a misprint.",
            "and this is for you",
            "Five minutes left."
        ]
    );
    let (_one, state) = world.in_room(&one_token, exam.id).await;
    let left = state["messages"].as_array().unwrap();
    assert_eq!(
        (left.len(), &left[0]["id"]),
        (1, &second["message"]),
        "what was read does not come again"
    );
    // Whoever comes later to watch sees how far each has come.
    let (mut late, _) = watcher(&world, &exam, "late@x.org", Role::Proctor).await;
    reach(&mut late, &first["message"], [2, 2, 1]).await;
    let (_later, state) = watcher(&world, &exam, "later@x.org", Role::Proctor).await;
    let lines = state["timeline"].as_array().unwrap().iter();
    let told: Vec<&Value> = lines.filter(|entry| entry["body"]["what"] == "broadcast").collect();
    assert_eq!(told.len(), 2);
    let so = json!({ "recipients": 2, "delivered": 2, "acknowledged": 1 });
    assert_eq!(told[0]["body"]["reach"], so);
    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    assert_eq!(audit.iter().filter(|record| record.action == "broadcast").count(), 2);
}

#[tokio::test]
async fn a_proctor_writes_to_the_own_and_nobody_floods_a_room() {
    let world = World::start().await;
    let policy = Policy {
        candidates_per_proctor: 1,
        ..Policy::default()
    };
    let exam = world.exam_with("EXAM-1", policy).await;
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    assert_eq!(
        say(&mut proctor, "everyone", "hello").await["code"],
        "not_found",
        "nobody is there"
    );
    let (mut one, one_id, _) = seated(&world, &exam, 1).await;
    proctor
        .until(|frame| frame["type"] == "assignments" && frame["proctors"][0]["candidates"] == json!([one_id]))
        .await;
    let (mut two, _, _) = seated(&world, &exam, 2).await;
    assert_eq!(say(&mut one, "everyone", "psst").await["code"], "forbidden");
    assert_eq!(say(&mut proctor, "everyone", " \n ").await["code"], "bad_message");
    let long = "x".repeat(2_001);
    assert_eq!(say(&mut proctor, "everyone", &long).await["code"], "message_too_long");
    assert_eq!(say(&mut proctor, "somebody", "hello").await["code"], "unsupported");

    assert_eq!(say(&mut proctor, "mine", "only for mine").await["type"], "message:sent");
    assert_eq!(texts(&mut one).await, ["only for mine"]);
    assert!(texts(&mut two).await.is_empty());
    let (mut other, _) = watcher(&world, &exam, "l@x.org", Role::Lead).await;
    assert_eq!(
        say(&mut other, "mine", "hello").await["code"],
        "not_found",
        "a lead has nobody"
    );
    for n in 0..5 {
        assert_eq!(
            say(&mut other, "everyone", &format!("line {n}")).await["type"],
            "message:sent"
        );
    }
    let refused = say(&mut proctor, "everyone", "one too many").await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(
        refused["params"]["retry_after_s"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 60
    );
    let lines: Vec<String> = (0..5).map(|n| format!("line {n}")).collect();
    assert_eq!(texts(&mut two).await, lines);
}
