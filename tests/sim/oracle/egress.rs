//! Watches what leaves the SFU for one transport, before any path could lose or delay it: who may have it, whether it is what
//! was sent, and whether the receiver sees one stream without seams.

use super::Promise;
use crate::mark::Mark;
use crate::sdp::FRAME_INFO_ID;
use invigil_sfu::core::rtp::{RtpHeader, unwrap_sequence};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::{Layer, PublicationKey};
use std::collections::{BTreeMap, VecDeque};

/// Stretches of one numbering that retransmissions may still speak of.
const SEGMENTS: usize = 64;

type Stream = (u16, PublicationKey, Layer, u8);

/// Where one layer took over the outgoing numbering.
#[derive(Clone, Copy, Debug)]
struct Segment {
    stream: Stream,
    first_out: u64,
    first_in: u32,
}

impl Segment {
    fn holds(&self, mark: &Mark, out: u64) -> bool {
        let inside = mark.index.checked_sub(self.first_in).map(u64::from);
        self.stream == mark.stream() && inside == out.checked_sub(self.first_out)
    }
}

#[derive(Debug, Default)]
struct Line {
    segments: VecDeque<Segment>,
    top: Option<u64>,
    timestamp: u32,
    frame: Option<(Stream, u32)>,
}

/// All lines of one transport.
#[derive(Debug, Default)]
pub struct Egress {
    lines: BTreeMap<u32, Line>,
    repairs: BTreeMap<u32, u32>,
    /// First packets of a layer on a slot.
    pub switches: u64,
    pub packets: u64,
}

impl Egress {
    pub fn new(lines: &[(Option<u32>, Option<u32>)]) -> Self {
        let pairs = lines.iter().filter_map(|(ssrc, rtx)| Some(((*rtx)?, (*ssrc)?)));
        Self {
            repairs: pairs.collect(),
            ..Self::default()
        }
    }

    /// Judges a plaintext packet; `allowed` knows whether this transport may have it now, first-hand or as a repair.
    pub fn see(&mut self, packet: &[u8], allowed: impl FnOnce(&Mark, bool) -> bool) -> Result<(), (Promise, String)> {
        let header = RtpHeader::parse(packet).ok_or((Promise::Opaque, "not RTP".to_owned()))?;
        self.packets += 1;
        let repaired = self.repairs.get(&header.ssrc).copied();
        let mut payload = header.payload_of(packet);
        let mut sequence = header.sequence;
        if repaired.is_some() {
            let (original, rest) = payload
                .split_first_chunk()
                .ok_or((Promise::Continuity, "a repair of nothing".to_owned()))?;
            (sequence, payload) = (u16::from_be_bytes(*original), rest);
        }
        let mark = Mark::read(payload).ok_or((Promise::Opaque, format!("{} bytes that nobody sent", payload.len())))?;
        if !allowed(&mark, repaired.is_some()) {
            return Err((Promise::Isolation, format!("{mark:?} was not asked for")));
        }
        let frame = header.extension(packet, FRAME_INFO_ID).and_then(FrameInfo::read);
        match repaired {
            Some(ssrc) => self.repair(ssrc, sequence, &mark),
            None => self.forward(header.ssrc, (sequence, header.timestamp), &mark, frame),
        }
        .map_err(|what| (Promise::Continuity, what))
    }

    /// For a negative control: the numbering seems to have a hole.
    pub fn tear(&mut self) {
        for segment in self.lines.values_mut().flat_map(|line| &mut line.segments) {
            segment.first_out += 1;
        }
    }

    fn repair(&mut self, ssrc: u32, sequence: u16, mark: &Mark) -> Result<(), String> {
        let line = self.lines.get(&ssrc);
        let (line, top) = line
            .and_then(|line| Some((line, line.top?)))
            .ok_or_else(|| format!("{mark:?} repairs a line on which nothing was sent"))?;
        let index = unwrap_sequence(top, sequence);
        let segment = line.segments.iter().rev().find(|segment| segment.first_out <= index);
        match segment {
            Some(segment) if segment.holds(mark, index) => Ok(()),
            _ => Err(format!(
                "a repair of {index} carries {mark:?}, but there was {segment:?}"
            )),
        }
    }

    fn forward(
        &mut self,
        ssrc: u32,
        (sequence, timestamp): (u16, u32),
        mark: &Mark,
        frame: Option<FrameInfo>,
    ) -> Result<(), String> {
        let line = self.lines.entry(ssrc).or_default();
        let index = line
            .top
            .map_or(1 << 16 | u64::from(sequence), |top| unwrap_sequence(top, sequence));
        let forward = timestamp.wrapping_sub(line.timestamp) as i32;
        let same_frame = line.frame == Some((mark.stream(), mark.frame));
        if let Some(top) = line.top {
            if index <= top {
                return Err(format!("number {index} after {top}: {mark:?}"));
            }
            if (forward <= 0) != same_frame || (same_frame && forward != 0) {
                return Err(format!("timestamp moved by {forward}: {mark:?} after {:?}", line.frame));
            }
        }
        let goes_on = line.segments.back().is_some_and(|segment| segment.holds(mark, index));
        if !goes_on {
            if line.top.is_some_and(|top| index != top + 1) {
                return Err(format!(
                    "a hole of our making before {mark:?}: {index} after {:?}",
                    line.top
                ));
            }
            if frame.is_some_and(|frame| !frame.key || !frame.start) {
                return Err(format!("a layer begins with {frame:?}: {mark:?}"));
            }
            self.switches += 1;
            if line.segments.len() == SEGMENTS {
                line.segments.pop_front();
            }
            line.segments.push_back(Segment {
                stream: mark.stream(),
                first_out: index,
                first_in: mark.index,
            });
        }
        (line.top, line.timestamp) = (Some(index), timestamp);
        line.frame = Some((mark.stream(), mark.frame));
        Ok(())
    }
}
