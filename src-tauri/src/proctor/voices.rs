//! Who speaks, steadily enough to give their tile a better place where bandwidth is short: a cough moves nothing, and a pause
//! between two sentences neither.

use invigil_shared::id::ParticipantId;
use invigil_shared::limits::MAX_PARTICIPANTS;
use invigil_shared::signal::AudioLevel;
use std::collections::BTreeMap;

/// A voice near its microphone is louder than this, a fan is not; -dBov (RFC 6464).
const LOUD: u8 = 45;
/// Reports in a row, four a second: three quarters of a second.
const BEGINS: u8 = 3;
/// Reports come four a second; a gap of two is the end of a row.
const ROW_US: i64 = 700_000;
/// Somebody who spoke counts for as long.
const ENDS_US: i64 = 4_000_000;

#[derive(Clone, Copy, Debug)]
struct Voice {
    row: u8,
    loud_at: i64,
    speaks: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Voices(BTreeMap<ParticipantId, Voice>);

impl Voices {
    /// Takes a report; `now` in microseconds.
    pub fn report(&mut self, levels: &[AudioLevel], now: i64) {
        for level in levels.iter().filter(|level| level.level <= LOUD) {
            if !self.0.contains_key(&level.participant) && self.0.len() >= MAX_PARTICIPANTS {
                continue;
            }
            let fresh = Voice {
                row: 0,
                loud_at: now,
                speaks: false,
            };
            let voice = self.0.entry(level.participant).or_insert(fresh);
            if now - voice.loud_at > ROW_US {
                voice.row = 0;
            }
            voice.row = voice.row.saturating_add(1);
            voice.loud_at = now;
            voice.speaks |= voice.row >= BEGINS;
        }
        self.pass(now);
    }

    /// Forgets who has been silent for long enough.
    pub fn pass(&mut self, now: i64) {
        self.0.retain(|_, voice| now - voice.loud_at < ENDS_US);
    }

    pub fn speaks(&self, participant: ParticipantId) -> bool {
        self.0.get(&participant).is_some_and(|voice| voice.speaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 250_000;

    fn participant() -> ParticipantId {
        ParticipantId::from_parts(1, [1; 10])
    }

    fn level(level: u8) -> Vec<AudioLevel> {
        vec![AudioLevel {
            participant: participant(),
            level,
        }]
    }

    #[test]
    fn a_voice_begins_after_a_while_and_outlasts_a_pause() {
        let mut voices = Voices::default();
        let mut seen = Vec::new();
        for (at, heard) in [30, 30, 30, 127, 127, 127, 30].into_iter().enumerate() {
            voices.report(&level(heard), at as i64 * PERIOD);
            seen.push(voices.speaks(participant()));
        }
        assert_eq!(seen, [false, false, true, true, true, true, true]);
        let last = 6 * PERIOD;
        voices.pass(last + ENDS_US - 1);
        assert!(voices.speaks(participant()));
        voices.pass(last + ENDS_US);
        assert!(!voices.speaks(participant()));
    }

    #[test]
    fn coughs_and_fans_are_no_voices() {
        let mut voices = Voices::default();
        for at in 0..40 {
            // One loud report a second, and a fan all the time.
            let heard = if at % 4 == 0 { 20 } else { LOUD + 1 };
            voices.report(&level(heard), at * PERIOD);
            assert!(!voices.speaks(participant()));
        }
    }
}
