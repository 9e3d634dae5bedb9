//! A subscriber whose path is too narrow for what it asked for.

use super::world::*;
use crate::core::io::Direction;
use crate::core::rtcp::{write_fir, write_pli};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_shared::marshal::Marshal;

/// A key frame in `parts` packets, numbered from `first` on.
fn key_frame(world: &mut World, publisher: usize, first: u16, parts: u16) {
    let (low, _) = ssrcs(1);
    for part in 0..parts {
        let frame = FrameInfo {
            key: true,
            start: part == 0,
            end: part + 1 == parts,
            layer: Layer::Low,
            temporal: 0,
            captured: None,
        };
        let media = Media {
            ssrc: low,
            sequence: first + part,
            payload_type: H264,
            timestamp: u32::from(first) * 3_000,
            frame: Some(frame),
            level: None,
            payload: &[part as u8; 1_000],
        };
        world.send(publisher, media);
    }
}

/// Proctor 9, who names the bound itself instead of reporting packets.
fn subscriber(world: &mut World) -> usize {
    let pool: Vec<String> = pool(1)
        .into_iter()
        .map(|line| line.replace(&format!("a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n"), ""))
        .collect();
    world.join(9, 1, Direction::Subscribe, &pool)
}

/// The subscriber's path carries so many bits per second.
fn bound(world: &mut World, subscriber: usize, bitrate: f32) {
    let bound = ReceiverEstimatedMaximumBitrate {
        sender_ssrc: 1,
        bitrate,
        ssrcs: vec![],
    };
    world.send_rtcp(subscriber, bound.marshal().unwrap().to_vec());
}

#[test]
fn a_key_frame_that_is_torn_is_begun_anew_once() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = subscriber(&mut world);
    bound(&mut world, subscriber, 200_000.0);
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let (ssrc, _) = world.peers[subscriber].announced()[0];
    let (mut lost, mut torn) = (Vec::new(), Vec::new());
    write_pli(&mut lost, 1, ssrc);
    write_fir(&mut torn, 1, ssrc, 1);
    let asked = |world: &mut World| {
        let asked = world.peers[publisher].key_frames_asked().len();
        world.peers[publisher].rtcp.clear();
        asked
    };

    key_frame(&mut world, publisher, 0, 40);
    world.pass(500);
    let begun = world.peers[subscriber].rtp.len();
    assert!((5..25).contains(&begun), "{begun}");
    asked(&mut world);
    world.send_rtcp(subscriber, lost);
    world.pass(100);
    let more = world.peers[subscriber].rtp.len();
    assert!(
        more > begun,
        "a picture that was lost says nothing of the one that comes"
    );
    assert_eq!(asked(&mut world), 0);

    world.send_rtcp(subscriber, torn.clone());
    let sent = world.peers[subscriber].rtp.len();
    world.pass(600);
    assert_eq!(world.peers[subscriber].rtp.len(), sent, "its rest is of no use");
    assert!(asked(&mut world) >= 1);

    // The command was heard: said again it stops nothing.
    key_frame(&mut world, publisher, 40, 20);
    world.pass(300);
    world.send_rtcp(subscriber, torn);
    world.pass(1_500);
    let got = &world.peers[subscriber].rtp;
    assert_eq!(got.len(), sent + 20);
    assert!(got[sent].frame().is_some_and(|frame| frame.key && frame.start));
    assert!(got[sent + 19].frame().is_some_and(|frame| frame.end));
    let numbered = |pair: &[Got]| pair[1].header.sequence == pair[0].header.sequence.wrapping_add(1);
    assert!(got.windows(2).all(numbered), "what was not sent leaves no hole");
}

#[test]
fn the_picture_that_is_on_its_way_arrives_when_the_path_grows_too_narrow_for_more() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = subscriber(&mut world);
    bound(&mut world, subscriber, 400_000.0);
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let (low, _) = ssrcs(1);
    // 100 kbit/s, as its publisher sends it.
    world.frame(publisher, low, 0, true, &[1; 1_000]);
    for n in 1..30 {
        world.pass(100);
        world.frame(publisher, low, n, false, &[1; 1_250]);
    }
    world.pass(100);
    let before = world.peers[subscriber].rtp.len();
    assert_eq!(before, 30);
    key_frame(&mut world, publisher, 30, 40);
    world.pass(300);
    let sent = world.peers[subscriber].rtp.len();
    assert!((before + 5..before + 30).contains(&sent), "{sent}");
    world.frame(publisher, low, 70, false, &[1; 1_250]);
    // Too little for all of it, and enough for a picture now and then.
    bound(&mut world, subscriber, 90_000.0);
    world.pass(100);
    assert!(
        world.shards[0].paths().iter().any(|path| path.estimate == Some(90_000)),
        "it was heard"
    );
    world.pass(4_000);
    let got = &world.peers[subscriber].rtp[before..];
    let pictures = got
        .iter()
        .filter(|packet| packet.frame().is_some_and(|frame| frame.key));
    assert_eq!(pictures.count(), 40, "all of the picture");
    assert_eq!(got.len(), 40, "and no more, which could not be shown live");
}
