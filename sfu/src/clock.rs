//! The wall clock and fresh ids of the service side: one place that reads them.

use rand::RngCore;
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

/// Makes an id of now: `fresh(ExamId::from_parts)`.
pub fn fresh<T>(make: impl FnOnce(u64, [u8; 10]) -> T) -> T {
    let unix_ms = u64::try_from(now_us() / 1_000).unwrap_or(0);
    make(unix_ms, random())
}

/// `N` bytes of the system's randomness (a cryptographic generator seeded by it).
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
