//! A candidate is online, degraded while the path is bad, online again, finished or lost, as the server measures it and those who watch
//! see it; and afterwards a lead reads who was there and how the connection was.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_shared::id::ParticipantId;
use invigil_shared::participation::{Departure, Participation};
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::role::Role;
use invigil_shared::timeline::Presence;
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::relay::{Conditions, Relay};
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::{PASSWORD, Watcher};
use std::net::SocketAddr;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn line(delay_ms: u64) -> Conditions {
    Conditions {
        delay: Duration::from_millis(delay_ms),
        ..Conditions::default()
    }
}

async fn is(proctor: &mut Watcher, candidate: ParticipantId, presence: Presence) {
    let what = format!("{presence:?}");
    proctor
        .until(LIMIT, &what, |w, _| {
            let there = w.participants.get(&candidate);
            there.is_some_and(|there| there.presence == presence)
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_says_how_a_path_is_and_who_was_there_is_read_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--announce", "127.0.0.2", "--statistics-every-s", "1"];
    let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", "127.0.0.1:0", &more).unwrap();
    let media: SocketAddr = sfu.ready.media[0].parse().unwrap();
    // The SFU announces the relay's address, with its own port. Signalling does not go through it.
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 2], media.port())), media, 7)
        .await
        .unwrap();
    let set = |delay_ms| {
        relay.set_up(line(delay_ms));
        relay.set_down(line(delay_ms));
    };
    set(20);
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let exam = sfu.create_exam("Presence", "PRESENCE-1", &policy).unwrap();
    let link = sfu.add_candidate("PRESENCE-1", "Candidate 001", None).unwrap();
    let bot = Bot::join(&link, &BotOptions::whole(3)).await.unwrap();
    let (candidate, client) = (bot.join.participant, bot.client.clone());
    tokio::spawn(bot.run());
    let other = sfu.add_candidate("PRESENCE-1", "Candidate 002", None).unwrap();
    let gone = Bot::join(&other, &BotOptions::whole(4)).await.unwrap();
    let lost = gone.join.participant;
    let gone = tokio::spawn(gone.run());
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor
        .until(LIMIT, "the candidates", |w, _| w.publications.len() >= 6)
        .await
        .unwrap();
    proctor
        .want(&[(candidate, PublicationKey::CAMERA, Layer::Low)])
        .unwrap();
    proctor
        .until(LIMIT, "pictures", |w, _| {
            w.of(candidate, PublicationKey::CAMERA).decoded >= 10
        })
        .await
        .unwrap();
    is(&mut proctor, candidate, Presence::Online).await;
    // There and back takes half a second, which only the server's reference times and the client's answers tell.
    set(250);
    is(&mut proctor, candidate, Presence::Degraded).await;
    set(20);
    is(&mut proctor, candidate, Presence::Online).await;
    gone.abort();
    is(&mut proctor, lost, Presence::Lost).await;
    client.finish().unwrap();
    is(&mut proctor, candidate, Presence::Finished).await;

    sfu.add_user("lead@tests.example", "Lea", "lead", PASSWORD).unwrap();
    let api = sfu.api().unwrap();
    let token = api.sign_in("lead@tests.example", PASSWORD).await.unwrap().access_token;
    let stays = tokio::time::timeout(LIMIT, async {
        loop {
            let stays = api.participations(&token, exam.id).await.unwrap();
            let over = |stay: &Participation| stay.role != Role::Candidate || stay.left_at.is_some();
            if stays.len() == 3 && stays.iter().all(over) {
                return stays;
            }
        }
    });
    let stays = stays.await.expect("who was there");
    let of = |participant| stays.iter().find(|stay| stay.participant == participant).unwrap();
    let (first, second) = (of(candidate), of(lost));
    assert_eq!(
        (first.name.as_str(), first.departure),
        ("Candidate 001", Some(Departure::Finished))
    );
    assert_eq!(second.departure, Some(Departure::Lost));
    let path = first.averages;
    // Between the two lines' round trips, 40 and 500 ms, with what a busy machine adds.
    assert!((40_000..900_000).contains(&path.rtt_us.unwrap()), "{first:?}");
    assert!(path.up_bps.unwrap() > 20_000, "{first:?}");
    assert!(path.lost_ppm.unwrap() < 500_000, "{first:?}");
    assert!(first.trend.len() > 5, "{first:?}");
    let watcher = stays.iter().find(|stay| stay.role == Role::Proctor).unwrap();
    assert!(
        watcher.left_at.is_none() && watcher.averages.down_bps.unwrap() > 1_000,
        "{watcher:?}"
    );
}
