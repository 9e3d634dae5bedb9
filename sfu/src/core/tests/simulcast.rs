//! A browser's simulcast by rid in VP8, and lines of a browser that carry one codec after another.

use super::world::*;
use crate::core::io::{Direction, Event};
use crate::core::rtp::{ExtensionList, write_header};
use crate::core::vp8::Vp8;
use invigil_shared::publication::{Layer, PublicationKey};

const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
const MID_ID: u8 = 5;
const RID_ID: u8 = 6;

/// An m-line of VP8, with simulcast when there are rids. mids are the places of the lines.
fn vp8(direction: &str, rids: &[&str]) -> String {
    let mut text = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {VP8} {VP8_RTX} {H264} {RTX}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\na=rtcp-fb:{VP8} ccm fir\r\n\
         a=rtpmap:{VP8_RTX} rtx/90000\r\na=fmtp:{VP8_RTX} apt={VP8}\r\n\
         a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:{RID_ID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    );
    for rid in rids {
        text += &format!("a=rid:{rid} send\r\n");
    }
    if !rids.is_empty() {
        text += &format!("a=simulcast:send {}\r\n", rids.join(";"));
    }
    text
}

/// The same with H.264 as well, which is taken first where nothing else is wanted.
fn either(direction: &str) -> String {
    vp8(direction, &[])
        + &format!(
            "a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} packetization-mode=1;profile-level-id=42e01f\r\n\
             a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={H264}\r\n"
        )
}

/// A frame of one packet: RFC 7741's descriptor with a picture id of 15 bits.
fn frame(
    world: &mut World,
    at: usize,
    (rid, ssrc): (&str, u32),
    (sequence, timestamp, picture): (u16, u32, u16),
    key: bool,
) {
    let mut list = ExtensionList::default();
    list.push(MID_ID, b"0");
    list.push(RID_ID, rid.as_bytes());
    let mut packet = Vec::new();
    write_header(&mut packet, (true, VP8), (sequence, timestamp, ssrc), &list);
    packet.extend_from_slice(&[
        0x90,
        0x80,
        0x80 | (picture >> 8) as u8,
        picture as u8,
        u8::from(!key),
        rid.as_bytes()[0],
    ]);
    world.send_packet(at, packet);
}

fn picture(got: &Got) -> u16 {
    Vp8::parse(got.payload()).unwrap().picture_id.unwrap().1
}

#[test]
fn layers_by_rid_are_switched_between_without_a_seam() {
    let mut world = World::new();
    let publisher = world.join(1, 1, Direction::Publish, &[vp8("sendonly", &["low", "high"])]);
    let layers = world.events.iter().find_map(|event| match event {
        Event::BrowserPublished { layers, .. } => Some(layers.iter().map(|layer| layer.rid).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(layers, Some(vec![Layer::Low, Layer::High]));
    let answer = &world.peers[publisher].answer;
    assert!(answer.contains("a=simulcast:recv low;high"), "{answer}");
    let subscriber = world.join(9, 1, Direction::Subscribe, &[vp8("recvonly", &[])]);
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    // The layers number their packets, times and pictures as they like.
    for n in 0..5u16 {
        frame(
            &mut world,
            publisher,
            ("low", 11),
            (40_000 + n, 1_000 + 3_000 * u32::from(n), 32_766 + n),
            n == 0,
        );
        frame(
            &mut world,
            publisher,
            ("high", 22),
            (7 + n, 900_000 + 3_000 * u32::from(n), 100 + n),
            n == 0,
        );
        world.pass(30);
    }
    world.want(9, 2, vec![intent(0, camera(1), Layer::High)]).unwrap();
    for n in 5..10u16 {
        frame(
            &mut world,
            publisher,
            ("low", 11),
            (40_000 + n, 1_000 + 3_000 * u32::from(n), 32_766 + n),
            false,
        );
        frame(
            &mut world,
            publisher,
            ("high", 22),
            (7 + n, 900_000 + 3_000 * u32::from(n), 100 + n),
            n == 7,
        );
        world.pass(30);
    }
    let got = &world.peers[subscriber].rtp;
    let rids: Vec<u8> = got.iter().map(|got| got.payload()[5]).collect();
    assert_eq!(
        rids, b"llllllllhhh",
        "the new layer begins with its key frame, and the old one lasts until then"
    );
    for pair in got.windows(2) {
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
        assert_eq!(picture(&pair[1]), (picture(&pair[0]) + 1) & 0x7fff, "picture ids go on");
        let ticks = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
        assert!((1..=6_000).contains(&ticks), "a frame later: {ticks}");
    }
}

#[test]
fn a_layers_second_source_by_rid_takes_over() {
    let mut world = World::new();
    let publisher = world.join(1, 1, Direction::Publish, &[vp8("sendonly", &["low", "high"])]);
    let subscriber = world.join(9, 1, Direction::Subscribe, &[vp8("recvonly", &[])]);
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    frame(&mut world, publisher, ("low", 11), (1, 0, 1), true);
    frame(&mut world, publisher, ("none", 12), (2, 3_000, 2), true);
    frame(&mut world, publisher, ("low", 13), (9_000, 6_000, 7), true);
    let got = &world.peers[subscriber].rtp;
    assert_eq!(got.len(), 2, "a rid that was not announced is nothing");
    assert_eq!(got[1].header.sequence, got[0].header.sequence + 1);
}

#[test]
fn a_free_line_of_a_page_carries_whatever_codec_comes() {
    let mut world = World::new();
    let subscriber = world.join(9, 1, Direction::Subscribe, &[either("recvonly")]);
    let answer = world.peers[subscriber].answer.clone();
    assert!(
        answer.contains(&format!("m=video 9 UDP/TLS/RTP/SAVPF {H264} {RTX} {VP8} {VP8_RTX}\r\n")),
        "{answer}"
    );
    assert!(answer.contains("a=sendonly"), "{answer}");
    let browser = world.join(1, 1, Direction::Publish, &[vp8("sendonly", &["low", "high"])]);
    let native = world.candidate(2, 1);
    let formats = |world: &World| -> Vec<u8> {
        let of = |got: &Got| got.header.payload_type;
        world.peers[subscriber].rtp.iter().map(of).collect()
    };
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    frame(&mut world, browser, ("low", 11), (1, 0, 1), true);
    world.want(9, 2, vec![intent(0, camera(2), Layer::Low)]).unwrap();
    frame(&mut world, browser, ("low", 11), (2, 3_000, 2), false);
    world.frame(native, ssrcs(2).0, 1, true, b"key");
    assert_eq!(formats(&world), [VP8, H264]);
    world.want(9, 3, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    frame(&mut world, browser, ("low", 11), (3, 6_000, 3), true);
    assert_eq!(formats(&world), [VP8, H264, VP8]);
    let got = &world.peers[subscriber].rtp;
    let first = got[0].header;
    assert!(
        got.iter()
            .zip(first.sequence..)
            .all(|(got, sequence)| got.header.sequence == sequence)
    );
    assert!(got.iter().all(|got| got.header.ssrc == first.ssrc));
    // What went out under another payload type can't come again under this one.
    let mut nack = vec![];
    crate::core::rtcp::write_nack(
        &mut nack,
        1,
        first.ssrc,
        &[first.sequence, first.sequence + 1, first.sequence + 2],
    );
    world.send_rtcp(subscriber, nack);
    let again: Vec<&Got> = world.peers[subscriber].rtp[3..].iter().collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header.payload_type, VP8_RTX);
    assert_eq!(again[0].payload()[..2], (first.sequence + 2).to_be_bytes());
}

#[test]
fn a_pages_publications_are_named_by_its_msids() {
    let mut world = World::new();
    let lines = [
        format!("{}a=msid:s screen-1\r\n", vp8("sendonly", &[])),
        format!("{}a=msid:s x\r\n", vp8("sendonly", &[])),
    ];
    world.join(1, 1, Direction::Publish, &lines);
    let named: Vec<PublicationKey> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::BrowserPublished { publication, .. } => Some(*publication),
            _ => None,
        })
        .collect();
    let second_screen = PublicationKey {
        instance: 1,
        ..PublicationKey::SCREEN
    };
    assert_eq!(named, [second_screen, PublicationKey::CAMERA]);
}
