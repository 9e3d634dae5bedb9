//! Packets of one layer kept in plaintext, so that a subscriber's NACK is answered by RTX without asking the publisher.
//!
//! Payloads lie one behind the other in a ring of bytes that grows as far as a layer's rate needs: once it has its size,
//! keeping a packet takes no memory from the system.

use crate::core::lane::MAX_KEY_AGE;
use crate::core::media::{Meta, Packet};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets kept: more than a second of every layer that we make.
const MAX_PACKETS: usize = 512;
/// Payload bytes kept for one layer: two seconds at 1 Mbit/s. Three publications of two layers stay below 2 MB.
pub const MAX_BYTES: usize = 256 * 1024;
/// The ring's first size: what a low layer at 100 kbit/s fills.
const MIN_BYTES: usize = 16 * 1024;
/// A receiver gives a packet up after a second; the rest is for the way there and back.
const KEEP_FOR: Duration = Duration::from_millis(1_500);
/// Where packets wait before somebody's narrow path they are lost as much later: a key frame may wait for this long.
const WAIT: Duration = MAX_KEY_AGE;

#[derive(Debug)]
struct Kept {
    index: u64,
    at: Instant,
    meta: Meta,
    /// Where the payload begins in the ring.
    start: usize,
    length: usize,
}

// What DESIGN.md section 7 grants a candidate with three publications of two layers.
const _: () = assert!(6 * (MAX_BYTES + MAX_PACKETS * (size_of::<Kept>() + size_of::<u64>())) <= 2 << 20);

/// The newest packets, found by their index in the publisher's numbering.
#[derive(Debug, Default)]
pub struct RetransmissionBuffer {
    /// In the order of arrival, which is that of the bytes.
    packets: VecDeque<Kept>,
    /// Packets that have left the front since the ring was made: a packet's number is its place plus this.
    gone: u64,
    /// By `index % MAX_PACKETS`: the number of the packet that was kept last there.
    numbers: Vec<u64>,
    ring: Vec<u8>,
    newest: u64,
    bytes: usize,
    /// When a packet was last put into a queue before a path.
    waited: Option<Instant>,
}

impl RetransmissionBuffer {
    /// Keeps a packet. The oldest ones make room for it. False when it is too large, or older than all that could be kept.
    pub fn keep(&mut self, now: Instant, index: u64, meta: Meta, payload: &[u8]) -> bool {
        let is_old = self.packets.back().is_some() && index + MAX_PACKETS as u64 <= self.newest;
        if payload.len() > MAX_BYTES || is_old {
            return false;
        }
        self.newest = self.newest.max(index);
        let waits = self.waited.is_some_and(|waited| now < waited + WAIT);
        let keep_for = if waits { KEEP_FOR + WAIT } else { KEEP_FOR };
        while let Some(oldest) = self.packets.front()
            && (oldest.at + keep_for <= now || self.packets.len() >= MAX_PACKETS)
        {
            self.forget_oldest();
        }
        let start = loop {
            if let Some(start) = self.room_for(payload.len()) {
                break start;
            }
            if self.ring.len() < MAX_BYTES {
                self.grow(payload.len());
            } else {
                self.forget_oldest();
            }
        };
        self.ring[start..start + payload.len()].copy_from_slice(payload);
        self.bytes += payload.len();
        if self.numbers.is_empty() {
            self.numbers.resize(MAX_PACKETS, u64::MAX);
        }
        self.numbers[place(index)] = self.gone + self.packets.len() as u64;
        self.packets.push_back(Kept {
            index,
            at: now,
            meta,
            start,
            length: payload.len(),
        });
        true
    }

    /// The packets that are kept of those behind an index, in their order.
    pub fn behind(&self, index: u64) -> impl Iterator<Item = Packet<'_>> {
        (index + 1..=self.newest).filter_map(|index| self.get(index))
    }

    /// Whether a packet was kept, or never came, so long ago that it will not be there again.
    pub fn has_forgotten(&self, index: u64) -> bool {
        self.packets.front().is_some_and(|oldest| index < oldest.index)
    }

    /// The newest packet waits before some subscriber's path.
    pub fn note_wait(&mut self, now: Instant) {
        self.waited = Some(now);
    }

    /// Where `length` bytes fit in one piece; none while packets lie there.
    fn room_for(&self, length: usize) -> Option<usize> {
        let (Some(oldest), Some(newest)) = (self.packets.front(), self.packets.back()) else {
            return (length <= self.ring.len()).then_some(0);
        };
        let end = newest.start + newest.length;
        if newest.start < oldest.start {
            // One byte stays free, or a full ring would look like one that has just begun.
            return (end + length < oldest.start).then_some(end);
        }
        if end + length <= self.ring.len() {
            return Some(end);
        }
        // The piece at the end stays empty until the ring has come around.
        (length < oldest.start).then_some(0)
    }

    /// Makes the ring larger, with its packets at the front.
    fn grow(&mut self, length: usize) {
        let size = (self.ring.len() * 2).max(MIN_BYTES).max(length.next_power_of_two());
        let mut ring = vec![0; size.min(MAX_BYTES)];
        let mut end = 0;
        for kept in &mut self.packets {
            let moved = end..end + kept.length;
            ring[moved].copy_from_slice(&self.ring[kept.start..kept.start + kept.length]);
            (kept.start, end) = (end, end + kept.length);
        }
        self.ring = ring;
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.packets.pop_front() {
            self.bytes -= oldest.length;
            self.gone += 1;
        }
    }

    /// The packet with that index, if it is still kept.
    pub fn get(&self, index: u64) -> Option<Packet<'_>> {
        let at = self.numbers.get(place(index))?.checked_sub(self.gone)?;
        let kept = self
            .packets
            .get(usize::try_from(at).ok()?)
            .filter(|kept| kept.index == index)?;
        Some(Packet {
            index,
            meta: kept.meta,
            payload: self.ring.get(kept.start..kept.start + kept.length)?,
        })
    }

    /// Forgets everything and gives the memory back: the publisher's numbering began anew, or the layer has ended.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Payload bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the ring, used or not.
    pub fn capacity(&self) -> usize {
        self.ring.len()
    }
}

fn place(index: u64) -> usize {
    (index % MAX_PACKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_newest_packets_are_found_and_the_memory_is_bounded() {
        let now = Instant::now();
        let mut buffer = RetransmissionBuffer::default();
        for index in 70_000..80_000u64 {
            buffer.keep(now, index, Meta::default(), &[index as u8; 1_100]);
            assert!(buffer.bytes() <= MAX_BYTES && buffer.capacity() <= MAX_BYTES);
        }
        let packet = buffer.get(79_999).unwrap();
        assert_eq!(packet.payload, [79_999u64 as u8; 1_100]);
        assert!(buffer.get(79_999 - 200).is_some());
        assert!(buffer.get(79_999 - 300).is_none(), "its bytes were needed");
        assert!(buffer.get(70_000).is_none());
    }

    #[test]
    fn late_packets_find_their_place_and_a_jump_leaves_nothing_that_could_be_mistaken() {
        let now = Instant::now();
        let mut buffer = RetransmissionBuffer::default();
        for index in [100, 102, 101] {
            buffer.keep(now, index, Meta::default(), &[index as u8]);
        }
        assert_eq!(buffer.get(101).unwrap().payload, [101]);
        buffer.keep(now, 99, Meta::default(), &[99]);
        assert_eq!(buffer.get(99).unwrap().payload, [99]);
        buffer.keep(now, 102 + MAX_PACKETS as u64, Meta::default(), &[1]);
        assert!(buffer.get(102).is_none(), "its place was taken");
        buffer.keep(now, 102, Meta::default(), &[2]);
        assert!(buffer.get(102).is_none(), "too old to come back");
        assert_eq!(buffer.get(102 + MAX_PACKETS as u64).unwrap().payload, [1]);
    }

    #[test]
    fn a_layer_takes_memory_by_its_rate_and_gives_it_back() {
        let start = Instant::now();
        let mut slow = RetransmissionBuffer::default();
        assert_eq!(slow.capacity(), 0);
        // 100 kbit/s for a minute.
        for index in 0..750u64 {
            slow.keep(at(start, index * 80), index, Meta::default(), &[0; 1_000]);
        }
        assert_eq!(slow.capacity(), 2 * MIN_BYTES);
        assert!(slow.get(749 - 17).is_some());
        assert!(slow.get(749 - 20).is_none(), "nobody asks for it any more");
        slow.clear();
        assert_eq!((slow.capacity(), slow.bytes()), (0, 0));
        assert!(slow.get(749).is_none());
    }

    #[test]
    fn what_waits_before_a_narrow_path_is_kept_until_it_can_have_been_lost() {
        let start = Instant::now();
        let mut kept = RetransmissionBuffer::default();
        // 100 kbit/s, of which nothing waits, or something in the second second.
        let run = |kept: &mut RetransmissionBuffer, waits: bool| {
            for index in 0..100u64 {
                kept.keep(at(start, index * 80), index, Meta::default(), &[0; 1_000]);
                if waits && index == 20 {
                    kept.note_wait(at(start, index * 80));
                }
            }
        };
        run(&mut kept, false);
        assert!(kept.get(99 - 17).is_some() && kept.get(99 - 20).is_none());
        kept.clear();
        run(&mut kept, true);
        assert!(kept.get(99 - 20).is_none(), "nothing has waited for long");
        kept.clear();
        for index in 0..70u64 {
            kept.keep(at(start, index * 80), index, Meta::default(), &[0; 1_000]);
            kept.note_wait(at(start, index * 80));
        }
        assert!(kept.get(69 - 60).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against a memory that forgets nothing: what is found is what was kept, and the newest is always found.
        #[test]
        fn what_is_found_is_what_was_kept(
            packets in prop::collection::vec((0u64..4, 0usize..2_000, 0u64..40), 1..1_500),
        ) {
            let start = Instant::now();
            let (mut buffer, mut known) = (RetransmissionBuffer::default(), std::collections::BTreeMap::new());
            let (mut index, mut ms) = (0, 0);
            for (step, length, pause) in packets {
                index += step;
                ms += pause;
                let payload: Vec<u8> = (0..length).map(|at| (at as u64 ^ index ^ ms) as u8).collect();
                buffer.keep(at(start, ms), index, Meta::default(), &payload);
                prop_assert_eq!(buffer.get(index).map(|packet| packet.payload), Some(payload.as_slice()));
                known.insert(index, payload);
                if known.len().is_multiple_of(100) {
                    for other in index.saturating_sub(600)..=index {
                        if let Some(packet) = buffer.get(other) {
                            prop_assert_eq!(packet.payload, known[&other].as_slice());
                        }
                    }
                }
                let held = buffer.packets.iter().map(|kept| kept.length).sum::<usize>();
                prop_assert_eq!(buffer.bytes(), held);
                prop_assert!(buffer.capacity() <= MAX_BYTES);
            }
        }
    }
}
