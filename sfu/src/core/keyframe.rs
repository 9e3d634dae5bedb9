//! Key frame requests for one layer: those of many subscribers become one, and not more often than the encoder can bear.

use std::time::{Duration, Instant};

/// A key frame is ten times a usual one: more often than this it eats the layer's bandwidth.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// A request that no key frame has answered is sent again this often: it may be lost as well.
pub const REPEAT: Duration = Duration::from_millis(100);

/// What is to be sent to the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// One that it has not heard of.
    New,
    /// The last one, in case that it was lost.
    Again,
}

/// The throttle of one layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeThrottle {
    last: Option<Instant>,
    pending: bool,
    /// When the last request was sent last, while no key frame has begun to arrive since.
    unanswered: Option<Instant>,
}

impl KeyframeThrottle {
    /// Somebody needs a key frame. It is asked for when [`Self::poll`] says so.
    pub fn request(&mut self) {
        self.pending = true;
    }

    /// A key frame has begun to arrive: those who waited have theirs.
    pub fn satisfied(&mut self) {
        (self.pending, self.unanswered) = (false, None);
    }

    /// When the next request may be made; none when nobody needs one.
    fn next(&self, now: Instant) -> Option<Instant> {
        self.pending.then(|| self.last.map_or(now, |last| last + INTERVAL))
    }

    /// When the last one is repeated.
    fn repeat(&self) -> Option<Instant> {
        let at = self.unanswered? + REPEAT;
        self.last.filter(|last| at < *last + INTERVAL).map(|_| at)
    }

    /// When to poll.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.next(now).into_iter().chain(self.repeat()).min()
    }

    /// What the publisher has to be sent now; it counts as sent then.
    pub fn poll(&mut self, now: Instant) -> Option<Request> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let request = if is_due(self.next(now)) {
            (self.pending, self.last) = (false, Some(now));
            Request::New
        } else if is_due(self.repeat()) {
            Request::Again
        } else {
            return None;
        };
        self.unanswered = Some(now);
        Some(request)
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
            if throttle.poll(start + Duration::from_millis(ms)) == Some(Request::New) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 500, 1_000, 1_500]);
    }

    #[test]
    fn a_request_is_repeated_until_a_key_frame_begins_or_the_next_one_may_be_made() {
        let start = Instant::now();
        for (begins, expected) in [(250, &[0, 100, 200][..]), (2_000, &[0, 100, 200, 300, 400])] {
            let mut throttle = KeyframeThrottle::default();
            throttle.request();
            let mut sent = vec![];
            for ms in 0..1_700u64 {
                if ms == begins {
                    throttle.satisfied();
                }
                if let Some(request) = throttle.poll(start + Duration::from_millis(ms)) {
                    assert_eq!(request == Request::New, sent.is_empty());
                    sent.push(ms);
                }
            }
            assert_eq!(sent, expected);
            assert_eq!(throttle.due(start), None);
        }
    }

    #[test]
    fn a_request_that_a_key_frame_answered_is_not_sent() {
        let now = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        throttle.request();
        assert_eq!(throttle.poll(now), Some(Request::New));
        throttle.request();
        assert_eq!(throttle.due(now), Some(now + REPEAT));
        throttle.satisfied();
        assert_eq!(throttle.due(now), None);
        assert_eq!(throttle.poll(now + INTERVAL), None);
    }
}
