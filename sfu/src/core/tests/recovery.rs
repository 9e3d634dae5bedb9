//! Loss on either side, ICE restarts, and peers that fall silent.

use super::world::*;
use crate::core::io::{Command, Direction, Event, Reply};
use crate::core::rtcp::{Item, nacked, parse, write_nack, write_pli};
use invigil_shared::error::ErrorCode;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::{Layer, PublicationKey};

fn watched() -> (World, usize, usize) {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(1));
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    (world, publisher, subscriber)
}

#[test]
fn a_subscriber_gets_what_it_missed_as_rtx() {
    let (mut world, publisher, subscriber) = watched();
    for sequence in 0..10u16 {
        world.frame(publisher, ssrcs(1).0, sequence, sequence == 0, &[sequence as u8; 50]);
        world.pass(20);
    }
    let (ssrc, rtx) = world.peers[subscriber].announced()[0];
    let lost = world.peers[subscriber].rtp[4].header;
    let mut nack = vec![];
    write_nack(&mut nack, 1, ssrc, &[lost.sequence, lost.sequence + 2]);
    world.send_rtcp(subscriber, nack.clone());
    world.send_rtcp(subscriber, nack);
    let again = &world.peers[subscriber].rtp[10..];
    assert_eq!(again.len(), 2, "asked twice within a round trip, answered once");
    for (packet, original) in again.iter().zip([4u8, 6]) {
        assert_eq!((packet.header.ssrc, packet.header.payload_type), (rtx.unwrap(), RTX));
        assert_eq!(
            packet.payload()[..2],
            (lost.sequence + u16::from(original) - 4).to_be_bytes()
        );
        assert_eq!(packet.payload()[2..], [original; 50]);
    }
    assert_eq!(again[0].header.timestamp, lost.timestamp);
    assert_eq!(again[1].header.sequence, again[0].header.sequence + 1);
}

#[test]
fn a_publishers_loss_is_asked_for_and_its_repair_reaches_the_subscriber() {
    let (mut world, publisher, subscriber) = watched();
    let (low, _) = ssrcs(1);
    for sequence in [0u16, 1, 3, 4] {
        world.frame(publisher, low, sequence, sequence == 0, &[sequence as u8; 50]);
    }
    world.pass(20);
    let mut wanted = vec![];
    for compound in &world.peers[publisher].rtcp {
        parse(compound, |item| {
            if let Item::Nack { media, pairs } = item {
                assert_eq!(media, low);
                wanted.extend(nacked(pairs));
            }
        });
    }
    assert_eq!(wanted, [2]);
    let mut payload = 2u16.to_be_bytes().to_vec();
    payload.extend_from_slice(&[2; 50]);
    let repair = Media {
        ssrc: low + 1,
        sequence: 7,
        payload_type: RTX,
        timestamp: 5,
        frame: None,
        level: None,
        payload: &payload,
    };
    world.send(publisher, repair);
    let last = world.peers[subscriber].rtp.last().unwrap();
    assert_eq!(last.header.payload_type, RTX);
    assert_eq!(last.payload()[2..], [2; 50]);
    let first = world.peers[subscriber].rtp[0].header.sequence;
    assert_eq!(last.payload()[..2], (first + 2).to_be_bytes());
}

#[test]
fn what_came_before_the_late_beginning_of_a_key_frame_follows_it() {
    let (mut world, publisher, subscriber) = watched();
    let (low, _) = ssrcs(1);
    let send = |world: &mut World, part: u16, is_repair: bool| {
        let frame = FrameInfo {
            key: true,
            start: part == 0,
            end: part == 4,
            layer: Layer::Low,
            temporal: 0,
            captured: None,
        };
        let original = [&part.to_be_bytes()[..], b"part"].concat();
        let media = Media {
            ssrc: if is_repair { low + 1 } else { low },
            sequence: part,
            payload_type: if is_repair { RTX } else { H264 },
            timestamp: 9_000,
            frame: Some(frame),
            level: None,
            payload: if is_repair { &original } else { b"part" },
        };
        world.send(publisher, media);
    };
    for part in [1, 2, 4] {
        send(&mut world, part, false);
    }
    world.frame(publisher, low, 5, false, b"next");
    assert!(world.peers[subscriber].rtp.is_empty());
    send(&mut world, 0, true);
    send(&mut world, 3, true);
    world.frame(publisher, low, 6, false, b"next");
    let got = &world.peers[subscriber].rtp;
    let (media, repairs): (Vec<_>, Vec<_>) = got.iter().partition(|got| got.header.payload_type == H264);
    let first = media[0].header.sequence;
    let numbers: Vec<u16> = media.iter().map(|got| got.header.sequence - first).collect();
    assert_eq!(numbers, [0, 1, 2, 4, 5, 6]);
    // What was still missing then comes as a repair.
    assert_eq!(repairs.len(), 1);
    assert_eq!(repairs[0].payload()[..2], (first + 3).to_be_bytes());
}

#[test]
fn a_request_that_crosses_the_key_frame_is_not_passed_on() {
    let (mut world, publisher, subscriber) = watched();
    let (low, _) = ssrcs(1);
    world.frame(publisher, low, 0, true, b"key");
    let (ssrc, _) = world.peers[subscriber].announced()[0];
    let mut request = vec![];
    write_pli(&mut request, 1, ssrc);
    for sequence in 1..60u16 {
        world.frame(publisher, low, sequence, false, b"x");
        world.pass(10);
    }
    world.peers[publisher].rtcp.clear();
    world.send_rtcp(subscriber, request.clone());
    assert_eq!(world.peers[publisher].key_frames_asked(), [low]);
    world.frame(publisher, low, 60, true, b"key");
    world.peers[publisher].rtcp.clear();
    // Sent while the key frame was on its way, and waited for as long as another may be asked for.
    world.pass(50);
    world.send_rtcp(subscriber, request.clone());
    world.pass(600);
    assert_eq!(world.peers[publisher].key_frames_asked(), [0u32; 0]);
    world.send_rtcp(subscriber, request);
    assert_eq!(world.peers[publisher].key_frames_asked(), [low], "it did not come");
}

#[test]
fn what_is_asked_for_too_late_is_answered_by_a_key_frame() {
    let (mut world, publisher, subscriber) = watched();
    let (low, _) = ssrcs(1);
    let send = |world: &mut World, sequences: std::ops::Range<u16>, key| {
        for sequence in sequences {
            world.frame(publisher, low, sequence, sequence == key, &[1; 50]);
            world.pass(20);
        }
        world.peers[publisher].rtcp.clear();
    };
    send(&mut world, 0..150, 0);
    let (ssrc, _) = world.peers[subscriber].announced()[0];
    let first = world.peers[subscriber].rtp[0].header.sequence;
    let ask = |world: &mut World, sequence: u16| {
        let mut nack = vec![];
        write_nack(&mut nack, 1, ssrc, &[first + sequence]);
        let before = world.peers[subscriber].rtp.len();
        world.send_rtcp(subscriber, nack);
        let sent = world.peers[subscriber].rtp.len() - before;
        (sent, world.peers[publisher].key_frames_asked())
    };
    // What is kept for a second and a half is sent again. What is older is not, and all that came after it is worth nothing.
    assert_eq!(ask(&mut world, 149), (1, vec![]));
    assert_eq!(ask(&mut world, 10), (0, vec![low]));
    // It is of before the key frame by which the receiver goes on.
    send(&mut world, 150..300, 150);
    assert_eq!(ask(&mut world, 20), (0, vec![]));
    assert_eq!(ask(&mut world, 160), (0, vec![low]));
}

#[test]
fn a_request_for_a_key_frame_is_repeated_under_its_number_until_one_begins() {
    let (mut world, publisher, _) = watched();
    let (low, high) = ssrcs(1);
    let commands = |world: &mut World| {
        let mut found = vec![];
        for compound in std::mem::take(&mut world.peers[publisher].rtcp) {
            parse(&compound, |item| {
                if let Item::KeyFrame { media, command } = item {
                    found.push((media, command));
                }
            });
        }
        found
    };
    world.pass(350);
    assert_eq!(commands(&mut world), [(low, Some(1)); 4]);
    world.frame(publisher, low, 0, true, b"key");
    world.pass(350);
    assert_eq!(commands(&mut world), []);
    // Taken back and offered anew, its numbers go on: the far end would take the first one for a repetition.
    world
        .command(Command::Unpublish {
            participant: person(1),
            publication: PublicationKey::CAMERA,
        })
        .unwrap();
    world
        .command(Command::Publish {
            participant: person(1),
            publication: PublicationKey::CAMERA,
            codec: "video/H264".into(),
            layers: vec![layer(Layer::Low, low), layer(Layer::High, high)],
        })
        .unwrap();
    world.pass(50);
    assert_eq!(commands(&mut world), [(low, Some(2))]);
}

#[test]
fn what_is_published_again_as_it_was_asks_for_no_key_frame() {
    let (mut world, publisher, subscriber) = watched();
    let (low, high) = ssrcs(1);
    let publish = |high| Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, low), layer(Layer::High, high)],
    };
    for sequence in 0..200u16 {
        world.frame(publisher, low, sequence, sequence == 0, &[1; 50]);
        world.pass(20);
        match sequence {
            100 => world.peers[publisher].rtcp.clear(),
            110 => drop(world.command(publish(high)).unwrap()),
            // Another layer of it begins anew, which nobody watches.
            140 => drop(world.command(publish(high + 500)).unwrap()),
            _ => {}
        }
    }
    assert_eq!(world.peers[publisher].key_frames_asked(), [0u32; 0]);
    let seen = &world.peers[subscriber].rtp;
    assert_eq!(seen.len(), 200, "nothing was held back either");
    // The watched one does have to begin with a key frame when its source is another.
    let anew = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, low + 300), layer(Layer::High, high + 500)],
    };
    world.command(anew).unwrap();
    world.pass(600);
    assert_eq!(world.peers[publisher].key_frames_asked().first(), Some(&(low + 300)));
}

#[test]
fn publishers_get_transport_feedback_and_receiver_reports() {
    let (mut world, publisher, _) = watched();
    for sequence in 0..20u16 {
        world.frame(publisher, ssrcs(1).0, sequence, sequence == 0, b"x");
        world.pass(100);
    }
    let (mut reported, mut reports) = (0, 0);
    for compound in &world.peers[publisher].rtcp {
        parse(compound, |item| match item {
            Item::TransportFeedback { control } => reported += u16::from_be_bytes([control[2], control[3]]),
            Item::Report(block) => {
                assert_eq!((block.ssrc, block.lost), (ssrcs(1).0, 0));
                reports += 1;
            }
            _ => {}
        });
    }
    assert_eq!(reported, 20);
    assert!((1..=2).contains(&reports), "{reports}");
}

#[test]
fn an_ice_restart_moves_the_path_and_keeps_the_stream() {
    let (mut world, publisher, subscriber) = watched();
    world.frame(publisher, ssrcs(1).0, 0, true, b"before");
    let old = world.remote_ufrag(subscriber);
    let ssrc = world.peers[subscriber].announced()[0];
    world.restart(subscriber, &pool(1));
    assert_ne!(world.remote_ufrag(subscriber), old);
    assert_eq!(world.peers[subscriber].announced()[0], ssrc);
    world.frame(publisher, ssrcs(1).0, 1, false, b"after");
    let got = &world.peers[subscriber].rtp;
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].payload(), b"after");
    assert_eq!(got[1].header.sequence, got[0].header.sequence + 1);
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::TransportLost { .. }))
    );
}

#[test]
fn without_consent_nothing_is_sent_and_the_transport_is_given_up() {
    let (mut world, publisher, subscriber) = watched();
    world.frame(publisher, ssrcs(1).0, 0, true, b"key");
    world.peers[subscriber].silent = true;
    world.pass(36_000);
    let lost: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::TransportLost {
                participant, reason, ..
            } => Some((*participant, *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [(person(9), ErrorCode::IdleTimeout)]);
    let before = world.peers[subscriber].rtp.len();
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    assert_eq!(world.peers[subscriber].rtp.len(), before);
    let stopped = world.events.iter().rev().find_map(|event| match event {
        Event::LayerDemand { demands, .. } => Some(demands[0].layers.clone()),
        _ => None,
    });
    assert_eq!(stopped, Some(vec![]), "nobody watches any more");
}

#[test]
fn a_subscriber_that_comes_back_finds_its_wishes() {
    let (mut world, publisher, _) = watched();
    let again = world.join(9, 1, Direction::Subscribe, &pool(1));
    let replaced = |event: &Event| {
        matches!(
            event,
            Event::TransportLost {
                reason: ErrorCode::Replaced,
                ..
            }
        )
    };
    assert!(world.events.iter().any(replaced));
    world.frame(publisher, ssrcs(1).0, 0, true, b"key");
    assert_eq!(world.peers[again].rtp[0].payload(), b"key");
}

#[test]
fn a_camera_that_stops_is_said_to_have_stopped() {
    let (mut world, publisher, _) = watched();
    world.frame(publisher, ssrcs(1).0, 0, true, b"key");
    world.pass(3_000);
    let flows: Vec<bool> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::MediaFlow {
                layer: Layer::Low,
                flowing,
                ..
            } => Some(*flowing),
            _ => None,
        })
        .collect();
    assert_eq!(flows, [true, false]);
}

#[test]
fn a_publisher_that_comes_back_with_other_sources_goes_on_in_the_same_slot() {
    let (mut world, publisher, subscriber) = watched();
    for sequence in 500..510u16 {
        world.frame(publisher, ssrcs(1).0, sequence, sequence == 500, b"before");
    }
    let again = world.join(1, 1, Direction::Publish, &publisher_media());
    let layers = vec![layer(Layer::Low, 71), layer(Layer::High, 81)];
    let publication = PublicationKey::CAMERA;
    let publish = Command::Publish {
        participant: person(1),
        publication,
        codec: "video/H264".into(),
        layers,
    };
    assert_eq!(world.command(publish), Ok(Reply::Demand(vec![Layer::Low])));
    world.frame(again, 71, 3, false, b"no picture yet");
    world.frame(again, 71, 4, true, b"after");
    let got = &world.peers[subscriber].rtp;
    assert_eq!(got.len(), 11);
    assert_eq!(got[10].payload(), b"after");
    assert_eq!(got[10].header.sequence, got[9].header.sequence + 1);
    let (ssrc, _) = world.peers[subscriber].announced()[0];
    let mut nack = vec![];
    write_nack(&mut nack, 1, ssrc, &[got[5].header.sequence]);
    world.send_rtcp(subscriber, nack);
    assert_eq!(
        world.peers[subscriber].rtp.len(),
        11,
        "what the old transport sent can't be told from the new one's"
    );
}
