//! Taps: in-process consumers of opened packets (a recorder, a replay). A slow tap loses packets, counted, and slows nobody.

use crate::core::media::{Meta, Packet};
use bytes::Bytes;
use invigil_shared::publication::Layer;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// An opened packet with what the core knows of it.
#[derive(Clone, Debug)]
pub struct TapPacket {
    pub layer: Layer,
    /// Grows without wrapping; a gap is a packet that never arrived.
    pub index: u64,
    pub meta: Meta,
    pub payload: Bytes,
}

/// The core's end.
#[derive(Clone)]
pub struct TapSender {
    packets: SyncSender<TapPacket>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for TapSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapSender")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// The consumer's end; dropping it takes the tap away.
#[derive(Debug)]
pub struct TapReader {
    packets: Receiver<TapPacket>,
    lost: Arc<AtomicU64>,
}

/// Makes a tap that holds at most `capacity` packets that were not read yet.
pub fn tap(capacity: usize) -> (TapSender, TapReader) {
    let (sender, packets) = sync_channel(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (
        TapSender {
            packets: sender,
            lost: Arc::clone(&lost),
        },
        TapReader { packets, lost },
    )
}

impl TapSender {
    /// Hands a packet over, or counts it as lost. False when nobody reads any more.
    pub(super) fn offer(&self, layer: Layer, packet: &Packet<'_>) -> bool {
        let copy = TapPacket {
            layer,
            index: packet.index,
            meta: packet.meta,
            payload: Bytes::copy_from_slice(packet.payload),
        };
        match self.packets.try_send(copy) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

impl TapReader {
    /// The next packet, if one waits; none too when the publication has ended.
    pub fn try_next(&self) -> Option<TapPacket> {
        self.packets.try_recv().ok()
    }

    /// Waits for the next packet; none when the publication has ended.
    pub fn next(&self) -> Option<TapPacket> {
        self.packets.recv().ok()
    }

    /// Packets that were dropped because this end was slow.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_tap_loses_packets_and_counts_them() {
        let (sender, reader) = tap(2);
        for index in 0..5 {
            assert!(sender.offer(
                Layer::Low,
                &Packet {
                    index,
                    meta: Meta::default(),
                    payload: b"x"
                }
            ));
        }
        assert_eq!(
            (reader.try_next().unwrap().index, reader.try_next().unwrap().index),
            (0, 1)
        );
        assert!(reader.try_next().is_none());
        assert_eq!(reader.lost(), 3);
        drop(reader);
        assert!(!sender.offer(
            Layer::Low,
            &Packet {
                index: 9,
                meta: Meta::default(),
                payload: b"x"
            }
        ));
    }
}
