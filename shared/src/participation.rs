//! Who was in an exam's room, from when to when, and how their connection was: measured by the server, for leads and reviewers.

use crate::id::{ParticipantId, ParticipationId, RosterEntryId, UserId};
use crate::role::Role;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How a stay ended.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Departure {
    /// On purpose.
    Left,
    /// The connection was lost and did not come back within the grace.
    Lost,
    /// The sitting is over: handed in, or ended by a proctor.
    Finished,
    /// Put out, or access was taken away.
    Removed,
    /// The exam was closed.
    Closed,
    /// The server stopped, or went down.
    ServerStopped,
    #[serde(other)]
    Unknown,
}

impl Departure {
    pub const ALL: [Self; 6] = [
        Self::Left,
        Self::Lost,
        Self::Finished,
        Self::Removed,
        Self::Closed,
        Self::ServerStopped,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Finished => "finished",
            Self::Removed => "removed",
            Self::Closed => "closed",
            Self::ServerStopped => "server_stopped",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Self {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.unwrap_or(Self::Unknown)
    }
}

/// What a path was like over a while. None where nothing was measured.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PathAverages {
    /// Round trip between server and client, microseconds.
    pub rtt_us: Option<u32>,
    /// From the client, bits per second on the wire.
    pub up_bps: Option<u64>,
    /// To the client.
    pub down_bps: Option<u64>,
    /// Packets of a million that did not arrive: a candidate's on their way to the server, those for whoever watches on their way there.
    pub lost_ppm: Option<u32>,
}

impl PathAverages {
    /// How good it was, 0 to 100: half of it is lost at a round trip of 400 ms, and half at 8% of the packets (ITU-T G.114 and what
    /// [`crate::stats::ClientStats::level`] calls weak). None where nothing was measured.
    pub fn score(&self) -> Option<u8> {
        if self.rtt_us.is_none() && self.lost_ppm.is_none() {
            return None;
        }
        let delay = self.rtt_us.unwrap_or(0) / 8_000;
        let loss = self.lost_ppm.unwrap_or(0) / 1_600;
        Some((100 - delay.min(50) - loss.min(50)) as u8)
    }
}

/// `GET /api/v1/exams/{exam}/participations`: one stay of somebody in the exam's room.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Participation {
    pub id: ParticipationId,
    pub participant: ParticipantId,
    pub role: Role,
    /// The roster's label, or the name of the account.
    pub name: String,
    /// A candidate's place on the roster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub entry: Option<RosterEntryId>,
    /// The account of whoever watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub account: Option<UserId>,
    /// Microseconds since the Unix epoch, UTC.
    pub joined_at: i64,
    /// None while they are there.
    pub left_at: Option<i64>,
    pub departure: Option<Departure>,
    pub averages: PathAverages,
    /// How the connection was from the beginning to the end, in steps of equal length: 0 to 100, and 255 where nothing was measured.
    pub trend: Vec<u8>,
}

/// `GET /api/v1/exams/{exam}/participations/{participation}/statistics`: a point of a stay's series.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct StatisticsPoint {
    /// The end of the time that it is about, microseconds since the Unix epoch, UTC.
    pub at: i64,
    #[serde(flatten)]
    pub path: PathAverages,
    /// Layers of pictures and sound that arrived from the client.
    pub layers: u8,
}

/// In [`Participation::trend`]: nothing was measured.
pub const UNMEASURED: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_falls_with_delay_and_with_loss() {
        let path = |rtt_us, lost_ppm| PathAverages {
            rtt_us: Some(rtt_us),
            lost_ppm: Some(lost_ppm),
            ..PathAverages::default()
        };
        assert_eq!(PathAverages::default().score(), None);
        assert_eq!(path(0, 0).score(), Some(100));
        assert_eq!(path(400_000, 0).score(), Some(50));
        assert_eq!(path(0, 80_000).score(), Some(50));
        assert_eq!(path(u32::MAX, 1_000_000).score(), Some(0));
    }

    #[test]
    fn departures_have_one_name() {
        for departure in Departure::ALL {
            let text = serde_json::to_string(&departure).unwrap();
            assert_eq!(text, format!("\"{}\"", departure.as_str()));
            assert_eq!(Departure::parse(departure.as_str()), departure);
        }
        assert_eq!(Departure::parse("a later one"), Departure::Unknown);
    }
}
