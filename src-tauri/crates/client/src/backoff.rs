//! How long to wait before the next try: doubling, bounded, jittered, so that a room does not come back in one instant.

use crate::bounds::{BACKOFF_MAX, BACKOFF_MIN};
use std::time::Duration;

/// Delays of one series of tries. Randomness is passed in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next delay: half of the step is certain, half is random. `random` is uniform over all of `u32`.
    pub fn next(&mut self, random: u32) -> Duration {
        let step = BACKOFF_MIN.saturating_mul(1 << self.tries.min(8)).min(BACKOFF_MAX);
        self.tries = self.tries.saturating_add(1);
        step / 2 + (step / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// A try succeeded.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_and_stop_at_the_bound() {
        let mut backoff = Backoff::default();
        let longest: Vec<u128> = (0..7).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(longest, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(0), Duration::from_millis(125));
    }

    proptest! {
        #[test]
        fn no_delay_leaves_the_bounds(tries in 0u32..200, random in any::<u32>()) {
            let mut backoff = Backoff::default();
            let delay = (0..=tries).map(|_| backoff.next(random)).last().unwrap();
            prop_assert!(delay >= BACKOFF_MIN / 2 && delay <= BACKOFF_MAX);
        }
    }
}
