//! Who gets in, and as what: setup, sign-in, roster secrets, tokens, roles.

use crate::common::{World, device, text};
use invigil_sfu::auth::identity::Person;
use invigil_shared::id::ParticipantId;
use invigil_shared::role::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn the_setup_code_makes_one_admin() {
    let world = World::start().await;
    let code = world.setup_code.clone().expect("a setup code");
    let body =
        |code: &str| json!({ "setup_code": code, "email": "A@x.org", "password": "correct horse", "name": "Ada" });
    let (status, wrong) = world.rest("POST", "/api/v1/setup", None, &body("0000-0000-0000")).await;
    assert_eq!((status, text(&wrong["code"])), (401, "setup_code_wrong"));
    let (status, admin) = world
        .rest("POST", "/api/v1/setup", None, &body(&code.to_lowercase()))
        .await;
    assert_eq!((status, text(&admin["role"])), (200, "admin"), "{admin}");
    let (status, again) = world.rest("POST", "/api/v1/setup", None, &body(&code)).await;
    assert_eq!((status, text(&again["code"])), (401, "setup_code_wrong"));

    let sign_in = |password: &str| json!({ "email": "a@X.org", "password": password });
    let (status, signed) = world
        .rest("POST", "/api/v1/sign-in", None, &sign_in("correct horse"))
        .await;
    assert_eq!((status, text(&signed["name"])), (200, "Ada"));
    let token = text(&signed["access_token"]);
    let (status, exams) = world.rest("GET", "/api/v1/exams", Some(token), &Value::Null).await;
    assert_eq!((status, exams), (200, json!([])));
    let (status, refreshed) = world.rest("POST", "/api/v1/refresh", Some(token), &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(refreshed["participant"], signed["participant"]);
    let (status, wrong) = world
        .rest("POST", "/api/v1/sign-in", None, &sign_in("wrong horse"))
        .await;
    assert_eq!((status, text(&wrong["code"])), (401, "credentials_wrong"));
}

#[tokio::test]
async fn no_setup_code_is_offered_when_there_is_an_admin() {
    let mut world = World::start().await;
    let first = world.setup_code.clone();
    world.user("root@x.org", Role::Admin, None).await;
    world.restart().await;
    assert!(first.is_some());
    assert!(world.server.as_ref().unwrap().setup_code.is_none());
}

#[tokio::test]
async fn wrong_secrets_run_out_and_the_words_tell_nothing() {
    let world = World::start().await;
    let exam = world.exam("MATH-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let key = device(1);
    for left in (0..5).rev() {
        let (status, body) = world.try_join("math-1", "AAAA-AAAA-AAAA-A", &key).await;
        assert_eq!(
            (status, text(&body["code"]), text(&body["params"]["tries_left"])),
            (401, "secret_wrong", &*left.to_string())
        );
    }
    let (status, body) = world.try_join("MATH-1", "AAAA-AAAA-AAAA-A", &key).await;
    assert_eq!((status, text(&body["code"])), (429, "secret_throttled"));
    assert!(text(&body["params"]["retry_after_s"]).parse::<u64>().unwrap() > 0);
    // A whole school may stand behind that address.
    let (status, body) = world.try_join("MATH-1", &secret, &key).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = world.try_join("NO-SUCH", &secret, &key).await;
    assert_eq!((status, text(&body["code"])), (401, "secret_wrong"));
}

#[tokio::test]
async fn a_secret_belongs_to_its_exam_and_its_first_device() {
    let world = World::start().await;
    let (one, two) = (world.exam("EXAM-1").await, world.exam("EXAM-2").await);
    let secret = world.entry(&one, "Candidate 1").await;
    world.entry(&two, "Candidate 2").await;
    let (status, body) = world.try_join("EXAM-2", &secret, &device(1)).await;
    assert_eq!((status, text(&body["code"])), (401, "secret_wrong"));
    let typed = format!(
        " {} ",
        secret
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l")
    );
    let first = world.join("exam-1", &typed, &device(1)).await;
    assert_eq!(
        (text(&first["candidate_label"]), text(&first["seat"])),
        ("Candidate 1", "seat of Candidate 1")
    );
    let again = world.join("EXAM-1", &secret, &device(1)).await;
    assert_eq!(again["session"], first["session"]);
    assert_eq!(again["participant"], first["participant"]);
    let (status, body) = world.try_join("EXAM-1", &secret, &device(2)).await;
    assert_eq!((status, text(&body["code"])), (409, "device_waits"));
}

#[tokio::test]
async fn roles_decide_what_may_be_done() {
    let world = World::start().await;
    let (exam, other) = (world.exam("EXAM-1").await, world.exam("EXAM-2").await);
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]);
    let (status, body) = world.rest("GET", "/api/v1/exams", Some(token), &Value::Null).await;
    assert_eq!((status, text(&body["code"])), (403, "forbidden"));

    let mut candidate = world.client(token).await;
    let code = |answer: Value| answer["code"].as_str().unwrap_or("ok").to_owned();
    let early = candidate
        .request(json!({ "type": "transport:create", "direction": "publish" }))
        .await;
    assert_eq!(code(early), "not_in_room");
    let missing = invigil_sfu::clock::fresh(invigil_shared::id::ExamId::from_parts);
    for foreign in [other.id, missing] {
        let answer = candidate.request(json!({ "type": "room:join", "exam": foreign })).await;
        assert_eq!(code(answer), "forbidden", "one answer for others' rooms and for none");
    }
    let state = candidate.request(json!({ "type": "room:join", "exam": exam.id })).await;
    assert_eq!(state["type"], "room:state");
    let source = json!({ "participant": joined["participant"], "publication": "camera/0" });
    let intent = json!({ "slot": 0, "participant": joined["participant"], "publication": "camera/0", "layer": "low", "priority": "tile" });
    for forbidden in [
        json!({ "type": "transport:create", "direction": "subscribe" }),
        json!({ "type": "intents:set", "revision": 1, "intents": [] }),
        json!({ "type": "subscribe", "intent": intent }),
        json!({ "type": "keyframe:request", "source": source, "layer": "low" }),
        json!({ "type": "attention:look", "participant": joined["participant"] }),
        json!({ "type": "message:send", "to": null, "kind": "warning", "text": "x" }),
        json!({ "type": "action", "action": "warn", "participant": joined["participant"], "reason": "x" }),
    ] {
        let answer = candidate.request(forbidden.clone()).await;
        assert_eq!(code(answer), "forbidden", "{forbidden}");
    }

    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let layer = json!({ "rid": "low", "ssrc": 1, "width": 320, "height": 180, "fps": 10, "kbps": 100 });
    for forbidden in [
        json!({ "type": "transport:create", "direction": "publish" }),
        json!({ "type": "publish", "publication": "camera/0", "codec": "video/H264", "layers": [layer], "test_picture": false }),
        json!({ "type": "integrity:event", "events": [] }),
        json!({ "type": "session:finish" }),
        json!({ "type": "message:acknowledge", "message": joined["session"] }),
    ] {
        let answer = proctor.request(forbidden.clone()).await;
        assert_eq!(code(answer), "forbidden", "{forbidden}");
    }
    let reviewer = world.user("r@x.org", Role::Reviewer, None).await;
    let person = Person::User(reviewer.id);
    let token = world
        .tokens()
        .issue(
            invigil_sfu::clock::fresh(ParticipantId::from_parts),
            Role::Reviewer,
            person,
            0,
        )
        .unwrap();
    let mut reviewer = world.client(&token.text).await;
    let answer = reviewer.request(json!({ "type": "room:join", "exam": exam.id })).await;
    assert_eq!(code(answer), "forbidden");
}

#[tokio::test]
async fn every_http_error_is_a_problem_with_a_code() {
    let world = World::start().await;
    let json_type = [("content-type", "application/json")];
    let large = vec![b' '; 20 * 1024];
    let table: [(&str, &str, &[u8], u16, &str); 7] = [
        ("GET", "/nothing", b"", 404, "not_found"),
        ("GET", "/api/v1/join", b"", 405, "unsupported"),
        ("POST", "/api/v1/join", b"not json", 400, "bad_message"),
        ("POST", "/api/v1/join", b"{}", 400, "bad_message"),
        ("POST", "/api/v1/join", &large, 413, "too_large"),
        ("POST", "/api/v1/resume", b"{\"session\":\"x\"}", 400, "bad_message"),
        ("GET", "/api/v1/signal", b"", 400, "bad_message"),
    ];
    for (method, path, body, status, code) in table {
        let (got, head, answer) = world.http(method, path, &json_type, body).await;
        let problem: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{method} {path}: {answer}"));
        assert_eq!((got, text(&problem["code"])), (status, code), "{method} {path}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert_eq!(problem["status"], status);
        assert_eq!(text(&problem["type"]), format!("urn:invigil:error:{code}"));
    }
    let (status, _, body) = world.http("GET", "/healthz", &[], b"").await;
    assert_eq!((status, body.contains("\"ok\"")), (200, true));
}

#[tokio::test]
async fn only_pages_of_known_origins_may_read_whip_answers() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let path = format!("/whip/{}", exam.id);
    let preflight = async |origin: &str| world.http("OPTIONS", &path, &[("origin", origin)], b"").await;
    let (status, head, _) = preflight("https://exam.example.org").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("access-control-allow-origin: https://exam.example.org"),
        "{head}"
    );
    let (_, head, _) = preflight("https://evil.example.org").await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let bearer = format!("Bearer {proctor}");
    let headers = [("content-type", "application/sdp"), ("authorization", bearer.as_str())];
    let (status, _, body) = world.http("POST", &path, &headers, b"v=0\r\n").await;
    assert_eq!(
        (status, body.contains("forbidden")),
        (403, true),
        "a proctor can't publish: {body}"
    );
    let (status, _, body) = world
        .http("POST", &path, &[("content-type", "application/sdp")], b"v=0\r\n")
        .await;
    assert_eq!((status, body.contains("not_authenticated")), (401, true));
}
