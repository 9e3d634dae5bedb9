//! Another process on the same machine that always has something to do, as a backup, a database or a browser has: it yields to
//! everybody, and takes what memory the processors had close by.

use anyhow::{Context, Result};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// More than any processor's cache.
const BYTES: usize = 128 << 20;
/// Of a line of the cache.
const STEP: usize = 64;

/// It ends with this value, and when this process ends in whatever way.
pub struct Neighbour(Child);

impl Neighbour {
    /// # Errors
    /// `nice` can't be started.
    pub fn start() -> Result<Self> {
        Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .arg("neighbour")
            .stdin(Stdio::piped())
            .spawn()
            .map(Self)
            .context("can't start a neighbour (nice)")
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // That it can't be ended because it has ended is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sweeps through its memory again and again, until its standard input ends.
pub fn sweep() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        // Its end and its error mean the same.
        let _ = std::io::stdin().read(&mut [0]);
        ENDED.store(true, Ordering::Relaxed);
    });
    let mut memory = vec![1u8; BYTES];
    while !ENDED.load(Ordering::Relaxed) {
        for byte in memory.iter_mut().step_by(STEP) {
            *byte = byte.wrapping_add(1);
        }
        std::hint::black_box(&mut memory);
    }
}
