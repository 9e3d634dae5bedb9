//! A real server on real sockets, and clients that speak bare JSON, so that the wire itself is what is tested.
#![allow(dead_code)] // each test file uses its part

pub mod metrics;
pub mod office;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use futures_util::{SinkExt, StreamExt};
use invigil_sfu::auth::secret::{self, SecretHasher};
use invigil_sfu::auth::{ServerKeys, Tokens, password};
use invigil_sfu::clock::{self, fresh};
use invigil_sfu::config::{AuthConfig, DataConfig, HttpConfig, IceConfig, MediaConfig, ServeConfig};
use invigil_sfu::server::Server;
use invigil_sfu::store::postgres::DatabaseUrl;
use invigil_sfu::store::records::{NewRosterEntry, UserRecord};
use invigil_sfu::store::{self, Store};
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy, RosterEntry};
use invigil_shared::id::{ExamId, ParticipantId, RosterEntryId, UserId};
use invigil_shared::role::Role;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Far longer than anything here takes; a test that reaches it has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

pub struct World {
    pub directory: TempDir,
    pub server: Option<Server>,
    pub https: SocketAddr,
    pub setup_code: Option<String>,
    /// A second process's view of the data directory, as the command line has it.
    pub store: Arc<dyn Store>,
    pub keys: ServerKeys,
    /// URL of the database, unless it is the embedded one.
    pub database: Option<String>,
    secrets: SecretHasher,
    pub config: ServeConfig,
    tls: TlsConnector,
}

/// What the TURN servers share with ours.
pub const TURN_SECRET: &str = "a secret of coturn's";

/// The test target that runs the other ones' tests over PostgreSQL.
fn database() -> Option<String> {
    (env!("CARGO_CRATE_NAME") == "on_postgres").then(|| invigil_postgres::shared().database().unwrap())
}

fn config(directory: &TempDir, database: Option<&str>) -> ServeConfig {
    let turn_secret = directory.path().join("turn-secret");
    std::fs::write(&turn_secret, format!("{TURN_SECRET}\n")).unwrap();
    ServeConfig {
        development: true,
        data: DataConfig {
            data_dir: directory.path().join("data"),
            database: database.map(DatabaseUrl::from),
        },
        http: HttpConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            origins: vec!["https://exam.example.org".into()],
            ..HttpConfig::default()
        },
        media: MediaConfig {
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            shards: Some(2),
            ..MediaConfig::default()
        },
        ice: IceConfig {
            stun: vec!["stun:stun.example.org:3478".into()],
            turn: vec![
                "turn:turn.example.org?transport=udp".into(),
                "turns:turn.example.org:443?transport=tcp".into(),
            ],
            turn_secret_file: Some(turn_secret),
            turn_credential_s: 3_600,
            relay_addresses: Vec::new(),
        },
        ..ServeConfig::default()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(AuthConfig::default()).await
    }

    pub async fn start_with(auth: AuthConfig) -> Self {
        Self::start_set(|config| config.auth = auth).await
    }

    /// Starts with other settings than usual.
    pub async fn start_set(set: impl FnOnce(&mut ServeConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = database();
        let mut config = config(&directory, database.as_deref());
        set(&mut config);
        let server = Server::start(config.clone()).await.unwrap();
        let data = directory.path().join("data");
        let keys = ServerKeys::open(&data).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(data.join("certificate.pem")).unwrap())
            .unwrap();
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            https: server.https,
            setup_code: server.setup_code.clone(),
            server: Some(server),
            store: store::open(&data, config.data.database()).await.unwrap(),
            database,
            secrets: SecretHasher::new(&keys.secret_key),
            keys,
            config,
            tls: TlsConnector::from(Arc::new(tls)),
            directory,
        }
    }

    pub async fn stop(&mut self) {
        within("stopping", self.server.take().unwrap().stop()).await;
    }

    /// Stops the server and starts it again on the same data.
    pub async fn restart(&mut self) {
        if self.server.is_some() {
            self.stop().await;
        }
        let server = Server::start(self.config.clone()).await.unwrap();
        self.https = server.https;
        self.server = Some(server);
    }

    /// Starts the server on another data directory; it was stopped before.
    pub async fn move_to(&mut self, data: &std::path::Path) {
        self.config.data.data_dir = data.to_owned();
        self.store = store::open(data, self.config.data.database()).await.unwrap();
        self.restart().await;
    }

    pub fn tokens(&self) -> Tokens {
        Tokens::new(&self.keys, &self.config.auth)
    }

    pub async fn exam_with(&self, code: &str, policy: Policy) -> ExamInfo {
        let now = clock::now_us();
        let exam = ExamInfo {
            id: fresh(ExamId::from_parts),
            title: "An exam".into(),
            code: code.into(),
            status: ExamStatus::Active,
            starts_at: now,
            ends_at: now + 3_600_000_000,
            policy,
        };
        self.store.create_exam(exam.clone()).await.unwrap();
        exam
    }

    pub async fn exam(&self, code: &str) -> ExamInfo {
        self.exam_with(
            code,
            Policy {
                allow_test_picture: true,
                ..Policy::default()
            },
        )
        .await
    }

    /// Adds a candidate and returns the secret.
    pub async fn entry(&self, exam: &ExamInfo, label: &str) -> String {
        let typed = secret::roster_secret();
        let entry = RosterEntry {
            id: fresh(RosterEntryId::from_parts),
            exam: exam.id,
            label: label.into(),
            seat: Some(format!("seat of {label}")),
            allowances: Allowances::default(),
        };
        let secret_hash = self.secrets.roster(exam.id, &secret::normalise(&typed).unwrap());
        self.store
            .add_entry(NewRosterEntry {
                entry,
                secret_hash,
                created_at: 0,
            })
            .await
            .unwrap();
        typed
    }

    pub async fn user(&self, email: &str, role: Role, password: Option<&str>) -> UserRecord {
        let user = UserRecord {
            id: fresh(UserId::from_parts),
            email: email.into(),
            name: format!("Name of {email}"),
            role,
            password_hash: password.map(|password| password::hash(password).unwrap()),
            created_at: 0,
            deactivated_at: None,
            generation: 0,
        };
        self.store.add_user(user.clone()).await.unwrap();
        user
    }

    /// A token of someone with an account, as `invigil-sfu token` prints it.
    pub async fn user_token(&self, email: &str, role: Role) -> String {
        let user = match self.store.user_by_email(email).await.unwrap() {
            Some(user) => user,
            None => self.user(email, role, None).await,
        };
        let person = invigil_sfu::auth::identity::Person::User(user.id);
        self.tokens()
            .issue(fresh(ParticipantId::from_parts), role, person, user.generation)
            .unwrap()
            .text
    }

    pub async fn tls(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.https).await.unwrap();
        self.tls
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap()
    }

    /// One HTTP request on a connection of its own: status, head and body.
    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, String) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let exchange = async {
            let mut stream = self.tls().await;
            stream.write_all(head.as_bytes()).await.unwrap();
            // A server that refuses early may close before it has read everything.
            let _ = stream.write_all(body).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).unwrap()
        };
        let answer = within("an answer", exchange).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    }

    /// A REST call with a JSON body and perhaps a bearer token.
    pub async fn rest(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let (status, _, body) = self.http(method, path, &headers, body.to_string().as_bytes()).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub async fn try_join(&self, code: &str, secret: &str, key: &SigningKey) -> (u16, Value) {
        let device_key = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let body = json!({ "exam_code": code, "secret": secret, "device_key": device_key });
        self.rest("POST", "/api/v1/join", None, &body).await
    }

    pub async fn join(&self, code: &str, secret: &str, key: &SigningKey) -> Value {
        let (status, body) = self.try_join(code, secret, key).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// A connection that has not authenticated yet.
    pub async fn bare(&self) -> Client {
        let mut request = format!("wss://localhost:{}/api/v1/signal", self.https.port())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "invigil.v1".parse().unwrap());
        let stream = self.tls().await;
        let (socket, _) = within("the upgrade", client_async(request, stream)).await.unwrap();
        Client {
            socket,
            next_id: 1,
            waiting: Vec::new(),
            transcript: String::new(),
        }
    }

    /// An authenticated connection.
    pub async fn client(&self, token: &str) -> Client {
        let mut client = self.bare().await;
        let answer = client.authenticate(token).await;
        assert_eq!(answer["type"], "auth:response", "{answer}");
        client
    }

    /// Someone who has joined a room, and its `room:state`.
    pub async fn in_room(&self, token: &str, exam: ExamId) -> (Client, Value) {
        let mut client = self.client(token).await;
        let state = client.request(json!({ "type": "room:join", "exam": exam })).await;
        assert_eq!(state["type"], "room:state", "{state}");
        (client, state)
    }
}

pub fn device(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// A signalling client.
pub struct Client {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
    next_id: u32,
    /// Received and not yet asked for.
    waiting: Vec<Value>,
    /// Every byte that was received.
    pub transcript: String,
}

impl Client {
    pub async fn authenticate(&mut self, token: &str) -> Value {
        let request = json!({ "type": "auth:request", "token": token, "version": 1, "client": "test", "platform": "test", "features": [] });
        self.request(request).await
    }

    pub async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends a request and returns its answer, or why the connection ended.
    pub async fn try_request(&mut self, mut message: Value) -> Result<Value, String> {
        let id = self.next_id;
        self.next_id += 1;
        message["id"] = id.into();
        let sent = self.socket.send(Message::text(message.to_string())).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            let frame = self.read().await?;
            if frame["id"] == id {
                return Ok(frame);
            }
            self.waiting.push(frame);
        }
    }

    /// Sends a request and returns its answer.
    pub async fn request(&mut self, mut message: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        message["id"] = id.into();
        self.send(message).await;
        self.until(|answer| answer["id"] == id).await
    }

    /// The next frame, or the reason of the close.
    async fn read(&mut self) -> Result<Value, String> {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    self.transcript += text.as_str();
                    return Ok(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.reason.to_string()),
                Some(Ok(Message::Close(None))) | None => return Err("closed without a reason".into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    /// The first frame, past or to come, that is `wanted`; each is given once.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(index);
        }
        loop {
            let frame = self
                .read()
                .await
                .unwrap_or_else(|reason| panic!("closed while waiting: {reason}"));
            if wanted(&frame) {
                return frame;
            }
            self.waiting.push(frame);
        }
    }

    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }

    /// Reads until the connection ends and returns its reason.
    pub async fn closed(&mut self) -> String {
        loop {
            match self.read().await {
                Ok(frame) => self.waiting.push(frame),
                Err(reason) => return reason,
            }
        }
    }

    /// Forgets what has arrived and was not asked for.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Everything that has arrived once the server has answered a ping: nothing sent before it is missing.
    pub async fn settled(&mut self) -> &[Value] {
        let pong = self.request(json!({ "type": "ping", "t0": 0 })).await;
        assert_eq!(pong["type"], "pong");
        &self.waiting
    }
}
