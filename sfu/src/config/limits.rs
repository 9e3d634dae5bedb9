//! Section: what an operator may bound otherwise, because only he knows the machine. Every other bound is in `invigil_shared::limits`.

use super::Report;
use invigil_shared::limits::MAX_CONNECTIONS;
use schemars::JsonSchema;
use serde::Deserialize;

/// At 64 KiB each this is 3 GiB; a server that is meant for more needs more than a number.
const MOST_CONNECTIONS: usize = 50_000;

/// An event with its timeline entry is about 1 KiB: this is 200 of each of 1,000 candidates.
const FREE_DISK_MIB: u64 = 256;
/// Behind it the number of bytes is none.
const MOST_MIB: u64 = 1 << 40;

/// Candidates of one exam that were tried together on two cores.
const EXAM_CAPACITY: u32 = 500;
/// A room holds `MAX_PARTICIPANTS`; 50 of them watch.
pub const MOST_CAPACITY: u32 = 550;

/// Four hours are 1,440 points of each participant.
const STATISTICS_EVERY_S: u64 = 10;
/// A point in five minutes still shows a bad half hour.
const MOST_STATISTICS_S: u64 = 300;

/// What the machine can bear.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections to the HTTPS port at one time; further ones wait in the kernel. Each takes a file descriptor.
    #[arg(id = "limits.connections", long = "max-connections", env = "INVIGIL_MAX_CONNECTIONS", value_name = "N",
          default_value_t = Self::default().connections)]
    pub connections: usize,
    /// MiB that have to be free in the data directory for this server to call itself ready; a day of exams writes less.
    #[arg(id = "limits.free_disk_mib", long = "free-disk-mib", env = "INVIGIL_FREE_DISK_MIB", value_name = "N",
          default_value_t = Self::default().free_disk_mib)]
    pub free_disk_mib: u64,
    /// Candidates that an exam may be made for.
    #[arg(id = "limits.exam_capacity", long = "exam-capacity", env = "INVIGIL_EXAM_CAPACITY", value_name = "N",
          default_value_t = Self::default().exam_capacity)]
    pub exam_capacity: u32,
    /// Seconds from one point to the next of what is kept of each participant's connection: round trip, rates, losses.
    #[arg(id = "limits.statistics_every_s", long = "statistics-every-s", env = "INVIGIL_STATISTICS_EVERY_S", value_name = "S",
          default_value_t = Self::default().statistics_every_s)]
    pub statistics_every_s: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            free_disk_mib: FREE_DISK_MIB,
            exam_capacity: EXAM_CAPACITY,
            statistics_every_s: STATISTICS_EVERY_S,
        }
    }
}

impl LimitsConfig {
    pub(super) fn check(&self, report: &mut Report) {
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            report.mistake(
                "limits.connections",
                format!("1 to {MOST_CONNECTIONS} connections are possible"),
            );
        }
        if self.free_disk_mib > MOST_MIB {
            report.mistake("limits.free_disk_mib", "no disk has so much room");
        }
        if !(1..=MOST_CAPACITY).contains(&self.exam_capacity) {
            report.mistake(
                "limits.exam_capacity",
                format!("1 to {MOST_CAPACITY} candidates are possible"),
            );
        }
        if !(1..=MOST_STATISTICS_S).contains(&self.statistics_every_s) {
            report.mistake(
                "limits.statistics_every_s",
                format!("1 to {MOST_STATISTICS_S} seconds are possible"),
            );
        }
    }
}
