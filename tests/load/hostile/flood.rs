//! Floods from strangers: many datagrams in one segmented send (`UDP_SEGMENT`), at a steady pace as far as the machine allows.

use super::Done;
use anyhow::{Context, Result};
use quinn_udp::{Transmit, UdpSocketState};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Junk,
    Stun,
}

/// Addresses that it comes from.
const SOURCES: usize = 16;
/// Datagrams of one send call, and how many such calls are prepared.
const SEGMENTS: usize = 32;
const MESSAGES: usize = 16;
const STEP: Duration = Duration::from_millis(5);

/// Strangers' sockets and what came back to them.
pub struct Strangers {
    sockets: Vec<(UdpSocket, UdpSocketState)>,
    pub done: Done,
}

impl Strangers {
    pub fn new() -> Result<Self> {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_nonblocking(true)?;
            let state = UdpSocketState::new((&socket).into())?;
            anyhow::Ok((socket, state))
        };
        Ok(Self {
            sockets: (0..SOURCES).map(|_| socket()).collect::<Result<_>>()?,
            done: Done::default(),
        })
    }

    /// Sends one datagram from one of them.
    pub fn one(&mut self, from: usize, to: SocketAddr, datagram: &[u8]) -> Result<()> {
        match self.sockets[from % SOURCES].0.send_to(datagram, to) {
            Ok(_) => {
                self.done.sent += 1;
                self.done.bytes_out += datagram.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error).context("a stranger's socket"),
        }
    }

    /// Sends a message as datagrams of `size` bytes each; false when the socket is full.
    fn segmented(&mut self, from: usize, to: SocketAddr, message: &[u8], size: usize) -> Result<bool> {
        let (socket, state) = &self.sockets[from % SOURCES];
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: message,
            segment_size: Some(size),
            src_ip: None,
        };
        match state.try_send(socket.into(), &transmit) {
            Ok(()) => {
                self.done.sent += (message.len() / size) as u64;
                self.done.bytes_out += message.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("a stranger's segmented send"),
        }
    }

    /// Reads what came back.
    pub fn drain(&mut self) {
        let mut buffer = [0; 2_048];
        for (socket, _) in &self.sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                self.done.bytes_back += length as u64;
            }
        }
    }
}

/// Sends `per_s` datagrams a second for a while, fewer when the machine can't.
pub fn send(to: SocketAddr, kind: Kind, per_s: u64, time: Duration, seed: u64) -> Result<Done> {
    let (mut strangers, mut rng) = (Strangers::new()?, StdRng::seed_from_u64(seed));
    let size = if kind == Kind::Junk { 120 } else { 96 };
    let per_message = SEGMENTS as u64;
    let (start, mut from) = (Instant::now(), 0);
    let mut messages: Vec<Vec<u8>> = (0..MESSAGES).map(|_| fill(kind, size, &mut rng)).collect();
    let mut next = start;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
        // What the machine could not send is not made up for later in one heap.
        let mut owed = due.saturating_sub(strangers.done.sent).min(per_s / 50);
        while owed >= per_message {
            let message = &mut messages[from % MESSAGES];
            scramble(kind, message, size, &mut rng);
            if !strangers.segmented(from, to, message, size)? {
                break;
            }
            (from, owed) = (from + 1, owed - per_message);
        }
        strangers.drain();
        next = (next + STEP).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    // Answers may be on their way.
    std::thread::sleep(Duration::from_millis(100));
    strangers.drain();
    Ok(strangers.done)
}

/// `SEGMENTS` datagrams one after the other.
fn fill(kind: Kind, size: usize, rng: &mut StdRng) -> Vec<u8> {
    let mut out = vec![0; size * SEGMENTS];
    for one in out.chunks_mut(size) {
        rng.fill_bytes(one);
        if kind == Kind::Stun {
            stun(one, rng);
        }
    }
    out
}

/// Other bytes where they matter, without the price of making all of them anew.
fn scramble(kind: Kind, message: &mut [u8], size: usize, rng: &mut StdRng) {
    for one in message.chunks_mut(size) {
        match kind {
            Kind::Junk => {
                let at = rng.random_range(0..size - 8);
                rng.fill_bytes(&mut one[at..at + 8]);
                one[0] = rng.random();
            }
            Kind::Stun => rng.fill_bytes(&mut one[8..20]),
        }
    }
}

/// A Binding request (RFC 8489 section 5) with a username, an integrity that is none, and no fingerprint.
fn stun(out: &mut [u8], rng: &mut StdRng) {
    let length = out.len() - 20;
    out[..8].copy_from_slice(&[0, 1, 0, length as u8, 0x21, 0x12, 0xa4, 0x42]);
    let user = length - 4 - 24;
    out[20..24].copy_from_slice(&[0, 6, 0, user as u8]);
    for byte in &mut out[24..24 + user] {
        *byte = rng.random_range(b'a'..=b'z');
    }
    out[24 + 8] = b':';
    let at = 24 + user;
    out[at..at + 4].copy_from_slice(&[0, 8, 0, 20]);
}
