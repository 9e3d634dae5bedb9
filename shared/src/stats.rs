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
    /// What the path carries, and what is wanted of it; 0 while nothing speaks for a limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub available_kbps: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub wanted_kbps: u32,
}

/// The first release did not know these.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants a reference
fn is_zero(kbps: &u32) -> bool {
    *kbps == 0
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
    /// Good: under 150 ms and 2% loss. Fair: under 400 ms and 8%. Else weak (ITU-T G.114's bounds for conversation); weak as well
    /// on a path that carries less than three quarters of what is wanted.
    pub fn level(&self) -> ConnectionLevel {
        if self.available_kbps > 0 && u64::from(self.available_kbps) * 4 < u64::from(self.wanted_kbps) * 3 {
            return ConnectionLevel::Weak;
        }
        match (self.rtt_us, self.lost_permille) {
            (0..150_000, 0..20) => ConnectionLevel::Good,
            (0..400_000, 0..80) => ConnectionLevel::Fair,
            _ => ConnectionLevel::Weak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_carries_too_little_is_weak_whatever_its_delay() {
        let fine = ClientStats {
            rtt_us: 20_000,
            ..ClientStats::default()
        };
        assert_eq!(fine.level(), ConnectionLevel::Good);
        let narrow = ClientStats {
            available_kbps: 140,
            wanted_kbps: 400,
            ..fine
        };
        assert_eq!(narrow.level(), ConnectionLevel::Weak);
        let enough = ClientStats {
            available_kbps: 380,
            ..narrow
        };
        assert_eq!(enough.level(), ConnectionLevel::Good);
    }
}
