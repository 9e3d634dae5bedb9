//! The states of an exam and every step between them. Whoever wants another state asks here, and nowhere else.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, ExamStatus};

/// Candidates may come into the waiting room so long before the start, microseconds.
pub const EARLY_JOIN_US: i64 = 30 * 60 * 1_000_000;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The exam is announced.
    Schedule,
    /// It is taken back to be changed.
    Withdraw,
    /// The waiting room opens.
    Open,
    Begin,
    Pause,
    Continue,
    Close,
    Archive,
}

/// Every legal step.
const STEPS: &[(ExamStatus, Step, ExamStatus)] = &[
    (ExamStatus::Draft, Step::Schedule, ExamStatus::Scheduled),
    (ExamStatus::Scheduled, Step::Withdraw, ExamStatus::Draft),
    (ExamStatus::Scheduled, Step::Open, ExamStatus::Waiting),
    (ExamStatus::Scheduled, Step::Begin, ExamStatus::Active),
    (ExamStatus::Scheduled, Step::Close, ExamStatus::Closed),
    (ExamStatus::Waiting, Step::Begin, ExamStatus::Active),
    (ExamStatus::Waiting, Step::Close, ExamStatus::Closed),
    (ExamStatus::Active, Step::Pause, ExamStatus::Paused),
    (ExamStatus::Active, Step::Close, ExamStatus::Closed),
    (ExamStatus::Paused, Step::Continue, ExamStatus::Active),
    (ExamStatus::Paused, Step::Close, ExamStatus::Closed),
    (ExamStatus::Closed, Step::Archive, ExamStatus::Archived),
];

/// The state after a step.
///
/// # Errors
/// `exam_transition` with the state, when the step is not a legal one from there.
pub fn after(status: ExamStatus, step: Step) -> Result<ExamStatus, ErrorBody> {
    STEPS
        .iter()
        .find(|(from, by, _)| (*from, *by) == (status, step))
        .map(|(.., to)| *to)
        .ok_or_else(|| ErrorBody::from(ErrorCode::ExamTransition).with("status", status.as_str()))
}

/// The step that the clock takes by itself now, microseconds since the Unix epoch; `last_end`: when the last candidate's time
/// and the grace are over. A paused exam waits for a person.
pub fn due(exam: &ExamInfo, last_end: i64, now: i64) -> Option<Step> {
    match exam.status {
        ExamStatus::Scheduled | ExamStatus::Waiting | ExamStatus::Active if now > last_end => Some(Step::Close),
        ExamStatus::Scheduled | ExamStatus::Waiting if now >= exam.starts_at => Some(Step::Begin),
        ExamStatus::Scheduled if now >= exam.starts_at.saturating_sub(EARLY_JOIN_US) => Some(Step::Open),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::exam::Policy;
    use invigil_shared::id::ExamId;

    const STATES: [ExamStatus; 8] = [
        ExamStatus::Draft,
        ExamStatus::Scheduled,
        ExamStatus::Waiting,
        ExamStatus::Active,
        ExamStatus::Paused,
        ExamStatus::Closed,
        ExamStatus::Archived,
        ExamStatus::Unknown,
    ];
    const ALL: [Step; 8] = [
        Step::Schedule,
        Step::Withdraw,
        Step::Open,
        Step::Begin,
        Step::Pause,
        Step::Continue,
        Step::Close,
        Step::Archive,
    ];

    /// Rows: states. Columns: steps. The first letter of the state that follows, `-` for a refusal.
    const TABLE: [&str; 8] = [
        "s-------", "-dwa--c-", "---a--c-", "----p-c-", "-----ac-", "-------a", "--------", "--------",
    ];

    #[test]
    fn every_step_from_every_state_is_legal_or_refused_with_a_code() {
        for (state, row) in STATES.into_iter().zip(TABLE) {
            for (step, cell) in ALL.into_iter().zip(row.chars()) {
                match after(state, step) {
                    Ok(next) => assert!(next.as_str().starts_with(cell), "{state:?} {step:?} gave {next:?}"),
                    Err(error) => {
                        assert_eq!(cell, '-', "{state:?} {step:?} was refused");
                        assert_eq!(error.code, ErrorCode::ExamTransition);
                        assert_eq!(error.params["status"], state.as_str());
                    }
                }
            }
        }
    }

    #[test]
    fn the_clock_opens_begins_and_closes_and_a_pause_waits_for_a_person() {
        let exam = |status| ExamInfo {
            id: ExamId::from_parts(1, [1; 10]),
            title: String::new(),
            code: "EXAM-1".into(),
            status,
            starts_at: 2 * EARLY_JOIN_US,
            ends_at: 3 * EARLY_JOIN_US,
            policy: Policy::default(),
        };
        let at = |status, now| due(&exam(status), 4 * EARLY_JOIN_US, now);
        assert_eq!(at(ExamStatus::Scheduled, EARLY_JOIN_US - 1), None);
        assert_eq!(at(ExamStatus::Scheduled, EARLY_JOIN_US), Some(Step::Open));
        assert_eq!(at(ExamStatus::Waiting, 2 * EARLY_JOIN_US - 1), None);
        assert_eq!(at(ExamStatus::Waiting, 2 * EARLY_JOIN_US), Some(Step::Begin));
        assert_eq!(at(ExamStatus::Scheduled, 2 * EARLY_JOIN_US), Some(Step::Begin));
        assert_eq!(at(ExamStatus::Active, 4 * EARLY_JOIN_US), None);
        for status in [ExamStatus::Scheduled, ExamStatus::Waiting, ExamStatus::Active] {
            assert_eq!(at(status, 4 * EARLY_JOIN_US + 1), Some(Step::Close));
        }
        for status in [
            ExamStatus::Draft,
            ExamStatus::Paused,
            ExamStatus::Closed,
            ExamStatus::Archived,
        ] {
            assert_eq!(at(status, i64::MAX), None, "{status:?}");
        }
    }
}
