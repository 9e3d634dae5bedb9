//! A stream that is received: what is new, what was mended, what is asked for again and what is given up.

use invigil_sfu::core::rtp::unwrap_sequence;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A gap is asked for after this, so that reordering is not taken for loss.
const FIRST_ASK: Duration = Duration::from_millis(10);
const ASK_AGAIN: Duration = Duration::from_millis(60);
const TRIES: u8 = 6;
/// A jump that is larger than this is a new beginning.
const MAX_GAP: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one after a gap.
    New,
    /// It had been missing.
    Mended,
    Again,
}

#[derive(Debug, Default)]
pub struct InStream {
    pub received: u64,
    pub mended: u64,
    /// Given up.
    pub lost: u64,
    highest: Option<u64>,
    missing: BTreeMap<u64, (Instant, u8)>,
}

impl InStream {
    /// The highest number so far, as a report wants it.
    pub fn highest(&self) -> u32 {
        self.highest.unwrap_or_default() as u32
    }

    pub fn receive(&mut self, now: Instant, sequence: u16) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some((1 << 16) + u64::from(sequence));
            self.received += 1;
            return Arrival::New;
        };
        let index = unwrap_sequence(highest, sequence);
        if index > highest {
            if index - highest <= MAX_GAP {
                self.missing
                    .extend((highest + 1..index).map(|gap| (gap, (now + FIRST_ASK, 0))));
            }
            self.highest = Some(index);
        } else if self.missing.remove(&index).is_some() {
            self.received += 1;
            self.mended += 1;
            return Arrival::Mended;
        } else {
            return Arrival::Again;
        }
        self.received += 1;
        Arrival::New
    }

    /// Numbers that are to be asked for now.
    pub fn requests(&mut self, now: Instant, into: &mut Vec<u16>) {
        if self.missing.is_empty() {
            return;
        }
        let before = self.missing.len();
        self.missing.retain(|_, (at, tries)| *at > now || *tries < TRIES);
        self.lost += (before - self.missing.len()) as u64;
        for (index, (at, tries)) in self.missing.iter_mut().filter(|(_, (at, _))| *at <= now) {
            (*at, *tries) = (now + ASK_AGAIN, *tries + 1);
            into.push(*index as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_asked_for_mended_once_or_given_up() {
        let mut stream = InStream::default();
        let start = Instant::now();
        for sequence in [65_534, 1] {
            assert_eq!(stream.receive(start, sequence), Arrival::New);
        }
        let mut asked = Vec::new();
        stream.requests(start, &mut asked);
        assert!(asked.is_empty(), "too early");
        stream.requests(start + FIRST_ASK, &mut asked);
        assert_eq!(asked, [65_535, 0]);
        assert_eq!(stream.receive(start, 0), Arrival::Mended);
        assert_eq!(stream.receive(start, 0), Arrival::Again);
        for again in 1..=u32::from(TRIES) {
            stream.requests(start + FIRST_ASK + ASK_AGAIN * again, &mut asked);
        }
        assert_eq!((stream.received, stream.mended, stream.lost), (3, 1, 1));
    }
}
