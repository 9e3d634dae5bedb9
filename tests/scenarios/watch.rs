//! A candidate's camera, screen and microphone reach a proctor through the real server, and words travel between them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::candidate::CandidateEvent;
use invigil_client::proctor::ProctorEvent;
use invigil_shared::exam::Policy;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_shared::timeline::{MessageKind, Presence};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::Watcher;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const CAMERA: PublicationKey = PublicationKey::CAMERA;
const SCREEN: PublicationKey = PublicationKey::SCREEN;
const MICROPHONE: PublicationKey = PublicationKey::MICROPHONE;

fn policy() -> Policy {
    Policy {
        allow_test_picture: true,
        ..Policy::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_arrives_and_layers_follow_the_wish() {
    let folder = tempfile::tempdir().unwrap();
    let sfu = Sfu::start(folder.path()).unwrap();
    let exam = sfu.create_exam("Watch", "WATCH-1", &policy()).unwrap();
    let link = sfu.add_candidate("WATCH-1", "Candidate 001", None).unwrap();
    let bot = Bot::join(
        &link,
        &BotOptions {
            tone: Some(440.0),
            ..BotOptions::whole(1)
        },
    )
    .await
    .unwrap();
    let candidate = bot.join.participant;
    let _bot = tokio::spawn(bot.run());
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor
        .want(&[
            (candidate, CAMERA, Layer::Low),
            (candidate, SCREEN, Layer::Low),
            (candidate, MICROPHONE, Layer::Low),
        ])
        .unwrap();
    let all = |w: &Watcher, _: &ProctorEvent| {
        let sound = w.heard.get(&candidate).is_some_and(|h| h.packets >= 50);
        w.of(candidate, CAMERA).decoded >= 10 && w.of(candidate, SCREEN).decoded >= 3 && sound
    };
    proctor
        .until(LIMIT, "camera, screen and microphone", all)
        .await
        .unwrap();
    let camera = proctor.of(candidate, CAMERA);
    assert_eq!(
        (camera.width, camera.height, camera.layer),
        (320, 180, Some(Layer::Low))
    );
    assert!(camera.luma > 20, "a picture, not black: {camera:?}");

    proctor
        .want(&[(candidate, CAMERA, Layer::High), (candidate, SCREEN, Layer::High)])
        .unwrap();
    let high = |w: &Watcher, _: &ProctorEvent| {
        w.of(candidate, CAMERA).width == 640 && w.of(candidate, SCREEN).layer == Some(Layer::High)
    };
    proctor.until(LIMIT, "both high layers", high).await.unwrap();
    proctor.want(&[(candidate, CAMERA, Layer::Low)]).unwrap();
    proctor
        .until(LIMIT, "the low layer again", |w, _| {
            w.of(candidate, CAMERA).width == 320
        })
        .await
        .unwrap();
    let (camera, screen) = (proctor.of(candidate, CAMERA), proctor.of(candidate, SCREEN));
    assert_eq!(
        (camera.refused, screen.refused),
        (0, 0),
        "a layer changes on key frames only"
    );
    assert_eq!((camera.backwards, screen.backwards), (0, 0), "pictures arrive in order");
    let heard = &proctor.heard[&candidate];
    assert_eq!(heard.missing, 0, "no packet of sound is lost on loopback");
    assert!(heard.samples.iter().any(|s| s.abs() > 0.1), "the tone is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_moves_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let free = "127.0.0.1:0";
    let sfu = Sfu::start_with(folder.path(), free, free, &["--metrics-listen", free]).unwrap();
    let candidates = "invigil_participants{role=\"candidate\",presence=\"online\"}";
    assert_eq!(sfu.metric("invigil_datagrams_total").await.unwrap(), 0.0);
    assert_eq!(sfu.metric(candidates).await.unwrap(), 0.0);
    let exam = sfu.create_exam("Watch", "WATCH-1", &policy()).unwrap();
    let link = sfu.add_candidate("WATCH-1", "Candidate 001", None).unwrap();
    let bot = Bot::join(&link, &BotOptions::whole(1)).await.unwrap();
    let candidate = bot.join.participant;
    let _bot = tokio::spawn(bot.run());
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor.want(&[(candidate, CAMERA, Layer::Low)]).unwrap();
    let pictures = |w: &Watcher, _: &ProctorEvent| w.of(candidate, CAMERA).decoded >= 10;
    proctor.until(LIMIT, "pictures", pictures).await.unwrap();
    assert_eq!(sfu.metric(candidates).await.unwrap(), 1.0);
    assert_eq!(
        sfu.metric("invigil_participants{role=\"proctor\",presence=\"online\"}")
            .await
            .unwrap(),
        1.0
    );
    assert_eq!(sfu.metric("invigil_sockets").await.unwrap(), 2.0);
    assert_eq!(sfu.metric("invigil_join_seconds_count").await.unwrap(), 1.0);
    assert!(sfu.metric("invigil_shard_transports").await.unwrap() >= 2.0);
    assert!(sfu.metric("invigil_key_frame_requests_total").await.unwrap() >= 1.0);
    assert!(sfu.metric("invigil_shard_cpu_seconds_total").await.unwrap() > 0.0);
    let (before, bytes) = (
        sfu.metric("invigil_datagrams_total").await.unwrap(),
        sfu.metric("invigil_bytes_total").await.unwrap(),
    );
    assert!(bytes > 10_000.0, "ten pictures came and went");
    let later = proctor.of(candidate, CAMERA).decoded + 10;
    let more = |w: &Watcher, _: &ProctorEvent| w.of(candidate, CAMERA).decoded >= later;
    proctor.until(LIMIT, "more pictures", more).await.unwrap();
    assert!(
        sfu.metric("invigil_datagrams_total").await.unwrap() > before,
        "they grow while pictures flow"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_warnings_arrive_and_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let sfu = Sfu::start(folder.path()).unwrap();
    let exam = sfu.create_exam("Words", "WORDS-1", &policy()).unwrap();
    let link = sfu.add_candidate("WORDS-1", "Candidate 001", None).unwrap();
    let options = BotOptions {
        camera: false,
        screen: false,
        tone: None,
        seed: 1,
        reel: None,
    };
    let mut bot = Bot::join(&link, &options).await.unwrap();
    let candidate = bot.join.participant;
    bot.wait_for(LIMIT, "the room", |e| {
        matches!(e, CandidateEvent::RoomState(_)).then_some(())
    })
    .await
    .unwrap();
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    assert_eq!(proctor.participants[&candidate].presence, Presence::Online);

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
    assert_eq!(
        (warning.kind, warning.text.as_str()),
        (MessageKind::Warning, "Look at your own screen.")
    );
    assert!(
        !warning.author.contains("ada"),
        "candidates are not told proctors' names: {}",
        warning.author
    );
    bot.client.acknowledge(warning.id).unwrap();
    let understood = |_: &Watcher, e: &ProctorEvent| matches!(e, ProctorEvent::MessageAcknowledged { message, .. } if *message == warning.id);
    proctor
        .until(LIMIT, "the candidate's \"I understand\"", understood)
        .await
        .unwrap();

    bot.client.chat("May I leave the room?").unwrap();
    proctor
        .until(LIMIT, "the candidate's question", |w, _| {
            w.messages
                .iter()
                .any(|m| m.text == "May I leave the room?" && m.from_candidate)
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_the_same_session_pictures_and_events() {
    use invigil_client::candidate::EventReport;
    use invigil_shared::integrity::IntegrityKind;
    use invigil_shared::timeline::TimelineBody;
    let folder = tempfile::tempdir().unwrap();
    let mut sfu = Sfu::start(folder.path()).unwrap();
    let exam = sfu.create_exam("Kill", "KILL-1", &policy()).unwrap();
    let link = sfu.add_candidate("KILL-1", "Candidate 001", None).unwrap();
    let bot = Bot::join(
        &link,
        &BotOptions {
            tone: None,
            ..BotOptions::whole(3)
        },
    )
    .await
    .unwrap();
    let (candidate, client) = (bot.join.participant, bot.client.clone());
    let _bot = tokio::spawn(bot.run());
    let mut proctor = Watcher::enter(&sfu, "ada", exam.id).await.unwrap();
    proctor.want(&[(candidate, CAMERA, Layer::Low)]).unwrap();
    proctor
        .until(LIMIT, "pictures", |w, _| w.of(candidate, CAMERA).decoded >= 5)
        .await
        .unwrap();
    client.event(EventReport::new(IntegrityKind::FocusLost)).unwrap();
    let seqs = |w: &Watcher| -> Vec<u64> {
        let of = |e: &invigil_shared::timeline::TimelineEntry| match &e.body {
            TimelineBody::Integrity { seq, .. } => Some(*seq),
            _ => None,
        };
        w.timeline.iter().filter_map(of).collect()
    };
    proctor
        .until(LIMIT, "the first event", |w, _| seqs(w) == [1])
        .await
        .unwrap();

    sfu.kill();
    client.event(EventReport::new(IntegrityKind::FocusReturned)).unwrap();
    let offline =
        |_: &Watcher, e: &ProctorEvent| matches!(e, ProctorEvent::Link(invigil_client::LinkState::Offline { .. }));
    proctor.until(LIMIT, "the proctor to notice", offline).await.unwrap();
    sfu.restart().unwrap();
    let before = proctor.of(candidate, CAMERA).decoded;
    proctor
        .until(LIMIT, "pictures again", |w, _| {
            w.of(candidate, CAMERA).decoded >= before + 5
        })
        .await
        .unwrap();
    proctor
        .until(LIMIT, "both events, each once", |w, _| seqs(w) == [1, 2])
        .await
        .unwrap();
    assert_eq!(
        proctor.participants.len(),
        1,
        "the same candidate, not a second one: {:?}",
        proctor.participants
    );
    assert_eq!(client.unsent(), 0);
}
