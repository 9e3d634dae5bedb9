//! A proctor's subscribing transport: frames counted by slot, how old they are when they are complete, losses asked for again.

use anyhow::Result;
use invigil_client::clock::wall_us;
use invigil_peer::incoming::{Arrival, InStream};
use invigil_peer::sdp::{FRAME_INFO_ID, TRANSPORT_CC_ID};
use invigil_peer::wire::{Endpoint, Incoming};
use invigil_sfu::core::rtcp::{ReportBlock, write_nack, write_receiver_reports, write_transport_feedback};
use invigil_sfu::core::rtp::RtpHeader;
use invigil_sfu::core::twcc::Arrivals;
use invigil_shared::frame_info::FrameInfo;
use std::collections::BTreeMap;
use std::time::Instant;

/// What one slot has received.
#[derive(Clone, Debug, Default)]
pub struct SlotSeen {
    pub frames: u64,
    pub packets: u64,
    pub mended: u64,
    pub lost: u64,
    /// When the last frame began; this machine's monotonic clock.
    pub last: Option<Instant>,
}

/// What one subscribing transport has received since the last look.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub slots: Vec<SlotSeen>,
    /// Microseconds from capture to the end of a frame, of the frames since the last look.
    pub latencies_us: Vec<u32>,
}

struct Slot {
    index: usize,
    stream: InStream,
    seen: SlotSeen,
    /// Capture time of the frame that has begun.
    captured: Option<i64>,
}

pub struct Receiver {
    pub wire: Endpoint,
    slots: BTreeMap<u32, Slot>,
    repairs: BTreeMap<u32, u32>,
    count: usize,
    arrivals: Arrivals,
    latencies_us: Vec<u32>,
    numbers: Vec<u16>,
}

impl Receiver {
    pub fn new(wire: Endpoint) -> Self {
        let (mut slots, mut repairs, mut count) = (BTreeMap::new(), BTreeMap::new(), 0);
        if let Some(remote) = wire.remote() {
            count = remote.sections.len();
            for (index, section) in remote.sections.iter().enumerate() {
                let Some((ssrc, rtx)) = section.sources.first() else {
                    continue;
                };
                let slot = Slot {
                    index,
                    stream: InStream::default(),
                    seen: SlotSeen::default(),
                    captured: None,
                };
                slots.insert(*ssrc, slot);
                repairs.extend(rtx.map(|rtx| (rtx, *ssrc)));
            }
        }
        Self {
            wire,
            slots,
            repairs,
            count,
            arrivals: Arrivals::new(Instant::now()),
            latencies_us: Vec::new(),
            numbers: Vec::new(),
        }
    }

    pub fn received(&mut self) -> Received {
        let mut slots = vec![SlotSeen::default(); self.count];
        for slot in self.slots.values() {
            slots[slot.index] = SlotSeen {
                packets: slot.stream.received,
                mended: slot.stream.mended,
                lost: slot.stream.lost,
                ..slot.seen.clone()
            };
        }
        Received {
            slots,
            latencies_us: std::mem::take(&mut self.latencies_us),
        }
    }

    pub fn receive(&mut self, now: Instant) -> Result<()> {
        let Self {
            wire,
            slots,
            repairs,
            arrivals,
            latencies_us,
            ..
        } = self;
        let wall = wall_us();
        wire.receive(now, |incoming| {
            let Incoming::Rtp(packet) = incoming else { return };
            let Some(header) = RtpHeader::parse(packet) else { return };
            let number = header.extension(packet, TRANSPORT_CC_ID);
            if let Some(number) = number.and_then(|data| data.first_chunk()) {
                arrivals.receive(now, u16::from_be_bytes(*number));
            }
            if let Some(ssrc) = repairs.get(&header.ssrc) {
                let original = header.payload_of(packet).first_chunk();
                if let (Some(slot), Some(number)) = (slots.get_mut(ssrc), original) {
                    slot.stream.receive(now, u16::from_be_bytes(*number));
                }
                return;
            }
            let Some(slot) = slots.get_mut(&header.ssrc) else {
                return;
            };
            if slot.stream.receive(now, header.sequence) == Arrival::Again {
                return;
            }
            let info = header.extension(packet, FRAME_INFO_ID).and_then(FrameInfo::read);
            let Some(info) = info else { return };
            if info.start {
                slot.captured = info.captured;
                slot.seen.last = Some(now);
            }
            if info.end {
                slot.seen.frames += 1;
                if let Some(captured) = slot.captured.take() {
                    latencies_us.push(u32::try_from((wall - captured).max(0)).unwrap_or(u32::MAX));
                }
            }
        })
    }

    /// Asks for what is missing.
    pub fn ask(&mut self, now: Instant, scratch: &mut Vec<u8>) -> Result<()> {
        scratch.clear();
        for (ssrc, slot) in &mut self.slots {
            self.numbers.clear();
            slot.stream.requests(now, &mut self.numbers);
            if !self.numbers.is_empty() {
                if scratch.is_empty() {
                    write_receiver_reports(scratch, 1, &[]);
                }
                write_nack(scratch, 1, *ssrc, &self.numbers);
            }
        }
        if scratch.is_empty() {
            return Ok(());
        }
        self.wire.send_rtcp(scratch)
    }

    pub fn feedback(&mut self, scratch: &mut Vec<u8>) -> Result<()> {
        if !self.wire.is_connected() || self.arrivals.is_empty() {
            return Ok(());
        }
        let media = self.slots.keys().next().copied().unwrap_or_default();
        scratch.clear();
        write_receiver_reports(scratch, 1, &[]);
        let mut control = Vec::new();
        while self.arrivals.write(&mut control) {
            write_transport_feedback(scratch, 1, media, &control);
            control.clear();
        }
        self.wire.send_rtcp(scratch)
    }

    pub fn report(&mut self, scratch: &mut Vec<u8>) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        let active = self.slots.iter().filter(|(_, slot)| slot.stream.received > 0);
        let blocks: Vec<ReportBlock> = active
            .map(|(ssrc, slot)| ReportBlock {
                ssrc: *ssrc,
                highest: slot.stream.highest(),
                ..ReportBlock::default()
            })
            .collect();
        for some in blocks.chunks(31) {
            scratch.clear();
            write_receiver_reports(scratch, 1, some);
            self.wire.send_rtcp(scratch)?;
        }
        Ok(())
    }
}
