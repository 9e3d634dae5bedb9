//! What cores say to each other: small messages that keep a publication's mirrors in step with it, and its opened packets.
//!
//! A participant lives on one shard. A publication that somebody on another shard wants is mirrored there: the packet is opened
//! once, copied into a bounded batch, and sealed by the shard of each subscriber.

use crate::core::layer_selector::LayerSet;
use crate::core::media::{Codec, Meta, Packet};
use invigil_shared::id::ExamId;
use invigil_shared::publication::{Layer, LayerOffer, PublicationRef};
use std::collections::VecDeque;

/// Payload bytes that wait for a sibling: 40 ms at 200 Mbit/s. What is older is late already, and memory is fixed.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Packets that wait for a sibling: as many of sound fit into [`MAX_BYTES`] at 256 bytes each.
pub const MAX_PACKETS: usize = 4_096;

/// A message between cores. All but [`RelayMessage::KeyFrame`] and [`RelayMessage::Stopped`] state how things are, so the newest
/// one counts and a repeated one changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage {
    /// The sender has forgotten what it knew of the receiver's publications, and what was wanted of its own: tell it again.
    Hello,
    /// A publication of the sender, which calls it `number`. `numbering` counts for each layer how often its packets were
    /// numbered anew.
    Announce {
        number: u64,
        source: PublicationRef,
        exam: ExamId,
        codec: Codec,
        native: bool,
        layers: Vec<LayerOffer>,
        numbering: [u32; 3],
    },
    /// The publication has ended.
    Withdraw { number: u64 },
    /// The layers of the receiver's publication that subscribers and taps of the sender need.
    Want { number: u64, layers: LayerSet },
    /// Somebody on the sender's side can't go on without a key frame of the receiver's publication.
    KeyFrame { number: u64, layer: Layer },
    /// The layer is silent: who shows it should look for another.
    Stopped { number: u64, layer: Layer },
}

/// An opened packet on its way to a sibling.
#[derive(Clone, Copy, Debug)]
pub struct Relayed<'a> {
    /// The publication's number on the shard that it comes from.
    pub number: u64,
    pub layer: Layer,
    /// Which numbering of the layer the packet's index belongs to.
    pub numbering: u32,
    pub packet: Packet<'a>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    layer: Layer,
    numbering: u32,
    index: u64,
    meta: Meta,
    /// Where the payload begins, counted from the batch's first byte ever.
    at: u64,
    length: usize,
}

/// Packets for one sibling, in order, in one arena that is kept between uses. When it is full the oldest ones make room,
/// counted.
#[derive(Debug, Default)]
pub struct RelayBatch {
    bytes: Vec<u8>,
    /// The position of `bytes[0]`.
    base: u64,
    entries: VecDeque<Entry>,
    dropped: u64,
}

impl RelayBatch {
    /// Copies a packet to the end.
    pub fn push(&mut self, relayed: &Relayed<'_>) {
        let payload = relayed.packet.payload;
        if payload.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        while self.entries.len() >= MAX_PACKETS || self.held() + payload.len() > MAX_BYTES {
            self.entries.pop_front();
            self.dropped += 1;
        }
        if self.bytes.len() + payload.len() > 2 * MAX_BYTES {
            // At least half of the arena belongs to packets that are gone: each byte is moved at most once.
            let gone = self.bytes.len() - self.held();
            self.bytes.drain(..gone);
            self.base += gone as u64;
        }
        let at = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(payload);
        self.entries.push_back(Entry {
            number: relayed.number,
            layer: relayed.layer,
            numbering: relayed.numbering,
            index: relayed.packet.index,
            meta: relayed.packet.meta,
            at,
            length: payload.len(),
        });
    }

    /// Moves all of `newer` behind what waits here: by swapping the two when nothing does, else by copying.
    pub fn append(&mut self, newer: &mut Self) {
        let lost = newer.take_dropped();
        if lost > 0 {
            // What waits here is older than what is gone already.
            self.dropped += lost + self.entries.len() as u64;
            self.clear();
        }
        if self.is_empty() {
            std::mem::swap(self, newer);
            std::mem::swap(&mut self.dropped, &mut newer.dropped);
        } else {
            for relayed in newer.packets() {
                self.push(&relayed);
            }
        }
        newer.clear();
    }

    /// The packets, oldest first.
    pub fn packets(&self) -> impl Iterator<Item = Relayed<'_>> {
        self.entries.iter().filter_map(|entry| {
            let start = (entry.at - self.base) as usize;
            Some(Relayed {
                number: entry.number,
                layer: entry.layer,
                numbering: entry.numbering,
                packet: Packet {
                    index: entry.index,
                    meta: entry.meta,
                    payload: self.bytes.get(start..start + entry.length)?,
                },
            })
        })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Packets that were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Forgets the packets; keeps the memory and the count of those that were dropped.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.base = 0;
    }

    /// Bytes from the oldest packet's first to the end.
    fn held(&self) -> usize {
        let oldest = self.entries.front().map(|entry| (entry.at - self.base) as usize);
        oldest.map_or(0, |start| self.bytes.len() - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push(batch: &mut RelayBatch, index: u64, payload: &[u8]) {
        batch.push(&Relayed {
            number: index ^ 5,
            layer: Layer::High,
            numbering: 3,
            packet: Packet {
                index,
                meta: Meta::default(),
                payload,
            },
        });
    }

    fn payload(index: u64, length: usize) -> Vec<u8> {
        vec![(index % 251) as u8; length]
    }

    proptest! {
        /// Whatever is pushed in whatever pieces, what is read is the newest end of it, whole and in order, within the bounds;
        /// and what was dropped and what was read is all there ever was.
        #[test]
        fn the_oldest_are_dropped_and_counted(
            rounds in proptest::collection::vec((proptest::collection::vec(1usize..60_000, 0..40), any::<bool>()), 1..24),
        ) {
            let (mut fresh, mut waiting, mut reading) = <(RelayBatch, RelayBatch, RelayBatch)>::default();
            let (mut lengths, mut read, mut dropped) = (Vec::new(), 0u64, 0u64);
            let mut next_read = 0;
            for (round, reads) in rounds {
                for length in round {
                    push(&mut fresh, lengths.len() as u64, &payload(lengths.len() as u64, length));
                    lengths.push(length);
                }
                waiting.append(&mut fresh);
                prop_assert!(fresh.is_empty());
                prop_assert!(waiting.held() <= MAX_BYTES && waiting.bytes.len() <= 2 * MAX_BYTES);
                if !reads {
                    continue;
                }
                reading.append(&mut waiting);
                let lost = reading.take_dropped();
                dropped += lost;
                let mut held = 0;
                for (at, relayed) in reading.packets().enumerate() {
                    let index = relayed.packet.index;
                    if at == 0 {
                        prop_assert_eq!(index, next_read + lost, "only the oldest are missing");
                    } else {
                        prop_assert_eq!(index, next_read);
                    }
                    next_read = index + 1;
                    prop_assert_eq!(relayed.packet.payload, payload(index, lengths[index as usize]));
                    prop_assert_eq!((relayed.number, relayed.numbering, relayed.layer), (index ^ 5, 3, Layer::High));
                    held += relayed.packet.payload.len();
                }
                read += reading.len() as u64;
                if lost > 0 {
                    // No more than what had to go.
                    let before = lengths[next_read as usize - reading.len() - 1];
                    prop_assert!(held + before > MAX_BYTES || reading.len() == MAX_PACKETS);
                }
                reading.clear();
            }
            reading.append(&mut waiting);
            dropped += reading.take_dropped();
            prop_assert_eq!(read + reading.len() as u64 + dropped, lengths.len() as u64);
        }
    }

    #[test]
    fn small_packets_are_bounded_by_their_number() {
        let mut batch = RelayBatch::default();
        for index in 0..MAX_PACKETS as u64 + 10 {
            push(&mut batch, index, b"sound");
        }
        assert_eq!(
            (batch.len(), batch.take_dropped(), batch.take_dropped()),
            (MAX_PACKETS, 10, 0)
        );
        assert_eq!(batch.packets().next().unwrap().packet.index, 10);
    }

    #[test]
    fn batches_change_places_instead_of_being_copied() {
        let (mut fresh, mut waiting) = <(RelayBatch, RelayBatch)>::default();
        push(&mut fresh, 0, &[1; 1_000]);
        let memory = fresh.bytes.as_ptr();
        waiting.append(&mut fresh);
        assert_eq!((waiting.bytes.as_ptr(), waiting.len(), fresh.len()), (memory, 1, 0));
    }
}
