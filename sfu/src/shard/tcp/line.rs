//! One connection as both sides see it: the task that has its socket, and the shard's thread.

use super::framing::{HEAD, push_frame};
use crate::core::transport::{DatagramKind, classify};
use parking_lot::Mutex;
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// Media that may wait for a connection: half a second of a wall at 4 Mbit/s. Beyond it media is lost, as on any full path; the
/// estimator then sends less.
const MAX_MEDIA_WAITING: usize = 256 * 1024;
/// Everything that may wait: ICE, DTLS and reports still pass when media is full.
const MAX_WAITING: usize = MAX_MEDIA_WAITING + 64 * 1024;
/// A queue that has grown past this gives its memory back when it is written.
const KEPT: usize = 32 * 1024;

/// A connection. Its task fills `inbound` and empties the queue; the shard's thread does the opposite.
pub(super) struct Line {
    /// Unique within the shard.
    pub id: u32,
    /// Where its datagrams come from, as the core sees it.
    pub source: SocketAddr,
    /// Whole frames that the shard has not read yet: one buffer at a time.
    pub inbound: Mutex<Vec<u8>>,
    /// The shard has read `inbound`.
    pub read: Notify,
    /// Frames that the socket has not taken yet.
    waiting: Mutex<Vec<u8>>,
    /// Something waits, or the connection has to end.
    pub work: Notify,
    /// The shard wants no more of it.
    refused: AtomicBool,
    /// The task has ended.
    ended: AtomicBool,
    lost: AtomicU64,
}

impl Line {
    pub fn new(id: u32, peer: SocketAddr) -> Self {
        Self {
            id,
            source: marked(peer, id),
            inbound: Mutex::default(),
            read: Notify::new(),
            waiting: Mutex::default(),
            work: Notify::new(),
            refused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        }
    }

    /// Queues datagrams for the socket. What does not fit is lost.
    pub fn send<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) {
        let mut waiting = self.waiting.lock();
        for datagram in datagrams {
            let limit = if classify(datagram) == Some(DatagramKind::Rtp) {
                MAX_MEDIA_WAITING
            } else {
                MAX_WAITING
            };
            if waiting.len() + HEAD + datagram.len() > limit {
                self.lost.fetch_add(1, Ordering::Relaxed);
            } else {
                push_frame(&mut waiting, datagram);
            }
        }
        drop(waiting);
        self.work.notify_one();
    }

    /// Moves all that waits into `empty`, whose memory serves the queue from now on.
    pub fn take_waiting(&self, empty: &mut Vec<u8>) {
        empty.clear();
        empty.shrink_to(KEPT);
        std::mem::swap(&mut *self.waiting.lock(), empty);
    }

    /// Datagrams that did not fit.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Asks the task to end.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
        self.work.notify_one();
        self.read.notify_one();
    }

    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// The peer's address with the connection's number as flow label.
fn marked(peer: SocketAddr, id: u32) -> SocketAddr {
    let (ip, scope) = match peer {
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
        SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
    };
    SocketAddrV6::new(ip, peer.port(), id, scope).into()
}

/// The connection that an address of the core means.
pub(super) fn number(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V6(v6) if v6.flowinfo() != 0 => Some(v6.flowinfo()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_by_tcp_is_never_one_by_udp() {
        for peer in ["192.0.2.7:5000", "[2001:db8::7]:5000", "[::ffff:192.0.2.7]:5000"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let (one, two) = (marked(peer, 1), marked(peer, 2));
            assert_eq!((number(peer), number(one), number(two)), (None, Some(1), Some(2)));
            assert!(one != two && one != peer);
            assert_eq!(
                one.ip().to_canonical(),
                peer.ip().to_canonical(),
                "a STUN answer names the peer"
            );
            assert_eq!(one.port(), peer.port());
        }
    }

    #[test]
    fn a_full_queue_loses_media_and_keeps_the_rest() {
        let line = Line::new(1, "192.0.2.7:5000".parse().unwrap());
        let media = [0x80; 1_200];
        let check = [0; 100];
        for _ in 0..1_000 {
            line.send([&media[..]].into_iter());
        }
        let lost = line.lost();
        assert!(lost > 700, "{lost} of 1,000 did not fit");
        line.send([&check[..]].into_iter());
        assert_eq!(line.lost(), lost, "a check does");
        for _ in 0..10_000 {
            line.send([&check[..]].into_iter());
        }
        let mut taken = Vec::new();
        line.take_waiting(&mut taken);
        assert!(taken.len() > MAX_MEDIA_WAITING && taken.len() <= MAX_WAITING);
        let before = line.lost();
        line.send([&media[..]].into_iter());
        assert_eq!(line.lost(), before, "there is room again");
    }
}
