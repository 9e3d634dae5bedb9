//! Networks that let nobody through but a TURN server: Chromium publishes by a relay that the answer's `Link` names; our own clients
//! reach one over UDP, TCP and TLS, because policy wants it or nothing else is left. And `doctor` asks a relay for an allocation.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::MediaState;
use invigil_client::candidate::CandidateEvent;
use invigil_client::proctor::ProctorEvent;
use invigil_shared::exam::Policy;
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::coturn::{Coturn, Place};
use invigil_tests::detour::Detour;
use invigil_tests::gateway::Gateway;
use invigil_tests::sfu::{Sfu, bin_dir};
use invigil_tests::stage::Stage;
use invigil_tests::watcher::Watcher;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn chromium_publishes_by_turn_over_tcp() {
    let mut coturn = None;
    let stage = Stage::with("127.0.0.1:0", |folder| {
        let started = coturn.insert(Coturn::start(folder)?);
        let url = format!("turn:{}?transport=tcp", started.address);
        let secret = started.secret_file.to_string_lossy().into_owned();
        Ok(["--turn", &url, "--turn-secret-file", &secret]
            .map(str::to_owned)
            .to_vec())
    })
    .unwrap();
    let coturn = coturn.unwrap();
    let exam = stage.exam("TURN-1").unwrap();
    let token = stage.browser_candidate("TURN-1", "Candidate 001").unwrap();
    let url = stage.url(&format!("/whip/{exam}"));
    let mut proctor = Watcher::enter(&stage.sfu, "ada", exam).await.unwrap();
    let _browser = stage
        .chromium(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
             const pc = new RTCPeerConnection({{ iceTransportPolicy: 'relay' }});
             const t = pc.addTransceiver(stream.getTracks()[0], {{ direction: 'sendonly', streams: [stream] }});
             const known = RTCRtpSender.getCapabilities('video').codecs;
             t.setCodecPreferences(known.filter((c) => c.mimeType === 'video/H264' || c.mimeType === 'video/rtx'));
             await postThroughRelay(pc, '{url}', '{token}');
             setInterval(async () => {{
               const stats = await pc.getStats();
               const transport = [...stats.values()].find((s) => s.type === 'transport');
               const local = stats.get(stats.get(transport.selectedCandidatePairId).localCandidateId);
               report({{ kind: local.candidateType, relay: local.relayProtocol }});
             }}, 500);"
        ))
        .unwrap();
    proctor
        .until(LIMIT, "Chromium's camera", |w, _| !w.publications.is_empty())
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {}", coturn.log_text()));
    let candidate = proctor.publications.keys().next().unwrap().participant;
    proctor
        .want(&[(candidate, PublicationKey::CAMERA, Layer::High)])
        .unwrap();
    proctor
        .until(LIMIT, "pictures by the relay", |w, _| {
            w.of(candidate, PublicationKey::CAMERA).decoded >= 20
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {}", coturn.log_text()));
    let path = stage
        .served
        .report(LIMIT, "the path", |r| {
            assert_eq!(r["error"], serde_json::Value::Null, "the page failed");
            r["kind"].as_str().map(|kind| (kind.to_owned(), r["relay"].clone()))
        })
        .unwrap();
    assert_eq!(path, ("relay".to_owned(), serde_json::json!("tcp")));
}

/// What `doctor` finds of its TURN servers.
fn examined(folder: &Path, coturn: &Coturn, secret: &Path) -> Vec<(String, String)> {
    let output = Command::new(bin_dir().join("invigil-sfu"))
        .args([
            "doctor",
            "--json",
            "--development",
            "--listen",
            "127.0.0.1:0",
            "--media",
            "127.0.0.1:0",
        ])
        .args(["--stun", &format!("stun:{}", coturn.address)])
        .args([
            "--turn",
            &format!("turn:{0}?transport=udp,turn:{0}?transport=tcp", coturn.address),
        ])
        .arg("--turn-secret-file")
        .arg(secret)
        .arg("--data-dir")
        .arg(folder)
        .output()
        .unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let turn = findings.iter().filter(|finding| finding["check"] == "turn");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    turn.map(|finding| (text(&finding["level"]), text(&finding["words"])))
        .collect()
}

#[test]
fn doctor_gets_an_allocation_of_a_real_relay_and_says_when_the_secret_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let coturn = Coturn::start(folder.path()).unwrap();
    let found = examined(folder.path(), &coturn, &coturn.secret_file);
    let [stun, udp, tcp] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(
        stun.0 == "ok" && stun.1.contains("answers and sees this machine as 127.0.0.1:"),
        "{stun:?}"
    );
    for relayed in [udp, tcp] {
        assert!(
            relayed.0 == "ok" && relayed.1.contains("relays at 127.0.0.1:"),
            "{relayed:?}: {}",
            coturn.log_text()
        );
    }
    let other = folder.path().join("other-secret");
    std::fs::write(&other, "not what coturn has at all").unwrap();
    let found = examined(folder.path(), &coturn, &other);
    for refused in &found[1..] {
        assert!(
            refused.0 == "error" && refused.1.contains("refuses our credential: 401"),
            "{refused:?}"
        );
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

/// Where the server's media are believed to be. Nobody listens there; what comes from [`RELAY`] is let through.
const ANNOUNCED: &str = "127.0.0.9";
const RELAY: &str = "127.0.0.2";

/// A server that only a relay reaches, and the relay.
struct Walled {
    _folder: tempfile::TempDir,
    sfu: Sfu,
    coturn: Coturn,
    way: Detour,
}

impl Walled {
    /// `urls`: how clients are told to reach the relay, with `PLAIN` and `TLS` for its addresses.
    async fn set(urls: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::find(folder.path()).unwrap();
        let urls = urls
            .replace("PLAIN", &place.plain.to_string())
            .replace("TLS", &place.tls.to_string());
        let secret = place.secret_file.to_string_lossy().into_owned();
        let told = ["--announce", ANNOUNCED, "--turn", &urls, "--turn-secret-file", &secret];
        let arguments = [&told[..], &["--shards", "1"], more].concat();
        let free = "127.0.0.1:0";
        let sfu = Sfu::start_with(folder.path(), free, free, &arguments).unwrap();
        // It shows the server's certificate, which its clients have pinned.
        let coturn = Coturn::start_at(&place, folder.path(), RELAY, Some(sfu.data())).unwrap();
        let media: SocketAddr = sfu.ready.media[0].parse().unwrap();
        let announced = SocketAddr::new(ANNOUNCED.parse().unwrap(), media.port());
        let way = Detour::udp_for(Some(RELAY.parse().unwrap()), announced, media)
            .await
            .unwrap();
        Self {
            _folder: folder,
            sfu,
            coturn,
            way,
        }
    }

    /// A candidate with a camera, and a proctor who watches it.
    async fn people(&self, relay_only: bool) -> (Watcher, ParticipantId) {
        let (bot, proctor) = self.enter(relay_only).await;
        let candidate = bot.join.participant;
        tokio::spawn(bot.run());
        proctor
            .want(&[(candidate, PublicationKey::CAMERA, Layer::High)])
            .unwrap();
        (proctor, candidate)
    }

    async fn enter(&self, relay_only: bool) -> (Bot, Watcher) {
        let policy = Policy {
            allow_test_picture: true,
            relay_only,
            ..Policy::default()
        };
        let exam = self.sfu.create_exam("Walled", "WALL-1", &policy).unwrap();
        let mut link = self.sfu.add_candidate("WALL-1", "Candidate 001", None).unwrap();
        link.authority.clone_from(&self.sfu.ready.https);
        let options = BotOptions {
            screen: false,
            tone: None,
            ..BotOptions::whole(3)
        };
        let bot = Bot::join(&link, &options).await.unwrap();
        (bot, Watcher::enter(&self.sfu, "ada", exam.id).await.unwrap())
    }

    /// Waits for so many more pictures.
    async fn pictures(&self, proctor: &mut Watcher, candidate: ParticipantId, more: u32) {
        let enough = proctor.of(candidate, PublicationKey::CAMERA).decoded + more;
        let decoded = |w: &Watcher| w.of(candidate, PublicationKey::CAMERA).decoded;
        proctor
            .until(LIMIT, "pictures by the relay", |w, _| decoded(w) >= enough)
            .await
            .unwrap_or_else(|error| panic!("{error:#}: {}", self.coturn.log_text()));
    }
}

/// Both our clients, in an exam whose policy wants relays: they reach the relay in one way, and nothing of theirs goes straight.
async fn only_by_relay(urls: &str) {
    let walled = Walled::set(urls, &[]).await;
    let (mut proctor, candidate) = walled.people(true).await;
    walled.pictures(&mut proctor, candidate, 30).await;
    assert_eq!(proctor.of(candidate, PublicationKey::CAMERA).refused, 0);
    assert!(
        walled.way.carried() > 50_000,
        "{} bytes by the relay",
        walled.way.carried()
    );
    assert_eq!(walled.way.turned_away(), 0, "datagrams went straight");
    assert!(walled.coturn.users().len() >= 2, "{}", walled.coturn.log_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_for_relays_only_flows_by_turn_over_udp() {
    only_by_relay("turn:PLAIN?transport=udp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_for_relays_only_flows_by_turn_over_tcp() {
    only_by_relay("turn:PLAIN?transport=tcp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_for_relays_only_flows_by_turn_inside_tls() {
    only_by_relay("turns:TLS?transport=tcp").await;
}

/// Neither UDP nor ICE-TCP nor ICE-TLS gets through, because a gateway ends TLS: a relay is what is left, with no policy that wants it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_the_last_resort_where_nothing_else_gets_through() {
    let mut walled = Walled::set("turns:TLS?transport=tcp", &[]).await;
    let gateway = Gateway::before(walled.sfu.ready.https.parse().unwrap(), walled.sfu.data())
        .await
        .unwrap();
    walled.sfu.ready.https = gateway.address.to_string();
    let (mut proctor, candidate) = walled.people(false).await;
    walled.pictures(&mut proctor, candidate, 30).await;
    assert!(gateway.turned_away() > 0, "TLS was tried before");
    assert!(walled.way.turned_away() > 0, "UDP was tried before");
    assert!(walled.way.carried() > 50_000);
}

/// A network that keeps even the relay away: both windows can say so, and both stay in the room.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_relay_answers_both_clients_know_that_nothing_gets_through() {
    // A port that nobody listens on.
    let walled = Walled::set("turn:127.0.0.1:1?transport=tcp", &[]).await;
    let (mut bot, mut proctor) = walled.enter(true).await;
    let blocked = |event: &CandidateEvent| matches!(event, CandidateEvent::Media(MediaState::Blocked)).then_some(());
    bot.wait_for(LIMIT, "the candidate's word", blocked).await.unwrap();
    let blocked = |event: &ProctorEvent| matches!(event, ProctorEvent::Media(MediaState::Blocked));
    proctor
        .until(LIMIT, "the proctor's word", |_, event| blocked(event))
        .await
        .unwrap();
    assert_eq!(
        walled.way.turned_away(),
        0,
        "policy wants a relay, and nothing went straight"
    );
    assert!(
        proctor.participants.contains_key(&bot.join.participant),
        "the room stands"
    );
}

/// An exam longer than a credential: both transports move to new allocations in time, and pictures go on.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_are_replaced_while_pictures_flow() {
    let walled = Walled::set("turn:PLAIN?transport=tcp", &["--turn-credential-s", "8"]).await;
    let (mut proctor, candidate) = walled.people(true).await;
    let mut rounds = 0;
    // Each user name is one credential; candidate and proctor have their own.
    while walled.coturn.users().len() < 8 {
        walled.pictures(&mut proctor, candidate, 10).await;
        rounds += 1;
        assert!(rounds < 200, "{}", walled.coturn.log_text());
    }
    walled.pictures(&mut proctor, candidate, 30).await;
    assert_eq!(walled.way.turned_away(), 0);
}

/// A server that knows where its relays are takes nobody who comes straight, whatever the client does.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_goes_straight_into_an_exam_for_relays_is_not_answered() {
    let mut coturn = None;
    let stage = Stage::with("127.0.0.1:0", |folder| {
        let place = Place::find(folder)?;
        let arguments = [
            "--turn",
            &format!("turn:{}?transport=tcp", place.plain),
            "--turn-secret-file",
            &place.secret_file.to_string_lossy(),
            "--relay-address",
            RELAY,
            "--metrics-listen",
            "127.0.0.1:0",
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        coturn = Some(Coturn::start_at(&place, folder, RELAY, None)?);
        Ok(arguments)
    })
    .unwrap();
    let coturn = coturn.unwrap();
    let policy = Policy {
        allow_test_picture: true,
        relay_only: true,
        ..Policy::default()
    };
    let exam = stage.sfu.create_exam("Relays", "RELAY-1", &policy).unwrap().id;
    let not_relayed = || {
        stage
            .sfu
            .metric("invigil_dropped_total{shard=\"0\",cause=\"not_relayed\"}")
    };
    // One of ours comes by the relay, and is taken.
    let link = stage.sfu.add_candidate("RELAY-1", "Candidate 001", None).unwrap();
    let options = BotOptions {
        screen: false,
        tone: None,
        ..BotOptions::whole(3)
    };
    let bot = Bot::join(&link, &options).await.unwrap();
    let candidate = bot.join.participant;
    tokio::spawn(bot.run());
    let mut proctor = Watcher::enter(&stage.sfu, "ada", exam).await.unwrap();
    proctor
        .want(&[(candidate, PublicationKey::CAMERA, Layer::High)])
        .unwrap();
    let decoded = |w: &Watcher| w.of(candidate, PublicationKey::CAMERA).decoded;
    proctor
        .until(LIMIT, "pictures by the relay", |w, _| decoded(w) >= 20)
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {}", coturn.log_text()));
    assert_eq!(not_relayed().await.unwrap(), 0.0);

    let token = stage.browser_candidate("RELAY-1", "Candidate 002").unwrap();
    let url = stage.url(&format!("/whip/{exam}"));
    let _browser = stage
        .chromium(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
             const pc = new RTCPeerConnection();
             pc.onconnectionstatechange = () => report({{ state: pc.connectionState }});
             const t = pc.addTransceiver(stream.getTracks()[0], {{ direction: 'sendonly', streams: [stream] }});
             const known = RTCRtpSender.getCapabilities('video').codecs;
             t.setCodecPreferences(known.filter((c) => c.mimeType === 'video/H264' || c.mimeType === 'video/rtx'));
             await post(pc, '{url}', '{token}');"
        ))
        .unwrap();
    let state = stage
        .served
        .report(LIMIT, "that it failed", |r| {
            assert_eq!(r["error"], serde_json::Value::Null, "the page failed");
            let state = r["state"].as_str().unwrap_or_default();
            matches!(state, "failed" | "connected").then(|| state.to_owned())
        })
        .unwrap();
    assert_eq!(state, "failed");
    assert!(not_relayed().await.unwrap() > 0.0);
}
