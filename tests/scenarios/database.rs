//! An exam on PostgreSQL: what a candidate and a proctor see is as with the embedded database, also when the server or the
//! database is killed in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::LinkState;
use invigil_client::candidate::{CandidateEvent, EventReport};
use invigil_client::proctor::ProctorEvent;
use invigil_postgres::Postgres;
use invigil_shared::exam::Policy;
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::timeline::{MessageKind, TimelineBody, TimelineEntry};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::Watcher;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const CAMERA: PublicationKey = PublicationKey::CAMERA;

fn seqs(w: &Watcher) -> Vec<u64> {
    let of = |entry: &TimelineEntry| match &entry.body {
        TimelineBody::Integrity { seq, .. } => Some(*seq),
        _ => None,
    };
    w.timeline.iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_outlives_its_server_and_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start().unwrap();
    let mut sfu = Sfu::start_on(&postgres.database().unwrap(), folder.path()).unwrap();
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let exam = sfu.create_exam("Kept", "KEPT-1", &policy).unwrap();
    let link = sfu.add_candidate("KEPT-1", "Candidate 001", Some("A 3")).unwrap();
    let options = BotOptions {
        tone: None,
        ..BotOptions::whole(5)
    };
    let mut bot = Bot::join(&link, &options).await.unwrap();
    let (candidate, client) = (bot.join.participant, bot.client.clone());
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor
        .client
        .send_message(candidate, MessageKind::Warning, "Look at your own screen.")
        .unwrap();
    let warning = bot
        .wait_for(LIMIT, "the warning", |e| match e {
            CandidateEvent::Message(m) => Some(m.clone()),
            _ => None,
        })
        .await
        .unwrap();
    client.acknowledge(warning.id).unwrap();
    let _bot = tokio::spawn(bot.run());
    let understood = |_: &Watcher, e: &ProctorEvent| matches!(e, ProctorEvent::MessageAcknowledged { message, .. } if *message == warning.id);
    proctor.until(LIMIT, "\"I understand\"", understood).await.unwrap();
    proctor.want(&[(candidate, CAMERA, Layer::Low)]).unwrap();
    proctor
        .until(LIMIT, "pictures", |w, _| w.of(candidate, CAMERA).decoded >= 5)
        .await
        .unwrap();
    client.event(EventReport::new(IntegrityKind::FocusLost)).unwrap();
    proctor
        .until(LIMIT, "the first event", |w, _| seqs(w) == [1])
        .await
        .unwrap();

    sfu.kill();
    client.event(EventReport::new(IntegrityKind::FocusReturned)).unwrap();
    let offline = |_: &Watcher, e: &ProctorEvent| matches!(e, ProctorEvent::Link(LinkState::Offline { .. }));
    proctor.until(LIMIT, "the proctor to notice", offline).await.unwrap();
    sfu.restart().unwrap();
    let before = proctor.of(candidate, CAMERA).decoded;
    proctor
        .until(LIMIT, "both events, each once, and pictures", |w, _| {
            seqs(w) == [1, 2] && w.of(candidate, CAMERA).decoded >= before + 5
        })
        .await
        .unwrap();
    assert_eq!(proctor.participants.len(), 1, "the same candidate, not a second one");

    // While the database is away, pictures go on, an event waits, and nobody is told that it is kept.
    postgres.crash().unwrap();
    client.event(EventReport::new(IntegrityKind::FocusLost)).unwrap();
    let before = proctor.of(candidate, CAMERA).decoded;
    proctor
        .until(LIMIT, "pictures without a database", |w, _| {
            w.of(candidate, CAMERA).decoded >= before + 5
        })
        .await
        .unwrap();
    assert_eq!((client.unsent(), seqs(&proctor)), (1, vec![1, 2]));
    postgres.run().unwrap();
    proctor
        .until(LIMIT, "the event that waited", |w, _| seqs(w) == [1, 2, 3])
        .await
        .unwrap();
    assert!(sfu.runs());

    // Who comes now is told the whole story.
    let late = Watcher::enter(&sfu, "grace", exam.id).await.unwrap();
    assert_eq!(seqs(&late), [1, 2, 3]);
    let told = late.timeline.iter().any(|entry| {
        matches!(&entry.body, TimelineBody::Message { message, delivered: true, acknowledged: true, .. } if *message == warning.id)
    });
    assert!(told, "{:?}", late.timeline);
    let log = sfu.log_text();
    assert!(log.contains("not committed"), "it says that it could not write:\n{log}");
    for password in Postgres::passwords() {
        assert!(!log.contains(password));
    }
}
