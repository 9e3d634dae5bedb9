//! When the next packet may leave a sender that spreads its bursts.

use std::time::{Duration, Instant};

/// What may leave at once after a pause: as long as the senders' clocks tick.
const BURST: Duration = Duration::from_millis(10);
/// What goes before all others must not stop them for longer than this.
const DEBT: Duration = Duration::from_millis(500);
/// A bit faster than the estimate, so that a queue here never grows where the path's would not.
const FACTOR: f64 = 1.25;

/// A budget of bytes that fills with time. Without a rate everything may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Bytes per second.
    rate: Option<f64>,
    /// Bytes that may leave; negative after a packet that was larger than what was left.
    budget: f64,
    filled: Option<Instant>,
}

impl Pace {
    /// Follows an estimate, bits per second; none: nothing is held back.
    pub fn follow(&mut self, estimate: Option<u64>) {
        self.follow_at(estimate, FACTOR);
    }

    /// The same for one who always has something to send, and who would fill the path's queue if that left any faster.
    pub fn follow_evenly(&mut self, estimate: Option<u64>) {
        self.follow_at(estimate, 1.0);
    }

    fn follow_at(&mut self, estimate: Option<u64>, factor: f64) {
        self.rate = estimate.map(|bps| (bps.max(1_000) as f64) * factor / 8.0);
        if let Some(rate) = self.rate {
            // A debt of faster times would take long to be paid.
            self.budget = self.budget.max(-rate * DEBT.as_secs_f64());
        }
        if self.rate.is_none() {
            (self.budget, self.filled) = (0.0, None);
        }
    }

    pub fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Bytes a second; none: nothing is held back.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How long the next packet has to wait; zero when it may leave now.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        self.fill(now, rate);
        if self.budget > 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((1.0 - self.budget) / rate)
        }
    }

    /// A packet has left, whether it had to wait or goes before all others.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        if let Some(rate) = self.rate {
            self.fill(now, rate);
            self.budget = (self.budget - bytes as f64).max(-rate * DEBT.as_secs_f64());
        }
    }

    fn fill(&mut self, now: Instant, rate: f64) {
        let most = rate * BURST.as_secs_f64();
        let gained = self
            .filled
            .map_or(most, |then| rate * now.saturating_duration_since(then).as_secs_f64());
        self.budget = (self.budget + gained).min(most);
        self.filled = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_spread_to_the_rate_and_nothing_waits_without_one() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.wait(start), Duration::ZERO);
        pace.follow(Some(800_000));
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(1) {
            let wait = pace.wait(now);
            if wait.is_zero() {
                pace.spend(now, 1_000);
                sent += 1;
            } else {
                now += wait;
            }
        }
        assert!((124..=128).contains(&sent), "{sent}: 1.25 times 100 a second");
        pace.follow(None);
        assert_eq!(pace.wait(now), Duration::ZERO);
    }
}
