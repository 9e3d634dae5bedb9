//! Statistics that a client reports and a room shows.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One report of a client, about its own machine and path. Rates are over the time since the report before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct ClientStats {
    /// Round-trip time to the SFU, microseconds.
    pub rtt_us: u32,
    /// Share of packets lost, per mille, as the far end reported.
    pub lost_permille: u16,
    pub sent_kbps: u32,
    pub received_kbps: u32,
    /// CPU of the client's process, per mille of one core.
    pub cpu_permille: u16,
}

/// What the bars of a tile show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ConnectionLevel {
    Good,
    Fair,
    Weak,
    Lost,
    #[serde(other)]
    Unknown,
}

impl ClientStats {
    /// Good: under 150 ms and 2% loss. Fair: under 400 ms and 8%. Else weak (ITU-T G.114's bounds for conversation).
    pub fn level(&self) -> ConnectionLevel {
        match (self.rtt_us, self.lost_permille) {
            (0..150_000, 0..20) => ConnectionLevel::Good,
            (0..400_000, 0..80) => ConnectionLevel::Fair,
            _ => ConnectionLevel::Weak,
        }
    }
}
