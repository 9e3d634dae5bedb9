//! Wakes a shard's thread out of its wait for datagrams: a socket pair whose one end the thread polls.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
type Pair = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Pair = std::net::TcpStream;

/// Both ends live here; the waiting side only reads and the others only write.
///
/// The bytes and the flag are cleared apart: a byte may arrive after the flag that announced it is gone, and whoever took that
/// flag for all there is would be woken by the byte for ever.
pub(super) struct Waker {
    waiting: Pair,
    waking: Pair,
    /// Somebody has asked since the last [`Waker::clear`], so that a burst of letters writes once.
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

    /// Takes the bytes out that a wait has found.
    pub fn drain(&self) {
        let mut bytes = [0u8; 16];
        let _ = (&self.waiting).read(&mut bytes);
    }

    /// Forgets the wake-ups so far. Call it after waiting, and before looking for what they announced.
    pub fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
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

#[cfg(target_os = "linux")] // elsewhere waiting looks at everything anyway
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    fn wait(waker: &Waker) -> bool {
        let mut sockets = [];
        crate::shard::socket::wait(&mut sockets, waker, Some(Duration::ZERO)).unwrap()
    }

    #[test]
    fn a_byte_that_comes_after_its_flag_is_gone_wakes_once() {
        let waker = Waker::new().unwrap();
        // Somebody has set the flag, and is held up before it writes.
        waker.pending.store(true, Ordering::Release);
        waker.clear();
        let _ = (&waker.waking).write(&[1]);
        assert!(wait(&waker));
        waker.clear();
        assert!(!wait(&waker), "it would wake for ever");
        waker.wake();
        waker.wake();
        assert!(wait(&waker));
        waker.clear();
        assert!(!wait(&waker));
    }

    #[test]
    fn nothing_that_was_announced_is_missed() {
        const ROUNDS: u64 = 20_000;
        let (waker, put) = (Arc::new(Waker::new().unwrap()), Arc::new(AtomicU64::new(0)));
        let writer = std::thread::spawn({
            let (waker, put) = (Arc::clone(&waker), Arc::clone(&put));
            move || {
                for round in 1..=ROUNDS {
                    put.store(round, Ordering::Release);
                    waker.wake();
                    if round % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut sockets = [];
        loop {
            waker.clear();
            if put.load(Ordering::Acquire) == ROUNDS {
                break;
            }
            // Without a time of its own: only being woken ends it.
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "asleep over something that was announced");
            crate::shard::socket::wait(&mut sockets, &waker, Some(left)).unwrap();
        }
        writer.join().unwrap();
    }
}
