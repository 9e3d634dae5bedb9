//! Key frame requests for one layer: those of many subscribers become one, and not more often than the encoder can bear.

use std::time::{Duration, Instant};

/// A key frame is ten times a usual one: more often than this it eats the layer's bandwidth.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// The throttle of one layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeThrottle {
    last: Option<Instant>,
    pending: bool,
}

impl KeyframeThrottle {
    /// Somebody needs a key frame. It is asked for when [`Self::poll`] says so.
    pub fn request(&mut self) {
        self.pending = true;
    }

    /// A key frame has begun to arrive: those who waited have theirs.
    pub fn satisfied(&mut self) {
        self.pending = false;
    }

    /// When to poll.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.pending.then(|| self.last.map_or(now, |last| last + INTERVAL))
    }

    /// Whether the publisher has to be asked now; it counts as asked then.
    pub fn poll(&mut self, now: Instant) -> bool {
        let ask = self.due(now).is_some_and(|due| due <= now);
        if ask {
            self.pending = false;
            self.last = Some(now);
        }
        ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_requests_becomes_one_every_half_second() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        let mut asked = vec![];
        for ms in 0..1_700u64 {
            throttle.request();
            if throttle.poll(start + Duration::from_millis(ms)) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 500, 1_000, 1_500]);
    }

    #[test]
    fn a_request_that_a_key_frame_answered_is_not_sent() {
        let now = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        throttle.request();
        assert!(throttle.poll(now));
        throttle.request();
        assert_eq!(throttle.due(now), Some(now + INTERVAL));
        throttle.satisfied();
        assert_eq!(throttle.due(now), None);
        assert!(!throttle.poll(now + INTERVAL));
    }
}
