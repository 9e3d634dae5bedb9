//! What each step of a packet's way costs, without a socket: open, seal, parse, rewrite, and the whole core from one
//! publisher's datagram to ten subscribers' datagrams.
//!
//! `cargo bench -p invigil-sfu --bench forwarding`
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clippy.toml bans clocks and locks in `core` only
#![allow(clippy::unwrap_used, clippy::expect_used)] // what a bench can't have, it fails on

#[path = "../src/core/tests/world.rs"]
#[allow(dead_code)] // the tests of the core use all of it
mod world;

pub(crate) use invigil_sfu::core;

use crate::core::forwarder::{OutStream, StreamConfig};
use crate::core::io::Direction;
use crate::core::media::{Codec, Meta, Packet};
use crate::core::rtp::{ExtensionList, RtpHeader, write_header};
use crate::core::transport::sdp::ExtensionIds;
use crate::core::transport::srtp::{Inbound, MAX_RTP_OVERHEAD, Outbound};
use crate::core::transport::srtp_kdf::{MasterKey, SrtpProfile};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;
use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};
use world::{FRAME_INFO_ID, H264, Media, TRANSPORT_CC_ID, World, camera, intent, pool, ssrcs};

const PAYLOAD: [u8; 1_100] = [0x5a; 1_100];
const SUBSCRIBERS: u8 = 10;
/// Packets of a frame.
const FRAME: usize = 5;
/// More than a core's own caches hold.
const ELSEWHERE: usize = 96 << 20;
const PROFILES: [(&str, SrtpProfile); 2] = [
    ("gcm", SrtpProfile::AeadAes128Gcm),
    ("sha1-80", SrtpProfile::Aes128CmHmacSha1_80),
];

fn master(profile: SrtpProfile) -> MasterKey {
    MasterKey::new(profile, &[3; 16], &[4; 14][..profile.salt_len()]).expect("the lengths are right")
}

fn frame(captured: i64) -> FrameInfo {
    FrameInfo {
        key: true,
        start: true,
        end: true,
        layer: Layer::Low,
        temporal: 0,
        captured: Some(captured),
    }
}

/// A plaintext packet as a client writes it, and the length of its header.
fn packet(sequence: u16) -> (Vec<u8>, usize) {
    let (mut list, mut bytes) = (ExtensionList::default(), [0; 9]);
    let length = frame(1_790_000_000_000_000).write(&mut bytes);
    list.push(TRANSPORT_CC_ID, &sequence.to_be_bytes());
    list.push(FRAME_INFO_ID, &bytes[..length]);
    let mut packet = Vec::new();
    let header = write_header(&mut packet, (true, H264), (sequence, 9_000, 77), &list);
    packet.extend_from_slice(&PAYLOAD);
    (packet, header)
}

fn seal_and_open(criterion: &mut Criterion) {
    for (name, profile) in PROFILES {
        let mut outbound = Outbound::new(profile, &master(profile)).expect("a key");
        let (mut buffer, header) = packet(0);
        let length = buffer.len();
        buffer.resize(length + MAX_RTP_OVERHEAD, 0);
        let mut sequence = 0u16;
        let mut group = criterion.benchmark_group("srtp");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(format!("seal {name}"), |bencher| {
            bencher.iter(|| {
                sequence = sequence.wrapping_add(1);
                buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
                outbound.seal_rtp(&mut buffer, header, length)
            });
        });
        let mut sealer = Outbound::new(profile, &master(profile)).expect("a key");
        let mut inbound = Inbound::new(profile, &master(profile), 512).expect("a key");
        let mut sequence = 0u16;
        group.bench_function(format!("open {name}"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    sequence = sequence.wrapping_add(1);
                    let (mut sealed, header) = packet(sequence);
                    sealed.resize(length + MAX_RTP_OVERHEAD, 0);
                    let sealed_length = sealer.seal_rtp(&mut sealed, header, length).expect("a new index");
                    sealed.truncate(sealed_length);
                    sealed
                },
                |sealed| inbound.open_rtp(sealed).expect("an authentic packet"),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn parse(criterion: &mut Criterion) {
    let (packet, _) = packet(1);
    criterion.bench_function("rtp/parse", |bencher| {
        bencher.iter(|| {
            let packet = black_box(packet.as_slice());
            let header = RtpHeader::parse(packet)?;
            let number = header.extension(packet, TRANSPORT_CC_ID)?.first_chunk::<2>()?;
            let frame = header.extension(packet, FRAME_INFO_ID).and_then(FrameInfo::read)?;
            Some((header.payload, *number, frame))
        });
    });
}

fn rewrite(criterion: &mut Criterion) {
    let extensions = ExtensionIds {
        frame_info: Some(FRAME_INFO_ID),
        transport_cc: Some(TRANSPORT_CC_ID),
        ..ExtensionIds::default()
    };
    let config = StreamConfig {
        mid: "0".into(),
        codec: Codec::H264,
        payload_type: H264,
        rtx_payload_type: None,
        ssrc: 1,
        rtx_ssrc: 2,
        extensions,
    };
    let (mut stream, now) = (OutStream::new(config, 100, 7), Instant::now());
    let mut packet = Packet {
        index: 70_000,
        meta: Meta {
            frame: frame(1_790_000_000_000_000),
            ..Meta::default()
        },
        payload: &PAYLOAD,
    };
    stream.switch(now, 1, Layer::Low, &packet);
    let mut out = Vec::with_capacity(2_048);
    criterion.bench_function("rtp/rewrite", |bencher| {
        bencher.iter(|| {
            out.clear();
            packet.index += 1;
            let place = stream.place(now, &packet)?;
            stream.write(now, place, &packet, Some(packet.index as u16), &mut out)
        });
    });
}

/// One publisher, ten subscribers, everybody connected.
struct Stage {
    world: World,
    publisher: usize,
    sequence: u16,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::new();
        let publisher = world.candidate(1, 1);
        for who in 100..100 + SUBSCRIBERS {
            world.join(who, 1, Direction::Subscribe, &pool(2));
            let wish = vec![intent(0, camera(1), Layer::Low)];
            world.want(who, 1, wish).expect("a subscriber may wish");
        }
        Self {
            world,
            publisher,
            sequence: FRAME as u16 - 1,
        }
    }

    /// The next packet, sealed. Time goes on by two milliseconds, and everybody keeps consent.
    fn next(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let place = self.sequence as usize % FRAME;
        if place == 0 {
            self.world.pass(10);
            self.world.peers.iter_mut().for_each(|peer| peer.rtp.clear());
        }
        let media = Media {
            ssrc: ssrcs(1).0,
            sequence: self.sequence,
            payload_type: H264,
            timestamp: u32::from(self.sequence) / FRAME as u32 * 900,
            frame: Some(FrameInfo {
                start: place == 0,
                end: place == FRAME - 1,
                ..frame(self.world.server_us())
            }),
            level: None,
            payload: &PAYLOAD,
        };
        self.world.sealed(self.publisher, media)
    }

    /// Bytes to send.
    fn forward(&mut self, datagrams: &mut [Vec<u8>]) -> usize {
        for datagram in datagrams {
            self.world.deliver(self.publisher, datagram);
        }
        let sent = self.world.shards[0].transmits().map(|batch| batch.bytes().len()).sum();
        self.world.shards[0].clear_transmits();
        sent
    }
}

fn fan_out(criterion: &mut Criterion) {
    let stage = RefCell::new(Stage::new());
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(u64::from(SUBSCRIBERS)));
    group.bench_function("fan-out to 10", |bencher| {
        bencher.iter_batched_ref(
            || [stage.borrow_mut().next()],
            |datagram| stage.borrow_mut().forward(datagram),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(FRAME as u64 * u64::from(SUBSCRIBERS)));
    let mut elsewhere = vec![0u8; ELSEWHERE];
    group.bench_function("frame to 10, caches cold", |bencher| {
        bencher.iter_custom(|frames| {
            let mut spent = Duration::ZERO;
            for _ in 0..frames {
                let mut frame: [Vec<u8>; FRAME] = std::array::from_fn(|_| stage.borrow_mut().next());
                // What the machine does between two frames of a live server.
                elsewhere
                    .iter_mut()
                    .step_by(64)
                    .for_each(|line| *line = line.wrapping_add(1));
                black_box(&mut elsewhere);
                let start = Instant::now();
                let sent = stage.borrow_mut().forward(&mut frame);
                spent += start.elapsed();
                assert!(sent > FRAME * usize::from(SUBSCRIBERS) * PAYLOAD.len());
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, seal_and_open, parse, rewrite, fan_out);
criterion_main!(benches);
