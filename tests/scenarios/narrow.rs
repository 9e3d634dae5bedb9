//! A candidate whose uplink becomes narrow keeps its voice and a live picture, its proctor sees that the connection is weak, and
//! everything comes back when the line does.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::candidate::CandidateEvent;
use invigil_shared::bandwidth::Plan;
use invigil_shared::exam::Policy;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::stats::ConnectionLevel;
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::relay::{Conditions, Relay};
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::Watcher;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(60);
/// How long the narrow line is lived with.
const NARROW: Duration = Duration::from_secs(15);
/// Packets of a voice that never pauses, in that time.
const VOICE: u32 = 15 * 50;

/// A line with 40 ms of round trip, and half a second of queue where it is narrow.
fn line(rate: Option<u64>) -> Conditions {
    Conditions {
        rate,
        queue: 12_000,
        delay: Duration::from_millis(20),
        ..Conditions::default()
    }
}

/// Lets the bot live; what it may send, as its client says it.
fn live(mut bot: Bot) -> (watch::Receiver<Plan>, tokio::task::JoinHandle<()>) {
    let (plans, follow) = watch::channel(Plan::default());
    let task = tokio::spawn(async move {
        while let Some(event) = bot.events.recv().await {
            bot.follow(&event);
            if let CandidateEvent::Plan(plan) = event {
                plans.send_replace(plan);
            }
        }
    });
    (follow, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_uplink_costs_neither_voice_nor_picture_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let sfu = Sfu::start_with(
        folder.path(),
        "127.0.0.1:0",
        "127.0.0.1:0",
        &["--announce", "127.0.0.2"],
    )
    .unwrap();
    let media: SocketAddr = sfu.ready.media[0].parse().unwrap();
    // The SFU announces the relay's address, with its own port.
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 2], media.port())), media, 7)
        .await
        .unwrap();
    relay.set_up(line(None));
    relay.set_down(line(None));
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let exam = sfu.create_exam("Narrow", "NARROW-1", &policy).unwrap();
    let link = sfu.add_candidate("NARROW-1", "Candidate 001", None).unwrap();
    let bot = Bot::join(&link, &BotOptions::whole(3)).await.unwrap();
    let candidate = bot.join.participant;
    let (plan, bot) = live(bot);
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor
        .until(LIMIT, "the candidate", |w, _| w.publications.len() >= 3)
        .await
        .unwrap();
    proctor
        .want(&[
            (candidate, PublicationKey::CAMERA, Layer::High),
            (candidate, PublicationKey::SCREEN, Layer::Low),
            (candidate, PublicationKey::MICROPHONE, Layer::Low),
        ])
        .unwrap();
    let camera = |w: &Watcher| w.of(candidate, PublicationKey::CAMERA);
    let heard = |w: &Watcher| w.heard.get(&candidate).cloned().unwrap_or_default();
    proctor
        .until(LIMIT, "pictures and a voice", |w, _| {
            camera(w).decoded >= 10 && camera(w).width == 640 && heard(w).packets >= 50
        })
        .await
        .unwrap();
    let whole = plan.borrow().clone();
    assert_eq!(whole.planned, whole.wanted, "nothing is short: {whole:?}");

    relay.set_up(line(Some(150_000)));
    let is_narrow = |plan: &Plan| plan.planned * 3 < plan.wanted;
    proctor
        .until(LIMIT, "encoders that follow the line", |_, _| is_narrow(&plan.borrow()))
        .await
        .unwrap();
    let (before, packets) = (camera(&proctor), heard(&proctor).packets);
    proctor.during(NARROW).await.unwrap();
    let (after, voice) = (camera(&proctor), heard(&proctor));
    assert!(is_narrow(&plan.borrow()), "{:?}", plan.borrow());
    assert!(
        voice.packets - packets >= VOICE * 4 / 5,
        "{} packets of sound while the line was narrow",
        voice.packets - packets
    );
    assert!(
        after.decoded - before.decoded >= 5,
        "{} pictures while the line was narrow",
        after.decoded - before.decoded
    );
    proctor
        .until(LIMIT, "the proctor to be told", |w, _| {
            w.participants[&candidate].connection == ConnectionLevel::Weak
        })
        .await
        .unwrap();

    relay.set_up(line(None));
    proctor
        .until(LIMIT, "everything to come back", |w, _| {
            let plan = plan.borrow();
            plan.planned == plan.wanted
                && camera(w).width == 640
                && w.participants[&candidate].connection != ConnectionLevel::Weak
        })
        .await
        .unwrap();
    bot.abort();
}
