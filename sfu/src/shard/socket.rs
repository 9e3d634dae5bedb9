//! A shard's UDP socket: many datagrams per system call in both directions, because the calls cost more than the crypto.
//!
//! Linux: `recvmmsg`, and `sendmmsg` with `UDP_SEGMENT` for runs to one destination; a kernel or a device that refuses
//! segments gets single datagrams. Elsewhere: one datagram per call.
#![cfg_attr(target_os = "linux", allow(unsafe_code))] // the batch calls of libc are not in std

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

#[cfg(target_os = "linux")]
pub(super) use linux::{BatchSocket, linger, wait};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{BatchSocket, linger, wait};

/// Longest datagram that is read: Ethernet's MTU with room. A longer one is cut and then fails to authenticate.
pub(super) const MAX_DATAGRAM: usize = 2_048;
/// Sockets of one shard: an IPv4 and an IPv6 address, and a few that an operator may have reasons for.
pub(super) const MAX_SOCKETS: usize = 8;
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
    use super::Sent;
    use crate::core::io::{Run, TransmitBatch};
    use crate::shard::waker::Waker;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::{Duration, Instant};

    /// The same tests for both kinds of socket.
    macro_rules! both_kinds {
        ($kind:ident) => {
            mod $kind {
                use super::super::$kind::{BatchSocket, linger, wait};
                use super::*;

                fn bind(address: &str) -> BatchSocket {
                    BatchSocket::bind(address.parse().unwrap()).unwrap()
                }

                fn send(socket: &mut BatchSocket, batch: &TransmitBatch) -> Sent {
                    let mut runs = batch.runs().iter().map(|run: &Run| (batch.bytes(), run));
                    socket.send(&mut runs)
                }

                fn receive(socket: &mut BatchSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
                    let deadline = Instant::now() + Duration::from_secs(5);
                    let mut got = Vec::new();
                    while got.len() < count {
                        assert!(Instant::now() < deadline, "{} of {count} datagrams", got.len());
                        socket
                            .receive(|from, bytes| got.push((from, bytes.to_vec())))
                            .unwrap();
                    }
                    got
                }

                fn round_trip(address: &str, segments: bool) {
                    let (mut from, mut to) = (bind(address), bind(address));
                    if !segments {
                        from.forbid_segments();
                    }
                    let mut batch = TransmitBatch::default();
                    let sizes = [900usize, 900, 900, 200, 1_100, 5];
                    for (at, size) in sizes.iter().enumerate() {
                        batch.push(from.local(), to.local(), &vec![at as u8; *size]);
                    }
                    let sent = send(&mut from, &batch);
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
                    let (mut from, mut to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
                    let mut batch = TransmitBatch::default();
                    batch.push(from.local(), "127.0.0.1:0".parse().unwrap(), &[1; 10]);
                    batch.push(from.local(), to.local(), &[2; 10]);
                    let sent = send(&mut from, &batch);
                    assert_eq!((sent.datagrams, sent.dropped), (1, 1));
                    assert_eq!(receive(&mut to, 1)[0].1, [2; 10]);
                }

                #[test]
                fn more_runs_than_a_call_takes_all_arrive() {
                    let (mut from, mut to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
                    let mut batch = TransmitBatch::default();
                    for at in 0..200u8 {
                        batch.push(from.local(), to.local(), &vec![at; 1 + usize::from(at)]);
                    }
                    assert_eq!(send(&mut from, &batch).datagrams, 200);
                    let got = receive(&mut to, 200);
                    assert!(
                        got.iter()
                            .enumerate()
                            .all(|(at, (_, bytes))| bytes.len() == 1 + at)
                    );
                }

                #[test]
                fn a_run_that_the_kernel_refuses_to_cut_leaves_datagram_by_datagram() {
                    let (mut from, mut to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
                    let mut batch = TransmitBatch::default();
                    batch.push(from.local(), to.local(), &[3; 50]);
                    batch.push(from.local(), to.local(), &[4; 2_000]);
                    // 200 segments: more than any kernel takes in a message (UDP_MAX_SEGMENTS).
                    let mut runs = batch.runs().to_vec();
                    for run in &mut runs {
                        run.segment = 10;
                    }
                    let sent = from.send(&mut runs.iter().map(|run| (batch.bytes(), run)));
                    assert_eq!((sent.datagrams, sent.dropped), (205, 0));
                    let got = receive(&mut to, 205);
                    assert!(got.iter().all(|(_, bytes)| bytes.len() == 10));
                    let order: Vec<u8> = got.iter().map(|(_, bytes)| bytes[0]).collect();
                    assert_eq!((&order[..5], &order[5..]), (&[3; 5][..], &[4; 200][..]));
                }

                #[test]
                fn what_gathers_while_one_lingers_is_read_afterwards() {
                    let waker = Waker::new().unwrap();
                    let mut sockets = [bind("127.0.0.1:0"), bind("127.0.0.1:0")];
                    for socket in &mut sockets {
                        while socket.is_ready() {
                            socket.receive(|_, _| {}).unwrap();
                        }
                    }
                    let mut batch = TransmitBatch::default();
                    batch.push(sockets[0].local(), sockets[1].local(), &[7]);
                    send(&mut sockets[0], &batch);
                    linger(&mut sockets, &waker, Duration::from_micros(50)).unwrap();
                    assert!(sockets.iter().all(BatchSocket::is_ready));
                    assert_eq!(receive(&mut sockets[1], 1)[0].1, [7]);
                    waker.wake();
                    // Ends at once, or the test takes an hour.
                    linger(&mut sockets, &waker, Duration::from_secs(3_600)).unwrap();
                }

                #[test]
                fn a_wait_ends_when_a_datagram_comes_and_says_where() {
                    let waker = Waker::new().unwrap();
                    let (mut from, to, idle) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"), bind("127.0.0.1:0"));
                    let mut sockets = [idle, to];
                    for socket in &mut sockets {
                        while socket.is_ready() {
                            socket.receive(|_, _| {}).unwrap();
                        }
                    }
                    let mut batch = TransmitBatch::default();
                    batch.push(from.local(), sockets[1].local(), &[7]);
                    send(&mut from, &batch);
                    let deadline = Instant::now() + Duration::from_secs(5);
                    let mut got = 0;
                    while got == 0 {
                        assert!(Instant::now() < deadline);
                        wait(&mut sockets, &waker, Some(Duration::from_secs(5))).unwrap();
                        assert!(sockets[1].is_ready());
                        got += sockets[1].receive(|_, bytes| assert_eq!(bytes, [7])).unwrap();
                    }
                    assert_eq!(sockets[0].receive(|_, _| {}).unwrap(), 0);
                    assert!(!sockets[0].is_ready() && !sockets[1].is_ready());
                }
            }
        };
    }

    #[cfg(target_os = "linux")]
    both_kinds!(linux);
    both_kinds!(portable);
}
