//! Packets of one layer kept in plaintext, so that a subscriber's NACK is answered by RTX without asking the publisher.

use crate::core::media::{Meta, Packet};

/// Packets kept: more than a second of every layer that we make.
const SLOTS: u64 = 512;
/// Payload bytes kept for one layer: two seconds at 1 Mbit/s. Three publications of two layers stay below 2 MB.
pub const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug)]
struct Kept {
    index: u64,
    meta: Meta,
    payload: Vec<u8>,
}

/// A ring of the newest packets, by their index in the publisher's numbering.
#[derive(Debug, Default)]
pub struct RetransmissionBuffer {
    slots: Vec<Option<Kept>>,
    bytes: usize,
    /// No index below this is kept.
    oldest: u64,
    newest: u64,
}

impl RetransmissionBuffer {
    /// Keeps a packet. The oldest ones make room for it.
    pub fn keep(&mut self, index: u64, meta: Meta, payload: &[u8]) {
        if payload.len() > MAX_BYTES || index + SLOTS <= self.newest {
            return;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS as usize, || None);
            (self.oldest, self.newest) = (index, index);
        }
        if index > self.newest {
            if index - self.newest >= SLOTS {
                self.slots.iter_mut().for_each(|slot| *slot = None);
                (self.bytes, self.oldest) = (0, index);
            }
            self.newest = index;
        }
        self.oldest = self.oldest.min(index);
        while self.oldest + SLOTS <= self.newest || (self.bytes + payload.len() > MAX_BYTES && self.oldest < index) {
            let oldest = self.oldest;
            self.remove(oldest);
            self.oldest += 1;
        }
        self.remove(index);
        if self.bytes + payload.len() > MAX_BYTES {
            return;
        }
        self.bytes += payload.len();
        if let Some(slot) = self.slots.get_mut((index % SLOTS) as usize) {
            *slot = Some(Kept {
                index,
                meta,
                payload: payload.to_vec(),
            });
        }
    }

    fn remove(&mut self, index: u64) {
        if let Some(slot) = self.slots.get_mut((index % SLOTS) as usize)
            && let Some(kept) = slot.take_if(|kept| kept.index == index)
        {
            self.bytes -= kept.payload.len();
        }
    }

    /// The packet with that index, if it is still kept.
    pub fn get(&self, index: u64) -> Option<Packet<'_>> {
        let kept = self
            .slots
            .get((index % SLOTS) as usize)?
            .as_ref()
            .filter(|kept| kept.index == index)?;
        Some(Packet {
            index,
            meta: kept.meta,
            payload: &kept.payload,
        })
    }

    /// Forgets everything: the publisher's numbering began anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Payload bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_packets_are_found_and_the_memory_is_bounded() {
        let mut buffer = RetransmissionBuffer::default();
        for index in 70_000..80_000u64 {
            buffer.keep(index, Meta::default(), &vec![index as u8; 1_100]);
            assert!(buffer.bytes() <= MAX_BYTES);
        }
        let packet = buffer.get(79_999).unwrap();
        assert_eq!(packet.payload, [79_999u64 as u8; 1_100]);
        assert!(buffer.get(79_999 - 200).is_some());
        assert!(buffer.get(79_999 - 300).is_none(), "its bytes were needed");
        assert!(buffer.get(70_000).is_none());
    }

    #[test]
    fn late_packets_find_their_place_and_jumps_empty_the_ring() {
        let mut buffer = RetransmissionBuffer::default();
        for index in [100, 102, 101] {
            buffer.keep(index, Meta::default(), &[index as u8]);
        }
        assert_eq!(buffer.get(101).unwrap().payload, [101]);
        buffer.keep(99, Meta::default(), &[99]);
        assert_eq!(buffer.get(99).unwrap().payload, [99]);
        buffer.keep(10_000, Meta::default(), &[1]);
        assert!(buffer.get(102).is_none());
        assert_eq!(buffer.bytes(), 1);
        buffer.keep(102, Meta::default(), &[2]);
        assert!(buffer.get(102).is_none(), "older than the ring");
    }
}
