//! Somebody who receives: losses asked for again, transport-wide feedback, receiver reports.

use super::Delivered;
use anyhow::{Context, Result};
use invigil_peer::incoming::{Arrival, InStream};
use invigil_peer::wire::{Endpoint, Incoming};
use invigil_sfu::core::rtcp::{ReportBlock, write_nack, write_receiver_reports, write_transport_feedback};
use invigil_sfu::core::rtp::RtpHeader;
use invigil_sfu::core::twcc::Arrivals;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::time::Instant;

pub struct Subscriber {
    pub wire: Endpoint,
    arrivals: Arrivals,
    streams: BTreeMap<u32, InStream>,
    /// Of the answer: payload types that carry media, and the streams that retransmissions repair.
    media: Vec<u8>,
    repairs: BTreeMap<u32, u32>,
    transport_cc: Option<u8>,
    rng: StdRng,
    numbers: Vec<u16>,
}

impl Subscriber {
    pub fn new(wire: Endpoint, now: Instant, rng: StdRng) -> Result<Self> {
        let remote = wire.remote().context("a subscriber without an answer")?;
        let (mut media, mut audio, mut repairs) = (Vec::new(), Vec::new(), BTreeMap::new());
        for section in &remote.sections {
            let codecs = section.codecs.iter().filter(|codec| codec.name != "rtx");
            let list = if section.media == "audio" {
                &mut audio
            } else {
                &mut media
            };
            list.extend(codecs.map(|codec| codec.pt));
            repairs.extend(section.sources.iter().filter_map(|(ssrc, rtx)| Some(((*rtx)?, *ssrc))));
        }
        media.extend(&audio);
        let transport_cc = remote.sections.iter().find_map(|section| section.transport_cc());
        Ok(Self {
            arrivals: Arrivals::new(now),
            streams: BTreeMap::new(),
            media,
            repairs,
            transport_cc,
            rng,
            numbers: Vec::new(),
            wire,
        })
    }

    pub fn receive(&mut self, now: Instant, epoch: Instant, loss: f64, delivered: &mut Delivered) -> Result<()> {
        let Self {
            wire,
            arrivals,
            streams,
            media,
            repairs,
            transport_cc,
            rng,
            ..
        } = self;
        wire.receive(now, |incoming| {
            let Incoming::Rtp(packet) = incoming else { return };
            let Some(header) = RtpHeader::parse(packet) else { return };
            if loss > 0.0 && rng.random_bool(loss) {
                return; // on its way
            }
            let number = transport_cc.and_then(|id| header.extension(packet, id));
            if let Some(number) = number.and_then(|data| data.first_chunk()) {
                arrivals.receive(now, u16::from_be_bytes(*number));
            }
            let payload = header.payload_of(packet);
            if let Some(ssrc) = repairs.get(&header.ssrc) {
                let original = payload.first_chunk().map(|number| u16::from_be_bytes(*number));
                let stream = original.and_then(|number| Some((streams.get_mut(ssrc)?, number)));
                if stream.is_some_and(|(stream, number)| stream.receive(now, number) != Arrival::Again) {
                    delivered.received += 1;
                    delivered.mended += 1;
                }
                return;
            }
            if !media.contains(&header.payload_type) {
                return;
            }
            match streams.entry(header.ssrc).or_default().receive(now, header.sequence) {
                Arrival::New => {}
                // On its own SSRC: a peer that repairs without RTX.
                Arrival::Mended => delivered.mended += 1,
                Arrival::Again => return,
            }
            delivered.received += 1;
            if let Some(sent_at) = payload.get(2..).and_then(|rest| rest.first_chunk()) {
                let age = now.saturating_duration_since(epoch).as_micros() as u64;
                let late = age.saturating_sub(u64::from_be_bytes(*sent_at));
                delivered.latencies_us.push(late as u32);
            }
        })
    }

    /// Asks for what is missing.
    pub fn ask(&mut self, now: Instant) -> Result<()> {
        let mut compound = Vec::new();
        for (ssrc, stream) in &mut self.streams {
            self.numbers.clear();
            stream.requests(now, &mut self.numbers);
            if !self.numbers.is_empty() {
                if compound.is_empty() {
                    write_receiver_reports(&mut compound, 1, &[]);
                }
                write_nack(&mut compound, 1, *ssrc, &self.numbers);
            }
        }
        if compound.is_empty() {
            return Ok(());
        }
        self.wire.send_rtcp(&mut compound)
    }

    pub fn feedback(&mut self) -> Result<()> {
        let media = self.streams.keys().next().copied().unwrap_or_default();
        let (mut control, mut compound) = (Vec::new(), Vec::new());
        write_receiver_reports(&mut compound, 1, &[]);
        let empty = compound.len();
        while self.arrivals.write(&mut control) {
            write_transport_feedback(&mut compound, 1, media, &control);
            control.clear();
        }
        if !self.wire.is_connected() || compound.len() == empty {
            return Ok(());
        }
        self.wire.send_rtcp(&mut compound)
    }

    pub fn report(&mut self) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        let block = |(ssrc, stream): (&u32, &InStream)| ReportBlock {
            ssrc: *ssrc,
            highest: stream.highest(),
            ..ReportBlock::default()
        };
        let blocks: Vec<ReportBlock> = self.streams.iter().map(block).collect();
        for some in blocks.chunks(31) {
            let mut compound = Vec::new();
            write_receiver_reports(&mut compound, 1, some);
            self.wire.send_rtcp(&mut compound)?;
        }
        Ok(())
    }
}
