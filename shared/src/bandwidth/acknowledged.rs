//! What arrived at the far end, by the receiver's clock.

use std::collections::VecDeque;

/// The longest window that is asked for, microseconds.
const KEEP_US: i64 = 1_000_000;
/// Arrivals kept: a second of 40 Mbit/s. Past it the window is shorter, not the rate wrong.
const MAX_KEPT: usize = 4_096;

/// Arrivals of the last second.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    arrivals: VecDeque<(i64, u32)>,
    newest: Option<i64>,
}

impl Acknowledged {
    pub fn add(&mut self, arrived_us: i64, bytes: u32) {
        let newest = self.newest.map_or(arrived_us, |newest| newest.max(arrived_us));
        self.newest = Some(newest);
        if self.arrivals.len() >= MAX_KEPT {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((arrived_us, bytes));
        while self.arrivals.front().is_some_and(|(at, _)| *at < newest - KEEP_US) {
            self.arrivals.pop_front();
        }
    }

    /// Forgets everything: what came in a stall says nothing.
    pub fn clear(&mut self) {
        self.arrivals.clear();
        self.newest = None;
    }

    /// When the newest one arrived.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Bits per second over the last `window_us`; none before as much has been seen.
    pub fn rate(&self, window_us: i64) -> Option<f64> {
        let newest = self.newest?;
        let first = self.arrivals.front()?.0;
        // Anything older than the window proves that the window is full.
        if newest - first < window_us * 9 / 10 {
            return None;
        }
        Some(self.bits_since(newest - window_us) / (window_us as f64 / 1e6))
    }

    /// Bits per second from `since_us`, whose own packet is not counted, to the newest arrival.
    pub fn rate_since(&self, since_us: i64) -> Option<f64> {
        let span = self.newest? - since_us;
        (span > 0).then(|| self.bits_since(since_us) / (span as f64 / 1e6))
    }

    fn bits_since(&self, after_us: i64) -> f64 {
        let within = self.arrivals.iter().rev().filter(|(at, _)| *at > after_us);
        within.map(|(_, bytes)| f64::from(*bytes) * 8.0).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_a_gap_lowers_it() {
        let mut acknowledged = Acknowledged::default();
        assert_eq!(acknowledged.rate(500_000), None);
        for n in 0..100 {
            acknowledged.add(n * 10_000, 1_250);
        }
        assert_eq!(acknowledged.rate(500_000), Some(1_000_000.0));
        assert_eq!(acknowledged.rate_since(890_000), Some(1_000_000.0));
        acknowledged.add(1_240_000, 1_250);
        assert!(acknowledged.rate(500_000).unwrap() < 600_000.0);
        acknowledged.clear();
        assert_eq!(acknowledged.rate(500_000), None);
    }
}
