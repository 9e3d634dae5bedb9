//! Other ways in than the secret on the first device: a join link that is good once, and "move to this device".

use crate::common::office::Office;
use crate::common::{Client, World, device, text};
use invigil_sfu::auth::secret::{self, SecretHasher};
use invigil_sfu::clock;
use invigil_sfu::store::join_links::NewJoinLink;
use invigil_shared::exam::{ExamInfo, ExamStatus, Policy};
use invigil_shared::id::ExamId;
use invigil_shared::rest::JoinLink;
use invigil_shared::role::Role;
use serde_json::{Value, json};

#[track_caller]
fn refused((status, body): (u16, Value), expected: u16, code: &str) {
    assert_eq!((status, text(&body["code"])), (expected, code), "{body}");
}

/// An exam that runs, with one candidate: its id, the secret, and the path of the entry.
async fn running(office: &Office) -> (String, String, String) {
    let id = office.draft("MATH-1").await;
    let told = office.add(&id, "Ada").await;
    office.set_status(&id, ExamStatus::Draft, ExamStatus::Active).await;
    let path = format!("exams/{id}/roster/{}", text(&told["entry"]));
    (id, text(&told["secret"]).to_owned(), path)
}

async fn link(office: &Office, path: &str) -> Value {
    office.post(&format!("{path}/link"), &json!({})).await.expect(200)
}

#[tokio::test]
async fn a_join_link_joins_one_device_and_leaves_the_secret_alone() {
    let office = Office::open().await;
    let (id, secret, path) = running(&office).await;
    let old = link(&office, &path).await;
    let told = link(&office, &path).await;
    let parsed = JoinLink::parse(text(&told["link"])).unwrap();
    let token = parsed.secret.as_str();
    assert_eq!((parsed.exam_code.as_str(), token), ("MATH-1", text(&told["secret"])));
    assert_ne!(token, secret);
    let exam = office.get(&format!("exams/{id}")).await.expect(200);
    assert_eq!(told["once_until"], exam["ends_at"], "until the exam's end");
    let world = &office.world;
    refused(
        world.try_join("MATH-1", text(&old["secret"]), &device(1)).await,
        401,
        "join_link_invalid",
    );
    // As the app sends it, and as somebody might type it.
    let joined = world
        .join("MATH-1", &token.to_lowercase().replace('-', " "), &device(1))
        .await;
    assert_eq!(joined["candidate_label"], "Ada");
    let again = world.join("MATH-1", token, &device(1)).await;
    assert_eq!(
        again["session"], joined["session"],
        "an answer that was lost is given again"
    );
    refused(world.try_join("MATH-1", token, &device(2)).await, 409, "join_link_used");
    let by_secret = world.join("MATH-1", &secret, &device(1)).await;
    assert_eq!(by_secret["session"], joined["session"]);
    let log = world.store.audit_records(0, 1_000).await.unwrap();
    let count = |action: &str| log.iter().filter(|record| record.action == action).count();
    assert_eq!((count("make_join_link"), count("use_join_link")), (2, 1));
    let plain = token.replace('-', "");
    assert!(!format!("{log:?}").contains(&plain) && !format!("{log:?}").contains(token));
}

#[tokio::test]
async fn a_join_link_is_of_its_exam_and_its_time() {
    let office = Office::open().await;
    let (_, _, path) = running(&office).await;
    let other = office.draft("LAW-1").await;
    office.set_status(&other, ExamStatus::Draft, ExamStatus::Active).await;
    for expires_at in [clock::now_us(), -1] {
        let body = json!({ "expires_at": expires_at });
        let answer = office.post(&format!("{path}/link"), &body).await;
        answer.refused(422, "field_invalid");
    }
    let foreign = path.replace("exams/", "").split_once('/').unwrap().1.to_owned();
    office
        .post(&format!("exams/{other}/{foreign}/link"), &json!({}))
        .await
        .refused(404, "not_found");
    let told = link(&office, &path).await;
    let token = text(&told["secret"]);
    refused(
        office.world.try_join("LAW-1", token, &device(1)).await,
        401,
        "join_link_invalid",
    );
    // One that was over before it was used.
    let over = secret::join_token();
    let hash = SecretHasher::new(&office.world.keys.secret_key);
    let exam: ExamId = path.split('/').nth(1).unwrap().parse().unwrap();
    let link = NewJoinLink {
        exam,
        entry: text(&told["entry"]).parse().unwrap(),
        token_hash: hash.join_link(exam, &secret::normalise(&over).unwrap()),
        created_at: 0,
        expires_at: clock::now_us(),
    };
    assert!(office.world.store.put_join_link(link).await.unwrap());
    refused(
        office.world.try_join("MATH-1", &over, &device(1)).await,
        401,
        "join_link_invalid",
    );
    let entry = text(&told["entry"]);
    let listed = office.roster(path.split('/').nth(1).unwrap()).await;
    assert_eq!((&listed[0]["id"], &listed[0]["used"]), (&json!(entry), &json!(false)));
    // Guesses at links count like those at secrets.
    for _ in 0..5 {
        refused(
            office.world.try_join("MATH-1", token, &device(1)).await,
            401,
            "join_link_invalid",
        );
    }
    refused(
        office.world.try_join("MATH-1", token, &device(1)).await,
        429,
        "secret_throttled",
    );
}

struct Sat {
    world: World,
    exam: ExamInfo,
    secret: String,
    joined: Value,
    old: Client,
    proctor: Client,
}

/// A candidate in the room on device 1, with a proctor.
async fn sat() -> Sat {
    let world = World::start().await;
    let exam = world.exam_with("EXAM-1", Policy::default()).await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let (old, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (proctor, _) = world.in_room(&token, exam.id).await;
    Sat {
        world,
        exam,
        secret,
        joined,
        old,
        proctor,
    }
}

impl Sat {
    async fn ask(&self, n: u8) -> (u16, Value) {
        self.world.try_join("EXAM-1", &self.secret, &device(n)).await
    }

    async fn act(&mut self, action: &str) -> Value {
        let who = &self.joined["participant"];
        let request = json!({ "type": "action", "action": action, "participant": who, "reason": "" });
        self.proctor.request(request).await
    }

    /// The next step that those who watch are told of.
    async fn told(&mut self, step: &str) -> Value {
        let is = |frame: &Value| frame["type"] == "timeline:entry" && frame["entry"]["body"]["step"] == step;
        self.proctor.until(is).await["entry"]["body"].clone()
    }

    async fn waiting(&mut self, waits: bool) {
        let is = |frame: &Value| {
            let moving = &frame["participant"]["sitting"]["moving_since"];
            frame["type"] == "participant:updated" && moving.is_i64() == waits
        };
        self.proctor.until(is).await;
    }
}

#[tokio::test]
async fn a_second_device_waits_until_a_proctor_moves_the_session_to_it() {
    let mut sat = sat().await;
    assert_eq!(sat.act("move").await["code"], "sitting_transition", "nobody waits");
    for _ in 0..3 {
        refused(sat.ask(2).await, 409, "device_waits");
    }
    sat.told("ask_move").await;
    sat.waiting(true).await;
    let log = sat.world.store.audit_records(0, 1_000).await.unwrap();
    let asked = log.iter().filter(|record| record.metadata.contains("ask_move")).count();
    assert_eq!(asked, 1, "asking again writes nothing");
    refused(sat.ask(3).await, 409, "session_elsewhere");
    // The first device goes on meanwhile.
    assert_eq!(sat.ask(1).await.0, 200);
    let answer = sat.act("move").await;
    assert_eq!(answer["type"], "ok", "{answer}");
    assert_eq!(sat.told("move").await["by"], "Name of p@x.org");
    assert_eq!(sat.old.closed().await, "session_moved");
    let (status, moved) = sat.ask(2).await;
    assert_eq!(status, 200, "{moved}");
    for same in ["session", "participant"] {
        assert_eq!(moved[same], sat.joined[same]);
    }
    let (_, state) = sat.world.in_room(text(&moved["access_token"]), sat.exam.id).await;
    assert_eq!(state["you"]["id"], sat.joined["participant"]);
    // What the device before had opens nothing any more.
    let stale = sat
        .world
        .bare()
        .await
        .authenticate(text(&sat.joined["access_token"]))
        .await;
    assert_eq!(stale["code"], "session_revoked");
    refused(sat.ask(1).await, 409, "device_waits");
}

#[tokio::test]
async fn a_proctor_may_refuse_and_the_first_device_goes_on() {
    let mut sat = sat().await;
    refused(sat.ask(2).await, 409, "device_waits");
    sat.waiting(true).await;
    sat.proctor.forget();
    let answer = sat.act("refuse_move").await;
    assert_eq!(answer["type"], "ok", "{answer}");
    sat.told("refuse_move").await;
    sat.waiting(false).await;
    refused(sat.ask(2).await, 403, "device_refused");
    assert_eq!(sat.act("move").await["code"], "sitting_transition");
    assert_eq!(
        sat.old.request(json!({ "type": "ping", "t0": 0 })).await["type"],
        "pong"
    );
    refused(sat.ask(3).await, 409, "device_waits");
}

#[tokio::test]
async fn only_those_who_watch_move_and_a_wrong_secret_asks_nothing() {
    let mut sat = sat().await;
    refused(
        sat.world.try_join("EXAM-1", "AAAA-AAAA-AAAA-A", &device(2)).await,
        401,
        "secret_wrong",
    );
    refused(sat.ask(2).await, 409, "device_waits");
    let who = &sat.joined["participant"];
    let own = json!({ "type": "action", "action": "move", "participant": who });
    assert_eq!(sat.old.request(own).await["code"], "forbidden");
    // A sitting that is over is moved nowhere.
    assert_eq!(sat.act("end").await["type"], "ok");
    refused(sat.ask(3).await, 403, "sitting_ended");
}

#[tokio::test]
async fn one_who_was_never_in_the_room_is_shown_there_and_still_has_to_be_let_in() {
    let world = World::start().await;
    let policy = Policy {
        admit_each: true,
        ..Policy::default()
    };
    let exam = world.exam_with("EXAM-1", policy).await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let first = world.join("EXAM-1", &secret, &device(1)).await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&token, exam.id).await;
    refused(world.try_join("EXAM-1", &secret, &device(2)).await, 409, "device_waits");
    let joined = proctor.until_type("participant:joined").await;
    assert_eq!(joined["participant"]["id"], first["participant"]);
    let request = json!({ "type": "action", "action": "move", "participant": first["participant"] });
    assert_eq!(proctor.request(request).await["type"], "ok");
    let moved = world.join("EXAM-1", &secret, &device(2)).await;
    let (_, state) = world.in_room(text(&moved["access_token"]), exam.id).await;
    assert_eq!(state["you"]["sitting"]["admission"], "waiting");
}
