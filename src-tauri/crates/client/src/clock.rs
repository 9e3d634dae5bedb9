//! The server's clock as seen from here: `ping {t0}` / `pong {t0, t1, t2}`, the sample with the shortest round trip wins.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Samples that are compared: a minute of pings. Older ones would hide a drifting clock.
const WINDOW: usize = 12;

/// This machine's wall clock, microseconds since the Unix epoch.
pub fn wall_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    offset_us: i64,
    round_trip_us: i64,
}

/// Offset and uncertainty over the last samples. Pure: every time is an argument.
#[derive(Debug, Default)]
pub struct OffsetFilter {
    samples: VecDeque<Sample>,
}

impl OffsetFilter {
    /// Takes one exchange: `t0` and `t3` by our clock, `t1` and `t2` by the server's, microseconds. An exchange that ends
    /// before it began, or that the server answered before it came, says nothing and is dropped.
    pub fn add(&mut self, t0: i64, t1: i64, t2: i64, t3: i64) {
        let parts = t3
            .checked_sub(t0)
            .zip(t2.checked_sub(t1))
            .filter(|&(total, held)| held >= 0 && total >= held);
        let Some((total, held)) = parts else { return };
        let there = i128::from(t1) - i128::from(t0);
        let back = i128::from(t2) - i128::from(t3);
        let Ok(offset_us) = i64::try_from((there + back) / 2) else {
            return;
        };
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            offset_us,
            round_trip_us: total - held,
        });
    }

    fn best(&self) -> Option<Sample> {
        self.samples.iter().min_by_key(|s| s.round_trip_us).copied()
    }

    /// Server time minus ours, microseconds. None before the first exchange.
    pub fn offset_us(&self) -> Option<i64> {
        self.best().map(|s| s.offset_us)
    }

    /// Half of the shortest round trip: the true offset is within it on either side.
    pub fn uncertainty_us(&self) -> Option<i64> {
        self.best().map(|s| s.round_trip_us / 2)
    }

    /// The newest round trip, microseconds.
    pub fn round_trip_us(&self) -> Option<i64> {
        self.samples.back().map(|s| s.round_trip_us)
    }
}

/// The server's clock, shared between a client's tasks. It runs on the monotonic clock, so that a step of this machine's
/// wall clock does not move it.
#[derive(Clone, Debug)]
pub struct ServerClock {
    started: Instant,
    started_wall_us: i64,
    filter: Arc<Mutex<OffsetFilter>>,
}

impl Default for ServerClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            started_wall_us: wall_us(),
            filter: Arc::default(),
        }
    }
}

impl ServerClock {
    /// Our side of an exchange: microseconds that never step.
    pub fn local_us(&self) -> i64 {
        let since = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.started_wall_us.saturating_add(since)
    }

    /// Server time, microseconds since the Unix epoch; this machine's before the first exchange.
    pub fn now_us(&self) -> i64 {
        self.local_us()
            .saturating_add(self.filter.lock().offset_us().unwrap_or(0))
    }

    /// Server time minus this machine's wall clock now, microseconds: what a window adds to its own clock.
    pub fn wall_offset_us(&self) -> i64 {
        self.now_us().saturating_sub(wall_us())
    }

    pub fn round_trip_us(&self) -> Option<i64> {
        self.filter.lock().round_trip_us()
    }

    pub fn add(&self, t0: i64, t1: i64, t2: i64) {
        let t3 = self.local_us();
        self.filter.lock().add(t0, t1, t2, t3);
    }

    /// Takes a server time that came without an exchange, such as `room:state`'s, while nothing better is known.
    pub fn seed(&self, server_us: i64) {
        let local = self.local_us();
        let mut filter = self.filter.lock();
        if filter.offset_us().is_none() {
            // A second of pretended round trip: any real exchange is better.
            filter.add(local - 500_000, server_us, server_us, local + 500_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shortest_round_trip_wins() {
        let mut filter = OffsetFilter::default();
        filter.add(0, 1_000_000, 1_000_000, 400_000); // offset 800 000, 400 ms
        filter.add(1_000_000, 2_010_000, 2_010_500, 1_020_500); // offset 1 000 000, 20 ms
        filter.add(2_000_000, 3_300_000, 3_300_000, 2_300_000); // offset 1 150 000, 300 ms
        assert_eq!(
            (filter.offset_us(), filter.uncertainty_us()),
            (Some(1_000_000), Some(10_000))
        );
        assert_eq!(filter.round_trip_us(), Some(300_000));
    }

    #[test]
    fn a_good_sample_leaves_after_a_minute() {
        let mut filter = OffsetFilter::default();
        filter.add(0, 5, 5, 10);
        (0..WINDOW as i64).for_each(|n| filter.add(n, n + 7_000, n + 7_000, n + 4_000));
        assert_eq!(filter.offset_us(), Some(5_000));
    }

    #[test]
    fn nonsense_is_dropped() {
        let mut filter = OffsetFilter::default();
        filter.add(10, 0, 0, 5);
        filter.add(0, 9, 3, 10);
        filter.add(i64::MIN, i64::MAX, i64::MIN, i64::MAX);
        assert_eq!(filter.offset_us(), None);
    }

    proptest! {
        #[test]
        fn the_error_is_within_the_uncertainty(
            offset in -1_000_000_000i64..1_000_000_000, there in 0i64..1_000_000, back in 0i64..1_000_000, held in 0i64..1_000
        ) {
            let mut filter = OffsetFilter::default();
            let (t0, t1) = (5_000_000, 5_000_000 + there + offset);
            filter.add(t0, t1, t1 + held, t0 + there + held + back);
            let (found, bound) = (filter.offset_us().unwrap(), filter.uncertainty_us().unwrap());
            prop_assert!((found - offset).abs() <= bound + 1);
        }

        #[test]
        fn no_exchange_panics(t in any::<[i64; 4]>()) {
            OffsetFilter::default().add(t[0], t[1], t[2], t[3]);
        }
    }
}
