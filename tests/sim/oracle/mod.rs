//! What has to hold in every world. Each oracle only reports; a world collects the reports, and a scenario asserts on them.
//! `negative.rs` shows for each of them that it can fail.

pub mod egress;
pub mod pictures;
pub mod watch;

use crate::clock::Us;
use std::fmt;

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Nobody receives what was not asked for and allowed.
    Isolation,
    /// Payloads arrive as they were sent.
    Opaque,
    /// One numbering, one timeline, layers change on key frames only.
    Continuity,
    /// What is wanted and sent is seen.
    Tile,
    /// Nothing grows past its bound.
    Bounds,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    pub at: Us,
    pub person: u16,
    pub promise: Promise,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at as f64 / 1e6;
        write!(
            f,
            "{seconds:.3} s, participant {}: {:?}: {}",
            self.person, self.promise, self.what
        )
    }
}
