//! The wall clock and fresh ids of the service side: one place that reads them.

use rand::RngCore;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch, UTC.
pub fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// Seconds since the Unix epoch, UTC.
pub fn now_s() -> i64 {
    now_us() / 1_000_000
}

/// Milliseconds and a 12-bit fraction of the newest id.
static NEWEST: AtomicU64 = AtomicU64::new(0);

/// Makes an id of now: `fresh(ExamId::from_parts)`. Ids of one process rise strictly (RFC 9562 section 6.2, method 3), so that
/// what was made later sorts later, also within one millisecond.
pub fn fresh<T>(make: impl FnOnce(u64, [u8; 10]) -> T) -> T {
    let us = u64::try_from(now_us()).unwrap_or(0);
    let now = ((us / 1_000) << 12) | ((us % 1_000) * 4_096 / 1_000);
    let rise = |newest: u64| Some(now.max(newest + 1));
    let before = NEWEST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rise)
        .unwrap_or(now);
    let stamp = now.max(before + 1);
    let mut bytes = random::<10>();
    // The 12 bits behind the version.
    (bytes[0], bytes[1]) = (((stamp >> 8) & 0x0f) as u8, (stamp & 0xff) as u8);
    make(stamp >> 12, bytes)
}

/// `N` bytes of the system's randomness (a cryptographic generator seeded by it).
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::MessageId;

    #[test]
    fn ids_rise_within_one_millisecond() {
        let ids: Vec<_> = (0..10_000).map(|_| fresh(MessageId::from_parts)).collect();
        assert!(
            ids.windows(2)
                .all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string())
        );
    }
}
