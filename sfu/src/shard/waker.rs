//! Wakes a shard's thread out of its wait for datagrams: a socket pair whose one end the thread polls.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
type Pair = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Pair = std::net::TcpStream;

/// Both ends live here; the waiting side only reads and the others only write.
pub(super) struct Waker {
    waiting: Pair,
    waking: Pair,
    /// A byte is under way, so that a burst of letters writes once.
    pending: AtomicBool,
}

impl Waker {
    pub fn new() -> io::Result<Self> {
        let (waiting, waking) = pair()?;
        waiting.set_nonblocking(true)?;
        waking.set_nonblocking(true)?;
        Ok(Self {
            waiting,
            waking,
            pending: AtomicBool::new(false),
        })
    }

    /// Ends the wait that runs, or the next one.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // A full pipe wakes as well as one more byte would.
            let _ = (&self.waking).write(&[1]);
        }
    }

    /// Forgets the wake-ups so far. Call it before looking for what they announced.
    pub fn clear(&self) {
        if self.pending.swap(false, Ordering::AcqRel) {
            let mut bytes = [0u8; 16];
            let _ = (&self.waiting).read(&mut bytes);
        }
    }

    /// The end to poll for readability.
    pub fn source(&self) -> &Pair {
        &self.waiting
    }
}

#[cfg(unix)]
fn pair() -> io::Result<(Pair, Pair)> {
    Pair::pair()
}

#[cfg(not(unix))]
fn pair() -> io::Result<(Pair, Pair)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let waking = Pair::connect(listener.local_addr()?)?;
    loop {
        let (waiting, from) = listener.accept()?;
        // Somebody else on this machine may have connected first.
        if from == waking.local_addr()? {
            return Ok((waiting, waking));
        }
    }
}
