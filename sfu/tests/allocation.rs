//! Once everybody is connected and the buffers have their size, a packet takes no memory from the system, on no part of its
//! way through the core: opened, kept for retransmission, sealed for everyone, reported, asked for again and sent again.
//!
//! What is counted is this thread's calls of Rust's allocator, while the core works and only then.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clippy.toml bans clocks and locks in `core` only
#![allow(clippy::unwrap_used, clippy::expect_used)] // what a test can't have, it fails on

mod counting;
#[path = "../src/core/tests/world.rs"]
#[allow(dead_code)] // the tests of the core use all of it
mod world;

pub(crate) use invigil_sfu::core;

use crate::core::rtcp::{
    Item, ReportBlock, SenderInfo, nacked, ntp_of_unix, parse, write_nack, write_receiver_reports, write_sender_report,
    write_transport_feedback,
};
use crate::core::twcc::Arrivals;
use counting::counted;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use world::{H264, Media, OPUS, RTX, TRANSPORT_CC_ID, World, camera, intent, pool, ssrcs};

const PUBLISHERS: u8 = 3;
const SUBSCRIBERS: u8 = 4;
/// A frame of five packets every 30 ms, audio every 20 ms, a key frame every 3 s.
const FRAME_STEPS: u64 = 3;
const AUDIO_STEPS: u64 = 2;
const KEY_STEPS: u64 = 300;
const PAYLOADS: [usize; 5] = [1_100, 1_100, 1_100, 1_100, 700];

/// What the test has seen happen, so that it can't pass because nothing did.
#[derive(Debug, Default)]
struct Seen {
    received: u64,
    forwarded: u64,
    repaired: u64,
    asked_of_publishers: u64,
    reports: u64,
    feedback: u64,
}

struct Candidate {
    at: usize,
    ssrc: u32,
    sequence: u16,
    audio: u16,
    /// What may be asked for again.
    sent: BTreeMap<u16, (FrameInfo, u32, usize)>,
}

struct Proctor {
    at: usize,
    arrivals: Arrivals,
    /// Media SSRC and sequence number of what got lost on the way to it.
    lost: Vec<(u32, u16)>,
    highest: BTreeMap<u32, u16>,
}

struct Stage {
    world: World,
    candidates: Vec<Candidate>,
    proctors: Vec<Proctor>,
    step: u64,
    packets: u64,
    seen: Seen,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::new();
        let candidates: Vec<Candidate> = (1..=PUBLISHERS)
            .map(|who| Candidate {
                at: world.candidate(who, 1),
                ssrc: ssrcs(who).0,
                sequence: 100,
                audio: 7,
                sent: BTreeMap::new(),
            })
            .collect();
        let proctors = (0..SUBSCRIBERS)
            .map(|n| {
                let who = 100 + n;
                let at = world.join(
                    who,
                    1,
                    crate::core::io::Direction::Subscribe,
                    &pool(usize::from(PUBLISHERS)),
                );
                let wishes = (1..=PUBLISHERS)
                    .map(|who| intent(u16::from(who) - 1, camera(who), Layer::Low))
                    .collect();
                world.want(who, 1, wishes).unwrap();
                Proctor {
                    at,
                    arrivals: Arrivals::new(world.now),
                    lost: vec![],
                    highest: BTreeMap::new(),
                }
            })
            .collect();
        Self {
            world,
            candidates,
            proctors,
            step: 0,
            packets: 0,
            seen: Seen::default(),
        }
    }

    fn deliver(&mut self, at: usize, mut datagram: Vec<u8>) {
        counted(|| self.world.deliver(at, &mut datagram));
    }

    /// Ten milliseconds of everybody's work.
    fn go_on(&mut self) {
        self.step += 1;
        self.world.now += Duration::from_millis(10);
        let now = self.world.now;
        counted(|| self.world.shards[0].handle_timeout(now));
        self.carry();
        for index in 0..self.candidates.len() {
            self.publish(index);
        }
        self.carry();
        for index in 0..self.proctors.len() {
            self.answer(index);
        }
        self.carry();
        if self.step.is_multiple_of(500) {
            for at in 0..self.world.peers.len() {
                // Consent: every five seconds, and not a packet's way.
                self.world.check(at);
            }
        }
    }

    fn publish(&mut self, index: usize) {
        let (at, ssrc) = (self.candidates[index].at, self.candidates[index].ssrc);
        if (self.step + index as u64).is_multiple_of(FRAME_STEPS) {
            let key = self.step / KEY_STEPS != (self.step - FRAME_STEPS.min(self.step)) / KEY_STEPS
                || self.step < 2 * FRAME_STEPS;
            let timestamp = (self.step * 900) as u32;
            for (place, size) in PAYLOADS.into_iter().enumerate() {
                let start = place == 0;
                let frame = FrameInfo {
                    key,
                    start,
                    end: place + 1 == PAYLOADS.len(),
                    layer: Layer::Low,
                    temporal: 0,
                    captured: start.then(|| self.world.server_us()),
                };
                let candidate = &mut self.candidates[index];
                candidate.sequence = candidate.sequence.wrapping_add(1);
                let sequence = candidate.sequence;
                candidate.sent.insert(sequence, (frame, timestamp, size));
                if candidate.sent.len() > 1_000 {
                    candidate.sent.clear();
                }
                self.packets += 1;
                if !self.packets.is_multiple_of(97) {
                    self.video(
                        index,
                        (ssrc, H264),
                        sequence,
                        (frame, timestamp),
                        &vec![place as u8; size],
                    );
                }
            }
        }
        if self.step.is_multiple_of(AUDIO_STEPS) {
            let candidate = &mut self.candidates[index];
            candidate.audio = candidate.audio.wrapping_add(1);
            let media = Media {
                ssrc: ssrc + 500,
                sequence: candidate.audio,
                payload_type: OPUS,
                timestamp: (self.step * 480) as u32,
                frame: None,
                level: Some(127),
                payload: &[9; 60],
            };
            let sealed = self.world.sealed(at, media);
            self.deliver(at, sealed);
        }
        let asked: Vec<u16> = self.world.peers[at]
            .rtcp
            .drain(..)
            .flat_map(|compound| {
                let mut asked = vec![];
                parse(&compound, |item| match item {
                    Item::Nack { pairs, .. } => asked.extend(nacked(pairs)),
                    Item::TransportFeedback { .. } => self.seen.feedback += 1,
                    _ => {}
                });
                asked
            })
            .collect();
        for sequence in asked {
            self.seen.asked_of_publishers += 1;
            if let Some((frame, timestamp, size)) = self.candidates[index].sent.get(&sequence).copied() {
                let mut payload = sequence.to_be_bytes().to_vec();
                payload.resize(size + 2, 1);
                let repair = self.candidates[index].sequence.wrapping_mul(3).wrapping_add(sequence);
                self.video(index, (ssrc + 1, RTX), repair, (frame, timestamp), &payload);
            }
        }
        if self.step.is_multiple_of(100) {
            let info = SenderInfo {
                ssrc,
                ntp: ntp_of_unix(self.world.server_us()),
                timestamp: (self.step * 900) as u32,
                packets: self.packets as u32,
                octets: 0,
            };
            let mut compound = vec![];
            write_sender_report(&mut compound, &info, "candidate");
            let sealed = self.world.sealed_rtcp(at, compound);
            self.deliver(at, sealed);
        }
    }

    fn video(
        &mut self,
        index: usize,
        (ssrc, payload_type): (u32, u8),
        sequence: u16,
        (frame, timestamp): (FrameInfo, u32),
        payload: &[u8],
    ) {
        let at = self.candidates[index].at;
        let media = Media {
            ssrc,
            sequence,
            payload_type,
            timestamp,
            frame: Some(frame),
            level: None,
            payload,
        };
        let sealed = self.world.sealed(at, media);
        self.deliver(at, sealed);
        self.seen.received += 1;
    }

    /// What a proctor says to what it has received.
    fn answer(&mut self, index: usize) {
        let now = self.world.now;
        let proctor = &mut self.proctors[index];
        let peer = &mut self.world.peers[proctor.at];
        for got in peer.rtp.drain(..) {
            self.packets += 1;
            if got.header.payload_type == RTX {
                self.seen.repaired += 1;
            } else {
                self.seen.forwarded += 1;
                if self.packets.is_multiple_of(101) {
                    proctor.lost.push((got.header.ssrc, got.header.sequence));
                    continue;
                }
                proctor.highest.insert(got.header.ssrc, got.header.sequence);
            }
            if let Some(number) = got.header.extension(&got.bytes, TRANSPORT_CC_ID) {
                proctor
                    .arrivals
                    .receive(now, u16::from_be_bytes(number.try_into().unwrap()));
            }
        }
        for compound in peer.rtcp.drain(..) {
            parse(&compound, |item| {
                self.seen.reports += u64::from(matches!(item, Item::Sender(_)));
            });
        }
        let mut compound = vec![];
        if self.step.is_multiple_of(100) {
            let blocks: Vec<ReportBlock> = proctor
                .highest
                .iter()
                .map(|(ssrc, highest)| ReportBlock {
                    ssrc: *ssrc,
                    highest: u32::from(*highest),
                    ..ReportBlock::default()
                })
                .collect();
            write_receiver_reports(&mut compound, 1, &blocks);
        }
        if self.step.is_multiple_of(5) {
            let mut control = vec![];
            while proctor.arrivals.write(&mut control) {
                write_transport_feedback(&mut compound, 1, 2, &control);
                control.clear();
            }
        }
        for (media, sequence) in proctor.lost.drain(..) {
            write_nack(&mut compound, 1, media, &[sequence]);
        }
        if !compound.is_empty() {
            let at = proctor.at;
            let sealed = self.world.sealed_rtcp(at, compound);
            self.deliver(at, sealed);
        }
    }

    /// Carries what the core has to send, and takes its events.
    fn carry(&mut self) {
        // As a socket does: destination by destination, datagram by datagram.
        let bytes = counted(|| {
            let batches = self.world.shards[0].transmits();
            let runs = batches.flat_map(|batch| batch.runs().iter().map(move |run| (batch, run)));
            runs.flat_map(|(batch, run)| batch.datagrams(run))
                .map(<[u8]>::len)
                .sum::<usize>()
        });
        let mut out: Vec<(SocketAddr, Vec<u8>)> = vec![];
        for batch in self.world.shards[0].transmits() {
            for run in batch.runs() {
                out.extend(
                    batch
                        .datagrams(run)
                        .map(|datagram| (run.destination, datagram.to_vec())),
                );
            }
        }
        assert_eq!(bytes, out.iter().map(|(_, datagram)| datagram.len()).sum::<usize>());
        counted(|| self.world.shards[0].clear_transmits());
        for (destination, mut datagram) in out {
            let peer = self.world.peers.iter_mut().find(|peer| peer.address == destination);
            peer.unwrap().read(self.world.now, &mut datagram);
        }
        while self.world.shards[0].poll_event().is_some() {}
    }
}

#[test]
fn no_packet_takes_memory_once_everything_has_its_size() {
    let mut stage = Stage::new();
    for _ in 0..1_000 {
        stage.go_on();
    }
    (stage.seen, _) = (Seen::default(), counting::taken());
    for _ in 0..2_000 {
        stage.go_on();
    }
    let seen = &stage.seen;
    let senders = u64::from(PUBLISHERS);
    assert!(seen.received > 9_000, "{seen:?}");
    assert!(
        seen.forwarded > seen.received * 95 / 100 * u64::from(SUBSCRIBERS),
        "{seen:?}"
    );
    assert!(seen.repaired > 100 && seen.asked_of_publishers > 50, "{seen:?}");
    assert!(seen.feedback > 300 * senders && seen.reports > 10 * senders, "{seen:?}");
    let (count, first) = counting::taken();
    assert_eq!(count, 0, "memory was taken, first here:\n{first}");
}
