//! Webhooks, told to a real receiver over TLS: signed, in order, again until they are taken, and also what happened while the server was away.

use crate::common::office::Office;
use crate::common::{World, device, text, within};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use invigil_shared::chain::ChainHead;
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::role::Role;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A request that was received.
struct Received {
    head: BTreeMap<String, String>,
    body: String,
}

impl Received {
    fn id(&self) -> &str {
        &self.head["webhook-id"]
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// As a receiver checks it: the key is what was told when the webhook was made.
    fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.head["webhook-timestamp"], self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let told = STANDARD
            .decode(self.head["webhook-signature"].strip_prefix("v1,").unwrap())
            .unwrap();
        hmac::verify(&key, signed.as_bytes(), &told).is_ok()
    }
}

/// An institution's system: answers with the statuses that it is given, then with 204.
struct Receiver {
    address: SocketAddr,
    authority: PathBuf,
    received: mpsc::UnboundedReceiver<Received>,
    _directory: TempDir,
}

impl Receiver {
    async fn start(mut statuses: VecDeque<u16>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("authority.pem");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        std::fs::write(&authority, root.pem()).unwrap();
        let own_key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&own_key, &Issuer::new(params, key)).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut stream = BufReader::new(stream);
                let mut head = BTreeMap::new();
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap() > 2 {
                    if let Some((name, value)) = line.trim_end().split_once(": ") {
                        head.insert(name.to_lowercase(), value.to_owned());
                    }
                    line.clear();
                }
                let mut body = vec![0; head["content-length"].parse().unwrap()];
                stream.read_exact(&mut body).await.unwrap();
                let status = statuses.pop_front().unwrap_or(204);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                let body = String::from_utf8(body).unwrap();
                if sender.send(Received { head, body }).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            authority,
            received,
            _directory: directory,
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/invigil?tenant=7", self.address.port())
    }

    async fn next(&mut self) -> Received {
        within("a webhook", self.received.recv()).await.unwrap()
    }
}

/// A server that believes the receiver, somebody who leads, and an admin's token.
async fn office(receiver: &Receiver) -> (Office, String) {
    let authority = receiver.authority.clone();
    let world = World::start_set(|config| config.webhooks.ca_file = Some(authority)).await;
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let admin = world.user_token("a@x.org", Role::Admin).await;
    (Office { world, lead }, admin)
}

async fn as_admin(office: &Office, admin: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    office
        .world
        .rest(method, &format!("/api/v1/webhooks{path}"), Some(admin), body)
        .await
}

#[tokio::test]
async fn what_happens_is_told_signed_and_in_order() {
    let mut receiver = Receiver::start(VecDeque::new()).await;
    let (office, admin) = office(&receiver).await;
    let (status, made) = as_admin(&office, &admin, "POST", "", &json!({ "url": receiver.url() })).await;
    assert_eq!(status, 201, "{made}");
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    let (_, tested) = as_admin(&office, &admin, "POST", &format!("/{id}/test"), &Value::Null).await;
    assert_eq!(tested, json!({ "taken": true, "status": 204, "error": null }));
    let ping = receiver.next().await;
    assert!(ping.is_signed_by(secret) && ping.event()["type"] == "ping");

    let exam = office.draft("MATH-1").await;
    let told = office.add(&exam, "Ada Zweistein").await;
    let entry = text(&told["entry"]);
    office.set_status(&exam, ExamStatus::Draft, ExamStatus::Active).await;
    let joined = office.world.join("MATH-1", text(&told["secret"]), &device(1)).await;
    let session = text(&joined["session"]);
    let (mut candidate, _) = office
        .world
        .in_room(text(&joined["access_token"]), exam.parse().unwrap())
        .await;

    let mut types = Vec::new();
    for _ in 0..3 {
        let event = receiver.next().await;
        assert!(event.is_signed_by(secret), "{}", event.body);
        assert!(!event.is_signed_by("whsec_AAAA"));
        assert!(!event.body.contains("Zweistein"), "{}", event.body);
        types.push((text(&event.event()["type"]).to_owned(), event.event()["data"].clone()));
    }
    let expected = [
        ("exam.created", json!({ "exam": exam, "code": "MATH-1" })),
        (
            "exam.changed",
            json!({ "exam": exam, "from": "draft", "to": "active", "ends_at": types[1].1["ends_at"] }),
        ),
        (
            "session.entered",
            json!({ "exam": exam, "session": session, "entry": entry }),
        ),
    ];
    assert_eq!(types, expected.map(|(kind, data)| (kind.to_owned(), data)));

    let payload = IntegrityPayload {
        kind: IntegrityKind::ScreenLost,
        time: EventTime {
            boot_id: BootId::from_parts(1, [1; 10]),
            monotonic_us: 1,
            wall_us: 2,
        },
        observer: Observer::System,
        confidence: 100,
        begins: None,
        facts: BTreeMap::new(),
    };
    let of: SessionId = session.parse().unwrap();
    let event = ChainHead::new(of).append(of, [1; 16], serde_json::to_string(&payload).unwrap());
    let ack = candidate
        .request(json!({ "type": "integrity:event", "events": [event] }))
        .await;
    assert_eq!(ack["type"], "integrity:ack");
    let incident = receiver.next().await;
    let data = incident.event()["data"].clone();
    let told = json!({ "incident": 1, "exam": exam, "session": session, "kind": "screen_lost", "severity": "high" });
    assert_eq!((text(&incident.event()["type"]), data), ("incident.noticed", told));
    assert!(incident.is_signed_by(secret));
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_and_nothing_is_lost() {
    let mut receiver = Receiver::start(VecDeque::from([500, 204, 410])).await;
    let (mut office, admin) = office(&receiver).await;
    let wish = json!({ "url": receiver.url(), "kinds": ["exam.created", "exam.created"] });
    let (_, made) = as_admin(&office, &admin, "POST", "", &wish).await;
    assert_eq!(made["kinds"], json!(["exam.created"]));
    let one = format!("/{}", text(&made["id"]));
    office.draft("MATH-1").await;
    let first = receiver.next().await;
    let again = receiver.next().await;
    assert_eq!(
        (first.id(), &first.body),
        (again.id(), &again.body),
        "the same event has the same id"
    );
    // Gone: it is stopped, and what happens meanwhile is kept for it.
    office.draft("MATH-2").await;
    let gone = receiver.next().await;
    assert_ne!(gone.id(), again.id());
    let stopped = async |office: &Office| {
        let (_, all) = as_admin(office, &admin, "GET", "", &Value::Null).await;
        all[0]["stopped"].clone()
    };
    within("the stop", async {
        while stopped(&office).await.is_null() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(stopped(&office).await, "gone");
    office.draft("MATH-3").await;
    office.world.restart().await;
    let (status, changed) = as_admin(&office, &admin, "PATCH", &one, &json!({ "active": true })).await;
    assert_eq!((status, &changed["stopped"]), (200, &Value::Null), "{changed}");
    let codes = [receiver.next().await, receiver.next().await].map(|told| told.event()["data"]["code"].clone());
    assert_eq!(codes, [json!("MATH-2"), json!("MATH-3")], "from where it stopped");
    let (status, _) = as_admin(&office, &admin, "DELETE", &one, &Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(as_admin(&office, &admin, "DELETE", &one, &Value::Null).await.0, 404);
}

#[tokio::test]
async fn an_address_is_added_once_for_its_key() {
    let receiver = Receiver::start(VecDeque::new()).await;
    let (office, admin) = office(&receiver).await;
    let add = async |key: &str, url: &str| {
        let bearer = format!("Bearer {admin}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = json!({ "url": url }).to_string();
        let path = "/api/v1/webhooks";
        let (status, _, text) = office.world.http("POST", path, &headers, body.as_bytes()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, made) = add("one", &receiver.url()).await;
    assert_eq!(status, 201, "{made}");
    let again = add("one", &receiver.url()).await;
    assert_eq!(again, (201, made.clone()), "the same answer, its secret too");
    let (status, other) = add("one", "https://x.org/").await;
    assert_eq!((status, &other["code"]), (422, &json!("idempotency_mismatch")));
    let (status, two) = add("two", &receiver.url()).await;
    assert_eq!(status, 201);
    assert_ne!(two["secret"], made["secret"]);
    let (_, all) = as_admin(&office, &admin, "GET", "", &Value::Null).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn only_an_admin_says_whom_and_only_what_is_safe() {
    let receiver = Receiver::start(VecDeque::new()).await;
    let (office, admin) = office(&receiver).await;
    for (method, path) in [("GET", ""), ("POST", "")] {
        let wish = json!({ "url": receiver.url() });
        let (status, refused) = as_admin(&office, &office.lead, method, path, &wish).await;
        assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    }
    for url in [
        "http://localhost/",
        "ftp://x.org/",
        "https://",
        "https://u:p@x.org/",
        "https://u@x.org/",
        "https://x.org/#a",
        "not a url",
        "",
    ] {
        let (status, refused) = as_admin(&office, &admin, "POST", "", &json!({ "url": url })).await;
        assert_eq!((status, &refused["params"]["field"]), (422, &json!("url")), "{url}");
    }
    let (status, _) = as_admin(
        &office,
        &admin,
        "POST",
        "",
        &json!({ "url": receiver.url(), "kinds": ["exam.eaten"] }),
    )
    .await;
    assert_eq!(status, 400);
    // Whom the server does not believe it tells nothing.
    let stranger = Receiver::start(VecDeque::new()).await;
    let (_, made) = as_admin(&office, &admin, "POST", "", &json!({ "url": stranger.url() })).await;
    let path = format!("/{}/test", text(&made["id"]));
    let (_, tested) = as_admin(&office, &admin, "POST", &path, &Value::Null).await;
    assert_eq!(
        (&tested["taken"], &tested["status"]),
        (&json!(false), &Value::Null),
        "{tested}"
    );
    assert!(text(&tested["error"]).contains("certificate"), "{tested}");
}
