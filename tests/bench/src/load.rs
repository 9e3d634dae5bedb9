//! The load: publishers that send bursts, subscribers that receive all of them, and what was delivered how late.

use crate::sdp::{PAYLOAD_TYPE, TRANSPORT_CC_ID};
use crate::targets::Target;
use crate::wire::{Endpoint, Incoming};
use anyhow::{Result, bail};
use invigil_sfu::core::rtcp::{
    Item, ReportBlock, SenderInfo, ntp_of_unix, parse, write_receiver_reports, write_sender_report,
    write_transport_feedback,
};
use invigil_sfu::core::rtp::{ExtensionList, RtpHeader, write_header};
use invigil_sfu::core::transport::dtls::DtlsIdentity;
use invigil_sfu::core::twcc::Arrivals;
use mio::{Events, Interest, Poll, Token};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is sent and to how many.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub name: &'static str,
    pub publishers: usize,
    pub subscribers: usize,
    /// Bursts of a publisher in a second, and packets of a burst: a frame each.
    pub frames: u32,
    pub burst: usize,
    pub payload: usize,
}

pub const LOADS: &[Load] = &[
    Load {
        name: "10x10",
        publishers: 10,
        subscribers: 10,
        frames: 30,
        burst: 5,
        payload: 1_100,
    },
    Load {
        name: "20x20",
        publishers: 20,
        subscribers: 20,
        frames: 30,
        burst: 5,
        payload: 1_100,
    },
];

/// A key frame this often, and when one is asked for.
const KEY_EVERY: u64 = 300;
const REPORTS: Duration = Duration::from_secs(1);
const FEEDBACK: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(20);

/// What a run delivered.
#[derive(Default)]
pub struct Delivered {
    pub sent: u64,
    pub received: u64,
    pub latencies_us: Vec<u32>,
}

struct Publisher {
    wire: Endpoint,
    ssrc: u32,
    sequence: u16,
    transport_sequence: u16,
    frame: u64,
    key_wanted: bool,
    next: Instant,
    sent: u32,
}

struct Subscriber {
    wire: Endpoint,
    arrivals: Arrivals,
    highest: Vec<(u32, u16)>,
}

pub struct Run {
    load: Load,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    poll: Poll,
    epoch: Instant,
    next_reports: Instant,
    next_feedback: Instant,
    packet: Vec<u8>,
}

impl Run {
    /// Connects everybody through `target`, publishers first.
    pub fn connect(load: Load, target: &mut dyn Target) -> Result<Self> {
        let identity = Arc::new(DtlsIdentity::generate()?);
        let now = Instant::now();
        let poll = Poll::new()?;
        let mut run = Self {
            load,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            poll,
            epoch: now,
            next_reports: now + REPORTS,
            next_feedback: now + FEEDBACK,
            packet: Vec::with_capacity(2_048),
        };
        for index in 0..load.publishers {
            let mut wire = Endpoint::new(identity.clone())?;
            let ssrc = 1_000 * (index as u32 + 1);
            let answer = target.publish(index, &crate::sdp::publish(&wire.own(), ssrc))?;
            wire.connect(&answer)?;
            run.poll
                .registry()
                .register(&mut wire.socket, Token(index), Interest::READABLE)?;
            let stagger = Duration::from_secs(1) / load.frames * index as u32 / load.publishers as u32;
            run.publishers.push(Publisher {
                wire,
                ssrc,
                sequence: 100,
                transport_sequence: 0,
                frame: 0,
                key_wanted: true,
                next: now + stagger,
                sent: 0,
            });
        }
        run.until_connected()?;
        // Media first, so that every SFU knows the streams when somebody comes to watch.
        run.go_on(Duration::from_millis(500), &mut Delivered::default())?;
        for index in 0..load.subscribers {
            let mut wire = Endpoint::new(identity.clone())?;
            let answer = target.play(index, &crate::sdp::play(&wire.own(), load.publishers))?;
            wire.connect(&answer)?;
            let token = Token(load.publishers + index);
            run.poll
                .registry()
                .register(&mut wire.socket, token, Interest::READABLE)?;
            run.subscribers.push(Subscriber {
                wire,
                arrivals: Arrivals::new(now),
                highest: Vec::new(),
            });
        }
        run.until_connected()?;
        Ok(run)
    }

    fn wires(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        let publishers = self.publishers.iter_mut().map(|p| &mut p.wire);
        publishers.chain(self.subscribers.iter_mut().map(|s| &mut s.wire))
    }

    fn until_connected(&mut self) -> Result<()> {
        let end = Instant::now() + CONNECT;
        let mut delivered = Delivered::default();
        while !self.wires().all(|wire| wire.is_connected()) {
            if Instant::now() > end {
                let missing = self.wires().filter(|wire| !wire.is_connected()).count();
                bail!("{missing} transports did not connect within {} s", CONNECT.as_secs());
            }
            self.go_on(Duration::from_millis(20), &mut delivered)?;
        }
        Ok(())
    }

    /// Sends, receives and reports for a while. It never sleeps: on loopback whoever sends also pays for waking the receiver,
    /// which no network card asks for.
    pub fn go_on(&mut self, time: Duration, delivered: &mut Delivered) -> Result<()> {
        let end = Instant::now() + time;
        let mut events = Events::with_capacity(256);
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.wires().try_for_each(|wire| wire.tick(now))?;
            self.send_due(now, delivered)?;
            self.report(now)?;
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            let ready: Vec<usize> = events.iter().map(|event| event.token().0).collect();
            for at in ready {
                self.receive(at, delivered)?;
            }
        }
    }

    fn send_due(&mut self, now: Instant, delivered: &mut Delivered) -> Result<()> {
        let interval = Duration::from_secs(1) / self.load.frames;
        for publisher in self.publishers.iter_mut().filter(|p| p.wire.is_connected()) {
            if publisher.next > now {
                continue;
            }
            publisher.next += interval;
            if publisher.next < now {
                // Late: back on its own grid, so that publishers never send at the same moment.
                let late = now.saturating_duration_since(publisher.next).as_nanos() / interval.as_nanos();
                publisher.next += interval * (late as u32 + 1);
            }
            let key = std::mem::take(&mut publisher.key_wanted) || publisher.frame % KEY_EVERY == 0;
            let timestamp = (publisher.frame * u64::from(90_000 / self.load.frames)) as u32;
            for at in 0..self.load.burst {
                let (first, last) = (at == 0, at + 1 == self.load.burst);
                let mut extensions = ExtensionList::default();
                extensions.push(TRANSPORT_CC_ID, &publisher.transport_sequence.to_be_bytes());
                publisher.transport_sequence = publisher.transport_sequence.wrapping_add(1);
                self.packet.clear();
                let ids = (publisher.sequence, timestamp, publisher.ssrc);
                let header = write_header(&mut self.packet, (last, PAYLOAD_TYPE), ids, &extensions);
                publisher.sequence = publisher.sequence.wrapping_add(1);
                // FU-A (RFC 6184 section 5.8): pieces of one slice.
                let kind = if key { 5 } else { 1 };
                self.packet
                    .extend([0x7c, u8::from(first) << 7 | u8::from(last) << 6 | kind]);
                let sent_at = Instant::now().saturating_duration_since(self.epoch).as_micros() as u64;
                self.packet.extend(sent_at.to_be_bytes());
                self.packet.resize(header + self.load.payload, 0x5a);
                publisher.wire.send_rtp(&mut self.packet, header)?;
                publisher.sent += 1;
                delivered.sent += 1;
            }
            publisher.frame += 1;
        }
        Ok(())
    }

    fn receive(&mut self, at: usize, delivered: &mut Delivered) -> Result<()> {
        let now = Instant::now();
        let epoch = self.epoch;
        if let Some(publisher) = self.publishers.get_mut(at) {
            let key_wanted = &mut publisher.key_wanted;
            return publisher.wire.receive(now, |incoming| {
                if let Incoming::Rtcp(compound) = incoming {
                    parse(compound, |item| *key_wanted |= matches!(item, Item::KeyFrame { .. }));
                }
            });
        }
        let Some(subscriber) = self.subscribers.get_mut(at - self.publishers.len()) else {
            return Ok(());
        };
        let Subscriber {
            wire,
            arrivals,
            highest,
        } = subscriber;
        wire.receive(now, |incoming| {
            let Incoming::Rtp(packet) = incoming else { return };
            let Some(header) = RtpHeader::parse(packet) else { return };
            if let Some(number) = header
                .extension(packet, TRANSPORT_CC_ID)
                .and_then(|data| data.first_chunk())
            {
                arrivals.receive(now, u16::from_be_bytes(*number));
            }
            if header.payload_type != PAYLOAD_TYPE {
                return;
            }
            match highest.iter_mut().find(|(ssrc, _)| *ssrc == header.ssrc) {
                Some((_, sequence)) => *sequence = header.sequence,
                None => highest.push((header.ssrc, header.sequence)),
            }
            delivered.received += 1;
            let sent_at = header.payload_of(packet).get(2..).and_then(|rest| rest.first_chunk());
            if let Some(sent_at) = sent_at {
                let age = now.saturating_duration_since(epoch).as_micros() as u64;
                delivered
                    .latencies_us
                    .push(age.saturating_sub(u64::from_be_bytes(*sent_at)) as u32);
            }
        })
    }

    fn report(&mut self, now: Instant) -> Result<()> {
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK;
            for subscriber in self.subscribers.iter_mut().filter(|s| s.wire.is_connected()) {
                let media = subscriber.highest.first().map_or(0, |(ssrc, _)| *ssrc);
                let (mut control, mut compound) = (Vec::new(), Vec::new());
                write_receiver_reports(&mut compound, 1, &[]);
                while subscriber.arrivals.write(&mut control) {
                    write_transport_feedback(&mut compound, 1, media, &control);
                    control.clear();
                }
                subscriber.wire.send_rtcp(&mut compound)?;
            }
        }
        if now < self.next_reports {
            return Ok(());
        }
        self.next_reports = now + REPORTS;
        let unix_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
        for publisher in self.publishers.iter_mut().filter(|p| p.wire.is_connected()) {
            let mut compound = Vec::new();
            let info = SenderInfo {
                ssrc: publisher.ssrc,
                ntp: ntp_of_unix(unix_us),
                timestamp: (publisher.frame * u64::from(90_000 / self.load.frames)) as u32,
                packets: publisher.sent,
                octets: publisher.sent.wrapping_mul(self.load.payload as u32),
            };
            write_sender_report(&mut compound, &info, "bench");
            publisher.wire.send_rtcp(&mut compound)?;
        }
        for subscriber in self.subscribers.iter_mut().filter(|s| s.wire.is_connected()) {
            let block = |(ssrc, sequence): &(u32, u16)| ReportBlock {
                ssrc: *ssrc,
                highest: u32::from(*sequence),
                ..ReportBlock::default()
            };
            let blocks: Vec<ReportBlock> = subscriber.highest.iter().map(block).collect();
            let mut compound = Vec::new();
            write_receiver_reports(&mut compound, 1, &blocks);
            subscriber.wire.send_rtcp(&mut compound)?;
        }
        Ok(())
    }
}
