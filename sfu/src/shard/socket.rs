//! A shard's UDP socket: many datagrams per system call in both directions, because the calls cost more than the crypto.
//!
//! Linux: `recvmmsg`, and `sendmmsg` with `UDP_SEGMENT` for runs to one destination; a kernel or a device that refuses
//! segments gets single datagrams. Elsewhere: one datagram per call.
#![cfg_attr(target_os = "linux", allow(unsafe_code))] // the batch calls of libc are not in std

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

#[cfg(target_os = "linux")]
pub(super) use linux::{BatchSocket, wait};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{BatchSocket, wait};

/// Longest datagram that is read: Ethernet's MTU with room. A longer one is cut and then fails to authenticate.
pub(super) const MAX_DATAGRAM: usize = 2_048;
/// Datagrams of one receive call.
pub(super) const RECEIVE_BATCH: usize = 64;
/// What both directions may queue in the kernel: 100 ms at 640 Mbit/s. The kernel may grant less.
#[cfg(target_os = "linux")]
pub(super) const BUFFER: i32 = 8 * 1024 * 1024;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub datagrams: u64,
    pub calls: u64,
    /// Datagrams that the kernel did not take.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::io::TransmitBatch;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::{Duration, Instant};

    fn receive(socket: &mut BatchSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut got = Vec::new();
        while got.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} datagrams", got.len());
            socket.receive(|from, bytes| got.push((from, bytes.to_vec()))).unwrap();
        }
        got
    }

    fn round_trip(bind: &str, segments: bool) {
        let mut from = BatchSocket::bind(bind.parse().unwrap()).unwrap();
        let mut to = BatchSocket::bind(bind.parse().unwrap()).unwrap();
        if !segments {
            from.forbid_segments();
        }
        let mut batch = TransmitBatch::default();
        let sizes = [900usize, 900, 900, 200, 1_100, 5];
        for (at, size) in sizes.iter().enumerate() {
            batch.push(from.local(), to.local(), &vec![at as u8; *size]);
        }
        let sent = from.send(&mut batch.runs().iter().map(|run| (batch.bytes(), run)));
        assert_eq!((sent.datagrams, sent.dropped), (6, 0));
        let got = receive(&mut to, 6);
        for (at, ((source, bytes), size)) in got.iter().zip(sizes).enumerate() {
            assert_eq!(
                (*source, bytes.as_slice()),
                (from.local(), vec![at as u8; size].as_slice())
            );
        }
    }

    #[test]
    fn runs_arrive_as_the_datagrams_they_were_made_of() {
        round_trip("127.0.0.1:0", true);
        round_trip("127.0.0.1:0", false);
    }

    #[test]
    fn ipv6_works_where_the_machine_has_it() {
        if UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("no IPv6 loopback on this machine: nothing to test");
            return;
        }
        round_trip("[::1]:0", true);
    }

    #[test]
    fn a_destination_that_the_kernel_refuses_stops_nobody_else() {
        let mut from = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut to = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut batch = TransmitBatch::default();
        batch.push(from.local(), "127.0.0.1:0".parse().unwrap(), &[1; 10]);
        batch.push(from.local(), to.local(), &[2; 10]);
        let sent = from.send(&mut batch.runs().iter().map(|run| (batch.bytes(), run)));
        assert_eq!((sent.datagrams, sent.dropped), (1, 1));
        assert_eq!(receive(&mut to, 1)[0].1, [2; 10]);
    }
}
