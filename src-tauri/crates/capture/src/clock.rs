//! The machine's wall clock in the unit of the protocol. A source stamps what it captures; nothing else here reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch by this machine's wall clock; 0 for a clock set before 1970.
pub fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
