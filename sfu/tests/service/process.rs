//! The real process: what it logs and what not, and what SIGHUP changes while connections live on.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Far longer than anything here takes; a test that reaches it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(DEADLINE, future).await;
    ended.unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

struct Serving {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// Every line of the log that was read.
    seen: Vec<String>,
    ready: Value,
}

impl Serving {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"))
            .args([
                "serve",
                "--development",
                "--listen",
                "127.0.0.1:0",
                "--media",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(folder.join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        within("being ready", output.read_line(&mut line)).await.unwrap();
        Self {
            log: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
            seen: Vec::new(),
            ready: serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}")),
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Reads the log up to a line with these words.
    async fn logged(&mut self, words: &str) -> String {
        within(words, async {
            loop {
                let line = self
                    .log
                    .next_line()
                    .await
                    .unwrap()
                    .unwrap_or_else(|| panic!("the log ended before {words}"));
                self.seen.push(line.clone());
                if line.contains(words) {
                    break line;
                }
            }
        })
        .await
    }

    /// Ends the process and returns all that it logged.
    async fn end(mut self) -> Vec<String> {
        self.signal("TERM");
        while let Some(line) = within("the end of the log", self.log.next_line()).await.unwrap() {
            self.seen.push(line);
        }
        assert!(within("the end", self.child.wait()).await.unwrap().success());
        self.seen
    }

    async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.ready["https"].as_str().unwrap()).await.unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Any))
                .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        Connection(
            TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
                .unwrap(),
        )
    }
}

/// Which certificate is shown is what is asked here.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection that is kept for more than one request.
struct Connection(TlsStream<TcpStream>);

impl Connection {
    fn certificate(&self) -> Vec<u8> {
        self.0.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    /// The head and the body of the answer.
    async fn request(&mut self, line: &str, headers: &str, body: &str) -> (String, String) {
        let length = body.len();
        let text = format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.0.write_all(text.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let head = loop {
            assert!(
                within("an answer", self.0.read_buf(&mut read)).await.unwrap() > 0,
                "the connection ended"
            );
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(read.drain(..end + 4).collect())
                    .unwrap()
                    .to_lowercase();
            }
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        while read.len() < length {
            assert!(
                within("a body", self.0.read_buf(&mut read)).await.unwrap() > 0,
                "the connection ended"
            );
        }
        (head, String::from_utf8(read).unwrap())
    }
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// A new certificate and key in the place of the old ones.
fn certify(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

fn der(cert: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(cert).unwrap().to_vec()
}

#[tokio::test]
async fn a_server_that_is_to_end_can_withdraw_first() {
    let temporary = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(temporary.path(), &["--withdraw-s", "3600"]).await;
    let mut here = serving.connect().await;
    let (head, _) = here.request("GET /readyz", "", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    serving.signal("TERM");
    serving.logged("Not ready for new clients any more").await;
    let (head, body) = here.request("GET /readyz", "", "").await;
    assert!(
        head.starts_with("http/1.1 503") && body.contains(r#""serving":"failed""#),
        "{head}{body}"
    );
    // Whoever comes all the same is served.
    let (head, _) = serving.connect().await.request("GET /healthz", "", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let said = serving.end().await;
    assert!(said.iter().any(|line| line.contains("Stopping")), "{said:?}");
}

#[tokio::test]
async fn a_hangup_reloads_certificate_and_log_level_and_ends_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let (cert, key) = certify(folder);
    let file = folder.join("invigil-sfu.toml");
    let settings = |level: &str| {
        let (cert, key) = (cert.display(), key.display());
        std::fs::write(
            &file,
            format!("[http]\ncert = '{cert}'\nkey = '{key}'\n[log]\nlevel = '{level}'\n"),
        )
        .unwrap();
    };
    settings("info");
    let first = der(&cert);
    let mut serving = Serving::start(folder, &["--config", file.to_str().unwrap()]).await;
    let mut old = serving.connect().await;
    assert_eq!(old.certificate(), first);
    old.request("GET /healthz", "x-request-id: before-reload\r\n", "").await;

    certify(folder);
    let second = der(&cert);
    assert_ne!(first, second);
    settings("debug");
    serving.signal("HUP");
    serving.logged("certificate and log level were read again").await;
    let mut new = serving.connect().await;
    assert_eq!(new.certificate(), second, "new connections get the new one");
    let (head, _) = old.request("GET /healthz", "x-request-id: on-the-old\r\n", "").await;
    assert!(head.starts_with("http/1.1 200"), "the old connection lives on: {head}");
    let line = serving.logged("on-the-old").await;
    assert!(line.contains("DEBUG"), "{line}");
    assert!(
        !serving.seen.iter().any(|line| line.contains("before-reload")),
        "that was not logged at info"
    );

    // A mistake changes nothing: neither what is right beside it, nor what runs.
    certify(folder);
    settings("no=such=level");
    serving.signal("HUP");
    let line = serving.logged("nothing was changed").await;
    assert!(line.contains("ERROR"), "{line}");
    serving.logged("log.level: ").await;
    assert_eq!(serving.connect().await.certificate(), second);
    let (head, _) = new.request("GET /healthz", "", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    serving.end().await;
}

#[tokio::test]
async fn doctor_knows_the_server_that_has_the_ports() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let serving = Serving::start(folder, &["--shards", "1"]).await;
    let (https, media) = (
        serving.ready["https"].as_str().unwrap(),
        serving.ready["media"][0].as_str().unwrap(),
    );
    let doctor = async |data: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"));
        command.args([
            "doctor",
            "--json",
            "--development",
            "--shards",
            "1",
            "--free-disk-mib",
            "0",
        ]);
        command
            .args(["--listen", https, "--media", media, "--data-dir"])
            .arg(folder.join(data));
        let output = command.output().await.unwrap();
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let ports = findings
            .into_iter()
            .find(|finding| finding["check"] == "ports")
            .unwrap();
        (output.status.code(), ports["level"].clone(), ports["words"].to_string())
    };
    let (code, level, words) = doctor("data").await;
    assert_eq!((code, &level), (Some(0), &json!("ok")), "{words}");
    assert!(words.contains("this server runs and has its 3 ports"), "{words}");
    let (code, level, words) = doctor("of-another").await;
    assert_eq!((code, &level), (Some(1), &json!("error")), "{words}");
    assert!(words.contains("another program has"), "{words}");
    serving.end().await;
}

#[tokio::test]
async fn each_request_has_an_id_in_its_answer_and_in_the_log() {
    let temporary = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(temporary.path(), &["--log", "debug", "--log-format", "json"]).await;
    let mut connection = serving.connect().await;
    let (head, _) = connection.request("GET /healthz", "", "").await;
    let own = header(&head, "x-request-id").to_owned();
    assert_eq!(own.len(), 32, "{own}");
    let (head, _) = connection
        .request("GET /nothing", "x-request-id: from-the-proxy-1\r\n", "")
        .await;
    assert_eq!(header(&head, "x-request-id"), "from-the-proxy-1");
    let (head, _) = connection
        .request("GET /healthz", "x-request-id: a=b \"c\r\n", "")
        .await;
    let replaced = header(&head, "x-request-id").to_owned();
    assert!(!replaced.contains("a=b") && replaced != own, "{replaced}");
    let line: Value = serde_json::from_str(&serving.logged(&own).await).unwrap();
    let span = &line["span"];
    assert_eq!(
        (&span["id"], &span["route"]),
        (&json!(own), &json!("/healthz")),
        "{line}"
    );
    assert_eq!(line["fields"]["status"], 200, "{line}");
    serving.logged("from-the-proxy-1").await;
    for line in serving.end().await {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(line["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_line_of_the_log() {
    let temporary = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(temporary.path(), &["--log", "trace"]).await;
    let mut connection = serving.connect().await;
    let code = serving.ready["setup_code"].as_str().unwrap().to_owned();
    let password = "correct-horse-battery";
    let json = "content-type: application/json\r\n";
    let body = json!({ "setup_code": code, "email": "root@x.org", "name": "Root", "password": password });
    let (head, answer) = connection.request("POST /api/v1/setup", json, &body.to_string()).await;
    assert!(head.starts_with("http/1.1 200"), "{head}{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {token}\r\n");
    let (head, _) = connection.request("GET /api/v1/exams", &bearer, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // What is refused is logged no more than what is taken.
    let wrong = "wrong-horse-battery";
    let body = json!({ "email": "root@x.org", "password": wrong });
    let (head, _) = connection
        .request("POST /api/v1/sign-in", json, &body.to_string())
        .await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
    let secret = "SECRET-OF-A-CANDIDATE";
    let body = json!({ "exam_code": "EXAM-1", "secret": secret, "device_key": "AAAA" });
    connection.request("POST /api/v1/join", json, &body.to_string()).await;
    let sdp = "v=0\r\na=ice-pwd:an-ice-password-of-a-browser\r\n";
    let exam = "01890000-0000-7000-8000-000000000000";
    let sdp_headers = format!("{bearer}content-type: application/sdp\r\nx-request-id: the-last-one\r\n");
    connection
        .request(&format!("POST /whep/{exam}"), &sdp_headers, sdp)
        .await;
    serving.logged("the-last-one").await;
    let log = serving.end().await.join("\n");
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "everything is logged: {log}"
    );
    let signature = token.rsplit('.').next().unwrap();
    // The setup code is told to whoever started the server, before anything is logged.
    for hidden in [password, wrong, secret, "an-ice-password", &token, signature] {
        assert!(!log.contains(hidden), "{hidden} stands in the log:\n{log}");
    }
}
