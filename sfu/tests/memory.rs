//! What a participant costs in memory, against the targets of DESIGN.md section 7. What is measured is an upper bound: all that
//! the process holds for it, the test's own end of each transport and its SDP included. What aws-lc takes by itself is not.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clippy.toml bans clocks and locks in `core` only
#![allow(clippy::unwrap_used, clippy::expect_used)] // what a test can't have, it fails on

mod counting;
#[path = "../src/core/tests/world.rs"]
#[allow(dead_code)] // the tests of the core use all of it
mod world;

pub(crate) use invigil_sfu::core;

use crate::core::io::{Command, Direction};
use counting::held;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::{Kind, Layer, PublicationKey};
use world::{H264, Media, OPUS, World, audio, layer, person, pool, video};

const IDLE: i64 = 400 * 1_000;
const CANDIDATE: i64 = 2_000_000;

fn publication(kind: Kind) -> PublicationKey {
    PublicationKey { kind, instance: 0 }
}

#[test]
fn participants_stay_within_their_memory() {
    let mut world = World::new();
    // Whatever is made once for all of them.
    world.join(200, 1, Direction::Subscribe, &pool(64));
    let before = held();
    for who in 1..=10 {
        world.join(who, 1, Direction::Subscribe, &pool(64));
    }
    world.pass(3_000);
    world.events.clear();
    let idle = (held() - before) / 10;
    assert!(
        (10_000..IDLE).contains(&idle),
        "{idle} bytes for an idle transport with 64 slots"
    );

    let before = held();
    let mut media = vec![video("sendonly", true); 4];
    media.push(audio("sendonly"));
    let at = world.join(100, 1, Direction::Publish, &media);
    for (kind, codec, ssrcs) in [
        (Kind::Camera, "video/H264", &[10, 20][..]),
        (Kind::Screen, "video/H264", &[30, 40]),
        (Kind::Microphone, "audio/opus", &[50]),
    ] {
        let layers = [Layer::Low, Layer::High]
            .into_iter()
            .zip(ssrcs)
            .map(|(rid, ssrc)| layer(rid, *ssrc))
            .collect();
        let publish = Command::Publish {
            participant: person(100),
            publication: publication(kind),
            codec: codec.into(),
            layers,
        };
        world.command(publish).unwrap();
    }
    // Two seconds of every layer at 3 Mbit/s, which is more than any buffer may keep.
    for step in 0..200u16 {
        for (ssrc, payload_type) in [(10, H264), (20, H264), (30, H264), (40, H264), (50, OPUS)] {
            for place in 0..3 {
                let frame = FrameInfo {
                    key: true,
                    start: true,
                    end: true,
                    layer: Layer::Low,
                    temporal: 0,
                    captured: Some(world.server_us()),
                };
                let media = Media {
                    ssrc,
                    sequence: step * 3 + place,
                    payload_type,
                    timestamp: u32::from(step) * 900,
                    frame: Some(frame),
                    level: None,
                    payload: &[7; 1_150],
                };
                world.send(at, media);
            }
        }
        world.pass(10);
        world.peers[at].rtcp.clear();
        world.events.clear();
    }
    let candidate = held() - before;
    eprintln!("{idle} bytes for an idle transport, {candidate} for a candidate");
    assert!(
        (4 * 256 * 1_024..CANDIDATE).contains(&candidate),
        "{candidate} bytes for a candidate with three publications"
    );
}
