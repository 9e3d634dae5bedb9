//! A sitting survives reconnects and restarts: resume by device key, the chain of events, presence, finishing.

use crate::common::{Client, World, device, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use invigil_shared::chain::ChainHead;
use invigil_shared::device::sign_challenge;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityEvent, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::role::Role;
use serde_json::{Value, json};

fn signature(key: &SigningKey, session: SessionId, challenge: &Value) -> String {
    let challenge = URL_SAFE_NO_PAD.decode(text(challenge)).unwrap();
    URL_SAFE_NO_PAD.encode(sign_challenge(key, session, &challenge))
}

fn payload(kind: IntegrityKind, n: i64) -> String {
    let time = EventTime {
        boot_id: BootId::from_parts(1, [1; 10]),
        monotonic_us: n,
        wall_us: n,
    };
    let payload = IntegrityPayload {
        kind,
        time,
        observer: Observer::System,
        confidence: 90,
        begins: None,
        facts: Default::default(),
    };
    serde_json::to_string(&payload).unwrap()
}

/// A candidate's journal.
struct Journal {
    session: SessionId,
    head: ChainHead,
}

impl Journal {
    fn new(session: SessionId) -> Self {
        Self {
            session,
            head: ChainHead::new(session),
        }
    }
    fn next(&mut self, kind: IntegrityKind) -> IntegrityEvent {
        let n = self.head.seq as i64;
        self.head.append(self.session, [n as u8; 16], payload(kind, n))
    }
}

fn events(list: &[&IntegrityEvent]) -> Value {
    json!({ "type": "integrity:event", "events": list })
}

async fn seated(world: &World, code: &str, n: u8) -> (invigil_shared::exam::ExamInfo, Value, SessionId) {
    let exam = world.exam(code).await;
    let secret = world.entry(&exam, &format!("Candidate {n}")).await;
    let joined = world.join(code, &secret, &device(n)).await;
    let session = text(&joined["session"]).parse().unwrap();
    (exam, joined, session)
}

#[tokio::test]
async fn a_device_comes_back_by_its_key_alone() {
    let mut world = World::start().await;
    let (_, joined, session) = seated(&world, "EXAM-1", 1).await;
    world.restart().await;
    let challenge = async |world: &World| {
        let (status, body) = world
            .rest("POST", "/api/v1/resume/challenge", None, &json!({ "session": session }))
            .await;
        assert_eq!(status, 200);
        body["challenge"].clone()
    };
    let resume = async |world: &World, challenge: &Value, signature: String| {
        let body = json!({ "session": session, "challenge": challenge, "signature": signature });
        world.rest("POST", "/api/v1/resume", None, &body).await
    };
    let first = challenge(&world).await;
    let good = signature(&device(1), session, &first);
    let (status, body) = resume(&world, &first, good.clone()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["participant"], joined["participant"]);
    let (status, body) = resume(&world, &first, good).await;
    assert_eq!(
        (status, text(&body["code"])),
        (401, "resume_refused"),
        "a challenge is good once"
    );
    let second = challenge(&world).await;
    let (status, body) = resume(&world, &second, signature(&device(2), session, &second)).await;
    assert_eq!(
        (status, text(&body["code"])),
        (401, "resume_refused"),
        "another device's key"
    );
    let (status, _) = resume(&world, &second, signature(&device(1), session, &second)).await;
    assert_eq!(status, 401, "a wrong proof uses the challenge up");
    let invented = json!(URL_SAFE_NO_PAD.encode([7; 32]));
    let (status, _) = resume(&world, &invented, signature(&device(1), session, &invented)).await;
    assert_eq!(status, 401, "a challenge that was never given");
}

#[tokio::test]
async fn a_connection_proves_the_device_key_too() {
    let world = World::start().await;
    let (_, joined, session) = seated(&world, "EXAM-1", 1).await;
    for (key, right) in [(device(1), true), (device(2), false)] {
        let mut client = world.bare().await;
        let auth = client.authenticate(text(&joined["access_token"])).await;
        let proof = signature(&key, session, &auth["challenge"]);
        let answer = client.request(json!({ "type": "resume", "signature": proof })).await;
        if right {
            assert_eq!((text(&answer["type"]), &answer["chain"]["seq"]), ("resumed", &json!(0)));
        } else {
            assert_eq!(text(&answer["code"]), "resume_refused");
        }
        let answer = client.request(json!({ "type": "resume", "signature": proof })).await;
        assert_eq!(text(&answer["code"]), "resume_refused", "one use");
    }
}

#[tokio::test]
async fn events_are_acknowledged_after_the_commit_and_twice_sent_ones_once_kept() {
    let mut world = World::start().await;
    let (exam, joined, session) = seated(&world, "EXAM-1", 1).await;
    let token = text(&joined["access_token"]).to_owned();
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    let mut journal = Journal::new(session);
    assert_eq!(state["chain"], json!(journal.head));
    let (one, two) = (
        journal.next(IntegrityKind::FocusLost),
        journal.next(IntegrityKind::FocusReturned),
    );
    let ack = candidate.request(events(&[&one, &two])).await;
    assert_eq!(
        (text(&ack["type"]), &ack["head"]),
        ("integrity:ack", &json!(journal.head))
    );
    for (kind, severity) in [("focus_lost", "medium"), ("focus_returned", "info")] {
        let entry = proctor.until(|f| f["entry"]["body"]["kind"] == kind).await;
        assert_eq!(entry["entry"]["body"]["severity"], severity);
        assert_eq!(entry["entry"]["participant"], joined["participant"]);
    }
    let three = journal.next(IntegrityKind::CameraLost);
    let ack = candidate.request(events(&[&one, &two, &three])).await;
    assert_eq!(
        ack["head"],
        json!(journal.head),
        "what was sent again is acknowledged with the head"
    );
    proctor.until(|f| f["entry"]["body"]["kind"] == "camera_lost").await;
    let doubled = proctor
        .settled()
        .await
        .iter()
        .filter(|f| f["entry"]["body"]["what"] == "integrity")
        .count();
    assert_eq!(doubled, 0, "each event stands once in the timeline");

    world.restart().await;
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["chain"], json!(journal.head), "acknowledged means kept");
    let payloads = world.store.payloads(session).await.unwrap();
    assert_eq!(payloads, [one.payload, two.payload, three.payload.clone()]);
    let four = journal.next(IntegrityKind::CameraReturned);
    let ack = candidate.request(events(&[&three, &four])).await;
    assert_eq!(ack["head"], json!(journal.head));
    let (_, state) = world.in_room(&proctor_token, exam.id).await;
    let kinds: Vec<_> = state["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["body"]["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["focus_lost", "focus_returned", "camera_lost", "camera_returned"]
    );
}

#[tokio::test]
async fn a_gap_and_a_fork_are_refused_kept_out_and_told_once() {
    let world = World::start().await;
    let (exam, joined, session) = seated(&world, "EXAM-1", 1).await;
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let (mut candidate, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let mut journal = Journal::new(session);
    let one = journal.next(IntegrityKind::FocusLost);
    let head = journal.head;
    let _lost = journal.next(IntegrityKind::FocusReturned);
    let three = journal.next(IntegrityKind::FocusLost);
    for _ in 0..3 {
        let answer = candidate.request(events(&[&one, &three])).await;
        assert_eq!(
            (text(&answer["code"]), text(&answer["params"]["wanted"])),
            ("chain_gap", "2")
        );
    }
    // Another story of the past: the same number with other bytes, and a second event that does not follow the first.
    let mut other = Journal::new(session);
    let other_one = other.next(IntegrityKind::ScreenLost);
    let answer = candidate.request(events(&[&other_one])).await;
    assert_eq!(
        (text(&answer["code"]), text(&answer["params"]["wanted"])),
        ("chain_fork", "2")
    );
    let other_two = other.next(IntegrityKind::ScreenReturned);
    let answer = candidate.request(events(&[&other_two])).await;
    assert_eq!(text(&answer["code"]), "chain_fork");
    let mut bad_salt = Journal { session, head }.next(IntegrityKind::FocusReturned);
    bad_salt.salt = "zz".into();
    let answer = candidate.request(events(&[&bad_salt])).await;
    assert_eq!(text(&answer["code"]), "chain_fork");
    let broken: Vec<_> = {
        let seen = proctor.settled().await;
        let broken = seen.iter().filter(|f| f["entry"]["body"]["what"] == "chain_broken");
        broken
            .map(|f| (f["entry"]["body"]["code"].clone(), f["entry"]["body"]["seq"].clone()))
            .collect()
    };
    assert_eq!(
        broken,
        [
            (json!("chain_gap"), json!(3)),
            (json!("chain_fork"), json!(1)),
            (json!("chain_fork"), json!(2))
        ]
    );
    let mut right = Journal { session, head };
    let two = right.next(IntegrityKind::FocusReturned);
    let ack = candidate.request(events(&[&two])).await;
    assert_eq!(ack["head"], json!(right.head), "the right story goes on");
}

#[tokio::test]
async fn events_that_cannot_be_are_refused() {
    let world = World::start().await;
    let (exam, joined, session) = seated(&world, "EXAM-1", 1).await;
    let (mut candidate, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let chained = |payload: String| ChainHead::new(session).append(session, [1; 16], payload);
    let table = [
        (events(&[]), "bad_message"),
        (events(&[&chained("not json".into())]), "bad_message"),
        (events(&[&chained(format!("{:5000}", 1))]), "too_large"),
        (
            json!({ "type": "integrity:event", "events": vec![chained(payload(IntegrityKind::FocusLost, 1)); 9] }),
            "bad_message",
        ),
    ];
    for (message, code) in table {
        assert_eq!(text(&candidate.request(message).await["code"]), code);
    }
    let mut of_tomorrow: Value = serde_json::from_str(&payload(IntegrityKind::FocusLost, 1)).unwrap();
    of_tomorrow["kind"] = json!("second_sun_seen");
    let ack = candidate.request(events(&[&chained(of_tomorrow.to_string())])).await;
    assert_eq!(
        text(&ack["type"]),
        "integrity:ack",
        "a later version's kind is kept: {ack}"
    );
}

#[tokio::test]
async fn a_lost_candidate_is_seen_lost_and_comes_back_to_the_same_seat() {
    let world = World::start().await;
    let (exam, joined, _) = seated(&world, "EXAM-1", 1).await;
    let token = text(&joined["access_token"]);
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, state) = world.in_room(&proctor_token, exam.id).await;
    assert_eq!(state["participants"], json!([]), "on the roster is not in the room");
    let (mut candidate, state) = world.in_room(token, exam.id).await;
    assert_eq!(
        (text(&state["you"]["label"]), &state["participants"]),
        ("Candidate 1", &json!([]))
    );
    assert!(state["time_left"].as_i64().unwrap() > 3_500_000_000);
    let first = proctor.until_type("participant:joined").await;
    assert_eq!(first["participant"]["presence"], "online");
    let entry = proctor.until(|f| f["entry"]["body"]["what"] == "joined").await;
    assert_eq!(entry["entry"]["body"]["resumed"], false);
    let published = candidate
        .request(json!({ "type": "publish", "publication": "camera/0", "codec": "video/H264", "test_picture": true,
            "layers": [{ "rid": "low", "ssrc": 11, "rtx_ssrc": 12, "width": 320, "height": 180, "fps": 10, "kbps": 100 }] }))
        .await;
    assert_eq!(
        (text(&published["type"]), &published["demand"]),
        ("published", &json!([])),
        "{published}"
    );
    proctor.until_type("publication:added").await;

    drop(candidate);
    let lost = proctor.until(|f| f["participant"]["presence"] == "lost").await;
    assert_eq!(lost["participant"]["connection"], "lost");
    proctor.until(|f| f["entry"]["body"]["presence"] == "lost").await;
    let (_, state) = world
        .in_room(&world.user_token("q@x.org", Role::Lead).await, exam.id)
        .await;
    assert_eq!(
        state["publications"].as_array().unwrap().len(),
        1,
        "a frozen picture stays where it was"
    );

    let (_candidate, state) = world.in_room(token, exam.id).await;
    assert_eq!(
        state["publications"][0]["publication"], "camera/0",
        "publications outlive the connection"
    );
    let back = proctor
        .until(|f| f["participant"]["presence"] == "online" && f["type"] == "participant:updated")
        .await;
    assert_eq!(back["participant"]["id"], joined["participant"]);
    let entry = proctor.until(|f| f["entry"]["body"]["what"] == "joined").await;
    assert_eq!(entry["entry"]["body"]["resumed"], true);
}

#[tokio::test]
async fn handing_in_ends_the_session_for_good() {
    let mut world = World::start().await;
    let (exam, joined, session) = seated(&world, "EXAM-1", 1).await;
    let token = text(&joined["access_token"]).to_owned();
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let (mut candidate, _) = world.in_room(&token, exam.id).await;
    assert_eq!(
        candidate.request(json!({ "type": "session:finish" })).await["type"],
        "ok"
    );
    assert_eq!(
        candidate.request(json!({ "type": "session:finish" })).await["type"],
        "ok"
    );
    proctor.until(|f| f["entry"]["body"]["presence"] == "finished").await;
    for again in [false, true] {
        if again {
            world.restart().await;
        }
        let mut client = world.bare().await;
        assert_eq!(text(&client.authenticate(&token).await["code"]), "exam_closed");
        let (_, body) = world
            .rest("POST", "/api/v1/resume/challenge", None, &json!({ "session": session }))
            .await;
        let proof = signature(&device(1), session, &body["challenge"]);
        let body = json!({ "session": session, "challenge": body["challenge"], "signature": proof });
        let (status, body) = world.rest("POST", "/api/v1/resume", None, &body).await;
        assert_eq!((status, text(&body["code"])), (403, "exam_closed"));
    }
    let (_, state) = world.in_room(&proctor_token, exam.id).await;
    assert_eq!(state["participants"][0]["presence"], "finished");
}

/// What a transport is to its shard: unknown, or known and given an offer that it can't read.
async fn is_known(client: &mut Client, transport: &Value) -> bool {
    let offer = json!({ "type": "sdp:offer", "transport": transport, "sdp": "v=0" });
    match text(&client.request(offer).await["code"]) {
        "sdp_invalid" => true,
        "transport_unknown" => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_proctor_who_changes_exams_is_not_forgotten_in_the_second_for_having_left_the_first() {
    let world = World::start().await;
    let exams = [world.exam("EXAM-1").await.id, world.exam("EXAM-2").await.id];
    let colleague = world.user_token("q@x.org", Role::Proctor).await;
    let (mut colleague, _) = world.in_room(&colleague, exams[0]).await;
    let token = world.user_token("p@x.org", Role::Proctor).await;
    let open = json!({ "type": "transport:create", "direction": "subscribe" });

    // On one connection, at once.
    let (mut proctor, state) = world.in_room(&token, exams[0]).await;
    let you = state["you"]["id"].clone();
    for at in 0..6 {
        let made = proctor.request(open.clone()).await;
        assert_eq!(made["type"], "transport:created", "{made}");
        assert!(is_known(&mut proctor, &made["transport"]).await);
        let exam = exams[(at + 1) % 2];
        let state = proctor.request(json!({ "type": "room:join", "exam": exam })).await;
        assert_eq!(state["type"], "room:state", "{state}");
        let left = json!({ "type": "participant:left", "participant": you });
        if at == 0 {
            colleague.until(|frame| *frame == left).await;
        }
    }

    // A connection broke in the first exam, and the proctor came back into the second, before the first has noticed.
    let (mut proctor, _) = world.in_room(&token, exams[0]).await;
    let made = proctor.request(open.clone()).await;
    assert!(is_known(&mut proctor, &made["transport"]).await);
    colleague.settled().await;
    colleague.forget();
    drop(proctor);
    let (mut proctor, _) = world.in_room(&token, exams[1]).await;
    let made = proctor.request(open.clone()).await;
    assert_eq!(made["type"], "transport:created", "{made}");
    colleague
        .until(|frame| frame["type"] == "participant:left" && frame["participant"] == you)
        .await;
    assert!(
        is_known(&mut proctor, &made["transport"]).await,
        "the first exam took the second's transport along"
    );
}
