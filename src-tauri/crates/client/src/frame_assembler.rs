//! RTP packets of one slot to whole access units, in order, bounded, and never a picture with a hole in it.
//!
//! H.264 payloads as RFC 6184 has them: single NAL units, STAP-A, FU-A. After a loss that retransmission did not repair,
//! nothing leaves until the next key frame, and the owner is told to ask for one.

use crate::bounds::{MAX_ASSEMBLY_PACKETS, MAX_FRAME_BYTES, MAX_GAP_PATIENCE, MAX_GAP_WAIT};
use bytes::Bytes;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A packet as the assembler needs it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    /// Absent where the extension was lost on the way (a repair by a stock responder).
    pub info: Option<FrameInfo>,
    pub payload: Bytes,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// Annex B.
    pub data: Vec<u8>,
    pub key: bool,
    /// Server time, microseconds; none when no packet said.
    pub captured: Option<i64>,
    pub timestamp: u32,
    pub layer: Option<Layer>,
}

impl Part {
    fn ends(&self) -> bool {
        self.marker || self.info.is_some_and(|i| i.end)
    }

    /// Whether a key frame begins here: FrameInfo says so, or parameter sets do.
    fn begins_key(&self) -> bool {
        match self.info {
            Some(info) => info.key && info.start,
            None => self.nal_types().next() == Some(7),
        }
    }

    /// Whether it is of a key frame, wherever in it.
    fn is_of_key(&self) -> bool {
        self.info.is_some_and(|info| info.key) || self.begins_key()
    }

    fn nal_types(&self) -> impl Iterator<Item = u8> {
        let first = self.payload.first().map_or(0, |b| b & 0x1f);
        let inner = match first {
            24 => self.payload.get(3).map(|b| b & 0x1f),
            28 => self.payload.get(1).filter(|b| *b & 0x80 != 0).map(|b| b & 0x1f),
            other => Some(other),
        };
        inner.into_iter()
    }
}

/// What has come of a key frame.
#[derive(Debug)]
struct Run {
    first: u64,
    /// Behind its last packet that is here.
    next: u64,
    timestamp: u32,
    begins: bool,
    ends: bool,
}

/// Whether what a key frame lacks may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Comes,
    /// Nothing comes at all.
    Stalls,
    Torn,
}

/// Collects one slot's packets. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(crate) struct FrameAssembler {
    /// By extended sequence number; never more than [`MAX_ASSEMBLY_PACKETS`].
    parts: BTreeMap<u64, Part>,
    highest: Option<u64>,
    /// The next picture's first packet. None: wait for a key frame.
    next: Option<u64>,
    /// Since when packets behind a gap wait.
    blocked: Option<Instant>,
    /// They wait for so long that a key frame would help, as of the last tick. A repair would still do.
    late: bool,
    /// When the newest packet came, and the newest of a key frame.
    heard: Option<Instant>,
    key_heard: Option<Instant>,
    /// The rest of a key frame may still come, as of the last tick, or one has begun to since.
    key_comes: bool,
    /// The timestamp of the newest key frame that has begun to arrive, when it can't come whole any more; as of the last tick.
    torn: Option<u32>,
    /// Pictures given up.
    pub lost: u64,
}

impl FrameAssembler {
    /// Forgets everything: another source takes the slot. Its first picture will be a key frame.
    pub fn reset(&mut self) {
        *self = Self {
            highest: self.highest,
            lost: self.lost,
            ..Self::default()
        };
    }

    /// A key frame is needed before anything can leave, or would come sooner than a repair, and none is on its way.
    pub fn wants_key(&self) -> bool {
        (self.next.is_none() || self.late) && !self.key_comes
    }

    /// Takes a packet; pictures that are complete now come out in order.
    pub fn push(&mut self, part: Part, now: Instant) -> Vec<AccessUnit> {
        if part.payload.is_empty() {
            // Padding keeps its number, so it must not look like loss.
            return self.skip(part.sequence, now);
        }
        let Some(index) = self.extend(part.sequence) else {
            return Vec::new();
        };
        if self.next.is_some_and(|next| index < next) {
            return Vec::new(); // of a picture that has left or was given up
        }
        self.heard = Some(now);
        if part.is_of_key() {
            self.key_heard = Some(now);
            // Until the next tick looks.
            self.key_comes |= part.begins_key();
        }
        self.parts.entry(index).or_insert(part);
        if self.parts.len() > MAX_ASSEMBLY_PACKETS {
            self.give_up();
        }
        self.drain(now)
    }

    /// Gives up on a gap that has lasted for very long; call it now and then. `awaits` knows of a packet that did not come whether it
    /// is still asked for: a key frame is waited for as long as all that it lacks is, because another one would have to come whole
    /// as well.
    pub fn tick(&mut self, now: Instant, awaits: impl Fn(u16) -> bool) -> Vec<AccessUnit> {
        let waited = self
            .blocked
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.late = waited >= MAX_GAP_WAIT;
        self.look_at_key_frames(now, awaits);
        let patience = if self.next.is_some() {
            MAX_GAP_PATIENCE
        } else {
            MAX_GAP_WAIT
        };
        if waited >= patience && !self.key_comes {
            self.give_up();
        }
        self.drain(now)
    }

    /// Whether a key frame may still come whole that nothing else has to come before, and whether the newest can't.
    fn look_at_key_frames(&mut self, now: Instant, awaits: impl Fn(u16) -> bool) {
        let (mut comes, mut torn, mut oldest) = (false, None, None);
        for run in self.key_frames() {
            let rest = self.rest(now, &run, &awaits);
            comes |= rest == Rest::Comes;
            torn = (rest == Rest::Torn).then_some(run.timestamp);
            oldest.get_or_insert(run.first);
        }
        let is_behind = self.next.is_some() && self.parts.keys().next() != oldest.as_ref();
        self.key_comes = comes && (!is_behind || self.late);
        self.torn = torn;
    }

    /// The key frames that have begun to arrive, the oldest first.
    fn key_frames(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (&index, part) in &self.parts {
            match runs.last_mut().filter(|run| run.timestamp == part.timestamp) {
                Some(run) => (run.next, run.ends) = (index + 1, part.ends()),
                None if part.is_of_key() => runs.push(Run {
                    first: index,
                    next: index + 1,
                    timestamp: part.timestamp,
                    begins: part.begins_key(),
                    ends: part.ends(),
                }),
                None => {}
            }
        }
        runs
    }

    fn rest(&self, now: Instant, run: &Run, awaits: impl Fn(u16) -> bool) -> Rest {
        let awaits = |index: u64| awaits(index as u16);
        let is_lost = |index: u64| !self.parts.contains_key(&index) && !awaits(index);
        if (run.first..run.next).any(is_lost) || !(run.begins || awaits(run.first.saturating_sub(1))) {
            return Rest::Torn;
        }
        let flows = self
            .heard
            .is_some_and(|heard| now.saturating_duration_since(heard) < MAX_GAP_WAIT);
        if run.ends || awaits(run.next) {
            Rest::Comes
        } else if self.parts.range(run.next..).next().is_some() {
            Rest::Torn
        } else if flows {
            Rest::Comes
        } else {
            Rest::Stalls
        }
    }

    /// What a request for a key frame has to say: the timestamp of the one that arrives in pieces. Its rest is of no use.
    pub fn torn(&self) -> Option<u32> {
        self.torn
    }

    /// The packets, here or missing, of the key frame that is arriving, be it by repairs: from the first number to the last. None
    /// when it can't come whole any more.
    pub fn key_frame(&self, now: Instant) -> Option<(u16, u16)> {
        self.key_heard
            .filter(|heard| now.saturating_duration_since(*heard) < MAX_GAP_PATIENCE)?;
        let run = self.key_frames().pop().filter(|run| self.torn != Some(run.timestamp))?;
        let end = self
            .parts
            .range(run.next..)
            .next()
            .map_or(run.next, |(&index, _)| index);
        let first = run.first.saturating_sub(u64::from(!run.begins));
        Some((first as u16, end.saturating_sub(1) as u16))
    }

    fn skip(&mut self, sequence: u16, now: Instant) -> Vec<AccessUnit> {
        if let Some(index) = self.extend(sequence)
            && self.next == Some(index)
        {
            self.next = Some(index + 1);
            return self.drain(now);
        }
        Vec::new()
    }

    /// Extends a number by the roll-over that fits best. None for one that is impossibly old.
    fn extend(&mut self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            let first = 0x1_0000 | u64::from(sequence);
            self.highest = Some(first);
            return Some(first);
        };
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        let index = highest.checked_add_signed(i64::from(distance))?;
        self.highest = Some(highest.max(index));
        Some(index)
    }

    /// A hole won't be filled: nothing before the next key frame can be shown.
    fn give_up(&mut self) {
        self.lost += 1;
        self.next = None;
        self.flows();
        match self.parts.iter().find(|(_, p)| p.begins_key()).map(|(&index, _)| index) {
            // A key frame that is itself too large to hold is no way out.
            Some(index) if self.parts.first_key_value().is_some_and(|(&first, _)| first != index) => {
                self.parts = self.parts.split_off(&index);
            }
            Some(_) => self.parts.clear(),
            // They may be a key frame's, whose beginning is still asked for: `forget_before_key` bounds them.
            None => {}
        }
    }

    /// Nothing waits behind a gap any more.
    fn flows(&mut self) {
        (self.blocked, self.late) = (None, false);
    }

    fn drain(&mut self, now: Instant) -> Vec<AccessUnit> {
        let mut out = Vec::new();
        loop {
            let start = match self.next {
                Some(next) => next,
                None => match self.key_start() {
                    Some(index) => index,
                    None => break,
                },
            };
            match self.complete(start) {
                Some(end) => {
                    let unit = self.assemble(start, end);
                    self.parts = self.parts.split_off(&(end + 1));
                    self.flows();
                    match unit {
                        Some(unit) => {
                            self.next = Some(end + 1);
                            out.push(unit);
                        }
                        None => {
                            self.lost += 1;
                            self.next = None;
                        }
                    }
                }
                None => {
                    // A whole key frame behind the gap makes waiting for the repair pointless.
                    if let Some(later) = self.later_key(start) {
                        self.parts = self.parts.split_off(&later);
                        self.next = Some(later);
                        self.lost += 1;
                        continue;
                    }
                    if self.has_gap(start) {
                        self.blocked.get_or_insert(now);
                    } else {
                        self.flows();
                    }
                    break;
                }
            }
        }
        if self.next.is_none() {
            self.forget_before_key();
        }
        out
    }

    fn key_start(&self) -> Option<u64> {
        self.parts.iter().find(|(_, p)| p.begins_key()).map(|(&index, _)| index)
    }

    /// While a key frame is awaited, what can't be its beginning is of no use. The newest few stay: a repaired first packet
    /// can still come in front of them.
    fn forget_before_key(&mut self) {
        if let Some(key) = self.key_start() {
            self.parts = self.parts.split_off(&key);
        } else {
            while self.parts.len() > MAX_ASSEMBLY_PACKETS / 2 {
                self.parts.pop_first();
            }
        }
    }

    /// The last packet of the picture that begins at `start`, when all of it is here.
    fn complete(&self, start: u64) -> Option<u64> {
        let timestamp = self.parts.get(&start)?.timestamp;
        for (expected, (&index, part)) in (start..).zip(self.parts.range(start..)) {
            if index != expected || part.timestamp != timestamp {
                return None;
            }
            if part.ends() {
                return Some(index);
            }
        }
        None
    }

    fn later_key(&self, start: u64) -> Option<u64> {
        self.parts
            .range(start + 1..)
            .filter(|(_, p)| p.begins_key())
            .map(|(&i, _)| i)
            .find(|&i| self.complete(i).is_some())
    }

    /// Whether something is missing between `start` and the newest packet, or a picture ended without its end.
    fn has_gap(&self, start: u64) -> bool {
        let Some((&last, _)) = self.parts.last_key_value() else {
            return false;
        };
        let held = self.parts.range(start..).count() as u64;
        let torn = self
            .parts
            .get(&start)
            .is_some_and(|first| self.parts.range(start..).any(|(_, p)| p.timestamp != first.timestamp));
        torn || last + 1 - start.min(last + 1) != held
    }

    /// None when the payloads make no picture: damaged, or too large.
    fn assemble(&self, start: u64, end: u64) -> Option<AccessUnit> {
        let first = self.parts.get(&start)?;
        let mut unit = AccessUnit {
            data: Vec::new(),
            key: false,
            captured: None,
            timestamp: first.timestamp,
            layer: None,
        };
        let mut fragment = false;
        for (_, part) in self.parts.range(start..=end) {
            if let Some(info) = part.info {
                unit.key |= info.key;
                unit.layer = Some(info.layer);
                unit.captured = unit.captured.or(info.captured);
            }
            append(&part.payload, &mut unit, &mut fragment)?;
            if unit.data.len() > MAX_FRAME_BYTES {
                return None;
            }
        }
        (!fragment && !unit.data.is_empty()).then_some(unit)
    }
}

/// Appends one payload's NAL units (RFC 6184 sections 5.6 to 5.8). None when it is damaged.
fn append(payload: &Bytes, unit: &mut AccessUnit, fragment: &mut bool) -> Option<()> {
    let &head = payload.first()?;
    match head & 0x1f {
        1..=23 if !*fragment => nal(payload, unit),
        24 if !*fragment => {
            let mut rest = payload.get(1..)?;
            while !rest.is_empty() {
                let size = usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?));
                nal(rest.get(2..2 + size).filter(|n| !n.is_empty())?, unit);
                rest = rest.get(2 + size..)?;
            }
        }
        28 => {
            let &fu = payload.get(1)?;
            let (begins, ends) = (fu & 0x80 != 0, fu & 0x40 != 0);
            if begins == *fragment || begins && ends {
                return None;
            }
            if begins {
                nal(&[head & 0xe0 | fu & 0x1f], unit);
            }
            unit.data.extend_from_slice(payload.get(2..)?);
            *fragment = !ends;
        }
        _ => return None,
    }
    Some(())
}

fn nal(bytes: &[u8], unit: &mut AccessUnit) {
    unit.data.extend_from_slice(&START_CODE);
    unit.data.extend_from_slice(bytes);
    // IDR slice (ITU-T H.264 table 7-1).
    unit.key |= bytes.first().is_some_and(|b| b & 0x1f == 5);
}

#[cfg(test)]
mod tests;
