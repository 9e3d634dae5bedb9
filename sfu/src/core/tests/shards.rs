//! Publishers and subscribers on different shards: what is true on one is true across them.

use super::world::*;
use crate::core::io::{Command, Direction, Event, Reply, ShardId};
use crate::core::relay::RelayMessage;
use crate::core::rtcp::{Item, parse, write_nack, write_pli};
use crate::core::tap::tap;
use invigil_shared::binding::BindingState;
use invigil_shared::publication::{Layer, PublicationKey};

/// Candidate 1 on shard 1 and proctor 10 on shard 0 (of 2) or 2 (of 4), who wants its camera in slot 1.
fn apart(shards: u16, layer: Layer) -> (World, usize, usize) {
    let mut world = World::of(shards);
    let publisher = world.candidate(1, 1);
    let subscriber = world.join(10, 1, Direction::Subscribe, &pool(2));
    world.want(10, 1, vec![intent(1, camera(1), layer)]).unwrap();
    (world, publisher, subscriber)
}

fn nacks(world: &World, at: usize) -> usize {
    let mut nacks = 0;
    for compound in &world.peers[at].rtcp {
        parse(compound, |item| nacks += usize::from(matches!(item, Item::Nack { .. })));
    }
    nacks
}

fn demands(world: &World) -> Vec<Vec<Layer>> {
    let of = |event: &Event| match event {
        Event::LayerDemand { participant, demands } if *participant == person(1) => Some(demands[0].layers.clone()),
        _ => None,
    };
    world.events.iter().filter_map(of).collect()
}

fn last_binding(world: &World, who: u8) -> BindingState {
    let of = |event: &Event| match event {
        Event::Bindings {
            subscriber, bindings, ..
        } if *subscriber == person(who) => Some(bindings[0].state),
        _ => None,
    };
    world.events.iter().rev().find_map(of).unwrap()
}

fn payloads(world: &World, at: usize) -> Vec<Vec<u8>> {
    world.peers[at].rtp.iter().map(|got| got.payload().to_vec()).collect()
}

#[test]
fn packets_cross_whole_and_in_order() {
    for shards in [2, 4] {
        let (mut world, publisher, subscriber) = apart(shards, Layer::Low);
        let beside = world.join(9, 1, Direction::Subscribe, &pool(1));
        world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
        let sent: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 100 + 20 * usize::from(n)]).collect();
        for (sequence, payload) in sent.iter().enumerate() {
            world.frame(
                publisher,
                ssrcs(1).0,
                65_520u16.wrapping_add(sequence as u16),
                sequence == 0,
                payload,
            );
            world.pass(50);
        }
        for at in [subscriber, beside] {
            assert_eq!(payloads(&world, at), sent);
            let got = &world.peers[at].rtp;
            for (step, packet) in got.iter().enumerate() {
                assert_eq!(packet.header.sequence, got[0].header.sequence + step as u16);
                let ticks = packet.header.timestamp.wrapping_sub(got[0].header.timestamp);
                assert_eq!(ticks, 4_500 * step as u32);
            }
            assert_eq!(got[3].frame().unwrap().captured, Some(START_US + 150_000));
        }
        assert_eq!(last_binding(&world, 10), BindingState::Active);
        let home = usize::from(10 % shards);
        assert_eq!(world.shards[home].relayed(), (40, 0));
        let others = (0..usize::from(shards)).filter(|at| *at != home);
        assert_eq!(others.map(|at| world.shards[at].relayed().0).sum::<u64>(), 0);
        assert_eq!(
            world.peers[publisher].key_frames_asked().len(),
            1,
            "the second subscriber asks within the throttle"
        );
    }
}

#[test]
fn a_layer_changes_at_a_key_frame_across_shards() {
    let (mut world, publisher, subscriber) = apart(2, Layer::Low);
    let (low, high) = ssrcs(1);
    world.frame(publisher, low, 1, true, b"low key");
    world.want(10, 2, vec![intent(1, camera(1), Layer::High)]).unwrap();
    assert_eq!(demands(&world), [vec![Layer::Low], vec![Layer::Low, Layer::High]]);
    world.pass(400);
    assert_eq!(
        world.peers[publisher].key_frames_asked().len(),
        2,
        "of the low layer, then of the high one"
    );
    world.pass(200);
    assert_eq!(
        world.peers[publisher].key_frames_asked().len(),
        3,
        "again: it has not begun to come"
    );
    world.frame(publisher, high, 500, false, b"high delta");
    world.frame(publisher, low, 2, false, b"low delta");
    world.pass(100);
    world.frame(publisher, high, 501, true, b"high key");
    world.frame(publisher, low, 3, false, b"low late");
    world.pass(100);
    world.frame(publisher, high, 502, false, b"high next");
    let expected = [&b"low key"[..], b"low delta", b"high key", b"high next"];
    assert_eq!(payloads(&world, subscriber), expected);
    let got = &world.peers[subscriber].rtp;
    assert!(
        got.windows(2)
            .all(|pair| pair[1].header.sequence == pair[0].header.sequence + 1)
    );
    assert_eq!(demands(&world)[2..], [vec![Layer::High]], "the old layer is let go");
}

#[test]
fn the_mirror_answers_for_what_its_subscriber_missed() {
    let (mut world, publisher, subscriber) = apart(2, Layer::Low);
    for sequence in 0..10u16 {
        world.frame(publisher, ssrcs(1).0, sequence, sequence == 0, &[sequence as u8; 50]);
        world.pass(20);
    }
    let said = world.relayed.len();
    let (ssrc, rtx) = world.peers[subscriber].announced()[1];
    let lost = world.peers[subscriber].rtp[4].header;
    let mut nack = vec![];
    write_nack(&mut nack, 1, ssrc, &[lost.sequence]);
    world.send_rtcp(subscriber, nack);
    let again = world.peers[subscriber].rtp.last().unwrap();
    assert_eq!((again.header.ssrc, again.header.payload_type), (rtx.unwrap(), RTX));
    assert_eq!(again.payload()[..2], lost.sequence.to_be_bytes());
    assert_eq!(again.payload()[2..], [4; 50]);
    assert_eq!(
        (world.relayed.len(), nacks(&world, publisher)),
        (said, 0),
        "nobody else was bothered"
    );
}

#[test]
fn fifty_subscribers_on_four_shards_ask_a_publisher_twice_a_second() {
    let mut world = World::of(4);
    let publisher = world.candidate(1, 1);
    let watchers: Vec<usize> = (100..150)
        .map(|who| {
            let at = world.join(who, 1, Direction::Subscribe, &pool(1));
            world.want(who, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
            at
        })
        .collect();
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    world.pass(1_000);
    world.peers[publisher].rtcp.clear();
    for step in 0..99 {
        for (at, watcher) in watchers.iter().enumerate() {
            if at % 10 == step % 10 {
                let mut pli = vec![];
                write_pli(&mut pli, 1, world.peers[*watcher].announced()[0].0);
                world.send_rtcp(*watcher, pli);
            }
        }
        world.pass(10);
    }
    assert_eq!(
        world.peers[publisher].key_frames_asked().len(),
        2,
        "495 requests within a second"
    );
    world.frame(publisher, ssrcs(1).0, 2, true, b"for all");
    assert!(
        watchers
            .iter()
            .all(|at| payloads(&world, *at).last().unwrap() == b"for all")
    );
}

#[test]
fn demand_is_what_anybody_on_any_shard_wants() {
    let mut world = World::of(4);
    let publisher = world.candidate(1, 1);
    world.join(9, 1, Direction::Subscribe, &pool(1));
    world.join(10, 1, Direction::Subscribe, &pool(1));
    world.want(10, 1, vec![intent(0, camera(1), Layer::High)]).unwrap();
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    assert_eq!(demands(&world), [vec![Layer::High], vec![Layer::Low, Layer::High]]);
    world.frame(publisher, ssrcs(1).0, 1, true, b"low key");
    world.frame(publisher, ssrcs(1).1, 1, true, b"high key");
    assert_eq!(demands(&world).len(), 2, "each shows what it wants");
    let (sender, reader) = tap(8);
    let add = Command::AddTap {
        source: camera(1),
        layer: Layer::High,
        tap: sender,
    };
    world.command_at(3, add).unwrap();
    world.frame(publisher, ssrcs(1).1, 2, false, b"for both");
    assert_eq!(&reader.try_next().unwrap().payload[..], b"for both");
    world
        .command(Command::RemoveParticipant {
            participant: person(10),
        })
        .unwrap();
    assert_eq!(demands(&world).len(), 2, "the tap still reads the high layer");
    drop(reader);
    world.frame(publisher, ssrcs(1).1, 3, false, b"nobody");
    assert_eq!(demands(&world)[2..], [vec![Layer::Low]]);
    world.want(9, 2, vec![]).unwrap();
    assert_eq!(demands(&world)[3..], [Vec::<Layer>::new()]);
    let relayed = |world: &World| -> u64 { world.shards.iter().map(|shard| shard.relayed().0).sum() };
    let before = relayed(&world);
    world.frame(publisher, ssrcs(1).0, 2, true, b"unwanted");
    assert_eq!(relayed(&world), before, "what nobody wants is not copied");
}

/// The publisher comes back on another transport with other sources, while its shard's messages arrive late or in time.
fn comes_back(messages_late: bool) {
    let (mut world, publisher, subscriber) = apart(2, Layer::Low);
    for sequence in 500..510u16 {
        world.frame(publisher, ssrcs(1).0, sequence, sequence == 500, b"before");
    }
    world.hold_messages = messages_late;
    let again = world.join(1, 1, Direction::Publish, &publisher_media());
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, 71), layer(Layer::High, 81)],
    };
    assert_eq!(world.command(publish), Ok(Reply::Demand(vec![Layer::Low])));
    world.frame(again, 71, 503, false, b"no picture yet");
    world.frame(again, 71, 504, true, b"after");
    world.hold_messages = false;
    world.frame(again, 71, 505, false, b"and on");
    let got = payloads(&world, subscriber);
    assert_eq!(got.len(), 12);
    assert_eq!(got[10..], [b"after".to_vec(), b"and on".to_vec()]);
    let headers: Vec<u16> = world.peers[subscriber]
        .rtp
        .iter()
        .map(|got| got.header.sequence)
        .collect();
    assert_eq!(headers[11], headers[0] + 11);
    let (ssrc, _) = world.peers[subscriber].announced()[1];
    let mut nack = vec![];
    write_nack(&mut nack, 1, ssrc, &[headers[5]]);
    world.send_rtcp(subscriber, nack);
    assert_eq!(
        world.peers[subscriber].rtp.len(),
        12,
        "what the old transport sent is not in the new numbering"
    );
    let mut nack = vec![];
    write_nack(&mut nack, 1, ssrc, &[headers[11]]);
    world.send_rtcp(subscriber, nack);
    assert_eq!(
        world.peers[subscriber].rtp.last().unwrap().payload()[2..],
        b"and on"[..]
    );
}

#[test]
fn a_publisher_that_comes_back_goes_on_in_the_same_slot() {
    comes_back(false);
}

#[test]
fn packets_that_overtake_the_announcement_begin_the_new_numbering() {
    comes_back(true);
}

#[test]
fn who_leaves_is_gone_on_every_shard() {
    let (mut world, publisher, subscriber) = apart(4, Layer::Low);
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    world
        .command(Command::RemoveParticipant { participant: person(1) })
        .unwrap();
    assert_eq!(last_binding(&world, 10), BindingState::NotFound);
    let again = world.candidate(1, 1);
    assert_eq!(last_binding(&world, 10), BindingState::WaitingKeyFrame);
    world.frame(again, ssrcs(1).0, 7, true, b"again");
    assert_eq!(payloads(&world, subscriber), [b"key".to_vec(), b"again".to_vec()]);
    world
        .command(Command::Unpublish {
            participant: person(1),
            publication: PublicationKey::CAMERA,
        })
        .unwrap();
    assert_eq!(last_binding(&world, 10), BindingState::NotFound);
}

#[test]
fn a_publication_is_known_everywhere_once_its_exam_is() {
    let mut world = World::of(2);
    let subscriber = world.join(10, 1, Direction::Subscribe, &pool(1));
    world.want(10, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::CAMERA,
        codec: "video/H264".into(),
        layers: vec![layer(Layer::Low, ssrcs(1).0)],
    };
    world.command(publish).unwrap();
    assert!(world.relayed.is_empty(), "whose exam it belongs to is not known yet");
    let publisher = world.join(1, 1, Direction::Publish, &publisher_media());
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    assert_eq!(payloads(&world, subscriber), [b"key".to_vec()]);
}

#[test]
fn only_the_publishers_shard_says_what_flows_and_who_speaks() {
    let (mut world, publisher, _) = apart(4, Layer::Low);
    let microphone = Command::Publish {
        participant: person(1),
        publication: PublicationKey::MICROPHONE,
        codec: "audio/opus".into(),
        layers: vec![layer(Layer::Low, 77)],
    };
    world.command(microphone).unwrap();
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    let media = Media {
        ssrc: 77,
        sequence: 1,
        payload_type: OPUS,
        timestamp: 960,
        frame: None,
        level: Some(40),
        payload: b"opus",
    };
    world.send(publisher, media);
    world.pass(3_000);
    let flows: Vec<(PublicationKey, bool)> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::MediaFlow {
                publication, flowing, ..
            } => Some((*publication, *flowing)),
            _ => None,
        })
        .collect();
    let (camera, microphone) = (PublicationKey::CAMERA, PublicationKey::MICROPHONE);
    assert_eq!(flows[..2], [(camera, true), (microphone, true)]);
    assert_eq!(flows.len(), 4);
    assert!(flows.contains(&(camera, false)) && flows.contains(&(microphone, false)));
    let heard = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::AudioLevels { .. }));
    assert_eq!(heard.count(), 1);
    assert_ne!(
        last_binding(&world, 10),
        BindingState::Active,
        "what stopped is not shown as running"
    );
}

#[test]
fn a_shard_that_is_gone_takes_its_publications_with_it() {
    let (mut world, publisher, _) = apart(2, Layer::Low);
    let beside = world.join(9, 1, Direction::Subscribe, &pool(1));
    world.want(9, 1, vec![intent(0, camera(1), Layer::High)]).unwrap();
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    world.frame(publisher, ssrcs(1).1, 1, true, b"high key");
    let now = world.now;
    world.shards[0].handle_sibling_lost(now, ShardId(1));
    world.shards[1].handle_sibling_lost(now, ShardId(0));
    world.pump();
    assert_eq!(last_binding(&world, 10), BindingState::NotFound);
    assert_eq!(
        demands(&world).last().unwrap(),
        &[Layer::High],
        "who is left still wants it"
    );
    let said = world.relayed.len();
    world.frame(publisher, ssrcs(1).1, 2, false, b"beside");
    assert_eq!(payloads(&world, beside).last().unwrap(), b"beside");
    assert_eq!(
        (world.relayed.len(), world.shards[0].relayed().0),
        (said, 1),
        "nothing is said to the dead"
    );
}

#[test]
fn messages_that_were_lost_are_made_up_for() {
    let (mut world, publisher, subscriber) = apart(2, Layer::Low);
    world.frame(publisher, ssrcs(1).0, 1, true, b"key");
    let back = world.candidate(2, 1);
    let watcher = world.join(11, 1, Direction::Subscribe, &pool(1));
    // What shard 1 says of its next publication, and of what it wants now, never arrives.
    world.hold_messages = true;
    world.candidate(3, 1);
    world.want(11, 1, vec![intent(0, camera(2), Layer::Low)]).unwrap();
    while let Some((_, message)) = world.shards[1].poll_relay() {
        assert!(!matches!(message, RelayMessage::Hello));
    }
    world.hold_messages = false;
    let now = world.now;
    world.shards[0].handle_sibling_overrun(now, ShardId(1));
    world.pump();
    let third = intent(0, camera(3), Layer::Low);
    world
        .want(10, 2, vec![third, intent(1, camera(1), Layer::Low)])
        .unwrap();
    world.frame(publisher, ssrcs(1).0, 2, true, b"again");
    world.frame(back, ssrcs(2).0, 1, true, b"back");
    assert_eq!(payloads(&world, subscriber), [b"key".to_vec(), b"again".to_vec()]);
    assert_eq!(payloads(&world, watcher), [b"back".to_vec()]);
    let demanded = |event: &Event| match event {
        Event::LayerDemand { participant, demands } => *participant == person(3) && demands[0].layers == [Layer::Low],
        _ => false,
    };
    assert!(world.events.iter().any(demanded), "its announcement was repeated");
}

#[test]
fn a_participant_that_moved_is_where_it_was_announced_last() {
    let mut world = World::of(3);
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(1));
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let old = world.candidate(1, 1);
    world.frame(old, ssrcs(1).0, 1, true, b"old");
    // Its farewell on shard 1 comes after its arrival on shard 2.
    world.homes.insert(1, 2);
    let new = world.candidate(1, 1);
    world.frame(new, ssrcs(1).0, 1, true, b"new");
    world
        .command_at(1, Command::RemoveParticipant { participant: person(1) })
        .unwrap();
    world.frame(new, ssrcs(1).0, 2, false, b"more");
    assert_eq!(
        payloads(&world, subscriber),
        [b"old".to_vec(), b"new".to_vec(), b"more".to_vec()]
    );
}
