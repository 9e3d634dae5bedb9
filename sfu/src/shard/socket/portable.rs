//! One datagram per call, for systems without batch calls. Tested on Linux as well, so that it can't rot.

use super::{MAX_DATAGRAM, RECEIVE_BATCH, Sent};
use crate::core::io::Run;
use crate::shard::waker::Waker;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// There is no portable wait on several sockets: each look sleeps at most this long, which bounds the added latency.
const LOOK: Duration = Duration::from_millis(1);

/// A socket that reads and writes one by one.
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    local: SocketAddr,
    ready: bool,
    buffer: [u8; MAX_DATAGRAM],
}

impl BatchSocket {
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            ready: true,
            buffer: [0; MAX_DATAGRAM],
        })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// It never sends any.
    pub fn forbid_segments(&mut self) {}

    /// Whether something may be there to read.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        for count in 0..RECEIVE_BATCH {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, mut from)) => {
                    // A flow label would make it a connection's address, see `shard/tcp`.
                    if let SocketAddr::V6(v6) = &mut from {
                        v6.set_flowinfo(0);
                    }
                    each(from, &mut self.buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return Ok(count);
                }
                // Windows reports ICMP errors about what was sent here.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error),
            }
        }
        Ok(RECEIVE_BATCH)
    }

    pub fn send<'a>(&mut self, runs: &mut dyn Iterator<Item = (&'a [u8], &'a Run)>) -> Sent {
        let mut result = Sent::default();
        for (bytes, run) in runs {
            let Some(data) = bytes.get(run.offset..run.offset + run.length) else {
                continue;
            };
            for datagram in data.chunks(run.segment.max(1)) {
                result.calls += 1;
                match self.socket.send_to(datagram, run.destination) {
                    Ok(_) => result.datagrams += 1,
                    Err(_) => result.dropped += 1,
                }
            }
        }
        result
    }
}

/// Waits a moment, after which every socket is worth a look, and so is whatever somebody may have woken us for.
pub(crate) fn wait(sockets: &mut [BatchSocket], waker: &Waker, timeout: Option<Duration>) -> io::Result<bool> {
    std::thread::sleep(timeout.map_or(LOOK, |timeout| timeout.min(LOOK)));
    sockets.iter_mut().for_each(|socket| socket.ready = true);
    waker.drain();
    Ok(true)
}

/// Lets datagrams gather for a while.
pub(crate) fn linger(sockets: &mut [BatchSocket], waker: &Waker, time: Duration) -> io::Result<bool> {
    wait(sockets, waker, Some(time))
}
