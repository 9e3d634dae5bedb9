//! Networks that let no UDP through, or nothing but HTTPS. The server listens on 127.0.0.1 and announces 127.0.0.9, where nobody
//! listens: what gets through to its media is what a detour there forwards.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::MediaState;
use invigil_client::candidate::CandidateEvent;
use invigil_shared::exam::Policy;
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::chromium;
use invigil_tests::detour::Detour;
use invigil_tests::page::Page;
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::{PASSWORD, Watcher};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(60);
const ANNOUNCED: &str = "127.0.0.9";
/// Another address of the same server, where it announces two.
const SECOND: &str = "127.0.0.8";

struct Stage {
    folder: tempfile::TempDir,
    sfu: Sfu,
    /// Where its first shard's media really is, and where clients believe it to be.
    media: SocketAddr,
    announced: SocketAddr,
}

impl Stage {
    fn set(shards: &str) -> Self {
        Self::with(&["--shards", shards])
    }

    fn with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["--announce", ANNOUNCED], more].concat();
        let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", "127.0.0.1:0", &arguments).unwrap();
        let media: SocketAddr = sfu.ready.media[0].parse().unwrap();
        let announced = SocketAddr::new(ANNOUNCED.parse().unwrap(), media.port());
        Self {
            folder,
            sfu,
            media,
            announced,
        }
    }

    /// A candidate with a camera and a proctor who watches it.
    async fn people(&self, code: &str) -> People {
        let policy = Policy {
            allow_test_picture: true,
            ..Policy::default()
        };
        let exam = self.sfu.create_exam("Blocked", code, &policy).unwrap();
        let link = self.sfu.add_candidate(code, "Candidate 001", None).unwrap();
        let options = BotOptions {
            screen: false,
            tone: None,
            ..BotOptions::whole(3)
        };
        let mut bot = Bot::join(&link, &options).await.unwrap();
        let candidate = bot.join.participant;
        let rebuilt = Arc::<AtomicU32>::default();
        let counted = rebuilt.clone();
        tokio::spawn(async move {
            while let Some(event) = bot.events.recv().await {
                bot.follow(&event);
                if event == CandidateEvent::Media(MediaState::Connecting) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let proctor = Watcher::enter(&self.sfu, "ada", exam.id).await.unwrap();
        proctor
            .want(&[(candidate, PublicationKey::CAMERA, Layer::High)])
            .unwrap();
        People {
            proctor,
            candidate,
            transports: rebuilt,
        }
    }
}

struct People {
    proctor: Watcher,
    candidate: ParticipantId,
    /// Transports that the candidate has made so far.
    transports: Arc<AtomicU32>,
}

impl People {
    /// Waits for so many more pictures.
    async fn pictures(&mut self, more: u32, what: &str) {
        let candidate = self.candidate;
        let enough = self.proctor.of(candidate, PublicationKey::CAMERA).decoded + more;
        self.proctor
            .until(LIMIT, what, |w, _| {
                w.of(candidate, PublicationKey::CAMERA).decoded >= enough
            })
            .await
            .unwrap();
    }

    fn refused(&self) -> u32 {
        self.proctor.of(self.candidate, PublicationKey::CAMERA).refused
    }
}

/// ICE-TCP on the media port's number; and UDP, once it gets through, is preferred again without a new transport.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_flow_over_tcp_and_return_to_udp_when_it_gets_through() {
    let stage = Stage::set("1");
    let tcp = Detour::tcp(stage.announced, stage.media).await.unwrap();
    let mut people = stage.people("TCP-1").await;
    people.pictures(20, "pictures over TCP").await;
    assert!(tcp.carried() > 50_000, "{} bytes by TCP", tcp.carried());

    let udp = Detour::udp(stage.announced, stage.media).await.unwrap();
    let before = udp.carried();
    let candidate = people.candidate;
    let mut moved = 0;
    people
        .proctor
        .until(LIMIT, "pictures over UDP", |w, _| {
            if udp.carried() < before + 50_000 {
                moved = w.of(candidate, PublicationKey::CAMERA).decoded;
            }
            moved > 0 && w.of(candidate, PublicationKey::CAMERA).decoded > moved + 20
        })
        .await
        .unwrap();
    assert_eq!(
        people.transports.load(Ordering::Relaxed),
        1,
        "the transport is the same"
    );

    // And back: UDP is shut while it is used.
    drop(udp);
    let before = tcp.carried();
    people.pictures(20, "pictures over TCP again").await;
    assert!(
        tcp.carried() > before + 20_000,
        "{} bytes by TCP",
        tcp.carried() - before
    );
    assert_eq!(
        people.transports.load(Ordering::Relaxed),
        1,
        "the transport is the same"
    );
    assert_eq!(people.refused(), 0);
}

/// Only the HTTPS port: what carries the pictures has no other way. Two shards: the first request of each connection says whose
/// it is.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_flow_inside_tls_where_only_https_gets_through() {
    let stage = Stage::set("2");
    let mut people = stage.people("TLS-1").await;
    people.pictures(30, "pictures inside TLS").await;
    assert_eq!(people.refused(), 0);
}

/// A browser finds the TCP candidates in the answer. It has no way inside TLS, so the detour is the only one.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_over_tcp_where_udp_is_blocked() {
    let html = Arc::new(Mutex::new(String::new()));
    let served = Page::serve_later(html.clone()).unwrap();
    let stage = Stage::with(&["--shards", "1", "--origin", &served.origin]);
    let sfu = &stage.sfu;
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let exam = sfu.create_exam("Browser", "WEB-1", &policy).unwrap();
    let link = sfu.add_candidate("WEB-1", "Candidate 001", None).unwrap();
    let options = BotOptions {
        screen: false,
        tone: None,
        ..BotOptions::whole(4)
    };
    // The candidate is one of ours and goes inside TLS: no detour stands yet.
    let mut bot = Bot::join(&link, &options).await.unwrap();
    let candidate = bot.join.participant;
    bot.wait_for(LIMIT, "the candidate's transport", |event| {
        (*event == CandidateEvent::Media(MediaState::Connected)).then_some(())
    })
    .await
    .unwrap();
    tokio::spawn(bot.run());
    let tcp = Detour::tcp(stage.announced, stage.media).await.unwrap();
    sfu.add_user("ada@tests.example", "Ada", "proctor", PASSWORD).unwrap();
    let token = sfu
        .command(&["token", "--role", "proctor", "--user", "ada@tests.example"], None)
        .unwrap();
    let url = format!(
        "https://{}/whep/{}/{candidate}/camera/0?layer=high",
        sfu.ready.https, exam.id
    );
    *html.lock().unwrap() = format!(
        "<!doctype html><video id=v autoplay muted playsinline></video><script>(async () => {{
           const report = (o) => fetch('/report', {{ method: 'POST', body: JSON.stringify(o) }});
           const pc = new RTCPeerConnection(); pc.ontrack = (e) => {{ v.srcObject = new MediaStream([e.track]); }};
           pc.addTransceiver('video', {{ direction: 'recvonly' }});
           await pc.setLocalDescription(await pc.createOffer());
           const headers = {{ 'content-type': 'application/sdp', authorization: 'Bearer {}' }};
           const answer = await fetch('{url}', {{ method: 'POST', headers, body: pc.localDescription.sdp }});
           await pc.setRemoteDescription({{ type: 'answer', sdp: await answer.text() }});
           setInterval(async () => {{
             const stats = [...(await pc.getStats()).values()];
             const video = stats.find((s) => s.type === 'inbound-rtp');
             const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
             const remote = pair && stats.find((s) => s.id === pair.remoteCandidateId);
             report({{ decoded: video ? video.framesDecoded : 0, protocol: remote ? remote.protocol : '' }});
           }}, 500);
         }})()</script>",
        token.trim()
    );
    let (spki, logs) = (sfu.spki().unwrap(), stage.folder.path().join("logs"));
    let _browser = chromium::open(&served.origin, &spki, stage.folder.path(), &logs).unwrap();
    served
        .report(LIMIT, "frames that Chromium decoded from TCP", |report| {
            let decoded = report["decoded"].as_u64().unwrap_or(0);
            (decoded > 20 && report["protocol"] == "tcp").then_some(())
        })
        .unwrap();
    assert!(tcp.carried() > 50_000, "{} bytes by TCP", tcp.carried());
}

/// A NAT that forgets its mapping: the same addresses on both ends, another one between them.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_on_the_way_keeps_the_transport() {
    let stage = Stage::set("1");
    let udp = Detour::udp(stage.announced, stage.media).await.unwrap();
    let mut people = stage.people("NAT-1").await;
    for round in 0..3 {
        people.pictures(10, "pictures over UDP").await;
        udp.forget();
        people.pictures(10, &format!("pictures after change {round}")).await;
    }
    assert_eq!(
        people.transports.load(Ordering::Relaxed),
        1,
        "the transport is the same"
    );
    assert_eq!(people.refused(), 0);
}

/// Two announced addresses, of which one answers: that one is used. When it falls silent and the other one answers, that is used
/// with the same transport.
#[tokio::test(flavor = "multi_thread")]
async fn any_of_several_announced_addresses_will_do() {
    let stage = Stage::with(&["--shards", "1", "--announce", SECOND]);
    let second = SocketAddr::new(SECOND.parse().unwrap(), stage.media.port());
    let way = Detour::udp(second, stage.media).await.unwrap();
    let mut people = stage.people("TWO-1").await;
    people.pictures(20, "pictures by the second address").await;
    assert!(way.carried() > 50_000, "{} bytes by the second address", way.carried());

    let other = Detour::udp(stage.announced, stage.media).await.unwrap();
    drop(way);
    let before = other.carried();
    people.pictures(30, "pictures by the first address").await;
    assert!(
        other.carried() > before + 20_000,
        "{} bytes by the first address",
        other.carried() - before
    );
    assert_eq!(
        people.transports.load(Ordering::Relaxed),
        1,
        "the transport is the same"
    );
    assert_eq!(people.refused(), 0);
}

/// Connections that never say anything, say it slowly, or say what nobody may: each is closed, few of them at a time hold a
/// socket, and pictures go on.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_the_tcp_port_harm_nobody() {
    let stage = Stage::set("1");
    let _udp = Detour::udp(stage.announced, stage.media).await.unwrap();
    let mut people = stage.people("FLOOD-1").await;
    people.pictures(10, "pictures before the flood").await;
    let sockets = |sfu: &Sfu| std::fs::read_dir(format!("/proc/{}/fd", sfu.id())).unwrap().count();
    let before = sockets(&stage.sfu);

    let junk: [&[u8]; 5] = [&[], &[0], &[0xff; 3_000], b"GET / HTTP/1.1\r\n\r\n", &STRANGER];
    let mut strangers = tokio::task::JoinSet::new();
    for number in 0..400 {
        let (media, first) = (stage.media, junk[number % junk.len()]);
        strangers.spawn(async move {
            let mut stream = TcpStream::connect(media).await.unwrap();
            let _ = stream.write_all(first).await;
            let mut answer = Vec::new();
            // A reset ends it as well.
            let _ = stream.read_to_end(&mut answer).await;
            answer
        });
    }
    people.pictures(30, "pictures during the flood").await;
    let held = sockets(&stage.sfu);
    assert!(held <= before + 160, "{held} sockets, {before} before");
    let closed = tokio::time::timeout(LIMIT, async {
        while let Some(answer) = strangers.join_next().await {
            assert_eq!(answer.unwrap(), b"", "a stranger was answered");
        }
    });
    closed.await.expect("strangers were not closed");
    people.pictures(10, "pictures after the flood").await;
    assert_eq!(people.transports.load(Ordering::Relaxed), 1);
}

/// A framed binding request to nobody, without integrity.
const STRANGER: [u8; 42] = {
    let mut frame = [0; 42];
    frame[1] = 40;
    frame[3] = 1;
    frame[5] = 20;
    frame[6] = 0x21;
    frame[7] = 0x12;
    frame[8] = 0xA4;
    frame[9] = 0x42;
    frame[23] = 6; // USERNAME
    frame[25] = 16;
    let mut at = 26;
    while at < 42 {
        frame[at] = b'A';
        at += 1;
    }
    frame[37] = b':';
    frame
};
