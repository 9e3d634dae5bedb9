//! API keys of institutions' systems: they open exams and rosters over REST, as far as their scopes say, and nothing else.

use crate::common::office::new_exam;
use crate::common::{World, text};
use invigil_sfu::auth::api_key;
use invigil_sfu::auth::secret::SecretHasher;
use invigil_sfu::clock::{self, fresh};
use invigil_sfu::store::api_keys::ApiKeyRecord;
use invigil_shared::api_key::ApiScope;
use invigil_shared::id::{ApiKeyId, ExamId};
use invigil_shared::role::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KEYS: &str = "/api/v1/api-keys";

struct Keys {
    world: World,
    admin: String,
}

impl Keys {
    async fn open() -> Self {
        let world = World::start().await;
        let admin = world.user_token("root@x.org", Role::Admin).await;
        Self { world, admin }
    }

    async fn make(&self, scopes: &[&str]) -> Value {
        let body = json!({ "name": "Student records", "scopes": scopes });
        let (status, made) = self.world.rest("POST", KEYS, Some(&self.admin), &body).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    async fn token(&self, scopes: &[&str]) -> String {
        text(&self.make(scopes).await["token"]).to_owned()
    }

    async fn list(&self) -> Vec<Value> {
        let (status, keys) = self.world.rest("GET", KEYS, Some(&self.admin), &Value::Null).await;
        assert_eq!(status, 200, "{keys}");
        keys.as_array().unwrap().clone()
    }

    async fn exams(&self, token: &str) -> (u16, Value) {
        self.world.rest("GET", "/api/v1/exams", Some(token), &Value::Null).await
    }

    #[track_caller]
    fn refused((status, body): (u16, Value), expected: u16, code: &str) {
        assert_eq!((status, text(&body["code"])), (expected, code), "{body}");
    }
}

/// Every call that the server tells of, tried with a key of each scope: the document says which open it, and is right.
#[tokio::test]
async fn a_key_opens_what_its_scope_says_and_no_other_call() {
    let keys = Keys::open().await;
    let (_, document) = keys.world.rest("GET", "/api/v1/openapi.json", None, &Value::Null).await;
    // Whatever a call wants to read in its body, it finds.
    let mut body = new_exam("MATH-1");
    body["label"] = "Candidate 1".into();
    let (mut opened, mut closed) = (0, 0);
    for scope in ApiScope::ALL {
        let token = keys.token(&[scope.as_str()]).await;
        for (path, methods) in document["paths"].as_object().unwrap() {
            let place = path
                .split('/')
                .map(|part| match part.starts_with('{') {
                    true => fresh(ExamId::from_parts).to_string(),
                    false => part.to_owned(),
                })
                .collect::<Vec<_>>()
                .join("/");
            for (method, call) in methods.as_object().unwrap() {
                let security = call["security"].as_array().unwrap();
                if security.is_empty() {
                    continue;
                }
                let opens = security.iter().any(|one| one["apiKey"] == json!([scope.as_str()]));
                let method = method.to_uppercase();
                let (status, answer) = keys.world.rest(&method, &place, Some(&token), &body).await;
                let refused = status == 403 && answer["code"] == "forbidden";
                assert_eq!(opens, !refused, "{} {method} {path}: {status} {answer}", scope.as_str());
                assert_ne!(status, 401, "{method} {path}: {answer}");
                (opened, closed) = (opened + usize::from(opens), closed + usize::from(!opens));
            }
        }
    }
    assert!(opened >= 18 && closed > 60, "{opened} {closed}");
    // What is no REST call.
    let token = keys.token(&ApiScope::ALL.map(ApiScope::as_str)).await;
    let answer = keys.world.bare().await.authenticate(&token).await;
    assert_eq!(answer["code"], "token_invalid");
    let exam = keys.world.exam("EXAM-1").await.id;
    for path in [format!("/whip/{exam}"), format!("/whep/{exam}")] {
        Keys::refused(
            keys.world.rest("POST", &path, Some(&token), &json!({})).await,
            403,
            "forbidden",
        );
    }
}

#[tokio::test]
async fn only_admins_make_keys_and_only_such_as_can_be() {
    let keys = Keys::open().await;
    let lead = keys.world.user_token("l@x.org", Role::Lead).await;
    let good = json!({ "name": "Timetable", "scopes": ["exams:read"] });
    Keys::refused(
        keys.world.rest("POST", KEYS, Some(&lead), &good).await,
        403,
        "forbidden",
    );
    Keys::refused(
        keys.world.rest("GET", KEYS, Some(&lead), &Value::Null).await,
        403,
        "forbidden",
    );
    let past = clock::now_us() - 1;
    for (body, status, code) in [
        (json!({ "name": " ", "scopes": ["exams:read"] }), 422, "field_invalid"),
        (json!({ "name": "x", "scopes": [] }), 422, "field_invalid"),
        (
            json!({ "name": "x", "scopes": ["exams:read"], "expires_at": past }),
            422,
            "field_invalid",
        ),
        (json!({ "name": "x", "scopes": ["people:read"] }), 400, "bad_message"),
    ] {
        Keys::refused(
            keys.world.rest("POST", KEYS, Some(&keys.admin), &body).await,
            status,
            code,
        );
    }
    assert!(keys.list().await.is_empty());
    let unknown = format!("{KEYS}/{}/revoke", fresh(ApiKeyId::from_parts));
    Keys::refused(
        keys.world.rest("POST", &unknown, Some(&keys.admin), &json!({})).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn a_key_is_told_once_and_its_use_is_known_to_the_minute() {
    let keys = Keys::open().await;
    let body = json!({ "name": "Student records", "scopes": ["exams:write", "exams:read", "exams:read"] }).to_string();
    let bearer = format!("Bearer {}", keys.admin);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "once")];
    let (status, _, first) = keys.world.http("POST", KEYS, &headers, body.as_bytes()).await;
    let (again, _, second) = keys.world.http("POST", KEYS, &headers, body.as_bytes()).await;
    assert_eq!((status, again), (201, 201));
    assert_eq!(first, second, "the same request is the same key");
    let made: Value = serde_json::from_str(&first).unwrap();
    let token = text(&made["token"]).to_owned();
    let listed = keys.list().await;
    assert_eq!(listed, std::slice::from_ref(&made["key"]));
    assert_eq!(listed[0]["scopes"], json!(["exams:read", "exams:write"]));
    assert_eq!(listed[0]["last_used_at"], Value::Null);
    let secret = token.rsplit_once('_').unwrap().1;
    assert!(
        !Value::from(listed).to_string().contains(secret),
        "a list tells no secret"
    );

    let before = clock::now_us();
    assert_eq!(keys.exams(&token).await.0, 200);
    let used = keys.list().await[0]["last_used_at"].as_i64().unwrap();
    assert!((before..=clock::now_us()).contains(&used));
    assert_eq!(keys.exams(&token).await.0, 200);
    assert_eq!(keys.list().await[0]["last_used_at"], used, "once a minute");
}

#[tokio::test]
async fn the_log_names_the_key() {
    let keys = Keys::open().await;
    let made = keys.make(&["exams:write"]).await;
    let token = text(&made["token"]);
    let (status, exam) = keys
        .world
        .rest("POST", "/api/v1/exams", Some(token), &new_exam("MATH-1"))
        .await;
    assert_eq!(status, 201, "{exam}");
    let log = keys.world.store.audit_records(0, 1_000).await.unwrap();
    let created = log.iter().find(|record| record.action == "create_exam").unwrap();
    assert_eq!(created.actor, format!("api-key:{}", text(&made["key"]["id"])));
    assert_eq!(
        (created.role.as_str(), created.address.as_deref()),
        ("api_key", Some("127.0.0.1"))
    );
    let born = log.iter().find(|record| record.action == "create_api_key").unwrap();
    assert_eq!(born.actor, text(&made["key"]["created_by"]));
    assert_eq!(born.target, text(&made["key"]["id"]));
    let secret = token.rsplit_once('_').unwrap().1;
    assert!(log.iter().all(|record| !record.metadata.contains(secret)));
}

#[tokio::test]
async fn what_is_revoked_or_over_is_refused_at_once() {
    let keys = Keys::open().await;
    let made = keys.make(&["exams:read"]).await;
    let (other, token) = (keys.token(&["exams:read"]).await, text(&made["token"]));
    assert_eq!(keys.exams(token).await.0, 200);
    let path = format!("{KEYS}/{}/revoke", text(&made["key"]["id"]));
    for _ in 0..2 {
        let (status, _) = keys.world.rest("POST", &path, Some(&keys.admin), &json!({})).await;
        assert_eq!(status, 204, "twice is no mistake");
    }
    Keys::refused(keys.exams(token).await, 401, "access_revoked");
    assert_eq!(keys.exams(&other).await.0, 200);
    let log = keys.world.store.audit_records(0, 1_000).await.unwrap();
    assert_eq!(log.iter().filter(|record| record.action == "revoke_api_key").count(), 1);

    // By another process of the database: the command line, another server.
    let id = api_key::parse(&other).unwrap().0;
    keys.world.store.revoke_api_key(id, clock::now_us()).await.unwrap();
    Keys::refused(keys.exams(&other).await, 401, "access_revoked");
    assert!(keys.list().await.iter().all(|key| key["revoked_at"].is_i64()));

    let id = fresh(ApiKeyId::from_parts);
    let (secret, secret_hash) = SecretHasher::new(&keys.world.keys.secret_key).new_api_key(&[7; 32], id);
    let over = ApiKeyRecord {
        id,
        name: "Last year's".into(),
        scopes: vec![ApiScope::ExamsRead],
        secret_hash,
        created_by: String::new(),
        created_at: 0,
        expires_at: Some(clock::now_us()),
        revoked_at: None,
        last_used_at: None,
    };
    keys.world.store.add_api_key(over, None).await.unwrap();
    Keys::refused(keys.exams(&api_key::token(id, &secret)).await, 401, "token_expired");
}

#[tokio::test]
async fn guesses_run_out_and_a_right_key_is_never_kept_out() {
    let keys = Keys::open().await;
    let token = keys.token(&["exams:read"]).await;
    let (id, secret) = token.rsplit_once('_').unwrap();
    // Of the right form: with another's secret, with one digit changed; and of none.
    let flipped = if secret.starts_with('A') { "B" } else { "A" };
    let near = format!("{id}_{flipped}{}", &secret[1..]);
    let foreign = api_key::token(fresh(ApiKeyId::from_parts), secret);
    for guess in [near.as_str(), &foreign, "ivk_", "ivk_x_y", &near] {
        Keys::refused(keys.exams(guess).await, 401, "token_invalid");
    }
    Keys::refused(keys.exams(&near).await, 429, "secret_throttled");
    assert_eq!(keys.exams(&token).await.0, 200);
}

#[tokio::test]
async fn a_key_that_asks_too_much_is_told_when_to_come_back() {
    let keys = Keys::open().await;
    let (token, other) = (keys.token(&["exams:read"]).await, keys.token(&["exams:read"]).await);
    let request = |last: bool| {
        let connection = if last { "close" } else { "keep-alive" };
        format!(
            "GET /api/v1/exams?limit=1 HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\nauthorization: Bearer {token}\r\n\r\n"
        )
    };
    let most = api_key::REQUESTS_PER_WINDOW as usize;
    let requests: String = (0..=most).map(|n| request(n == most)).collect();
    let (mut reads, mut writes) = tokio::io::split(keys.world.tls().await);
    let asking = async { writes.write_all(requests.as_bytes()).await.unwrap() };
    let mut answers = Vec::new();
    let hearing = async { reads.read_to_end(&mut answers).await.map(drop) };
    // The end of the connection may come without TLS's own.
    let _ = crate::common::within("the answers", async { tokio::join!(asking, hearing) }).await;
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), most);
    let refused = answers.split("HTTP/1.1 429").nth(1).unwrap().to_lowercase();
    assert!(
        refused.contains("retry-after: ") && refused.contains("rate_limited"),
        "{refused}"
    );
    assert_eq!(keys.exams(&other).await.0, 200, "another key has its own");
}
