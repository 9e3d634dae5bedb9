//! What the path carries, from the counters of two looks at it.

use std::time::Instant;

/// As statistics report it.
#[derive(Default)]
pub struct Path {
    pub lost_permille: u16,
    pub sent_kbps: u32,
    pub received_kbps: u32,
    /// When it was looked at last, and the bytes sent and received by then.
    last: Option<(Instant, u64, u64)>,
}

impl Path {
    /// Bytes sent and received since the transport began, now.
    pub fn measured(&mut self, now: Instant, lost_permille: u16, (sent, received): (u64, u64)) {
        if let Some((then, sent_then, received_then)) = self.last {
            let ms = u64::try_from(now.duration_since(then).as_millis())
                .unwrap_or(u64::MAX)
                .max(1);
            // Bits in a millisecond are kilobits in a second. A new transport counts from nothing.
            let kbps = |now: u64, then: u64| u32::try_from(now.saturating_sub(then) * 8 / ms).unwrap_or(u32::MAX);
            self.sent_kbps = kbps(sent, sent_then);
            self.received_kbps = kbps(received, received_then);
        }
        self.last = Some((now, sent, received));
        self.lost_permille = lost_permille;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let (mut path, start) = (Path::default(), Instant::now());
        path.measured(start, 7, (1_000, 500));
        assert_eq!((path.lost_permille, path.sent_kbps, path.received_kbps), (7, 0, 0));
        let later = start + Duration::from_secs(2);
        path.measured(later, 0, (26_000, 3_000));
        assert_eq!((path.lost_permille, path.sent_kbps, path.received_kbps), (0, 100, 10));
        path.measured(later + Duration::from_secs(1), 0, (10, 20));
        assert_eq!((path.sent_kbps, path.received_kbps), (0, 0), "a new transport");
    }
}
