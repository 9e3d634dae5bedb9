//! Which frames a decoder could have shown: whole, in order, each standing on the one before it. After a loss that was not
//! repaired in time nothing counts until the next key frame, as in the client's own assembler.

use crate::clock::{MS, Us};
use crate::mark::Mark;
use invigil_shared::frame_info::FrameInfo;
use std::collections::BTreeMap;
use std::ops::Range;

/// As the client has them (`bounds::MAX_GAP_WAIT`, `bounds::MAX_GAP_PATIENCE`).
const GAP_WAIT: Us = 400 * MS;
const GAP_PATIENCE: Us = 1_000 * MS;
/// As the client has it.
const MAX_PARTS: usize = 512;

/// A packet in a slot's numbering.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub mark: Mark,
    pub frame: FrameInfo,
    pub timestamp: u32,
}

/// One slot's assembler.
#[derive(Debug, Default)]
pub struct Assembler {
    parts: BTreeMap<u64, Part>,
    /// The next frame's first packet; none while a key frame is awaited.
    next: Option<u64>,
    blocked: Option<Us>,
    /// A gap has lasted: a key frame would help, and so would a repair.
    late: bool,
    /// When the newest packet came.
    heard: Option<Us>,
    /// The same of a key frame.
    key_heard: Option<Us>,
    /// The rest of a key frame may still come, as of the last tick, or one has begun to since.
    key_comes: bool,
    /// The timestamp of the key frame that can't come whole any more, the newest of them, as of the last tick.
    torn: Option<u32>,
}

/// What has come of a key frame.
struct Run {
    first: u64,
    /// Behind its last packet that is here.
    next: u64,
    timestamp: u32,
    begins: bool,
    ends: bool,
}

impl Assembler {
    /// Takes a packet; the frames that can be shown with it.
    pub fn push(&mut self, now: Us, index: u64, part: Part) -> Vec<Part> {
        if self.next.is_some_and(|next| index < next) {
            return Vec::new();
        }
        self.parts.insert(index, part);
        self.heard = Some(now);
        if part.frame.key {
            self.key_heard = Some(now);
            self.key_comes |= part.frame.start;
        }
        if self.parts.len() > MAX_PARTS {
            self.give_up();
        }
        self.drain(now)
    }

    /// Gives up on a gap that has lasted; a key frame is waited for as long as what it lacks is asked for.
    pub fn tick(&mut self, now: Us, awaits: impl Fn(u64) -> bool) -> Vec<Part> {
        let waited = self.blocked.map_or(0, |since| now - since);
        self.late = waited >= GAP_WAIT;
        self.look_at_key_frames(now, awaits);
        let patience = if self.next.is_some() { GAP_PATIENCE } else { GAP_WAIT };
        if waited >= patience && !self.key_comes {
            self.give_up();
        }
        self.drain(now)
    }

    /// A key frame would help, and none is on its way.
    pub fn wants_key(&self) -> bool {
        (self.next.is_none() || self.late) && !self.key_comes
    }

    /// The key frames that have begun to arrive, the oldest first.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (&at, part) in &self.parts {
            match runs.last_mut().filter(|run| run.timestamp == part.timestamp) {
                Some(run) => (run.next, run.ends) = (at + 1, part.frame.end),
                None if part.frame.key => runs.push(Run {
                    first: at,
                    next: at + 1,
                    timestamp: part.timestamp,
                    begins: part.frame.start,
                    ends: part.frame.end,
                }),
                None => {}
            }
        }
        runs
    }

    /// Whether one may still come whole that nothing else has to come before, and whether the newest can't.
    fn look_at_key_frames(&mut self, now: Us, awaits: impl Fn(u64) -> bool) {
        let runs = self.runs();
        let comes: Vec<_> = runs.iter().map(|run| self.comes(now, run, &awaits)).collect();
        let oldest = runs.first().map(|run| run.first);
        let is_behind = self.next.is_some() && self.parts.first_key_value().map(|(at, _)| *at) != oldest;
        self.key_comes = comes.contains(&Some(true)) && (!is_behind || self.late);
        let torn = |(run, comes): (&Run, &Option<bool>)| (*comes == Some(false)).then_some(run.timestamp);
        self.torn = runs.last().zip(comes.last()).and_then(torn);
    }

    /// Whether everything that a key frame lacks may still come; none when nothing arrives any more.
    fn comes(&self, now: Us, run: &Run, awaits: impl Fn(u64) -> bool) -> Option<bool> {
        let lacks = (run.first..run.next).any(|index| !self.parts.contains_key(&index) && !awaits(index));
        if lacks || !(run.begins || awaits(run.first - 1)) {
            return Some(false);
        }
        if run.ends || awaits(run.next) {
            return Some(true);
        }
        let is_newest = self.parts.range(run.next..).next().is_none();
        let flows = self.heard.is_some_and(|heard| now < heard + GAP_WAIT);
        match (is_newest, flows) {
            (true, true) => Some(true),
            (true, false) => None,
            (false, _) => Some(false),
        }
    }

    /// What a request for a key frame has to say: that this one is torn.
    pub fn torn(&self) -> Option<u32> {
        self.torn
    }

    /// The packets, here or missing, of the key frame that is arriving; empty without one, or when it is torn.
    pub fn key_frame(&self, now: Us) -> Range<u64> {
        if self.key_heard.is_none_or(|heard| heard + GAP_PATIENCE <= now) {
            return 0..0;
        }
        let runs = self.runs();
        let run = runs.last().filter(|run| self.torn != Some(run.timestamp));
        run.map_or(0..0, |run| {
            let end = self.parts.range(run.next..).next().map_or(run.next, |(at, _)| *at);
            run.first - u64::from(!run.begins)..end
        })
    }

    pub fn held(&self) -> usize {
        self.parts.len()
    }

    fn give_up(&mut self) {
        // Behind what is incomplete now, be it a frame or a key frame.
        let awaits_key = self.next.is_none();
        let from = self
            .next
            .or_else(|| self.key_from(0))
            .map_or(0, |incomplete| incomplete + 1);
        (self.next, self.blocked, self.late) = (None, None, false);
        match self.key_from(from) {
            Some(key) => self.parts = self.parts.split_off(&key),
            None if awaits_key => self.parts.clear(),
            // They may be a key frame's, whose beginning is still asked for.
            None => self.parts = self.parts.split_off(&from),
        }
    }

    fn key_from(&self, from: u64) -> Option<u64> {
        let mut later = self.parts.range(from..);
        later
            .find(|(_, part)| part.frame.key && part.frame.start)
            .map(|(at, _)| *at)
    }

    /// The last packet of the frame that begins at `start`, when all of it is here.
    fn complete(&self, start: u64) -> Option<u64> {
        let first = self.parts.get(&start)?;
        for (wanted, (&at, part)) in (start..).zip(self.parts.range(start..)) {
            if at != wanted || part.timestamp != first.timestamp {
                return None;
            }
            if part.frame.end {
                return Some(at);
            }
        }
        None
    }

    /// The first whole key frame behind `start`.
    fn later_key(&self, start: u64) -> Option<u64> {
        let begins = |part: &Part| part.frame.key && part.frame.start;
        let mut keys = self.parts.range(start + 1..).filter(|(_, part)| begins(part));
        keys.find(|(at, _)| self.complete(**at).is_some()).map(|(at, _)| *at)
    }

    /// Whether something is missing behind `start`, or its frame ended without its end.
    fn has_gap(&self, start: u64) -> bool {
        let mut behind = self.parts.range(start..);
        let Some((&last, _)) = self.parts.last_key_value() else {
            return false;
        };
        let held = behind.clone().count() as u64;
        let timestamp = self.parts.get(&start).map(|first| first.timestamp);
        let torn = timestamp.is_some_and(|first| behind.any(|(_, part)| part.timestamp != first));
        torn || last + 1 - start.min(last + 1) != held
    }

    fn drain(&mut self, now: Us) -> Vec<Part> {
        let mut shown = Vec::new();
        while let Some(start) = self.next.or_else(|| self.key_from(0)) {
            if let Some(end) = self.complete(start) {
                shown.extend(self.parts.get(&start));
                self.parts = self.parts.split_off(&(end + 1));
                (self.next, self.blocked, self.late) = (Some(end + 1), None, false);
                continue;
            }
            // A whole key frame behind the gap makes waiting for the repair pointless.
            if let Some(key) = self.later_key(start) {
                self.parts = self.parts.split_off(&key);
                self.next = Some(key);
                continue;
            }
            if self.has_gap(start) {
                self.blocked.get_or_insert(now);
            } else {
                (self.blocked, self.late) = (None, false);
            }
            break;
        }
        if self.next.is_none() {
            // What stands before a key frame's beginning is of no use any more.
            match self.key_from(0) {
                Some(key) => self.parts = self.parts.split_off(&key),
                None => {
                    while self.parts.len() > MAX_PARTS / 2 {
                        self.parts.pop_first();
                    }
                }
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::publication::{Layer, PublicationKey};

    fn part(frame: u32, key: bool, (part, parts): (u16, u16)) -> Part {
        Part {
            mark: Mark {
                person: 0,
                publication: PublicationKey::CAMERA,
                layer: Layer::Low,
                generation: 0,
                frame,
                index: 0,
                part,
                parts,
            },
            frame: FrameInfo {
                key,
                start: part == 0,
                end: part + 1 == parts,
                layer: Layer::Low,
                temporal: 0,
                captured: None,
            },
            timestamp: frame * 6_000,
        }
    }

    fn frames(shown: &[Part]) -> Vec<u32> {
        shown.iter().map(|part| part.mark.frame).collect()
    }

    #[test]
    fn frames_leave_in_order_and_a_repair_sets_free_what_waited() {
        let mut assembler = Assembler::default();
        assert!(
            assembler.push(0, 99, part(0, false, (0, 1))).is_empty(),
            "no key frame yet"
        );
        assert!(assembler.push(0, 100, part(1, true, (0, 2))).is_empty());
        assert_eq!(frames(&assembler.push(0, 101, part(1, true, (1, 2)))), [1]);
        assert!(assembler.push(0, 103, part(3, false, (0, 1))).is_empty());
        assert!(assembler.tick(300 * MS, |_| false).is_empty());
        assert_eq!(frames(&assembler.push(310 * MS, 102, part(2, false, (0, 1)))), [2, 3]);
    }

    #[test]
    fn a_gap_that_lasts_costs_everything_up_to_the_next_key_frame() {
        let mut assembler = Assembler::default();
        assembler.push(0, 1, part(0, true, (0, 1)));
        assert!(assembler.push(0, 3, part(2, false, (0, 1))).is_empty());
        assert!(!assembler.wants_key());
        assert!(assembler.tick(GAP_WAIT, |_| false).is_empty());
        assert!(assembler.wants_key());
        assert!(assembler.push(GAP_WAIT, 4, part(3, false, (0, 1))).is_empty());
        assert_eq!(frames(&assembler.push(GAP_WAIT, 5, part(4, true, (0, 1)))), [4]);
        // A key frame's rest is kept until its beginning comes, whatever is given up meanwhile.
        assert!(assembler.push(GAP_WAIT, 8, part(6, true, (1, 2))).is_empty());
        assert!(assembler.tick(2 * GAP_WAIT, |_| false).is_empty());
        assert!(assembler.wants_key());
        assert_eq!(frames(&assembler.push(2 * GAP_WAIT, 7, part(6, true, (0, 2)))), [6]);
        assert!(assembler.push(2 * GAP_WAIT, 10, part(8, false, (0, 1))).is_empty());
        assert_eq!(
            frames(&assembler.push(2 * GAP_WAIT, 11, part(9, true, (0, 1)))),
            [9],
            "a key frame passes the gap"
        );
    }
}
