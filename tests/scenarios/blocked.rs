//! Networks that let no UDP through, or nothing but HTTPS. The server listens on 127.0.0.1 and announces 127.0.0.9, where nobody
//! listens: what gets through to its media is what a relay there forwards.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::MediaState;
use invigil_client::candidate::CandidateEvent;
use invigil_shared::exam::Policy;
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::detour::Detour;
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::Watcher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(60);
const ANNOUNCED: &str = "127.0.0.9";

struct Stage {
    _folder: tempfile::TempDir,
    sfu: Sfu,
    /// Where its media really is, and where clients believe it to be.
    media: SocketAddr,
    announced: SocketAddr,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--announce", ANNOUNCED];
        let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", "127.0.0.1:0", &arguments).unwrap();
        let media: SocketAddr = sfu.ready.media[0].parse().unwrap();
        let announced = SocketAddr::new(ANNOUNCED.parse().unwrap(), media.port());
        Self {
            _folder: folder,
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
    let stage = Stage::set();
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

/// Only the HTTPS port: what carries the pictures has no other way.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_flow_inside_tls_where_only_https_gets_through() {
    let stage = Stage::set();
    let mut people = stage.people("TLS-1").await;
    people.pictures(30, "pictures inside TLS").await;
    assert_eq!(people.refused(), 0);
}

/// A NAT that forgets its mapping: the same addresses on both ends, another one between them.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_on_the_way_keeps_the_transport() {
    let stage = Stage::set();
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

/// Connections that never say anything, say it slowly, or say what nobody may: each is closed, few of them at a time hold a
/// socket, and pictures go on.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_the_tcp_port_harm_nobody() {
    let stage = Stage::set();
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
