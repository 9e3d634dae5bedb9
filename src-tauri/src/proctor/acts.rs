//! From the window's words to the protocol's, and back: what was pressed, and what the meters show.

use invigil_shared::id::ParticipantId;
use invigil_shared::signal::{Action, AudioLevel};
use invigil_view::proctor::{LevelsView, SittingAct};

/// Level below which a voice is not shown, -dBov.
const SILENCE_DBOV: u8 = 60;

/// The protocol's action of what was pressed.
pub fn action(participant: ParticipantId, act: SittingAct) -> Action {
    match act {
        SittingAct::Admit => Action::Admit { participant },
        SittingAct::AskAgain { reason } => Action::AskAgain { participant, reason },
        SittingAct::Reject { reason } => Action::Reject { participant, reason },
        SittingAct::Pause { reason } => Action::Pause {
            participant: Some(participant),
            reason,
        },
        SittingAct::Continue => Action::Continue {
            participant: Some(participant),
        },
        SittingAct::Lock { reason } => Action::Lock { participant, reason },
        SittingAct::ExtraTime { minutes, reason } => Action::ExtraTime {
            participant,
            minutes,
            reason,
        },
        SittingAct::Move => Action::Move { participant },
        SittingAct::RefuseMove => Action::RefuseMove { participant },
        SittingAct::LowerHand => Action::LowerHand { participant },
        SittingAct::End { reason } => Action::End { participant, reason },
        SittingAct::Mute => Action::Mute { participant },
        SittingAct::Unmute => Action::Unmute { participant },
        SittingAct::Remove { reason } => Action::Remove { participant, reason },
    }
}

/// Meters: 0 at [`SILENCE_DBOV`] to 100 at full scale.
pub fn meters(levels: &[AudioLevel]) -> LevelsView {
    let shown = |level: &AudioLevel| {
        let above = u32::from(SILENCE_DBOV.saturating_sub(level.level));
        (
            level.participant,
            u8::try_from(above * 100 / u32::from(SILENCE_DBOV)).unwrap_or(100),
        )
    };
    LevelsView {
        levels: levels.iter().map(shown).filter(|(_, level)| *level > 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_show_voices_and_hide_silence() {
        let participant = ParticipantId::from_parts(1, [1; 10]);
        let level = |level| AudioLevel { participant, level };
        let view = meters(&[level(0), level(30), level(60), level(127)]);
        assert_eq!(view.levels, [(participant, 100), (participant, 50)]);
    }
}
