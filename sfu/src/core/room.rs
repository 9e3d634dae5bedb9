//! The live side of an exam: who of it speaks. Reports go out four times a second, without forwarding any audio.

use crate::core::io::AudioLevel;
use crate::core::publication::SILENT;
use invigil_shared::id::{ExamId, ParticipantId};
use std::collections::BTreeMap;

/// The loudest level of each participant of each exam within one period.
#[derive(Debug, Default)]
pub struct Levels {
    rooms: BTreeMap<ExamId, BTreeMap<ParticipantId, u8>>,
}

impl Levels {
    /// Notes a publication's loudest level; silence is not worth a word.
    pub fn note(&mut self, exam: ExamId, participant: ParticipantId, level: u8) {
        if level < SILENT {
            let loudest = self.rooms.entry(exam).or_default().entry(participant).or_insert(SILENT);
            *loudest = level.min(*loudest);
        }
    }

    /// What to report, one list for each exam in which somebody was heard.
    pub fn take(&mut self) -> impl Iterator<Item = (ExamId, Vec<AudioLevel>)> + use<> {
        std::mem::take(&mut self.rooms).into_iter().map(|(exam, levels)| {
            (
                exam,
                levels
                    .into_iter()
                    .map(|(participant, level)| AudioLevel { participant, level })
                    .collect(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_counts_silence_does_not_and_exams_stay_apart() {
        let exam = |n: u8| ExamId::from_parts(1, [n; 10]);
        let person = |n: u8| ParticipantId::from_parts(1, [n; 10]);
        let mut levels = Levels::default();
        levels.note(exam(1), person(1), 40);
        levels.note(exam(1), person(1), 30);
        levels.note(exam(1), person(2), SILENT);
        levels.note(exam(2), person(3), 50);
        let taken: Vec<_> = levels.take().collect();
        assert_eq!(
            taken,
            [
                (
                    exam(1),
                    vec![AudioLevel {
                        participant: person(1),
                        level: 30
                    }]
                ),
                (
                    exam(2),
                    vec![AudioLevel {
                        participant: person(3),
                        level: 50
                    }]
                ),
            ]
        );
        assert_eq!(levels.take().count(), 0);
    }
}
