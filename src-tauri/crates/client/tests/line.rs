//! The whole line against the real server: publish, watch, listen, talk, report, and come back after kill -9.

#![allow(clippy::unwrap_used, clippy::expect_used)] // test code: a failure is the test's

mod support;

use invigil_client::candidate::{CandidateEvent, EventReport};
use invigil_client::proctor::ProctorEvent;
use invigil_client::trust::{CertificateTrust, probe};
use invigil_client::{ClientError, LinkState, MediaState};
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};
use invigil_shared::timeline::MessageKind;
use std::time::Instant;
use support::{Sfu, camera, feed, microphone, number_of, wait};

fn intents(participant: invigil_shared::id::ParticipantId, layer: Layer) -> Vec<Intent> {
    let of = |publication| PublicationRef {
        participant,
        publication,
    };
    vec![
        Intent {
            slot: 5,
            wanted: of(PublicationKey::CAMERA),
            layer,
            priority: Priority::Tile,
        },
        Intent {
            slot: 64,
            wanted: of(PublicationKey::MICROPHONE),
            layer: Layer::Low,
            priority: Priority::Focus,
        },
    ]
}

/// The next `count` pictures of slot 5, checked byte for byte; their numbers and what they said of their capture.
async fn pictures(
    events: &mut tokio::sync::mpsc::Receiver<ProctorEvent>,
    wanted: Layer,
    count: usize,
) -> Vec<(u32, bool, i64)> {
    let mut seen = Vec::new();
    wait(events, "pictures", |event| {
        if let ProctorEvent::VideoFrame {
            slot: 5,
            layer,
            data,
            key,
            captured_at_us,
            ..
        } = event
            && *layer == wanted
        {
            let number = number_of(data, *layer, *key).expect("a picture as it was sent");
            seen.push((number, *key, *captured_at_us));
        }
        (seen.len() >= count).then_some(())
    })
    .await;
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_is_seen_heard_and_told_and_survives_the_servers_death() {
    let mut sfu = Sfu::start().await;
    let exam = sfu.exam("LINE-1");
    let link = sfu.roster("LINE-1", "Candidate 001");

    let (candidate, mut candidate_events) = sfu.candidate(&link).await;
    candidate.publish(camera()).unwrap();
    candidate.publish(microphone()).unwrap();
    let room = wait(&mut candidate_events, "the candidate's room", |e| match e {
        CandidateEvent::RoomState(room) => Some(room.clone()),
        _ => None,
    })
    .await;
    assert!(room.participants.is_empty(), "a candidate never learns of others");
    let me = room.you.id;
    let (feeding, made) = feed(&candidate);

    let (proctor, mut proctor_events) = sfu.proctor(exam).await;
    let began = Instant::now();
    proctor.set_intents(intents(me, Layer::Low)).unwrap();

    // Pictures: whole, in order, nothing missing after the first, which stands by itself.
    let low = pictures(&mut proctor_events, Layer::Low, 30).await;
    println!("sign-in to 30 pictures: {:?}", began.elapsed());
    assert!(low[0].1, "the first picture is a key frame");
    assert!(low.windows(2).all(|w| w[1].0 == w[0].0 + 1), "{low:?}");
    let now = proctor.server_now_us();
    assert!(
        low.iter().all(|p| (now - 10_000_000..=now + 1_000_000).contains(&p.2)),
        "capture times are server time"
    );

    // Another layer, by the same slot, without new SDP.
    proctor.set_intents(intents(me, Layer::High)).unwrap();
    let high = pictures(&mut proctor_events, Layer::High, 15).await;
    assert!(high[0].1 && high.windows(2).all(|w| w[1].0 == w[0].0 + 1), "{high:?}");

    // Sound: in order, with its capture time.
    let mut packets = Vec::new();
    wait(&mut proctor_events, "sound", |event| {
        if let ProctorEvent::AudioPacket {
            slot: 64,
            data,
            sequence,
            captured_at_us,
            ..
        } = event
        {
            assert!(data.starts_with(b"opus") && *captured_at_us > 0);
            packets.push(*sequence);
        }
        (packets.len() >= 25).then_some(())
    })
    .await;
    assert!(packets.windows(2).all(|w| w[1] == w[0] + 1), "{packets:?}");
    wait(&mut proctor_events, "levels", |e| {
        matches!(e, ProctorEvent::Levels(l) if l.iter().any(|l| l.participant == me)).then_some(())
    })
    .await;

    // An integrity event reaches the timeline and is acknowledged.
    candidate.event(EventReport::new(IntegrityKind::FocusLost)).unwrap();
    let head = wait(&mut candidate_events, "the acknowledgement", |e| match e {
        CandidateEvent::IntegrityAck(head) => Some(*head),
        _ => None,
    })
    .await;
    assert_eq!((head.seq, candidate.unsent()), (1, 0));

    // A warning reaches the candidate, and its "I understand" the proctor.
    let ticket = proctor
        .send_message(me, MessageKind::Warning, "Eyes on the screen")
        .unwrap();
    let message = wait(&mut candidate_events, "the warning", |e| match e {
        CandidateEvent::Message(m) => Some(m.clone()),
        _ => None,
    })
    .await;
    assert_eq!(message.text, "Eyes on the screen");
    candidate.acknowledge(message.id).unwrap();
    wait(&mut proctor_events, "the acknowledgement", |e| match e {
        ProctorEvent::MessageSent { ticket: t, result } => {
            assert!(*t == ticket && result.is_ok());
            None
        }
        ProctorEvent::MessageAcknowledged { message: m, .. } => (*m == message.id).then_some(()),
        _ => None,
    })
    .await;

    // Both change their network: ICE is restarted under way, on the same transports.
    candidate.network_changed().unwrap();
    proctor.network_changed().unwrap();
    pictures(&mut proctor_events, Layer::High, 15).await;

    // A silent path is noticed within seconds, long before ICE would, and heals by itself.
    sfu.signal("-STOP");
    let stopped = Instant::now();
    wait(&mut proctor_events, "the interruption", |e| {
        matches!(e, ProctorEvent::Media(MediaState::Interrupted)).then_some(())
    })
    .await;
    println!("a silent path noticed after {:?}", stopped.elapsed());
    sfu.signal("-CONT");
    wait(&mut proctor_events, "the path", |e| {
        matches!(e, ProctorEvent::Media(MediaState::Connected)).then_some(())
    })
    .await;
    pictures(&mut proctor_events, Layer::High, 10).await;

    // kill -9. Both say so; events are kept; pictures come back by themselves in the same session.
    sfu.kill().await;
    wait(&mut candidate_events, "offline", |e| {
        matches!(e, CandidateEvent::Link(LinkState::Offline { .. })).then_some(())
    })
    .await;
    candidate.event(EventReport::new(IntegrityKind::NetworkLost)).unwrap();
    candidate.event(EventReport::new(IntegrityKind::FocusReturned)).unwrap();
    candidate.chat("still here").unwrap();
    assert_eq!(candidate.unsent(), 2);
    wait(&mut proctor_events, "the proctor's offline", |e| {
        matches!(e, ProctorEvent::Link(LinkState::Offline { .. })).then_some(())
    })
    .await;
    let made_before = made.load(std::sync::atomic::Ordering::Relaxed);
    sfu.start_again().await;
    let up = Instant::now();
    let back = pictures(&mut proctor_events, Layer::High, 10).await;
    println!("server ready to 10 pictures: {:?}", up.elapsed());
    assert!(back[0].1 && back.windows(2).all(|w| w[1].0 == w[0].0 + 1), "{back:?}");
    assert!(made.load(std::sync::atomic::Ordering::Relaxed) > made_before);
    wait(&mut candidate_events, "both events safe", |e| {
        matches!(e, CandidateEvent::IntegrityAck(head) if head.seq == 3).then_some(())
    })
    .await;
    assert_eq!(candidate.unsent(), 0);

    candidate.finish().unwrap();
    wait(&mut candidate_events, "handed in", |e| {
        matches!(e, CandidateEvent::Finished).then_some(())
    })
    .await;
    feeding.abort();
    candidate.close().await;
    proctor.close().await;
}

#[tokio::test]
async fn only_the_pinned_certificate_is_believed() {
    let sfu = Sfu::start().await;
    let seen = probe(&sfu.https).await.unwrap();
    assert_eq!(invigil_shared::chain::hex(&seen), sfu.sha256);

    let mut other = seen;
    other[0] ^= 1;
    for trust in [CertificateTrust::Pinned(other), CertificateTrust::Roots] {
        let api = invigil_client::rest::Api::new(&sfu.https, trust).unwrap();
        let error = api.sign_in("a@b.example", "x").await.unwrap_err();
        assert!(matches!(error, ClientError::Untrusted(_)), "{trust:?}: {error}");
    }
    let api = invigil_client::rest::Api::new(&sfu.https, CertificateTrust::Pinned(seen)).unwrap();
    let error = api.sign_in("nobody@b.example", "wrong password 1").await.unwrap_err();
    assert_eq!(error.code(), "credentials_wrong");
}
