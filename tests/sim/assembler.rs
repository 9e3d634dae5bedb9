//! Which frames a decoder could have shown: whole, in order, each standing on the one before it. After a loss that was not
//! repaired in time nothing counts until the next key frame, as in the client's own assembler.

use crate::clock::{MS, Us};
use crate::mark::Mark;
use invigil_shared::frame_info::FrameInfo;
use std::collections::BTreeMap;

/// As the client has it (`bounds::MAX_GAP_WAIT`).
const GAP_WAIT: Us = 400 * MS;
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
}

impl Assembler {
    /// Takes a packet; the frames that can be shown with it.
    pub fn push(&mut self, now: Us, index: u64, part: Part) -> Vec<Part> {
        if self.next.is_some_and(|next| index < next) {
            return Vec::new();
        }
        self.parts.insert(index, part);
        if self.parts.len() > MAX_PARTS {
            self.give_up();
        }
        self.drain(now)
    }

    /// Gives up on a gap that has lasted.
    pub fn tick(&mut self, now: Us) -> Vec<Part> {
        if self.blocked.is_some_and(|since| since + GAP_WAIT <= now) {
            self.give_up();
        }
        self.drain(now)
    }

    /// Only a key frame helps.
    pub fn wants_key(&self) -> bool {
        self.next.is_none()
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
        (self.next, self.blocked) = (None, None);
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

    fn drain(&mut self, now: Us) -> Vec<Part> {
        let mut shown = Vec::new();
        while let Some(start) = self.next.or_else(|| self.key_from(0)) {
            if let Some(end) = self.complete(start) {
                shown.extend(self.parts.get(&start));
                self.parts = self.parts.split_off(&(end + 1));
                (self.next, self.blocked) = (Some(end + 1), None);
                continue;
            }
            // A whole key frame behind the gap makes waiting for the repair pointless.
            if let Some(key) = self.key_from(start + 1).filter(|key| self.complete(*key).is_some()) {
                self.parts = self.parts.split_off(&key);
                self.next = Some(key);
                continue;
            }
            let later = self.parts.range(start..).next_back().map(|(at, _)| *at);
            let held = self.parts.range(start..).count() as u64;
            if later.is_some_and(|later| later - start + 1 > held) {
                self.blocked.get_or_insert(now);
            } else {
                self.blocked = None;
            }
            break;
        }
        if self.next.is_none() && self.key_from(0).is_none() {
            while self.parts.len() > MAX_PARTS / 2 {
                self.parts.pop_first();
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
        assert!(assembler.tick(300 * MS).is_empty());
        assert_eq!(frames(&assembler.push(310 * MS, 102, part(2, false, (0, 1)))), [2, 3]);
    }

    #[test]
    fn a_gap_that_lasts_costs_everything_up_to_the_next_key_frame() {
        let mut assembler = Assembler::default();
        assembler.push(0, 1, part(0, true, (0, 1)));
        assert!(assembler.push(0, 3, part(2, false, (0, 1))).is_empty());
        assert!(!assembler.wants_key());
        assert!(assembler.tick(GAP_WAIT).is_empty());
        assert!(assembler.wants_key());
        assert!(assembler.push(GAP_WAIT, 4, part(3, false, (0, 1))).is_empty());
        assert_eq!(frames(&assembler.push(GAP_WAIT, 5, part(4, true, (0, 1)))), [4]);
        // A key frame's rest is kept until its beginning comes, whatever is given up meanwhile.
        assert!(assembler.push(GAP_WAIT, 8, part(6, true, (1, 2))).is_empty());
        assert!(assembler.tick(2 * GAP_WAIT).is_empty());
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
