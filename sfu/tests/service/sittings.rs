//! What proctors do to one candidate: let in, pause, lock, give time, end; and what the candidate asks for.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::role::Role;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000_000;

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("ok")
}

/// What a proctor does to a candidate.
async fn act(proctor: &mut Client, action: &str, who: &Value, more: Value) -> String {
    let mut request = json!({ "type": "action", "action": action, "participant": who });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    let answer = proctor.request(request).await;
    match answer["params"]["state"].as_str() {
        Some(state) => format!("{} {state}", code(&answer)),
        None => code(&answer).to_owned(),
    }
}

async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, Value, String) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, state, token)
}

async fn proctor(world: &World, exam: &ExamInfo) -> Client {
    let token = world.user_token("p@x.org", Role::Proctor).await;
    world.in_room(&token, exam.id).await.0
}

async fn sitting(client: &mut Client) -> Value {
    client.until_type("sitting:updated").await
}

/// How those who watch see a candidate, once that is so.
async fn seen(watcher: &mut Client, who: &Value, so: impl Fn(&Value) -> bool) -> Value {
    let frame = watcher
        .until(|frame| {
            frame["type"] == "participant:updated" && frame["participant"]["id"] == *who && so(&frame["participant"])
        })
        .await;
    frame["participant"].clone()
}

async fn step_told(watcher: &mut Client, step: &str) -> Value {
    let frame = watcher
        .until(|frame| frame["type"] == "timeline:entry" && frame["entry"]["body"]["step"] == step)
        .await;
    frame["entry"]["body"].clone()
}

#[tokio::test]
async fn a_pause_of_one_stops_only_that_clock_and_outlives_the_server() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, state, token) = seated(&world, &exam, 1).await;
    let (mut other, _, _) = seated(&world, &exam, 2).await;
    let who = state["you"]["id"].clone();
    let mut watcher = proctor(&world, &exam).await;

    assert_eq!(
        act(&mut watcher, "continue", &who, json!({})).await,
        "sitting_transition sitting"
    );
    assert_eq!(
        act(&mut watcher, "pause", &who, json!({ "reason": "a nosebleed" })).await,
        "ok"
    );
    let paused = sitting(&mut one).await;
    let left = paused["time_left"].as_i64().unwrap();
    assert_eq!(paused["sitting"]["reason"], "a nosebleed");
    assert_eq!(paused["sitting"]["pause"]["left_us"], left);
    let shown = seen(&mut watcher, &who, |p| p["sitting"]["pause"].is_object()).await;
    assert_eq!(shown["sitting"], paused["sitting"]);
    let told = step_told(&mut watcher, "pause").await;
    assert_eq!(
        (text(&told["by"]), text(&told["reason"])),
        ("Name of p@x.org", "a nosebleed")
    );
    assert!(
        other
            .settled()
            .await
            .iter()
            .all(|frame| frame["type"] != "sitting:updated"),
        "it is nobody else's business"
    );
    assert!(!other.transcript.contains("nosebleed") && !other.transcript.contains(text(&who)));

    world.restart().await;
    let (mut one, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["time_left"], left, "the own clock stands where it stood");
    assert_eq!(state["exam"]["status"], "active");
    let mut watcher = proctor(&world, &exam).await;
    assert_eq!(
        act(&mut watcher, "pause", &who, json!({ "reason": "" })).await,
        "sitting_transition paused"
    );
    // Time that is given during a pause is there at once, and after it.
    assert_eq!(
        act(
            &mut watcher,
            "extra_time",
            &who,
            json!({ "minutes": 10, "reason": "noise" })
        )
        .await,
        "ok"
    );
    assert_eq!(sitting(&mut one).await["time_left"], left + 10 * MINUTE);
    assert_eq!(act(&mut watcher, "continue", &who, json!({})).await, "ok");
    let on = sitting(&mut one).await;
    let given = on["sitting"]["given_back_us"].as_i64().unwrap();
    assert!(given > 0 && on["sitting"]["pause"].is_null());
    assert_eq!(on["ends_at"].as_i64().unwrap(), exam.ends_at + 10 * MINUTE + given);
    let left_now = on["time_left"].as_i64().unwrap();
    assert!(
        (left + 9 * MINUTE..=left + 10 * MINUTE).contains(&left_now),
        "{left_now} of {left}"
    );
    let other_left = world.in_room(&token, exam.id).await.1["time_left"].as_i64().unwrap();
    assert!(other_left <= left_now);
}

#[tokio::test]
async fn a_lock_covers_and_a_hand_stays_up_until_somebody_sees_to_it() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, state, token) = seated(&world, &exam, 1).await;
    let who = state["you"]["id"].clone();
    let mut watcher = proctor(&world, &exam).await;

    assert_eq!(
        act(&mut watcher, "lock", &who, json!({ "reason": "put the phone away" })).await,
        "ok"
    );
    let locked = sitting(&mut one).await;
    assert_eq!(
        (&locked["sitting"]["locked"], text(&locked["sitting"]["reason"])),
        (&json!(true), "put the phone away")
    );
    assert_eq!(
        act(&mut watcher, "lock", &who, json!({ "reason": "" })).await,
        "sitting_transition locked"
    );
    assert_eq!(act(&mut watcher, "continue", &who, json!({})).await, "ok");
    let free = sitting(&mut one).await;
    assert_eq!(
        (&free["sitting"]["locked"], &free["sitting"]["given_back_us"]),
        (&json!(false), &json!(0))
    );

    for _ in 0..2 {
        assert_eq!(
            code(&one.request(json!({ "type": "hand:raise", "raised": true })).await),
            "ok"
        );
    }
    let up = seen(&mut watcher, &who, |p| p["sitting"]["hand_since"].is_i64()).await;
    step_told(&mut watcher, "raise_hand").await;
    drop(one);
    let (mut one, state) = world.in_room(&token, exam.id).await;
    assert_eq!(
        state["you"]["sitting"]["hand_since"], up["sitting"]["hand_since"],
        "once, and after coming back too"
    );
    assert_eq!(act(&mut watcher, "lower_hand", &who, json!({})).await, "ok");
    sitting(&mut one).await;
    seen(&mut watcher, &who, |p| p["sitting"]["hand_since"].is_null()).await;
    for request in [
        json!({ "type": "hand:raise", "raised": true }),
        json!({ "type": "admission:request" }),
    ] {
        assert_eq!(code(&watcher.request(request).await), "forbidden");
    }
    let entries = watcher.settled().await;
    let raised = |frame: &&Value| frame["entry"]["body"]["step"] == "raise_hand";
    assert_eq!(
        entries.iter().filter(raised).count(),
        0,
        "raising it twice is told once"
    );
}

#[tokio::test]
async fn whom_a_proctor_has_to_let_in_waits_and_comes_back_when_rejected_by_mistake() {
    let world = World::start().await;
    let policy = Policy {
        admit_each: true,
        ..Policy::default()
    };
    let exam = world.exam_with("EXAM-1", policy).await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]).to_owned();
    let mut watcher = proctor(&world, &exam).await;
    let (mut one, state) = world.in_room(&token, exam.id).await;
    let who = state["you"]["id"].clone();
    assert_eq!(state["you"]["sitting"]["admission"], "waiting");
    let come = watcher.until_type("participant:joined").await;
    assert_eq!(come["participant"]["sitting"]["admission"], "waiting");
    let refused = one.request(json!({ "type": "admission:request" })).await;
    assert_eq!(
        (code(&refused), text(&refused["params"]["state"])),
        ("sitting_transition", "waiting")
    );

    assert_eq!(
        act(&mut watcher, "ask_again", &who, json!({ "reason": "show your desk" })).await,
        "ok"
    );
    let asked = sitting(&mut one).await;
    assert_eq!(
        (text(&asked["sitting"]["admission"]), text(&asked["sitting"]["reason"])),
        ("asked_again", "show your desk")
    );
    assert_eq!(code(&one.request(json!({ "type": "admission:request" })).await), "ok");
    seen(&mut watcher, &who, |p| p["sitting"]["admission"] == "waiting").await;

    assert_eq!(
        act(&mut watcher, "reject", &who, json!({ "reason": "no document" })).await,
        "ok"
    );
    assert_eq!(
        sitting(&mut one).await["sitting"]["admission"],
        "waiting",
        "ready was told first"
    );
    assert_eq!(sitting(&mut one).await["sitting"]["admission"], "rejected");
    assert_eq!(one.closed().await, "not_admitted");
    let (status, body) = world.try_join("EXAM-1", &secret, &device(1)).await;
    assert_eq!(
        (status, text(&body["code"]), text(&body["params"]["reason"])),
        (403, "not_admitted", "no document")
    );
    let answer = world.bare().await.authenticate(&token).await;
    assert_eq!(code(&answer), "not_admitted");

    assert_eq!(act(&mut watcher, "admit", &who, json!({})).await, "ok");
    let (_, state) = world.in_room(&token, exam.id).await;
    assert!(
        state["you"]["sitting"].is_null(),
        "nothing sets it apart any more: {}",
        state["you"]
    );
    assert_eq!(
        act(&mut watcher, "reject", &who, json!({ "reason": "" })).await,
        "sitting_transition sitting"
    );
}

#[tokio::test]
async fn who_comes_late_for_the_first_time_waits_and_who_comes_back_does_not() {
    let world = World::start().await;
    let policy = Policy {
        late_after_min: Some(0),
        ..Policy::default()
    };
    let exam = world.exam_with("EXAM-1", policy).await;
    let (_, state, token) = seated(&world, &exam, 1).await;
    assert_eq!(state["you"]["sitting"]["admission"], "waiting");
    assert_eq!(state["you"]["sitting"]["late"], true);
    let who = state["you"]["id"].clone();
    let mut watcher = proctor(&world, &exam).await;
    assert_eq!(act(&mut watcher, "admit", &who, json!({})).await, "ok");
    let (_, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["you"]["sitting"]["admission"], "admitted");
    let long = Policy {
        late_after_min: Some(30),
        ..Policy::default()
    };
    let (_, state, _) = seated(&world, &world.exam_with("EXAM-2", long).await, 2).await;
    assert!(state["you"]["sitting"].is_null(), "in time");
}

#[tokio::test]
async fn an_ended_sitting_says_why_and_stays_ended() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, state, token) = seated(&world, &exam, 1).await;
    let secret = world.entry(&exam, "Candidate 2").await;
    let second = world.join("EXAM-1", &secret, &device(2)).await;
    let who = state["you"]["id"].clone();
    let mut watcher = proctor(&world, &exam).await;

    for action in [
        "admit",
        "ask_again",
        "reject",
        "pause",
        "continue",
        "lock",
        "lower_hand",
        "end",
    ] {
        let request = json!({ "type": "action", "action": action, "participant": who, "reason": "" });
        assert_eq!(code(&one.request(request).await), "forbidden", "{action}");
    }
    let extra = json!({ "minutes": 5, "reason": "" });
    assert_eq!(act(&mut one, "extra_time", &who, extra).await, "forbidden");
    let nobody = second["participant"].clone();
    assert_eq!(
        act(&mut watcher, "end", &nobody, json!({ "reason": "" })).await,
        "not_found",
        "has never come"
    );
    for minutes in [0, 481] {
        let extra = json!({ "minutes": minutes, "reason": "" });
        assert_eq!(act(&mut watcher, "extra_time", &who, extra).await, "bad_message");
    }
    let long = "x".repeat(301);
    assert_eq!(
        act(&mut watcher, "lock", &who, json!({ "reason": long })).await,
        "bad_message"
    );

    assert_eq!(
        act(&mut watcher, "end", &who, json!({ "reason": "two people at the desk" })).await,
        "ok"
    );
    let told = sitting(&mut one).await;
    assert_eq!(
        (&told["sitting"]["ended"], text(&told["sitting"]["reason"])),
        (&json!(true), "two people at the desk")
    );
    assert_eq!(one.closed().await, "sitting_ended");
    seen(&mut watcher, &who, |p| p["presence"] == "finished").await;
    step_told(&mut watcher, "end").await;
    let answer = world.bare().await.authenticate(&token).await;
    assert_eq!(
        (code(&answer), text(&answer["params"]["reason"])),
        ("sitting_ended", "two people at the desk")
    );
    for (action, more) in [
        ("end", json!({ "reason": "" })),
        ("pause", json!({ "reason": "" })),
        ("extra_time", json!({ "minutes": 5, "reason": "" })),
    ] {
        assert_eq!(act(&mut watcher, action, &who, more).await, "sitting_transition over");
    }
}
