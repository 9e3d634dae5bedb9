//! Who of a room speaks, from all shards that its participants live on: one list, four times a second.

use crate::shard::ShardId;
use invigil_shared::signal::AudioLevel;
use std::collections::BTreeMap;

/// Each shard reports four times a second, at moments of its own. A list that was told this long ago (microseconds) may be
/// followed by the next one.
const PERIOD_US: i64 = 200_000;
/// A shard without a report for this long hears nobody: one period, and a late one.
const FRESH_US: i64 = 400_000;

/// The last report of each shard.
#[derive(Debug, Default)]
pub struct RoomLevels {
    reports: BTreeMap<ShardId, (i64, Vec<AudioLevel>)>,
    told_at: i64,
}

impl RoomLevels {
    /// Takes a shard's report; returns what to tell now, if anything. `now` is in microseconds.
    pub fn report(&mut self, now: i64, shard: ShardId, levels: Vec<AudioLevel>) -> Option<Vec<AudioLevel>> {
        self.reports.retain(|_, (at, _)| *at + FRESH_US > now);
        self.reports.insert(shard, (now, levels));
        // A single shard keeps its own time.
        if self.reports.len() > 1 && now - self.told_at < PERIOD_US {
            return None;
        }
        self.told_at = now;
        let levels = self.reports.values().flat_map(|(_, levels)| levels);
        Some(levels.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;

    fn level(who: u8, level: u8) -> Vec<AudioLevel> {
        let participant = ParticipantId::from_parts(1, [who; 10]);
        vec![AudioLevel { participant, level }]
    }

    #[test]
    fn the_list_holds_everybody_and_goes_out_four_times_a_second() {
        let mut room = RoomLevels::default();
        let mut told = Vec::new();
        for ms in (0..2_000).step_by(50) {
            let reports = match ms % 250 {
                0 => Some((ShardId(0), level(1, 30))),
                100 => Some((ShardId(1), level(2, 40))),
                _ => None,
            };
            if let Some((shard, levels)) = reports {
                told.extend(room.report(ms * 1_000, shard, levels).map(|levels| (ms, levels)));
            }
        }
        assert_eq!(told.len(), 8, "{told:?}");
        let both = [level(1, 30), level(2, 40)].concat();
        assert!(told[1..].iter().all(|(_, levels)| *levels == both), "{told:?}");
    }

    #[test]
    fn who_fell_silent_on_one_shard_is_not_kept_by_the_other() {
        let mut room = RoomLevels::default();
        assert_eq!(room.report(0, ShardId(0), level(1, 30)), Some(level(1, 30)));
        assert_eq!(room.report(100_000, ShardId(1), level(2, 40)), None);
        let both = [level(1, 30), level(2, 40)].concat();
        assert_eq!(room.report(350_000, ShardId(1), level(2, 40)), Some(both));
        assert_eq!(room.report(600_000, ShardId(1), level(2, 41)), Some(level(2, 41)));
    }
}
