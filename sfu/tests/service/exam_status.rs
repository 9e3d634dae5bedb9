//! A lead pauses, continues and closes an exam, the clock begins and closes it, and everybody in the room learns of it.

use crate::common::{Client, World, device, text};
use invigil_sfu::clock::{fresh, now_us};
use invigil_sfu::store::records::ExamChange;
use invigil_shared::exam::{ExamInfo, ExamStatus, Policy};
use invigil_shared::id::ExamId;
use invigil_shared::limits::EXAM_GRACE_S;
use invigil_shared::role::Role;
use serde_json::{Value, json};

fn pause() -> Value {
    json!({ "type": "action", "action": "pause", "participant": null, "reason": "fire alarm" })
}

fn go_on() -> Value {
    json!({ "type": "action", "action": "continue", "participant": null })
}

fn close() -> Value {
    json!({ "type": "action", "action": "close", "reason": "it is over" })
}

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("ok")
}

async fn updated(client: &mut Client, status: &str) -> Value {
    client
        .until(|frame| frame["type"] == "exam:updated" && frame["status"] == status)
        .await
}

async fn seated(world: &World, exam: &ExamInfo) -> (Client, Value, String) {
    let secret = world.entry(exam, "Candidate 1").await;
    let joined = world.join(&exam.code, &secret, &device(1)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, state, token)
}

#[tokio::test]
async fn a_pause_gives_every_second_back_and_outlives_the_server() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut candidate, _, token) = seated(&world, &exam).await;
    let lead_token = world.user_token("l@x.org", Role::Lead).await;
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut lead, _) = world.in_room(&lead_token, exam.id).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;

    for client in [&mut proctor, &mut candidate] {
        for action in [pause(), go_on(), close()] {
            assert_eq!(code(&client.request(action.clone()).await), "forbidden", "{action}");
        }
    }
    let refused = lead.request(go_on()).await;
    assert_eq!(
        (code(&refused), text(&refused["params"]["status"])),
        ("exam_transition", "active")
    );

    assert_eq!(code(&lead.request(pause()).await), "ok");
    let paused = updated(&mut candidate, "paused").await;
    let (end, left) = (
        paused["ends_at"].as_i64().unwrap(),
        paused["time_left"].as_i64().unwrap(),
    );
    assert_eq!(end, exam.ends_at);
    for client in [&mut proctor, &mut lead] {
        assert_eq!(updated(client, "paused").await["time_left"], left);
    }
    let refused = lead.request(pause()).await;
    assert_eq!(
        (code(&refused), text(&refused["params"]["status"])),
        ("exam_transition", "paused")
    );

    world.restart().await;
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["exam"]["status"], "paused");
    assert_eq!(state["time_left"], left, "the clock stands where it stood");
    let (mut lead, _) = world.in_room(&lead_token, exam.id).await;
    let continued_at = now_us();
    assert_eq!(code(&lead.request(go_on()).await), "ok");
    let active = updated(&mut candidate, "active").await;
    let paused_at = exam.ends_at - left;
    let end = active["ends_at"].as_i64().unwrap();
    assert!(
        end >= exam.ends_at + (continued_at - paused_at),
        "the pause is given back"
    );
    assert!(active["time_left"].as_i64().unwrap() <= left);
    let times = world.store.exam_times(exam.id).await.unwrap().unwrap();
    assert_eq!((times.paused_at, times.ended_at), (None, None));
    assert_eq!(world.store.exam(exam.id).await.unwrap().unwrap().ends_at, end);
}

#[tokio::test]
async fn a_closed_exam_lets_everybody_go_and_nobody_in() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut candidate, _, token) = seated(&world, &exam).await;
    let late = world.entry(&exam, "Candidate 2").await;
    let lead_token = world.user_token("l@x.org", Role::Lead).await;
    let (mut lead, _) = world.in_room(&lead_token, exam.id).await;
    // Closing a paused exam is legal too.
    assert_eq!(code(&lead.request(pause()).await), "ok");
    lead.send(close()).await;
    for client in [&mut candidate, &mut lead] {
        updated(client, "closed").await;
        assert_eq!(client.closed().await, "exam_closed");
    }
    let (status, body) = world.try_join("EXAM-1", &late, &device(2)).await;
    assert_eq!((status, text(&body["code"])), (403, "exam_closed"));
    let answer = world.bare().await.authenticate(&token).await;
    assert_eq!(code(&answer), "exam_closed");
    let answer = world
        .client(&lead_token)
        .await
        .request(json!({ "type": "room:join", "exam": exam.id }))
        .await;
    assert_eq!(code(&answer), "exam_closed");
    let times = world.store.exam_times(exam.id).await.unwrap().unwrap();
    assert!(times.ended_at.is_some_and(|at| at >= exam.starts_at) && times.paused_at.is_none());
}

#[tokio::test]
async fn what_another_server_did_is_found_when_a_step_is_refused() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut candidate, _, _) = seated(&world, &exam).await;
    let lead_token = world.user_token("l@x.org", Role::Lead).await;
    let (mut lead, _) = world.in_room(&lead_token, exam.id).await;
    let elsewhere = async |from, to| {
        let (exam, longer_us, at) = (exam.id, 0, now_us());
        let change = ExamChange {
            exam,
            from,
            to,
            longer_us,
            at,
        };
        assert!(world.store.change_exam(change).await.unwrap());
    };
    elsewhere(ExamStatus::Active, ExamStatus::Paused).await;
    assert_eq!(code(&lead.request(pause()).await), "exam_transition");
    updated(&mut candidate, "paused").await;
    assert_eq!(code(&lead.request(go_on()).await), "ok");
    updated(&mut candidate, "active").await;
    elsewhere(ExamStatus::Active, ExamStatus::Closed).await;
    lead.send(pause()).await;
    for client in [&mut candidate, &mut lead] {
        updated(client, "closed").await;
        assert_eq!(client.closed().await, "exam_closed");
    }
}

#[tokio::test]
async fn the_clock_begins_a_waiting_exam_and_closes_one_that_is_over() {
    let world = World::start().await;
    let exam = async |code: &str, status, starts_at, ends_at| {
        let exam = ExamInfo {
            id: fresh(ExamId::from_parts),
            title: "An exam".into(),
            code: code.into(),
            status,
            starts_at,
            ends_at,
            policy: Policy::default(),
        };
        world.store.create_exam(exam.clone()).await.unwrap();
        exam
    };
    let now = now_us();
    let waiting = exam("EXAM-1", ExamStatus::Waiting, now - 1, now + 3_600_000_000).await;
    let (mut early, state, _) = seated(&world, &waiting).await;
    assert_eq!(state["exam"]["status"], "waiting");
    updated(&mut early, "active").await;
    let times = world.store.exam_times(waiting.id).await.unwrap().unwrap();
    assert!(times.started_at.is_some_and(|at| at >= now));

    let ending = exam("EXAM-2", ExamStatus::Active, now - 3_600_000_000, now + 3_600_000_000).await;
    let (mut last, _, _) = seated(&world, &ending).await;
    // Another server moves its end: end and grace are over. This one learns of it when somebody comes.
    let end = now_us() - (EXAM_GRACE_S + 1) * 1_000_000;
    let moved = ExamChange {
        exam: ending.id,
        from: ExamStatus::Active,
        to: ExamStatus::Active,
        longer_us: end - ending.ends_at,
        at: now_us(),
    };
    assert!(world.store.change_exam(moved).await.unwrap());
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let mut late = world.client(&proctor).await;
    let answer = late.request(json!({ "type": "room:join", "exam": ending.id })).await;
    assert_eq!(code(&answer), "exam_closed");
    assert_eq!(updated(&mut last, "active").await["ends_at"], end);
    updated(&mut last, "closed").await;
    assert_eq!(last.closed().await, "exam_closed");
    assert_eq!(
        world.store.exam(ending.id).await.unwrap().unwrap().status,
        ExamStatus::Closed
    );
}
