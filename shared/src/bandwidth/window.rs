//! The least of the last while, in constant space: two buckets that take turns.

use std::time::{Duration, Instant};

/// The minimum of what was added in the last one to two `half`s.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowedMin {
    half: Duration,
    since: Option<Instant>,
    now: Option<i64>,
    before: Option<i64>,
}

impl WindowedMin {
    pub fn new(half: Duration) -> Self {
        Self {
            half,
            since: None,
            now: None,
            before: None,
        }
    }

    pub fn add(&mut self, now: Instant, value: i64) {
        let since = *self.since.get_or_insert(now);
        if since + self.half <= now {
            let skipped = since + self.half * 2 <= now;
            (self.before, self.now, self.since) = (self.now.filter(|_| !skipped), None, Some(now));
        }
        self.now = Some(self.now.map_or(value, |least| least.min(value)));
    }

    pub fn get(&self) -> Option<i64> {
        match (self.now, self.before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (now, before) => now.or(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_is_forgotten_after_its_time() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut least = WindowedMin::new(Duration::from_secs(5));
        assert_eq!(least.get(), None);
        least.add(at(0), 10);
        least.add(at(1), 30);
        least.add(at(6), 20);
        assert_eq!(least.get(), Some(10));
        least.add(at(11), 25);
        assert_eq!(least.get(), Some(20));
        least.add(at(60), 40);
        assert_eq!(least.get(), Some(40));
    }
}
