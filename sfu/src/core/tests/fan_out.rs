//! What arrives together goes out together, subscriber by subscriber, and a frame that comes at once is waited for.

use super::world::*;
use crate::core::fan_out::HOLD;
use crate::core::io::{Direction, ShardId};
use crate::core::relay::RelayBatch;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;
use std::time::Duration;

/// A candidate 1 and proctors 7, 8 and 9 who watch its camera.
struct Stage {
    world: World,
    publisher: usize,
    frames: u32,
    /// The next frame is one.
    key: bool,
}

impl Stage {
    fn new() -> Self {
        Self::of(World::new())
    }

    fn of(mut world: World) -> Self {
        let publisher = world.candidate(1, 1);
        for who in 7..=9 {
            world.join(who, 1, Direction::Subscribe, &pool(1));
            world.want(who, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
        }
        let mut stage = Self {
            world,
            publisher,
            frames: 0,
            key: true,
        };
        stage.packet(0, 0, 1);
        stage.world.shards[0].fan_out(stage.world.now, usize::MAX);
        stage.world.pump();
        stage.forget();
        stage
    }

    /// Packet `at` of a frame of `of` packets, as the publisher sends it.
    fn sealed(&mut self, sequence: u16, at: usize, of: usize) -> Vec<u8> {
        let frame = FrameInfo {
            key: self.key,
            start: at == 0,
            end: at + 1 == of,
            layer: Layer::Low,
            temporal: 0,
            captured: None,
        };
        let media = Media {
            ssrc: ssrcs(1).0,
            sequence,
            payload_type: H264,
            timestamp: self.frames * 3_000,
            frame: Some(frame),
            level: None,
            payload: &[sequence as u8; 500],
        };
        let sealed = self.world.sealed(self.publisher, media);
        if at + 1 == of {
            self.frames += 1;
            self.key = false;
        }
        sealed
    }

    fn read(&mut self, mut datagram: Vec<u8>) {
        self.world.read(self.publisher, &mut datagram);
    }

    fn packet(&mut self, sequence: u16, at: usize, of: usize) {
        let sealed = self.sealed(sequence, at, of);
        self.read(sealed);
    }

    fn go(&mut self, room: usize) -> bool {
        let now = self.world.now;
        self.world.shards[0].fan_out(now, room)
    }

    fn pass(&mut self, time: Duration) {
        self.world.now += time;
    }

    /// Datagrams by run that are ready to be sent.
    fn ready(&self) -> Vec<usize> {
        let batches = self.world.shards[0].transmits();
        batches
            .flat_map(|batch| batch.runs().iter().map(|run| run.count))
            .collect()
    }

    /// The first byte of each packet that each subscriber got since it was last asked, while everything is sent.
    fn got(&mut self) -> Vec<Vec<u8>> {
        self.world.pump();
        let subscribers = self.world.peers[1..].iter();
        let got = subscribers
            .map(|peer| peer.rtp.iter().map(|packet| packet.payload()[0]).collect())
            .collect();
        self.forget();
        got
    }

    fn forget(&mut self) {
        self.world.peers.iter_mut().for_each(|peer| peer.rtp.clear());
    }
}

#[test]
fn what_came_together_leaves_in_one_run_for_each_subscriber() {
    let mut stage = Stage::new();
    for at in 0..5 {
        stage.packet(1 + at as u16, at, 5);
    }
    assert!(stage.ready().is_empty(), "nothing leaves before the fan-out");
    assert!(!stage.go(usize::MAX));
    assert_eq!(stage.ready(), [5, 5, 5]);
    assert_eq!(stage.got(), vec![vec![1, 2, 3, 4, 5]; 3]);
}

#[test]
fn the_fan_out_stops_when_enough_is_ready_and_goes_on_where_it_stopped() {
    let mut stage = Stage::new();
    for at in 0..5 {
        stage.packet(1 + at as u16, at, 5);
    }
    for _ in 0..2 {
        assert!(stage.go(1), "more is due");
        assert_eq!(stage.ready(), [5], "one subscriber's");
        stage.world.pump();
    }
    assert!(!stage.go(usize::MAX));
    assert_eq!(stage.got(), vec![vec![1, 2, 3, 4, 5]; 3]);
    assert!(!stage.go(1), "nothing is sent twice");
    assert!(stage.ready().is_empty());
}

#[test]
fn a_frame_whose_packets_come_at_once_waits_for_its_last_one() {
    let mut stage = Stage::new();
    stage.packet(1, 0, 2);
    stage.packet(2, 1, 2);
    stage.go(usize::MAX);
    assert_eq!(stage.got(), vec![vec![1, 2]; 3]);
    // From now on it is known how they come.
    stage.pass(Duration::from_millis(33));
    for at in 0..3 {
        stage.packet(3 + at as u16, at, 4);
        stage.go(usize::MAX);
        assert!(stage.ready().is_empty() && stage.world.shards[0].held_until().is_some());
        stage.pass(HOLD / 10);
    }
    stage.packet(6, 3, 4);
    stage.go(usize::MAX);
    assert_eq!(stage.ready(), [4, 4, 4]);
    assert_eq!(stage.world.shards[0].held_until(), None);
    assert_eq!(stage.got(), vec![vec![3, 4, 5, 6]; 3]);
}

#[test]
fn what_is_held_leaves_when_the_rest_does_not_come() {
    let mut stage = Stage::new();
    stage.packet(1, 0, 2);
    stage.packet(2, 1, 2);
    stage.go(usize::MAX);
    stage.got();
    stage.packet(3, 0, 2);
    stage.go(usize::MAX);
    let until = stage.world.shards[0].held_until().unwrap();
    assert_eq!(until, stage.world.now + HOLD);
    stage.pass(HOLD);
    stage.go(usize::MAX);
    assert_eq!(stage.got(), vec![vec![3]; 3]);
    assert_eq!(stage.world.shards[0].held_until(), None);
}

#[test]
fn what_nobody_watches_is_not_waited_for() {
    let mut stage = Stage::new();
    for at in 0..2 {
        stage.packet(1 + at as u16, at, 2);
    }
    stage.go(usize::MAX);
    stage.packet(3, 0, 2);
    assert!(stage.world.shards[0].held_until().is_some());
    stage.packet(4, 1, 2);
    stage.go(usize::MAX);
    assert_eq!(stage.got(), vec![vec![1, 2, 3, 4]; 3]);
    for who in 7..=9 {
        stage.world.want(who, 2, vec![]).unwrap();
    }
    // As browsers do, which send on.
    stage.packet(5, 0, 2);
    assert_eq!(stage.world.shards[0].held_until(), None);
    stage.go(usize::MAX);
    assert!(stage.ready().is_empty());
}

#[test]
fn a_frame_that_trickles_in_is_not_held() {
    let mut stage = Stage::new();
    for at in 0..4 {
        stage.packet(1 + at as u16, at, 4);
        stage.go(usize::MAX);
        assert_eq!(stage.ready(), [1, 1, 1]);
        stage.got();
        stage.pass(HOLD * 2);
    }
}

#[test]
fn the_late_beginning_of_a_key_frame_is_followed_by_the_rest_once_when_all_came_together() {
    let mut stage = Stage::new();
    stage.world.pass(3_000);
    // A new proctor has seen nothing yet: it begins with the key frame, whose first packet comes last.
    stage.world.join(10, 1, Direction::Subscribe, &pool(1));
    stage.world.want(10, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    stage.got();
    stage.key = true;
    let packets: Vec<Vec<u8>> = (0..4).map(|at| stage.sealed(1 + at as u16, at, 4)).collect();
    for at in [1, 2, 0, 3] {
        stage.read(packets[at].clone());
    }
    stage.go(usize::MAX);
    assert_eq!(stage.got().pop(), Some(vec![1, 2, 3, 4]));
}

#[test]
fn what_is_due_of_an_old_numbering_is_left_behind() {
    let mut stage = Stage::new();
    stage.packet(1, 0, 1);
    stage.packet(20_000, 0, 1);
    stage.go(usize::MAX);
    assert!(stage.got().iter().all(|got| !got.contains(&1)), "its memory is gone");
    assert!(stage.ready().is_empty());
}

#[test]
fn a_frame_that_a_sibling_passes_on_at_once_waits_for_its_last_packet_as_well() {
    // The publisher lives on shard 1, and so do proctors 7 and 9; proctor 8 is on shard 0.
    let mut stage = Stage::of(World::of(2));
    let pass_on = |stage: &mut Stage| {
        let now = stage.world.now;
        let mut passed = RelayBatch::default();
        for (to, batch) in stage.world.shards[1].relays() {
            assert_eq!(to, ShardId(0));
            passed.append(batch);
        }
        let shard = &mut stage.world.shards[0];
        shard.read_relayed(now, ShardId(1), &mut passed);
        shard.fan_out(now, usize::MAX);
        (shard.transmits().count(), shard.held_until())
    };
    for at in 0..2 {
        stage.packet(1 + at as u16, at, 2);
        let (sent, held) = pass_on(&mut stage);
        assert!(sent > 0 && held.is_none(), "how they come is not known yet");
    }
    stage.got();
    stage.packet(3, 0, 2);
    assert_eq!(pass_on(&mut stage), (0, Some(stage.world.now + HOLD)));
    stage.packet(4, 1, 2);
    let (sent, held) = pass_on(&mut stage);
    assert_eq!((stage.ready(), sent, held), (vec![2], 1, None));
}
