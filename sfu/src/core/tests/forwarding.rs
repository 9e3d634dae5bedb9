//! From a publisher to a subscriber: rewritten, switched at key frames, demanded only when wanted.

use super::world::*;
use crate::core::io::{Command, Demand, Direction, Event, Reply};
use crate::core::rtcp::{Item, parse, write_pli};
use crate::core::tap::tap;
use invigil_shared::binding::BindingState;
use invigil_shared::error::ErrorCode;
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};

/// A candidate 1 and a proctor 9 who wants its camera in slot 1.
fn watched(layer: Layer) -> (World, usize, usize) {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(2));
    world.want(9, 1, vec![intent(1, camera(1), layer)]).unwrap();
    (world, publisher, subscriber)
}

#[test]
fn packets_arrive_rewritten_into_the_slot() {
    let (mut world, publisher, subscriber) = watched(Layer::Low);
    let (low, _) = ssrcs(1);
    for sequence in 0..5u16 {
        world.frame(publisher, low, 60_000 + sequence, sequence == 0, &[sequence as u8; 100]);
        world.pass(100);
    }
    let slot = world.peers[subscriber].announced()[1];
    let got = &world.peers[subscriber].rtp;
    assert_eq!(got.len(), 5);
    for (at, packet) in got.iter().enumerate() {
        assert_eq!((packet.header.ssrc, packet.header.payload_type), (slot.0, H264));
        assert_eq!(packet.header.sequence, got[0].header.sequence + at as u16);
        assert_eq!(
            packet.header.timestamp,
            got[0].header.timestamp.wrapping_add(9_000 * at as u32)
        );
        assert_eq!(packet.payload(), [at as u8; 100]);
        let number = packet.header.extension(&packet.bytes, TRANSPORT_CC_ID).unwrap();
        assert_eq!(number, (at as u16).to_be_bytes());
    }
    assert!(got[0].header.sequence < 1 << 15);
    assert_eq!(got[2].frame().unwrap().captured, Some(START_US + 200_000));
    let connected = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::TransportConnected { .. }))
        .count();
    assert_eq!(connected, 2);
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::Bindings {
            subscriber,
            revision: 1,
            bindings,
        } if *subscriber == person(9) => Some(bindings[0]),
        _ => None,
    });
    assert_eq!(
        (last.unwrap().state, last.unwrap().layer),
        (BindingState::Active, Some(Layer::Low))
    );
    let mut mapped = false;
    for compound in &world.peers[subscriber].rtcp {
        parse(
            compound,
            |item| mapped |= matches!(item, Item::Sender(info) if info.ssrc == slot.0 && info.packets > 0),
        );
    }
    assert!(mapped, "a sender report for the slot");
}

#[test]
fn a_layer_changes_only_at_a_key_frame_and_the_old_one_goes_on_until_then() {
    let (mut world, publisher, subscriber) = watched(Layer::Low);
    let (low, high) = ssrcs(1);
    world.frame(publisher, low, 1, true, b"low key");
    world.want(9, 2, vec![intent(1, camera(1), Layer::High)]).unwrap();
    world.pass(100);
    world.frame(publisher, high, 500, false, b"high delta");
    world.frame(publisher, low, 2, false, b"low delta");
    world.pass(100);
    world.frame(publisher, high, 501, true, b"high key");
    world.frame(publisher, low, 3, false, b"low late");
    world.pass(100);
    world.frame(publisher, high, 502, false, b"high next");
    let got = &world.peers[subscriber].rtp;
    let payloads: Vec<&[u8]> = got.iter().map(Got::payload).collect();
    assert_eq!(payloads, [&b"low key"[..], b"low delta", b"high key", b"high next"]);
    let first = got[0].header;
    let offsets: Vec<(u16, u32)> = got
        .iter()
        .map(|got| {
            (
                got.header.sequence - first.sequence,
                got.header.timestamp.wrapping_sub(first.timestamp),
            )
        })
        .collect();
    assert_eq!(offsets, [(0, 0), (1, 9_000), (2, 18_000), (3, 27_000)]);
    let selected: Vec<Layer> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::LayerSelected { slot: 1, layer, .. } => Some(*layer),
            _ => None,
        })
        .collect();
    assert_eq!(selected, [Layer::Low, Layer::High]);
}

#[test]
fn demand_follows_the_wishes_and_their_end() {
    let (mut world, publisher, _) = watched(Layer::Low);
    let demands = |world: &World| -> Vec<Vec<Layer>> {
        let of = |demand: &Demand| demand.layers.clone();
        world
            .events
            .iter()
            .filter_map(|event| match event {
                Event::LayerDemand { participant, demands } if *participant == person(1) => demands.first().map(of),
                _ => None,
            })
            .collect()
    };
    assert_eq!(demands(&world), [vec![Layer::Low]]);
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    world
        .want(
            9,
            2,
            vec![intent(0, camera(1), Layer::High), intent(1, camera(1), Layer::Low)],
        )
        .unwrap();
    assert_eq!(demands(&world)[1..], [vec![Layer::Low, Layer::High]]);
    world
        .command(Command::RemoveParticipant { participant: person(9) })
        .unwrap();
    assert_eq!(demands(&world)[2..], [Vec::<Layer>::new()]);
    let (sender, reader) = tap(8);
    world
        .command(Command::AddTap {
            source: camera(1),
            layer: Layer::High,
            tap: sender,
        })
        .unwrap();
    assert_eq!(demands(&world)[3..], [vec![Layer::High]]);
    world.frame(publisher, ssrcs(1).1, 1, true, b"for the tap");
    assert_eq!(&reader.try_next().unwrap().payload[..], b"for the tap");
    drop(reader);
    world.frame(publisher, ssrcs(1).1, 2, false, b"nobody");
    assert_eq!(demands(&world)[4..], [Vec::<Layer>::new()]);
}

#[test]
fn key_frame_requests_are_coalesced_and_throttled() {
    let (mut world, publisher, subscriber) = watched(Layer::Low);
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    world.pass(1_000);
    world.peers[publisher].rtcp.clear();
    let slot = world.peers[subscriber].announced()[1].0;
    for _ in 0..99 {
        let mut pli = vec![];
        write_pli(&mut pli, 1, slot);
        world.send_rtcp(subscriber, pli);
        world.pass(10);
    }
    let asked = world.peers[publisher].key_frames_asked();
    assert!(asked.iter().all(|ssrc| *ssrc == ssrcs(1).0));
    assert_eq!(asked.len(), 2, "99 requests within a second");
}

#[test]
fn a_new_wish_asks_for_its_key_frame_at_once() {
    let (world, publisher, _) = watched(Layer::High);
    assert_eq!(world.peers[publisher].key_frames_asked(), [ssrcs(1).1]);
}

#[test]
fn a_page_of_the_wall_changes_slots_without_any_sdp() {
    let (mut world, one, subscriber) = watched(Layer::Low);
    let two = world.candidate(2, 1);
    world.frame(one, ssrcs(1).0, 1, true, b"one");
    world.want(9, 2, vec![intent(1, camera(2), Layer::Low)]).unwrap();
    world.frame(one, ssrcs(1).0, 2, false, b"one again");
    world.frame(two, ssrcs(2).0, 900, true, b"two");
    let got = &world.peers[subscriber].rtp;
    let payloads: Vec<&[u8]> = got.iter().map(Got::payload).collect();
    assert_eq!(payloads, [&b"one"[..], b"two"]);
    assert_eq!(got[1].header.ssrc, got[0].header.ssrc);
    assert_eq!(got[1].header.sequence, got[0].header.sequence + 1);
}

#[test]
fn levels_are_reported_without_audio_being_forwarded() {
    let mut world = World::new();
    let publisher = world.join(1, 1, Direction::Publish, &publisher_media());
    let mut offer = layer(Layer::Low, 77);
    offer.rtx_ssrc = None;
    let publication = PublicationKey::MICROPHONE;
    let publish = Command::Publish {
        participant: person(1),
        publication,
        codec: "audio/opus".into(),
        layers: vec![offer],
    };
    world.command(publish).unwrap();
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(1));
    for (sequence, level) in [(1u16, 127u8), (2, 0x80 | 33), (3, 40)] {
        let payload: &[u8] = b"opus";
        let timestamp = u32::from(sequence) * 960;
        let media = Media {
            ssrc: 77,
            sequence,
            payload_type: OPUS,
            timestamp,
            frame: None,
            level: Some(level),
            payload,
        };
        world.send(publisher, media);
    }
    world.pass(1_000);
    let levels: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::AudioLevels { exam: of, levels } => Some((*of, levels[0].participant, levels[0].level)),
            _ => None,
        })
        .collect();
    assert_eq!(levels, [(exam(1), person(1), 33)], "once: then it is silent");
    assert!(world.peers[subscriber].rtp.is_empty());
    let source = PublicationRef {
        participant: person(1),
        publication,
    };
    world.want(9, 1, vec![intent(1, source, Layer::High)]).unwrap();
    let media = Media {
        ssrc: 77,
        sequence: 4,
        payload_type: OPUS,
        timestamp: 3_840,
        frame: None,
        level: Some(40),
        payload: b"heard",
    };
    world.send(publisher, media);
    assert_eq!(world.peers[subscriber].rtp[0].payload(), b"heard");
    assert_eq!(world.peers[subscriber].rtp[0].header.payload_type, OPUS);
}

#[test]
fn a_browser_publishes_by_its_offer_and_is_read_by_its_payload() {
    let mut world = World::new();
    let media = [
        audio("sendonly"),
        format!("{}a=ssrc:55 cname:c\r\n", video("sendonly", false)),
    ];
    let publisher = world.join(1, 1, Direction::Publish, &media);
    let found: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::BrowserPublished { publication, codec, .. } => Some((*publication, codec.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        found,
        [
            (PublicationKey::MICROPHONE, "audio/opus"),
            (PublicationKey::CAMERA, "video/H264")
        ]
    );
    let subscriber = world.join(9, 1, Direction::Subscribe, &[video("recvonly", false)]);
    let Reply::Bindings(bindings) = world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap() else {
        panic!()
    };
    assert_eq!(bindings[0].state, BindingState::WaitingKeyFrame);
    for (sequence, payload) in [(1u16, &b"\x61delta"[..]), (2, b"\x67key"), (3, b"\x61delta")] {
        let timestamp = u32::from(sequence) * 3_000;
        world.send(
            publisher,
            Media {
                ssrc: 55,
                sequence,
                payload_type: H264,
                timestamp,
                frame: None,
                level: None,
                payload,
            },
        );
    }
    let payloads: Vec<&[u8]> = world.peers[subscriber].rtp.iter().map(Got::payload).collect();
    assert_eq!(payloads, [&b"\x67key"[..], b"\x61delta"]);
}

#[test]
fn a_browser_that_watches_may_order_its_lines_as_it_likes() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let lines = [audio("recvonly"), video("recvonly", false)];
    let subscriber = world.join(9, 1, Direction::Subscribe, &lines);
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    let got = &world.peers[subscriber].rtp[0];
    assert_eq!(got.header.ssrc, world.peers[subscriber].announced()[1].0);
    assert_eq!(got.frame(), None, "the extension was not negotiated");
}

#[test]
fn a_watcher_hears_of_a_publication_that_comes_later() {
    let mut world = World::new();
    world.join(9, 1, Direction::Subscribe, &pool(1));
    let Reply::Bindings(bindings) = world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap() else {
        panic!()
    };
    assert_eq!(bindings[0].state, BindingState::NotFound);
    world.candidate(1, 1);
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::Bindings { bindings, .. } => Some(bindings[0].state),
        _ => None,
    });
    assert_eq!(last, Some(BindingState::WaitingKeyFrame));
}

#[test]
fn what_cannot_be_right_is_refused() {
    let (mut world, ..) = watched(Layer::Low);
    let code = |result: Result<Reply, invigil_shared::error::ErrorBody>| result.unwrap_err().code;
    assert_eq!(
        code(world.want(1, 1, vec![intent(0, camera(2), Layer::Low)])),
        ErrorCode::Forbidden
    );
    let twice = vec![intent(0, camera(1), Layer::Low), intent(0, camera(1), Layer::High)];
    assert_eq!(code(world.want(9, 5, twice)), ErrorCode::IntentInvalid);
    let publish = |who: u8, codec: &str, layers| Command::Publish {
        participant: person(who),
        publication: PublicationKey::CAMERA,
        codec: codec.into(),
        layers,
    };
    assert_eq!(
        code(world.command(publish(9, "video/H264", vec![layer(Layer::Low, 5)]))),
        ErrorCode::Forbidden
    );
    assert_eq!(
        code(world.command(publish(1, "audio/opus", vec![layer(Layer::Low, 5)]))),
        ErrorCode::PublicationInvalid
    );
    let same = vec![layer(Layer::Low, 5), layer(Layer::High, 5)];
    assert_eq!(
        code(world.command(publish(1, "video/H264", same))),
        ErrorCode::PublicationInvalid
    );
    let transport = world.peers[0].transport;
    assert_eq!(
        code(world.command(Command::Offer {
            transport,
            sdp: "nonsense".into()
        })),
        ErrorCode::SdpInvalid
    );
}
