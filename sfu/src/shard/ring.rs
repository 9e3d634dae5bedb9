//! The way from one shard to another: one round's packets and messages change hands under one short lock.
//!
//! Usually the lock covers a swap of two buffers. Only when the reader is behind are a round's packets copied under it, and when
//! it is far behind the oldest are dropped and counted ([`RelayBatch`]). Messages are never dropped singly: past their bound all
//! of them are void, and the reader asks for everything again.

use crate::core::relay::{RelayBatch, RelayMessage};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// Messages that may wait: what a full shard of 1,200 participants with three publications each says when it introduces itself,
/// with as much again on top.
const MAX_MESSAGES: usize = 8_192;

#[derive(Default)]
struct Waiting {
    messages: VecDeque<RelayMessage>,
    /// Messages were lost.
    overrun: bool,
    packets: RelayBatch,
}

/// What a shard took out of a ring.
#[derive(Default)]
pub(super) struct Taken {
    pub messages: VecDeque<RelayMessage>,
    /// Messages before these were lost.
    pub overrun: bool,
    pub packets: RelayBatch,
}

/// From one shard to one other.
#[derive(Default)]
pub(super) struct Ring {
    waiting: Mutex<Waiting>,
    /// Something waits: what an idle reader looks at without the lock.
    filled: AtomicBool,
    closed: AtomicBool,
}

impl Ring {
    /// Adds a round's messages and packets, which are empty afterwards.
    pub fn put(&self, messages: &mut VecDeque<RelayMessage>, packets: Option<&mut RelayBatch>) {
        let mut waiting = self.waiting.lock();
        waiting.messages.append(messages);
        if waiting.messages.len() > MAX_MESSAGES {
            waiting.messages.clear();
            waiting.overrun = true;
        }
        if let Some(packets) = packets {
            waiting.packets.append(packets);
        }
        self.filled.store(true, Ordering::Release);
    }

    /// Takes all that waits. `into` has to be empty; its memory goes back to the writer.
    pub fn take(&self, into: &mut Taken) -> bool {
        if !self.filled.load(Ordering::Acquire) {
            return false;
        }
        let mut waiting = self.waiting.lock();
        self.filled.store(false, Ordering::Release);
        std::mem::swap(&mut into.messages, &mut waiting.messages);
        into.packets.append(&mut waiting.packets);
        into.overrun = std::mem::take(&mut waiting.overrun);
        true
    }

    /// The writer has ended.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::media::{Meta, Packet};
    use crate::core::relay::{MAX_BYTES, Relayed};
    use invigil_shared::publication::Layer;
    use std::sync::Arc;

    fn packet(index: u64, payload: &[u8]) -> Relayed<'_> {
        Relayed {
            number: 1,
            layer: Layer::Low,
            numbering: 0,
            packet: Packet {
                index,
                meta: Meta::default(),
                payload,
            },
        }
    }

    #[test]
    fn two_threads_lose_nothing_but_what_is_counted() {
        const PACKETS: u64 = 200_000;
        let ring = Arc::new(Ring::default());
        let writer = std::thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let (mut batch, mut messages) = (RelayBatch::default(), VecDeque::new());
                for index in 0..PACKETS {
                    batch.push(&packet(index, &[index as u8; 600]));
                    if index % 37 == 0 {
                        messages.push_back(RelayMessage::Withdraw { number: index });
                        ring.put(&mut messages, Some(&mut batch));
                    }
                }
                ring.put(&mut messages, Some(&mut batch));
                ring.close();
            }
        });
        let (mut taken, mut next, mut read, mut dropped, mut said) = (Taken::default(), 0, 0, 0, 0);
        loop {
            let closed = ring.is_closed();
            if ring.take(&mut taken) {
                assert!(!taken.overrun);
                for message in taken.messages.drain(..) {
                    assert_eq!(message, RelayMessage::Withdraw { number: said });
                    said += 37;
                }
                dropped += taken.packets.take_dropped();
                for relayed in taken.packets.packets() {
                    assert!(relayed.packet.index >= next);
                    assert_eq!(relayed.packet.payload, [relayed.packet.index as u8; 600]);
                    next = relayed.packet.index + 1;
                    read += 1;
                }
                assert_eq!(read + dropped, next, "what is missing was counted");
                taken.packets.clear();
            } else if closed {
                break;
            }
            std::thread::yield_now();
        }
        writer.join().unwrap();
        assert_eq!((read + dropped, said), (PACKETS, PACKETS.div_ceil(37) * 37));
    }

    #[test]
    fn a_reader_that_sleeps_finds_the_newest_packets() {
        let (ring, mut batch) = (Ring::default(), RelayBatch::default());
        let payload = [7; 1_000];
        for index in 0..5_000 {
            batch.push(&packet(index, &payload));
            ring.put(&mut VecDeque::new(), Some(&mut batch));
        }
        let mut taken = Taken::default();
        assert!(ring.take(&mut taken));
        let kept = (MAX_BYTES / payload.len()) as u64;
        assert_eq!(taken.packets.take_dropped(), 5_000 - kept);
        assert_eq!(taken.packets.packets().next().unwrap().packet.index, 5_000 - kept);
        assert_eq!(taken.packets.packets().last().unwrap().packet.index, 4_999);
        assert!(!ring.take(&mut taken));
    }

    #[test]
    fn too_many_messages_are_void_and_it_is_said() {
        let (ring, mut taken) = (Ring::default(), Taken::default());
        for number in 0..=MAX_MESSAGES as u64 {
            ring.put(&mut VecDeque::from([RelayMessage::Withdraw { number }]), None);
        }
        ring.put(&mut VecDeque::from([RelayMessage::Hello]), None);
        assert!(ring.take(&mut taken));
        assert!(taken.overrun);
        assert_eq!(taken.messages, [RelayMessage::Hello], "what was said since counts");
    }
}
