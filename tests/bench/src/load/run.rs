//! One run of a load: everybody connected through one SFU, and one loop that sends, receives and reports.

use super::publisher::{self, Publisher};
use super::subscriber::Subscriber;
use super::{Delivered, Load, Trace};
use crate::targets::Target;
use anyhow::{Result, bail};
use invigil_peer::sdp::{self, Line};
use invigil_peer::wire::Endpoint;
use invigil_sfu::core::transport::dtls::DtlsIdentity;
use mio::{Events, Interest, Poll, Token};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REPORTS: Duration = Duration::from_secs(1);
const FEEDBACK: Duration = Duration::from_millis(100);
/// How often subscribers ask for what is missing, and how often transports look at their timers.
const ASK: Duration = Duration::from_millis(10);
/// A peer that takes 100 ms for an m-line needs a minute for an exam's.
const CONNECT: Duration = Duration::from_secs(60);

pub struct Run {
    load: Load,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    poll: Poll,
    epoch: Instant,
    next_reports: Instant,
    next_feedback: Instant,
    next_ask: Instant,
}

impl Run {
    /// Connects everybody through `target`, publishers first. `whole`: subscribers take segmented messages whole.
    pub fn connect(load: Load, target: &mut dyn Target, whole: bool) -> Result<Self> {
        let (identity, trace) = (Arc::new(DtlsIdentity::generate()?), Trace::read()?);
        let (now, address) = (Instant::now(), target.address());
        let mut run = Self {
            load,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            poll: Poll::new()?,
            epoch: now,
            next_reports: now + REPORTS,
            next_feedback: now + FEEDBACK,
            next_ask: now + ASK,
        };
        for index in 0..load.publishers {
            let mut wire = Endpoint::new(identity.clone(), address)?;
            let offer = sdp::offer(&wire.own(false), &publisher::lines(&load, index));
            wire.connect(&target.publish(index, &offer)?)?;
            run.register(&mut wire, index)?;
            // Seeded: every SFU loses the same packets.
            let rng = StdRng::seed_from_u64(index as u64);
            run.publishers.push(Publisher::new(&load, index, wire, &trace, rng)?);
            // Nobody's handshake waits for the others' offers.
            run.go_on(Duration::from_millis(1), &mut Delivered::default())?;
        }
        run.until_connected()?;
        // Media first, so that every SFU knows the streams when somebody comes to watch.
        run.go_on(Duration::from_millis(500), &mut Delivered::default())?;
        for index in 0..load.subscribers {
            let mut wire = Endpoint::new(identity.clone(), address)?;
            if whole {
                wire.take_whole()?;
            }
            target.play(index, &mut wire, &Line::receive(load.video_streams(), load.audio_lines))?;
            run.register(&mut wire, load.publishers + index)?;
            let rng = StdRng::seed_from_u64(1_000 + index as u64);
            run.subscribers.push(Subscriber::new(wire, Instant::now(), rng)?);
            run.go_on(Duration::from_millis(1), &mut Delivered::default())?;
        }
        run.until_connected()?;
        Ok(run)
    }

    fn register(&mut self, wire: &mut Endpoint, token: usize) -> Result<()> {
        let registry = self.poll.registry();
        registry.register(&mut wire.socket, Token(token), Interest::READABLE)?;
        Ok(())
    }

    fn wires(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        let publishers = self.publishers.iter_mut().map(|p| &mut p.wire);
        publishers.chain(self.subscribers.iter_mut().map(|s| &mut s.wire))
    }

    fn until_connected(&mut self) -> Result<()> {
        let end = Instant::now() + CONNECT;
        while !self.wires().all(|wire| wire.is_connected()) {
            if Instant::now() > end {
                let missing = self.wires().filter(|wire| !wire.is_connected()).count();
                bail!("{missing} transports did not connect within {} s", CONNECT.as_secs());
            }
            self.go_on(Duration::from_millis(20), &mut Delivered::default())?;
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
            for publisher in &mut self.publishers {
                publisher.send_due(now, self.epoch, &self.load, delivered)?;
            }
            self.timers(now)?;
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                let at = event.token().0;
                if let Some(publisher) = self.publishers.get_mut(at) {
                    publisher.receive(Instant::now())?;
                } else if let Some(subscriber) = self.subscribers.get_mut(at - self.publishers.len()) {
                    subscriber.receive(Instant::now(), self.epoch, self.load.loss, delivered)?;
                }
            }
        }
    }

    fn timers(&mut self, now: Instant) -> Result<()> {
        if now >= self.next_ask {
            self.next_ask = now + ASK;
            self.wires().try_for_each(|wire| wire.tick(now))?;
            self.subscribers.iter_mut().try_for_each(|s| s.ask(now))?;
        }
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK;
            self.subscribers.iter_mut().try_for_each(Subscriber::feedback)?;
        }
        if now >= self.next_reports {
            self.next_reports = now + REPORTS;
            self.publishers.iter_mut().try_for_each(Publisher::report)?;
            self.subscribers.iter_mut().try_for_each(Subscriber::report)?;
        }
        Ok(())
    }
}
