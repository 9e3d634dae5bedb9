//! The packets on their way, until transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) names them.

use super::PacketResult;
use super::probe::ProbeId;
use std::collections::VecDeque;
use std::time::Instant;

/// Sent packets whose fate is awaited: a second of 25 Mbit/s.
const MAX_SENT: usize = 2_048;
/// The unit of arrival deltas, microseconds.
const TICK_US: i64 = 250;
/// The unit of the reference time, microseconds, and its 24 bits.
const REFERENCE_US: i64 = 64_000;
const REFERENCE_WRAP: i64 = 1 << 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Missing,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    bytes: u32,
    probe: Option<ProbeId>,
    fate: Fate,
}

/// Numbers what is sent on one transport and reads its feedback.
#[derive(Debug, Default)]
pub struct SentPackets {
    next: u64,
    packets: VecDeque<Sent>,
    /// The reference time of the newest feedback, unwrapped.
    reference: Option<i64>,
}

impl SentPackets {
    /// The transport-wide number of the next packet, which is noted as sent with `bytes` on the wire.
    pub fn send(&mut self, now: Instant, bytes: usize, probe: Option<ProbeId>) -> u16 {
        let number = self.next;
        self.next += 1;
        if self.packets.len() >= MAX_SENT {
            self.packets.pop_front();
        }
        self.packets.push_back(Sent {
            at: now,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            probe,
            fate: Fate::Unknown,
        });
        number as u16
    }

    /// Reads a feedback's control information, from the base sequence number on, and appends what is new in it to `results`.
    /// False, and nothing is appended, when it is cut or speaks of packets that were never sent.
    pub fn feedback(&mut self, control: &[u8], results: &mut Vec<PacketResult>) -> bool {
        let before = results.len();
        let read = self.read(control, results).is_some();
        if !read {
            results.truncate(before);
        }
        read
    }

    fn read(&mut self, control: &[u8], results: &mut Vec<PacketResult>) -> Option<()> {
        let half = |at: usize| Some(u16::from_be_bytes(*control.get(at..)?.first_chunk()?));
        let (base, count) = (half(0)?, usize::from(half(2)?));
        let reference = i64::from(u32::from_be_bytes([
            0,
            *control.get(4)?,
            *control.get(5)?,
            *control.get(6)?,
        ]));
        let base = unwrap_sequence(self.next.checked_sub(1)?, base)?;
        if count == 0 || count > MAX_SENT || base + count as u64 > self.next {
            return None;
        }
        let deltas_at = deltas_at(control, count)?;
        let mut deltas = Deltas {
            rest: control.get(deltas_at..)?,
        };
        let mut arrival = self.unwrap_reference(reference) * REFERENCE_US;
        let oldest = self.next - self.packets.len() as u64;
        for (index, status) in (base..).zip(Statuses::new(control, count)) {
            let arrived = match status {
                0 => None,
                _ => {
                    arrival += deltas.next(status)? * TICK_US;
                    Some(arrival)
                }
            };
            let Some(sent) = index
                .checked_sub(oldest)
                .and_then(|at| self.packets.get_mut(at as usize))
            else {
                continue;
            };
            let late = sent.fate == Fate::Missing;
            // A report may speak again of what an earlier one knew.
            let news = match arrived {
                Some(_) => sent.fate != Fate::Arrived,
                None => sent.fate == Fate::Unknown,
            };
            if news {
                sent.fate = if arrived.is_some() {
                    Fate::Arrived
                } else {
                    Fate::Missing
                };
                results.push(PacketResult {
                    sent: sent.at,
                    arrived_us: arrived,
                    bytes: sent.bytes,
                    probe: sent.probe,
                    late,
                });
            }
        }
        Some(())
    }

    /// The reference time goes round once in twelve days.
    fn unwrap_reference(&mut self, reference: i64) -> i64 {
        let unwrapped = match self.reference {
            None => reference,
            Some(last) => {
                let ahead = (reference - last).rem_euclid(REFERENCE_WRAP);
                let back = ahead >= REFERENCE_WRAP / 2;
                last + if back { ahead - REFERENCE_WRAP } else { ahead }
            }
        };
        self.reference = Some(self.reference.map_or(unwrapped, |last| last.max(unwrapped)));
        unwrapped
    }
}

/// The full number nearest to `last`; none for one from before the first.
fn unwrap_sequence(last: u64, sequence: u16) -> Option<u64> {
    let ahead = sequence.wrapping_sub(last as u16);
    if ahead < 1 << 15 {
        Some(last + u64::from(ahead))
    } else {
        last.checked_sub(u64::from(0u16.wrapping_sub(ahead)))
    }
}

/// Where the deltas begin: behind as many chunks as `count` statuses need. None when they are cut, or say nothing.
fn deltas_at(control: &[u8], count: usize) -> Option<usize> {
    let (mut seen, mut at) = (0, 8);
    while seen < count {
        let chunk = u16::from_be_bytes(*control.get(at..)?.first_chunk()?);
        let length = chunk_length(chunk);
        if length == 0 {
            return None;
        }
        seen += length;
        at += 2;
    }
    Some(at)
}

/// Statuses in a chunk: a run's length, or those of a vector of one- or two-bit symbols.
fn chunk_length(chunk: u16) -> usize {
    match chunk >> 14 {
        0 | 1 => usize::from(chunk & 0x1fff),
        2 => 14,
        _ => 7,
    }
}

/// The statuses of a feedback: 0 not received, 1 with a small delta, 2 with a wide one.
struct Statuses<'a> {
    control: &'a [u8],
    at: usize,
    chunk: u16,
    place: usize,
    left: usize,
}

impl<'a> Statuses<'a> {
    fn new(control: &'a [u8], count: usize) -> Self {
        Self {
            control,
            at: 8,
            chunk: 0,
            place: 0,
            left: count,
        }
    }
}

impl Iterator for Statuses<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.left == 0 {
            return None;
        }
        if self.place >= chunk_length(self.chunk) {
            self.chunk = u16::from_be_bytes(*self.control.get(self.at..)?.first_chunk()?);
            self.at += 2;
            self.place = 0;
        }
        let symbol = match self.chunk >> 14 {
            0 | 1 => self.chunk >> 13 & 3,
            2 => self.chunk >> (13 - self.place) & 1,
            _ => self.chunk >> (12 - 2 * self.place) & 3,
        };
        self.place += 1;
        self.left -= 1;
        Some(symbol)
    }
}

struct Deltas<'a> {
    rest: &'a [u8],
}

impl Deltas<'_> {
    /// In ticks; none when they are cut, or the status is the reserved one.
    fn next(&mut self, status: u16) -> Option<i64> {
        let (delta, length) = match status {
            1 => (i64::from(*self.rest.first()?), 1),
            2 => (i64::from(i16::from_be_bytes(*self.rest.first_chunk()?)), 2),
            _ => return None,
        };
        self.rest = self.rest.get(length..)?;
        Some(delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// A feedback of one vector chunk and its deltas.
    fn control(base: u16, count: u16, reference: u32, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
        let mut bytes = [base.to_be_bytes(), count.to_be_bytes()].concat();
        bytes.extend_from_slice(&reference.to_be_bytes()[1..]);
        bytes.push(0);
        chunks
            .iter()
            .for_each(|chunk| bytes.extend_from_slice(&chunk.to_be_bytes()));
        bytes.extend_from_slice(deltas);
        bytes
    }

    fn sent(count: u32) -> SentPackets {
        let start = Instant::now();
        let mut sent = SentPackets::default();
        for n in 0..count {
            sent.send(start + Duration::from_millis(u64::from(n)), 100 + n as usize, None);
        }
        sent
    }

    #[test]
    fn arrivals_and_gaps_are_read_from_runs_and_vectors() {
        let (mut sent, mut results) = (sent(20), Vec::new());
        // 8 received by run, then a vector: received, missing, wide, and padding.
        let chunks = [1 << 13 | 8, 0xc000 | 1 << 12 | 2 << 8];
        let mut deltas = vec![4u8; 9];
        deltas.extend_from_slice(&(-2i16).to_be_bytes());
        assert!(sent.feedback(&control(5, 11, 10, &chunks, &deltas), &mut results));
        let times: Vec<_> = results.iter().map(|r| r.arrived_us).collect();
        assert_eq!(times[..3], [Some(641_000), Some(642_000), Some(643_000)]);
        assert_eq!(times[8..], [Some(649_000), None, Some(648_500)]);
        assert_eq!(results[0].bytes, 105);
    }

    #[test]
    fn news_is_told_once_and_what_was_missing_may_come_later() {
        let (mut sent, mut results) = (sent(4), Vec::new());
        let vector = |symbols: [u16; 3]| 0xc000 | symbols[0] << 12 | symbols[1] << 10 | symbols[2] << 8;
        sent.feedback(&control(0, 3, 1, &[vector([1, 0, 1])], &[1, 1]), &mut results);
        assert_eq!(results.len(), 3);
        results.clear();
        sent.feedback(&control(0, 3, 1, &[vector([0, 0, 0])], &[]), &mut results);
        assert!(results.is_empty(), "{results:?}");
        sent.feedback(&control(1, 1, 1, &[vector([1, 0, 0])], &[40]), &mut results);
        assert_eq!((results.len(), results[0].late), (1, true));
        assert_eq!(results[0].arrived_us, Some(74_000));
    }

    #[test]
    fn a_feedback_that_lies_is_refused() {
        let (mut sent, mut results) = (sent(10), Vec::new());
        for (base, count, chunk, deltas) in [
            (5u16, 6u16, 1 << 13 | 6, 6usize),
            (0, 0, 0, 0),
            (0, 5, 1 << 13, 5),
            (0, 5, 1 << 13 | 5, 4),
            (0, 2, 3 << 13 | 2, 4),
            (60_000, 3, 1 << 13 | 3, 3),
        ] {
            let bytes = control(base, count, 0, &[chunk], &vec![1; deltas]);
            assert!(!sent.feedback(&bytes, &mut results), "{base} {count} {chunk:x}");
            assert!(results.is_empty());
        }
    }

    #[test]
    fn the_reference_time_goes_round() {
        let (mut sent, mut results) = (sent(3), Vec::new());
        sent.feedback(&control(0, 1, 0x00ff_ffff, &[1 << 13 | 1], &[0]), &mut results);
        sent.feedback(&control(1, 1, 0, &[1 << 13 | 1], &[0]), &mut results);
        assert_eq!(results[1].arrived_us.unwrap() - results[0].arrived_us.unwrap(), 64_000);
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let (mut sent, mut results) = (sent(100), Vec::new());
            if !sent.feedback(&bytes, &mut results) {
                prop_assert!(results.is_empty());
            }
            prop_assert!(results.len() <= 100);
        }
    }
}
