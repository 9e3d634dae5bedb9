//! Bad signalling frames and bad HTTP bodies: from nobody, and with a candidate's token.

use super::Done;
use super::mutate::mutate;
use crate::stage::Stage;
use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use invigil_tests::light::link::Server;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// What frames are made from: one of every kind, and what authenticates.
const FRAMES: &[&str] = &[
    include_str!("../../../shared/tests/golden/v1/client/auth-request.json"),
    include_str!("../../../shared/tests/golden/v1/client/publish.json"),
    include_str!("../../../shared/tests/golden/v1/client/intents-set.json"),
    include_str!("../../../shared/tests/golden/v1/client/sdp-offer.json"),
    include_str!("../../../shared/tests/golden/v1/client/integrity-event.json"),
    include_str!("../../../shared/tests/golden/v1/client/stats-report.json"),
    include_str!("../../../shared/tests/golden/v1/client/action.json"),
    include_str!("../../../shared/tests/golden/v1/client/ping.json"),
];
const OFFER: &str = include_str!("../../../sfu/src/core/transport/sdp/fixtures/chromium_simulcast_and_data.sdp");
/// Connections at a time, of each sort.
const AT_ONCE: u64 = 4;
/// Frames before a connection is given up by us, if the server has not.
const PER_CONNECTION: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is attacked, and with which token.
#[derive(Clone)]
pub struct Target {
    server: Server,
    exam: String,
    token: String,
}

impl Target {
    pub fn of(stage: &Stage) -> Result<Self> {
        let ready = &stage.sfu.ready;
        let printed = stage.sfu.command(
            &[
                "token",
                "--role",
                "candidate",
                "--exam",
                "LOAD-1",
                "--entry",
                "Candidate 002",
                "--json",
            ],
            None,
        )?;
        let printed: serde_json::Value = serde_json::from_str(&printed)?;
        let token = printed["token"]
            .as_str()
            .or(printed["access_token"].as_str())
            .context("no token")?;
        Ok(Self {
            server: Server::new(&ready.https, &ready.certificate_sha256)?,
            exam: stage.exam.id.to_string(),
            token: token.to_owned(),
        })
    }
}

/// Sends so many: half of them frames, half of them bodies.
pub async fn send(target: Target, seed: u64, count: u64) -> Result<Done> {
    let mut tasks = tokio::task::JoinSet::new();
    let each = count / 2 / AT_ONCE;
    for n in 0..AT_ONCE {
        tasks.spawn(frames(target.clone(), seed + n, each));
        tasks.spawn(bodies(target.clone(), seed + 100 + n, each));
    }
    let mut all = Done::default();
    while let Some(done) = tasks.join_next().await {
        let done = done??;
        all.sent += done.sent;
        all.bytes_out += done.bytes_out;
        all.bytes_back += done.bytes_back;
    }
    Ok(all)
}

/// Frames on one connection after another; half of the connections are authenticated first.
async fn frames(target: Target, seed: u64, count: u64) -> Result<Done> {
    let (mut rng, mut done) = (StdRng::seed_from_u64(seed), Done::default());
    while done.sent < count {
        let socket = target.server.open().await?;
        let (mut write, mut read) = socket.split();
        // What comes back is read as fast as it comes: a slow reader would be another attack.
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
        if rng.random_bool(0.5) {
            let login = serde_json::json!({
                "type": "auth:request", "id": 1, "token": target.token, "version": 1, "client": "x", "platform": "x",
                "features": []
            });
            let _ = write.send(Message::text(login.to_string())).await;
        }
        for _ in 0..PER_CONNECTION {
            let frame = frame(&mut rng);
            let size = frame.len() as u64;
            let sent = tokio::time::timeout(PATIENCE, write.send(frame)).await;
            if !matches!(sent, Ok(Ok(()))) || reading.is_finished() {
                break; // it was closed on us, which is right
            }
            done.sent += 1;
            done.bytes_out += size;
        }
        reading.abort();
    }
    // How much TLS sends for a handshake is no amplification: TCP has checked the address.
    done.bytes_out = 0;
    Ok(done)
}

fn frame(rng: &mut StdRng) -> Message {
    let seed = FRAMES[rng.random_range(0..FRAMES.len())].as_bytes();
    match rng.random_range(0..20) {
        0 => Message::binary(mutate(seed, 0, rng)),
        1 => Message::text("[".repeat(rng.random_range(1..60_000))),
        2 => Message::text(format!("{{\"type\":\"{}\"}}", "x".repeat(rng.random_range(1..1_000)))),
        _ => Message::text(String::from_utf8_lossy(&mutate(seed, 0, rng)).into_owned()),
    }
}

/// Bodies for every call that takes one.
async fn bodies(target: Target, seed: u64, count: u64) -> Result<Done> {
    let (mut rng, mut done) = (StdRng::seed_from_u64(seed), Done::default());
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured((*target.server.tls()).clone())
        .https_only(true)
        .no_proxy()
        .timeout(PATIENCE)
        .build()?;
    let join = br#"{"exam_code":"LOAD-1","secret":"AAAA-BBBB-CCCC","device_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let session = br#"{"session":"0190a000-0000-7000-8000-000000000000"}"#;
    let calls: [(String, &str, &[u8]); 6] = [
        ("api/v1/join".to_owned(), "application/json", join),
        ("api/v1/resume/challenge".to_owned(), "application/json", session),
        ("api/v1/resume".to_owned(), "application/json", session),
        (
            "api/v1/sign-in".to_owned(),
            "application/json",
            br#"{"email":"a@b.example","password":"x"}"#,
        ),
        (format!("whip/{}", target.exam), "application/sdp", OFFER.as_bytes()),
        (
            format!("whep/{}?layer=low", target.exam),
            "application/sdp",
            OFFER.as_bytes(),
        ),
    ];
    while done.sent < count {
        let (path, kind, body) = &calls[rng.random_range(0..calls.len())];
        let body = match rng.random_range(0..200) {
            0 => vec![b'x'; 600_000],
            _ => mutate(body, 0, &mut rng),
        };
        let mut request = http
            .post(format!("https://{}/{path}", target.server.authority()))
            .header("content-type", *kind);
        if rng.random_bool(0.5) {
            request = request.bearer_auth(&target.token);
        }
        done.sent += 1;
        // Refused in the middle of a body that is too long: the answer may be cut by that.
        if let Ok(response) = request.body(body).send().await {
            let _ = response.bytes().await;
        }
    }
    Ok(done)
}
