//! Which packets of a stream are missing, and when to ask for each of them (RFC 4585 section 6.2.1), where retransmissions come by
//! RTX (RFC 4588). Both sides ask in the same way: the SFU its publishers, a proctor's client the SFU.
//!
//! A packet is asked for once it is not just reordered, again after a round trip, and a bounded number of times. Pure: the time is
//! an argument, and packets are named by an index that grows without wrapping.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Reordering on real paths is shorter than this; asking at once would double packets that are merely late.
pub const REORDER: Duration = Duration::from_millis(8);
/// Between two requests for one packet, at least, whatever the round trip seems to be.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// A picture is shown within a second or not at all.
const GIVE_UP_AFTER: Duration = Duration::from_millis(1_000);
/// Requests for one packet.
pub const MAX_TRIES: u8 = 8;
/// What [`Losses::insist`] names is asked for up to this long: as long as a key frame may take on a narrow path. Each time as
/// many tries as this have passed, a round trip more lies between them.
const INSIST_FOR: Duration = Duration::from_millis(4_000);
const PATIENT_TRIES: u8 = 4;
/// Packets asked for at a time; more missing ones are cheaper repaired by a key frame.
pub const MAX_MISSING: usize = 192;
/// The round trip until one was measured, and the longest that is believed.
const ROUND_TRIP: Duration = Duration::from_millis(100);
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    since: Instant,
    /// When to ask next.
    due: Instant,
    asked: Option<Instant>,
    tries: u8,
}

/// What one stream lacks.
#[derive(Debug)]
pub struct Losses {
    /// From the lowest index up; the memory is kept.
    missing: Vec<Missing>,
    round_trip: Duration,
    overwhelmed: bool,
    insisted: Range<u64>,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            missing: Vec::new(),
            round_trip: ROUND_TRIP,
            overwhelmed: false,
            insisted: 0..0,
        }
    }
}

impl Losses {
    /// The packets from `from` to before `to`, all newer than any before, did not come. Too many of them are none: see
    /// [`Self::take_overwhelmed`].
    pub fn note_gap(&mut self, now: Instant, from: u64, to: u64) {
        if to - from + self.missing.len() as u64 > MAX_MISSING as u64 {
            self.missing.clear();
            self.overwhelmed = true;
            return;
        }
        self.missing.extend((from..to).map(|index| Missing {
            index,
            since: now,
            due: now + REORDER,
            asked: None,
            tries: 0,
        }));
    }

    /// A packet came after newer ones; `repaired` when it came by RTX.
    pub fn arrived(&mut self, now: Instant, index: u64, repaired: bool) {
        let Ok(at) = self.place(index) else { return };
        let missing = self.missing.remove(at);
        if let (true, 1, Some(asked)) = (repaired, missing.tries, missing.asked) {
            // Asked once and answered: a round trip with no doubt which request it answers (Karn).
            let sample = now
                .saturating_duration_since(asked)
                .clamp(Duration::from_millis(1), ROUND_TRIP_MAX);
            self.round_trip = (self.round_trip * 7 + sample) / 8;
        }
    }

    /// Forgets what is missing: the numbering began anew.
    pub fn clear(&mut self) {
        self.missing.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// When [`Self::requests`] has something to say.
    pub fn next_request(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.due).min()
    }

    /// Appends the sequence numbers to ask for now; forgets those not worth asking for any more.
    pub fn requests(&mut self, now: Instant, into: &mut Vec<u16>) {
        let retry = (self.round_trip + self.round_trip / 4).max(RETRY_MIN);
        let insisted = self.insisted.clone();
        self.missing.retain(|missing| {
            if insisted.contains(&missing.index) {
                missing.since + INSIST_FOR > now
            } else {
                missing.tries < MAX_TRIES && missing.since + GIVE_UP_AFTER > now
            }
        });
        for missing in &mut self.missing {
            if missing.due <= now {
                let slower = if insisted.contains(&missing.index) {
                    u32::from(missing.tries / PATIENT_TRIES)
                } else {
                    0
                };
                missing.due = now + retry * (1 + slower);
                missing.asked = Some(now);
                missing.tries = missing.tries.saturating_add(1);
                into.push(missing.index as u16);
            }
        }
    }

    /// The packets of a key frame that is arriving, which are asked for as long as that may take: on a narrow path longer than a
    /// second, and without one of them all of it was for nothing. Empty: there is none.
    pub fn insist(&mut self, indices: Range<u64>) {
        self.insisted = indices;
    }

    /// Whether that packet is missing and still being asked for.
    pub fn awaits(&self, index: u64) -> bool {
        self.place(index).is_ok()
    }

    /// Whether more went missing than requests can repair, since the last time this was asked.
    pub fn take_overwhelmed(&mut self) -> bool {
        std::mem::take(&mut self.overwhelmed)
    }

    fn place(&self, index: u64) -> Result<usize, usize> {
        self.missing.binary_search_by_key(&index, |missing| missing.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn asked(losses: &mut Losses, now: Instant) -> Vec<u16> {
        let mut wanted = Vec::new();
        losses.requests(now, &mut wanted);
        wanted
    }

    #[test]
    fn requests_follow_the_round_trip_and_end() {
        let t = Instant::now();
        let mut losses = Losses::default();
        losses.note_gap(t, 65_535, 65_537);
        assert!(asked(&mut losses, at(t, 1)).is_empty(), "it may be merely late");
        assert_eq!(asked(&mut losses, at(t, 10)), [65_535, 0]);
        assert!(asked(&mut losses, at(t, 60)).is_empty(), "a round trip has not passed");
        losses.arrived(at(t, 20), 65_535, true);
        assert!(losses.awaits(65_536) && !losses.awaits(65_535));
        let times: Vec<u64> = (60..3_000)
            .filter(|ms| !asked(&mut losses, at(t, *ms)).is_empty())
            .collect();
        assert_eq!(times.first(), Some(&135), "a round trip of 100 ms and a quarter more");
        assert!((1..usize::from(MAX_TRIES)).contains(&times.len()), "{times:?}");
        assert!(times.last().is_some_and(|last| *last < 1_000), "{times:?}");
        assert!(losses.is_empty() && !losses.awaits(65_536));
    }

    #[test]
    fn a_shorter_round_trip_is_learned_from_answers_to_first_requests() {
        let t = Instant::now();
        let mut losses = Losses::default();
        for n in 0..40u64 {
            let now = at(t, n * 100);
            losses.note_gap(now, n * 2 + 1, n * 2 + 2);
            assert_eq!(asked(&mut losses, now + REORDER).len(), 1);
            losses.arrived(now + REORDER + Duration::from_millis(5), n * 2 + 1, true);
        }
        let now = at(t, 5_000);
        losses.note_gap(now, 101, 102);
        assert_eq!(asked(&mut losses, now + REORDER), [101]);
        assert_eq!(asked(&mut losses, now + REORDER + RETRY_MIN), [101]);
    }

    #[test]
    fn what_is_insisted_on_is_asked_for_longer_and_more_and_more_seldom() {
        let t = Instant::now();
        let mut losses = Losses::default();
        losses.note_gap(t, 10, 12);
        losses.insist(11..20);
        let mut times = Vec::new();
        for ms in 0..6_000 {
            let due = asked(&mut losses, at(t, ms));
            assert!(ms < 1_000 || !due.contains(&10));
            if due.contains(&11) {
                times.push(ms);
            }
        }
        assert!(
            times.len() < 20 && times.last().is_some_and(|last| (3_000..4_000).contains(last)),
            "{times:?}"
        );
        let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            pauses.is_sorted() && pauses[0] == 125 && pauses.contains(&375),
            "{pauses:?}"
        );
        assert!(losses.is_empty());
    }

    #[test]
    fn too_many_are_none() {
        let t = Instant::now();
        let mut losses = Losses::default();
        losses.note_gap(t, 1, 1 + MAX_MISSING as u64);
        assert!(!losses.take_overwhelmed() && !losses.is_empty());
        losses.note_gap(t, 500, 501);
        assert!(losses.take_overwhelmed() && losses.is_empty());
        assert!(!losses.take_overwhelmed());
    }

    proptest! {
        /// Whatever is missing is asked for, nothing else is, and it is bounded.
        #[test]
        fn what_arrived_is_never_asked_for(gaps in prop::collection::vec((1u64..20, 1u64..20), 1..60), late in 0u64..400) {
            let t = Instant::now();
            let (mut losses, mut next, mut missing) = (Losses::default(), 70_000u64, Vec::new());
            for (gap, run) in gaps {
                losses.note_gap(t, next, next + gap);
                missing.extend(next..next + gap);
                if losses.take_overwhelmed() {
                    missing.clear();
                }
                next += gap + run;
            }
            losses.arrived(t, 70_000 + late, false);
            missing.retain(|index| *index != 70_000 + late);
            prop_assert!(missing.len() <= MAX_MISSING);
            let expected: Vec<u16> = missing.iter().map(|index| *index as u16).collect();
            prop_assert_eq!(asked(&mut losses, t + REORDER), expected);
            prop_assert!(missing.iter().all(|index| losses.awaits(*index)));
        }
    }
}
