//! RTCP between a publisher and many subscribers: key frames asked for once for all, and reports by which frames have a time.

use super::world::*;
use crate::core::io::Direction;
use crate::core::rtcp::{Item, SenderInfo, ntp_of_unix, parse, write_pli};
use invigil_shared::publication::Layer;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_shared::marshal::Marshal;
use std::collections::BTreeMap;

fn fir(ssrc: u32, sequence_number: u8) -> Vec<u8> {
    let request = FullIntraRequest {
        sender_ssrc: 1,
        media_ssrc: 0,
        fir: vec![FirEntry { ssrc, sequence_number }],
    };
    request.marshal().unwrap().to_vec()
}

#[test]
fn key_frames_that_many_ask_for_are_asked_for_once_in_half_a_second_by_layer() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscribers: Vec<usize> = (0..10u8)
        .map(|n| {
            let at = world.join(20 + n, 1, Direction::Subscribe, &pool(1));
            let layer = if n < 5 { Layer::Low } else { Layer::High };
            world.want(20 + n, 1, vec![intent(0, camera(1), layer)]).unwrap();
            at
        })
        .collect();
    let (low, high) = ssrcs(1);
    world.frame(publisher, low, 1, true, b"key");
    world.frame(publisher, high, 1, true, b"key");
    world.pass(1_000);
    world.peers[publisher].rtcp.clear();
    let mut asked: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let start = world.now;
    // 2 s in which each of ten asks every 20 ms, by either message.
    for step in 0..100u8 {
        for &at in &subscribers {
            let slot = world.peers[at].announced()[0].0;
            let mut request = vec![];
            write_pli(&mut request, 1, slot);
            world.send_rtcp(at, if at % 2 == 0 { request } else { fir(slot, step) });
        }
        world.pass(20);
        let ms = (world.now - start).as_millis() as u64;
        let so_far = world.peers[publisher].key_frames_asked();
        for ssrc in &so_far {
            let times = asked.entry(*ssrc).or_default();
            times.resize(so_far.iter().filter(|known| *known == ssrc).count(), ms);
        }
    }
    assert_eq!(asked.keys().copied().collect::<Vec<_>>(), [low, high]);
    for (ssrc, times) in asked {
        assert!((4..=5).contains(&times.len()), "{ssrc}: {times:?}");
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= 480),
            "{ssrc}: {times:?}"
        );
    }
}

/// The last sender report that a subscriber got.
fn sender_report(world: &World, at: usize) -> SenderInfo {
    let mut last = None;
    for compound in &world.peers[at].rtcp {
        parse(compound, |item| {
            if let Item::Sender(info) = item {
                last = Some(info);
            }
        });
    }
    last.expect("a sender report")
}

#[test]
fn a_frame_has_a_server_time_by_the_reports_also_after_a_layer_switch() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(1));
    let (low, high) = ssrcs(1);
    for (revision, layer, ssrc) in [(1, Layer::Low, low), (2, Layer::High, high)] {
        world.want(9, revision, vec![intent(0, camera(1), layer)]).unwrap();
        for n in 0..15u16 {
            world.frame(publisher, ssrc, n, n == 0, b"picture");
            world.pass(100);
        }
        let captured = world.server_us();
        world.frame(publisher, ssrc, 15, false, b"the one");
        // One more report, which maps the timestamps of this stretch of the stream.
        world.peers[subscriber].rtcp.clear();
        world.pass(1_100);
        let report = sender_report(&world, subscriber);
        let last = world.peers[subscriber].rtp.last().unwrap();
        assert_eq!((last.payload(), report.ssrc), (&b"the one"[..], last.header.ssrc));
        // 32.32 fixed point to microseconds, relative to the report (RFC 3550 section 6.4.1).
        let ticks = i64::from(report.timestamp.wrapping_sub(last.header.timestamp) as i32);
        let age_us = ticks * 1_000_000 / 90_000;
        let at = ntp_of_unix(captured) as i128 - report.ntp as i128;
        let shown_us = ((at * 1_000_000) >> 32) as i64 + age_us;
        assert!(shown_us.abs() <= 2_000, "{layer:?}: {shown_us} us from its capture");
    }
}

#[test]
fn every_slot_reports_once_a_second_from_its_own_beginning() {
    let mut world = World::new();
    let publishers = [1, 2].map(|who| world.candidate(who, 1));
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(2));
    let both = vec![intent(0, camera(1), Layer::Low), intent(1, camera(2), Layer::Low)];
    world.want(9, 1, both).unwrap();
    let mut seen: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let start = world.now;
    for n in 0..50u16 {
        world.frame(publishers[0], ssrcs(1).0, n, n == 0, b"picture");
        // The other one begins when the first has reported already.
        if n >= 4 {
            world.frame(publishers[1], ssrcs(2).0, n, n == 4, b"picture");
        }
        world.pass(100);
        let ms = (world.now - start).as_millis() as u64;
        for compound in std::mem::take(&mut world.peers[subscriber].rtcp) {
            parse(&compound, |item| {
                if let Item::Sender(info) = item {
                    seen.entry(info.ssrc).or_default().push(ms);
                }
            });
        }
    }
    assert_eq!(seen.len(), 2);
    let mut begins: Vec<u64> = Vec::new();
    for (slot, at) in &seen {
        begins.push(at[0]);
        assert!((4..=5).contains(&at.len()), "{slot}: {at:?}");
        assert!(
            at.windows(2).all(|pair| (900..=1_100).contains(&(pair[1] - pair[0]))),
            "{slot}: {at:?}"
        );
    }
    begins.sort_unstable();
    assert!(
        begins[0] <= 200 && (500..=700).contains(&begins[1]),
        "100 ms after its first packet: {begins:?}"
    );
}

#[test]
fn repair_is_answered_on_every_line_that_offers_it() {
    let mut world = World::new();
    for (who, media) in [(1u8, publisher_media()), (9, pool(3))] {
        let direction = if who == 1 {
            Direction::Publish
        } else {
            Direction::Subscribe
        };
        let at = world.join(who, 1, direction, &media);
        let answer = world.peers[at].answer.clone();
        let mut video = 0;
        for section in answer
            .split("\r\nm=")
            .skip(1)
            .filter(|section| section.starts_with("video"))
        {
            assert!(
                section.starts_with(&format!("video 9 UDP/TLS/RTP/SAVPF {H264} {RTX}\r\n")),
                "{section}"
            );
            assert!(section.contains(&format!("a=fmtp:{RTX} apt={H264}")), "{section}");
            assert_eq!(section.contains("a=ssrc-group:FID"), who == 9, "{section}");
            video += 1;
        }
        assert_eq!(video, media.len() - 1);
    }
}
