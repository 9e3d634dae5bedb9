//! What is known of everybody's path: round trips that the far end's answers give, what was lost, and what it carries.

use super::world::*;
use crate::core::io::{Command, Direction};
use crate::core::paths::PathFigures;
use crate::core::rtcp::{Item, ntp_middle, parse, write_transport_feedback};
use crate::core::twcc::Arrivals;
use invigil_shared::publication::Layer;
use rtc_rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock};
use rtc_rtcp::packet::unmarshal;
use rtc_shared::marshal::Marshal;
use std::time::Duration;

fn figures(world: &World, who: u8) -> Option<PathFigures> {
    let all = world.shards[0].paths();
    all.into_iter().find(|figures| figures.participant == person(who))
}

/// The reference times in what a peer got, as another implementation reads them: whose, and the middle 32 bits.
fn references(world: &mut World, at: usize) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for compound in std::mem::take(&mut world.peers[at].rtcp) {
        for packet in unmarshal(&mut bytes::Bytes::from(compound)).unwrap() {
            let Some(report) = packet.as_any().downcast_ref::<ExtendedReport>() else {
                continue;
            };
            for block in &report.reports {
                let time = block
                    .as_any()
                    .downcast_ref::<ReceiverReferenceTimeReportBlock>()
                    .unwrap();
                found.push((report.sender_ssrc, ntp_middle(time.ntp_timestamp)));
            }
        }
    }
    found
}

fn answer(ssrc: u32, last_rr: u32, delay: Duration) -> Vec<u8> {
    let dlrr = (delay.as_micros() * 65_536 / 1_000_000) as u32;
    let answer = DLRRReport { ssrc, last_rr, dlrr };
    let report = ExtendedReport {
        sender_ssrc: 5,
        reports: vec![Box::new(DLRRReportBlock { reports: vec![answer] })],
    };
    report.marshal().unwrap().to_vec()
}

#[test]
fn a_publishers_round_trip_is_what_its_answers_leave() {
    let mut world = World::new();
    let at = world.candidate(1, 1);
    let (low, _) = ssrcs(1);
    let mut heard = 0;
    for step in 0..400u16 {
        if step.is_multiple_of(20) {
            world.frame(at, low, step / 20, step == 0, b"picture");
        }
        world.pass(10);
        for (reporter, reference) in references(&mut world, at) {
            heard += 1;
            assert!(heard > 1 || figures(&world, 1).unwrap().round_trip.is_none());
            // 90 ms on the way, 40 ms with the peer.
            world.pass(130);
            world.send_rtcp(at, answer(reporter, reference, Duration::from_millis(40)));
            // Of somebody else's reference time, and of one that was never sent: they say nothing.
            world.send_rtcp(at, answer(reporter + 1, reference, Duration::ZERO));
            world.send_rtcp(at, answer(reporter, 0, Duration::ZERO));
        }
    }
    assert!(heard >= 3, "{heard}");
    let round_trip = figures(&world, 1).unwrap().round_trip.unwrap();
    assert!(
        round_trip.abs_diff(Duration::from_millis(90)) < Duration::from_millis(2),
        "{round_trip:?}"
    );
}

#[test]
fn what_a_publisher_sends_is_counted_with_what_was_lost_of_it() {
    let mut world = World::new();
    let at = world.candidate(1, 1);
    let (low, _) = ssrcs(1);
    let payload = [7; 1_000];
    for n in (0..100u16).filter(|n| n % 10 != 5) {
        world.frame(at, low, n, n == 0, &payload);
        world.pass(100);
    }
    // So that whole seconds are over, and nothing flows any more.
    world.pass(3_000);
    let carried = figures(&world, 1).unwrap().carried;
    assert_eq!((carried.expected, carried.arrived), (100, 90));
    assert!((90_000..110_000).contains(&carried.received_bytes), "{carried:?}");
    assert!(carried.sent_bytes > 1_000, "reports and requests: {carried:?}");
    assert_eq!(figures(&world, 1).unwrap().layers, 0, "it has fallen silent");
    world.frame(at, low, 100, false, &payload);
    assert_eq!(figures(&world, 1).unwrap().layers, 1);
    let command = Command::RemoveParticipant { participant: person(1) };
    world.command(command).unwrap();
    assert_eq!(figures(&world, 1), None);
}

#[test]
fn what_whoever_watches_has_lost_is_what_they_report() {
    let mut world = World::new();
    let publisher = world.candidate(1, 1);
    let subscriber = world.join(9, 1, Direction::Subscribe, &pool(1));
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let (low, _) = ssrcs(1);
    let mut arrivals = Arrivals::new(world.now);
    let (mut got, mut lost) = (0u64, 0u64);
    for n in 0..200u16 {
        world.frame(publisher, low, n, n == 0, &[3; 500]);
        world.pass(25);
        for packet in std::mem::take(&mut world.peers[subscriber].rtp) {
            let number = packet.header.extension(&packet.bytes, TRANSPORT_CC_ID).unwrap();
            got += 1;
            // The last ones arrive: nobody could tell otherwise that anything was missing behind them.
            if got.is_multiple_of(20) && n < 190 {
                lost += 1;
            } else {
                let now = world.now + Duration::from_millis(15);
                arrivals.receive(now, u16::from_be_bytes(number.try_into().unwrap()));
            }
        }
        let mut compound = vec![];
        let mut control = vec![];
        while arrivals.write(&mut control) {
            write_transport_feedback(&mut compound, 1, 2, &control);
            control.clear();
        }
        if !compound.is_empty() {
            world.pass(30);
            world.send_rtcp(subscriber, compound);
        }
    }
    world.pass(1_000);
    let figures = figures(&world, 9).unwrap();
    assert!(got > 150 && lost > 5, "{got} {lost}");
    assert_eq!(figures.carried.expected - figures.carried.arrived, lost);
    assert!(figures.carried.sent_bytes > 500 * got, "{figures:?}");
    assert!(figures.round_trip.is_some(), "{figures:?}");
    let mut reports = 0;
    for compound in &world.peers[publisher].rtcp {
        parse(compound, |item| {
            reports += u64::from(matches!(item, Item::Reference { .. }));
        });
    }
    assert_eq!(reports, 0, "we ask, we are not asked");
}

#[test]
fn nothing_is_kept_of_those_who_were_forgotten() {
    let mut world = World::new();
    let before = world.shards[0].gauges();
    let publisher = world.candidate(1, 1);
    world.join(9, 1, Direction::Subscribe, &pool(1));
    world.want(9, 1, vec![intent(0, camera(1), Layer::Low)]).unwrap();
    let (low, _) = ssrcs(1);
    for n in 0..20u16 {
        world.frame(publisher, low, n, n == 0, &[3; 900]);
        world.pass(30);
    }
    world.events.clear();
    let during = world.shards[0].gauges();
    assert_eq!(
        (during.transports, during.participants, during.subscriptions),
        (2, 2, 1)
    );
    assert!(
        during.publications > 0 && during.kept_bytes > 10_000 && during.streams_of_transport > 0,
        "{during:?}"
    );
    for who in [1, 9] {
        let command = Command::RemoveParticipant {
            participant: person(who),
        };
        world.command(command).unwrap();
    }
    assert_eq!(world.shards[0].gauges(), before);
    assert!(world.shards[0].paths().is_empty());
}
