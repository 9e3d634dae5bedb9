//! An encoder's habits: frames of uneven size at uneven times, a key frame on demand within one frame, and a bit rate that
//! is kept on average because a large frame is followed by small ones.

use crate::clock::{S, Us};
use invigil_shared::publication::Kind;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A key frame in units of the mean frame: OpenH264 at 320x180 and 640x360 makes 5 to 8.
const KEY_FACTOR: f64 = 6.0;
/// Opus at 24 kbit/s: 60 bytes, less in pauses.
const AUDIO_BYTES: (usize, usize) = (30, 90);
pub const AUDIO_EVERY: Us = 20_000;

/// A frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub number: u32,
    pub key: bool,
    pub bytes: usize,
}

/// One layer's encoder.
pub struct Encoder {
    kind: Kind,
    fps: u32,
    kbps: u32,
    dice: StdRng,
    /// When the next picture is grabbed on the even grid.
    grid: Us,
    pub next: Us,
    pub wants_key: bool,
    /// Bytes over the target that later frames save.
    debt: f64,
    frames: u32,
}

impl Encoder {
    pub fn new(kind: Kind, fps: u32, kbps: u32, seed: u64) -> Self {
        Self {
            kind,
            fps,
            kbps,
            dice: StdRng::seed_from_u64(seed),
            grid: 0,
            next: Us::MAX,
            wants_key: true,
            debt: 0.0,
            frames: 0,
        }
    }

    /// Starts, beginning with a key frame.
    pub fn start(&mut self, now: Us) {
        self.wants_key = true;
        let phase = self.dice.random_range(0..self.interval());
        (self.grid, self.next) = (now + phase / 4, now + phase / 4);
    }

    pub fn stop(&mut self) {
        self.next = Us::MAX;
    }

    fn interval(&self) -> Us {
        if self.kind == Kind::Microphone {
            AUDIO_EVERY
        } else {
            S / Us::from(self.fps.max(1))
        }
    }

    /// The frame that is due, if one is.
    pub fn poll(&mut self, now: Us) -> Option<Frame> {
        if now < self.next {
            return None;
        }
        let interval = self.interval();
        self.grid += interval;
        if self.grid <= now {
            self.grid = now + interval;
        }
        let number = self.frames;
        self.frames += 1;
        if self.kind == Kind::Microphone {
            self.next = self.grid;
            let bytes = self.dice.random_range(AUDIO_BYTES.0..AUDIO_BYTES.1);
            return Some(Frame {
                number,
                key: true,
                bytes,
            });
        }
        // Grabbing and encoding take a varying time; the grid itself stays even.
        self.next = self.grid + self.dice.random_range(0..interval / 4);
        let mean = f64::from(self.kbps) * 125.0 / f64::from(self.fps.max(1));
        let key = std::mem::take(&mut self.wants_key);
        let unit: f64 = self.dice.random();
        let busy: f64 = self.dice.random();
        let factor = match self.kind {
            _ if key => KEY_FACTOR * (0.8 + 0.4 * unit),
            // A screen is still, or it scrolls.
            Kind::Screen if busy < 0.7 => 0.05 + 0.1 * unit,
            Kind::Screen => 1.5 + 2.5 * unit,
            _ if busy < 0.9 => 0.6 + 0.6 * unit,
            _ => 1.3 + 1.2 * unit,
        };
        let mut bytes = mean * factor;
        if !key {
            bytes = (bytes - self.debt * 0.2).max(mean * 0.1);
        }
        self.debt = (self.debt + bytes - mean).max(-mean);
        Some(Frame {
            number,
            key,
            bytes: bytes as usize + 40,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_keeps_its_rates_and_answers_a_request_with_its_next_frame() {
        let mut encoder = Encoder::new(Kind::Camera, 15, 500, 3);
        encoder.start(0);
        let (mut frames, mut keys) = (Vec::new(), Vec::new());
        for now in (0..20 * S).step_by(1_000) {
            if now == 10 * S {
                encoder.wants_key = true;
            }
            if let Some(frame) = encoder.poll(now) {
                frames.push(frame.bytes);
                keys.extend(frame.key.then_some(now));
            }
        }
        assert!((299..=301).contains(&frames.len()), "{}", frames.len());
        let kbps = frames.iter().sum::<usize>() as f64 * 8.0 / 20_000.0;
        assert!((400.0..600.0).contains(&kbps), "{kbps}");
        assert_eq!(keys.len(), 2);
        assert!((10 * S..10 * S + 100_000).contains(&keys[1]));
        let (smallest, largest) = (frames.iter().min().unwrap(), frames.iter().max().unwrap());
        assert!(largest > &(smallest * 5), "uneven: {smallest} to {largest}");
    }
}
