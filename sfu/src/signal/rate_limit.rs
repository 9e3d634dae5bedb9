//! Buckets of requests: a client that floods one kind is told so and keeps the others.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::{
    EVENTS_PER_WINDOW, INTENTS_PER_WINDOW, KEYFRAMES_PER_WINDOW, MUTATING_PER_WINDOW, MUTATING_WINDOW_S,
    REPORTS_PER_WINDOW, TRICKLE_PER_WINDOW,
};
use invigil_shared::signal::ClientMessage;
use std::time::Instant;

/// A token bucket: full at first, refilled evenly over the window.
struct Bucket {
    capacity: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_window: u32, now: Instant) -> Self {
        let capacity = f64::from(per_window);
        Self {
            capacity,
            tokens: capacity,
            at: now,
        }
    }

    /// Takes one token, or says after how many seconds there is one.
    fn take(&mut self, now: Instant) -> Result<(), u64> {
        let rate = self.capacity / MUTATING_WINDOW_S as f64;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(self.capacity);
        self.at = now;
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / rate).ceil() as u64);
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

/// The buckets of one connection.
pub struct RateLimit {
    mutating: Bucket,
    intents: Bucket,
    keyframes: Bucket,
    events: Bucket,
    trickle: Bucket,
    reports: Bucket,
}

impl RateLimit {
    pub fn new(now: Instant) -> Self {
        Self {
            mutating: Bucket::new(MUTATING_PER_WINDOW, now),
            intents: Bucket::new(INTENTS_PER_WINDOW, now),
            keyframes: Bucket::new(KEYFRAMES_PER_WINDOW, now),
            events: Bucket::new(EVENTS_PER_WINDOW, now),
            trickle: Bucket::new(TRICKLE_PER_WINDOW, now),
            reports: Bucket::new(REPORTS_PER_WINDOW, now),
        }
    }

    /// Counts a request; `rate_limited` with `retry_after_s` when its bucket is empty.
    pub fn admit(&mut self, message: &ClientMessage, now: Instant) -> Result<(), ErrorBody> {
        let bucket = match message {
            ClientMessage::IntentsSet { .. } | ClientMessage::Subscribe { .. } => &mut self.intents,
            ClientMessage::KeyframeRequest { .. } => &mut self.keyframes,
            ClientMessage::IntegrityEvents { .. } => &mut self.events,
            ClientMessage::IceCandidate { .. } => &mut self.trickle,
            ClientMessage::Ping { .. }
            | ClientMessage::StatsReport { .. }
            | ClientMessage::PublicationFreshness { .. }
            | ClientMessage::AttentionLook { .. } => &mut self.reports,
            _ => &mut self.mutating,
        };
        bucket
            .take(now)
            .map_err(|after| ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", after.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_of_one_kind_leaves_the_others() {
        let now = Instant::now();
        let mut limit = RateLimit::new(now);
        for _ in 0..MUTATING_PER_WINDOW {
            limit.admit(&ClientMessage::RoomLeave, now).unwrap();
        }
        let error = limit.admit(&ClientMessage::RoomLeave, now).unwrap_err();
        assert_eq!(
            (error.code, error.params["retry_after_s"].as_str()),
            (ErrorCode::RateLimited, "1")
        );
        limit.admit(&ClientMessage::Ping { t0: 0 }, now).unwrap();
        limit
            .admit(&ClientMessage::RoomLeave, now + Duration::from_secs(1))
            .unwrap();
        assert!(
            limit
                .admit(&ClientMessage::RoomLeave, now + Duration::from_secs(1))
                .is_err()
        );
    }
}
