//! The real `invigil-sfu` on loopback, and sources with recognisable content.

#![allow(dead_code)] // each test binary uses its part
#![allow(clippy::unwrap_used, clippy::expect_used)] // test code: a failure is the test's

use bytes::Bytes;
use invigil_client::ClientInfo;
use invigil_client::candidate::{CandidateClient, CandidateConfig, CandidateEvent, PublicationSpec, Written};
use invigil_client::device::DeviceKey;
use invigil_client::media::{EncodedFrame, MediaOptions, OpusFrame};
use invigil_client::proctor::{ProctorClient, ProctorConfig, ProctorEvent};
use invigil_client::rest::Api;
use invigil_client::trust::CertificateTrust;
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey};
use invigil_shared::rest::JoinLink;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

pub const DEADLINE: Duration = Duration::from_secs(30);

/// `INVIGIL_TEST_LOG=debug` shows what happens.
fn log() {
    if let Ok(level) = std::env::var("INVIGIL_TEST_LOG") {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(level)
            .with_writer(std::io::stderr)
            .try_init();
    }
}

/// The server's binary lies beside the test's directory.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("invigil-sfu");
    assert!(
        path.exists(),
        "{} is missing: cargo build -p invigil-sfu",
        path.display()
    );
    path
}

pub struct Sfu {
    pub dir: tempfile::TempDir,
    child: tokio::process::Child,
    pub https: String,
    pub media: String,
    pub sha256: String,
}

impl Sfu {
    pub async fn start() -> Self {
        log();
        let dir = tempfile::tempdir().unwrap();
        let (child, https, media, sha256) = serve(dir.path(), "127.0.0.1:0", "127.0.0.1:0").await;
        Self {
            dir,
            child,
            https,
            media,
            sha256,
        }
    }

    /// kill -9, and a new process on the same ports and data.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
    pub async fn start_again(&mut self) {
        let (child, https, _, sha256) = serve(self.dir.path(), &self.https, &self.media).await;
        assert_eq!((&https, &sha256), (&self.https, &self.sha256));
        self.child = child;
    }

    /// Stops or continues the process: a path that is silent, with nobody closing anything.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    pub fn command(&self, args: &[&str], stdin: &str) -> String {
        let mut child = std::process::Command::new(binary())
            .args(args)
            .arg("--data-dir")
            .arg(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn api(&self) -> Api {
        Api::new(&self.https, CertificateTrust::pinned_hex(&self.sha256).unwrap()).unwrap()
    }

    pub fn exam(&self, code: &str) -> invigil_shared::id::ExamId {
        let made = self.command(&["exam", "create", "--title", "Line", "--code", code, "--json"], "");
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        made["id"].as_str().unwrap().parse().unwrap()
    }

    pub fn roster(&self, code: &str, label: &str) -> JoinLink {
        let made = self.command(&["roster", "add", "--exam", code, "--label", label, "--json"], "");
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        JoinLink::parse(made["link"].as_str().unwrap()).unwrap()
    }

    pub async fn candidate(&self, link: &JoinLink) -> (CandidateClient, mpsc::Receiver<CandidateEvent>) {
        let (api, device_key) = (self.api(), DeviceKey::generate());
        let join = api.join(&link.exam_code, &link.secret, &device_key).await.unwrap();
        CandidateClient::start(CandidateConfig {
            api,
            join,
            device_key,
            info: ClientInfo::new("invigil-test"),
            media: MediaOptions::default(),
        })
    }

    pub async fn proctor(&self, exam: invigil_shared::id::ExamId) -> (ProctorClient, mpsc::Receiver<ProctorEvent>) {
        let password = "correct horse battery 9";
        self.command(
            &[
                "user",
                "add",
                "--email",
                "p@exam.example",
                "--name",
                "P",
                "--role",
                "proctor",
                "--password-stdin",
            ],
            &format!("{password}\n"),
        );
        let api = self.api();
        let token = api.sign_in("p@exam.example", password).await.unwrap().access_token;
        ProctorClient::start(ProctorConfig {
            api,
            token,
            exam,
            info: ClientInfo::new("invigil-test"),
            media: MediaOptions::default(),
        })
    }
}

async fn serve(dir: &Path, listen: &str, media: &str) -> (tokio::process::Child, String, String, String) {
    let mut child = tokio::process::Command::new(binary())
        .args([
            "serve",
            "--development",
            "--listen",
            listen,
            "--media",
            media,
            "--data-dir",
        ])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(if std::env::var_os("INVIGIL_TEST_LOG").is_some() {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(DEADLINE, lines.next_line())
        .await
        .expect("ready in time")
        .unwrap()
        .unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (
        child,
        text(&ready["https"]),
        text(&ready["media"][0]),
        text(&ready["certificate_sha256"]),
    )
}

/// Reads events until `pick` finds what it looks for.
pub async fn wait<E: std::fmt::Debug, T>(
    events: &mut mpsc::Receiver<E>,
    what: &str,
    mut pick: impl FnMut(&E) -> Option<T>,
) -> T {
    let search = async {
        loop {
            let event = events
                .recv()
                .await
                .unwrap_or_else(|| panic!("the client ended before {what}"));
            if std::env::var_os("INVIGIL_TEST_LOG").is_some() {
                let text = format!("{event:?}");
                eprintln!(
                    "{:?} {}",
                    std::time::SystemTime::now(),
                    text.get(..400).unwrap_or(&text)
                );
            }
            if let Some(found) = pick(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, search)
        .await
        .unwrap_or_else(|_| panic!("no {what} in time"))
}

pub fn offer(rid: Layer, width: u16, height: u16, fps: u8, kbps: u32) -> LayerOffer {
    LayerOffer {
        rid,
        ssrc: None,
        rtx_ssrc: None,
        width,
        height,
        fps,
        kbps,
    }
}

pub fn camera() -> PublicationSpec {
    PublicationSpec {
        key: PublicationKey::CAMERA,
        codec: "video/H264".to_owned(),
        layers: vec![
            offer(Layer::Low, 320, 180, 10, 100),
            offer(Layer::High, 640, 360, 15, 500),
        ],
        test_picture: false,
    }
}

pub fn microphone() -> PublicationSpec {
    PublicationSpec {
        key: PublicationKey::MICROPHONE,
        codec: "audio/opus".to_owned(),
        layers: vec![offer(Layer::Low, 0, 0, 50, 24)],
        test_picture: false,
    }
}

/// A picture that says its number and its layer; long enough for several packets.
pub fn picture(number: u32, layer: Layer, key: bool) -> Bytes {
    let mut data = Vec::new();
    if key {
        data.extend([
            0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x11, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65,
        ]);
    } else {
        data.extend([0, 0, 0, 1, 0x41]);
    }
    // Decimal digits can't be mistaken for a start code.
    data.extend(format!("{number:08}{}", layer.index()).bytes());
    let size = if layer == Layer::High { 4_000 } else { 1_500 };
    data.extend(std::iter::repeat_n(0x80 | (number % 100) as u8, size));
    data.into()
}

/// The number in a picture that arrived, when all of it is right.
pub fn number_of(data: &[u8], layer: Layer, key: bool) -> Option<u32> {
    let head = if key { 22 } else { 5 };
    let number = std::str::from_utf8(data.get(head..head + 8)?).ok()?.parse().ok()?;
    (data == picture(number, layer, key)).then_some(number)
}

/// An encoder in small: pictures at 15 a second and audio at 50, on demand, key frames when asked.
pub fn feed(client: &CandidateClient) -> (tokio::task::JoinHandle<()>, Arc<AtomicU32>) {
    let client = client.clone();
    let made = Arc::new(AtomicU32::new(0));
    let count = made.clone();
    let task = tokio::spawn(async move {
        let layers = [Layer::Low, Layer::High].map(|l| client.video_sink(PublicationKey::CAMERA, l).unwrap());
        let audio = client.audio_sink(PublicationKey::MICROPHONE).unwrap();
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        let mut numbers = [0u32; 2];
        for tick in 0u32.. {
            interval.tick().await;
            let now = client.server_now_us();
            audio.write(OpusFrame {
                data: Bytes::copy_from_slice(format!("opus{tick:08}").as_bytes()),
                rtp_timestamp: tick.wrapping_mul(960),
                level_dbov: 30,
                captured_at_us: now,
            });
            if tick % 3 != 0 {
                continue;
            }
            for (sink, number) in layers.iter().zip(&mut numbers) {
                if !sink.demanded() {
                    continue;
                }
                let key = sink.take_keyframe_request();
                let frame = EncodedFrame {
                    data: picture(*number, sink.layer(), key),
                    key,
                    captured_at_us: now,
                    rtp_timestamp: (now.rem_euclid(1 << 40) as u64 * 9 / 100) as u32,
                };
                if sink.write(frame) == Written::Taken {
                    *number += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    (task, made)
}
