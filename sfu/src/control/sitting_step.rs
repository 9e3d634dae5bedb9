//! The states of one sitting and every step between them. Whoever wants another state asks here, and nowhere else.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::{MAX_EXTRA_MIN, MAX_REASON_CHARS};
use invigil_shared::sitting::{Admission, OwnPause, Sitting, SittingStep};

/// How a sitting stands, as far as steps ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    AskedAgain,
    Rejected,
    Removed,
    Sitting,
    Paused,
    Locked,
    Over,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::AskedAgain => "asked_again",
            State::Rejected => "rejected",
            State::Removed => "removed",
            State::Sitting => "sitting",
            State::Paused => "paused",
            State::Locked => "locked",
            State::Over => "over",
        }
    }

    fn of(sitting: &Sitting, finished: bool) -> Self {
        match sitting.admission {
            _ if finished || sitting.ended => State::Over,
            Admission::Waiting => State::Waiting,
            Admission::AskedAgain => State::AskedAgain,
            Admission::Rejected => State::Rejected,
            Admission::Removed => State::Removed,
            Admission::Admitted | Admission::Unknown if sitting.pause.is_some() => State::Paused,
            Admission::Admitted | Admission::Unknown if sitting.locked => State::Locked,
            Admission::Admitted | Admission::Unknown => State::Sitting,
        }
    }
}

/// Which states each step is legal in.
const STEPS: &[(SittingStep, &[State])] = &[
    (
        SittingStep::Admit,
        &[State::Waiting, State::AskedAgain, State::Rejected, State::Removed],
    ),
    (SittingStep::AskAgain, &[State::Waiting, State::AskedAgain]),
    (SittingStep::Ready, &[State::AskedAgain]),
    (SittingStep::Reject, &[State::Waiting, State::AskedAgain]),
    (SittingStep::Pause, &[State::Sitting, State::Locked]),
    (SittingStep::Continue, &[State::Paused, State::Locked]),
    (SittingStep::Lock, &[State::Sitting]),
    (SittingStep::ExtraTime, NOT_OVER),
    (SittingStep::RaiseHand, NOT_OVER),
    (SittingStep::LowerHand, NOT_OVER),
    (SittingStep::AskMove, NOT_OVER),
    (SittingStep::Move, NOT_OVER),
    (SittingStep::RefuseMove, NOT_OVER),
    (
        SittingStep::End,
        &[
            State::Waiting,
            State::AskedAgain,
            State::Removed,
            State::Sitting,
            State::Paused,
            State::Locked,
        ],
    ),
    (SittingStep::Mute, NOT_OVER),
    (SittingStep::Unmute, NOT_OVER),
    (SittingStep::Remove, NOT_OVER),
];

/// In the room, or on the way back to it.
const NOT_OVER: &[State] = &[
    State::Waiting,
    State::AskedAgain,
    State::Sitting,
    State::Paused,
    State::Locked,
];

/// What a step needs to know of the moment; server time, microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: i64,
    /// What is left for the candidate without an own pause, negative past the end; it stands still while the exam is paused.
    pub left_us: i64,
    /// The candidate has handed in.
    pub finished: bool,
}

/// The sitting after a step. `reason`: in the words of who takes it; `minutes`: of extra time.
///
/// # Errors
/// `sitting_transition` with the state when the step is not a legal one from there; `bad_message` for a reason or a number of
/// minutes that can't be.
pub fn after(
    before: &Sitting,
    step: SittingStep,
    reason: &str,
    minutes: u16,
    moment: Moment,
) -> Result<Sitting, ErrorBody> {
    let state = State::of(before, moment.finished);
    let legal = STEPS
        .iter()
        .any(|(known, from)| *known == step && from.contains(&state));
    let nobody_waits = matches!(step, SittingStep::Move | SittingStep::RefuseMove) && before.moving_since.is_none();
    if !legal || nobody_waits {
        return Err(ErrorBody::from(ErrorCode::SittingTransition).with("state", state.as_str()));
    }
    let reason = reason.trim();
    // No text of PostgreSQL's can hold a NUL.
    if reason.chars().count() > MAX_REASON_CHARS || reason.contains('\0') {
        return Err(ErrorBody::from(ErrorCode::BadMessage).with("field", "reason"));
    }
    let mut sitting = before.clone();
    match step {
        SittingStep::Admit => (sitting.admission, sitting.reason) = (Admission::Admitted, String::new()),
        SittingStep::AskAgain => (sitting.admission, sitting.reason) = (Admission::AskedAgain, reason.to_owned()),
        SittingStep::Ready => (sitting.admission, sitting.reason) = (Admission::Waiting, String::new()),
        SittingStep::Reject => {
            (sitting.admission, sitting.reason) = (Admission::Rejected, reason.to_owned());
            sitting.hand_since = None;
        }
        SittingStep::Pause => {
            sitting.pause = Some(OwnPause {
                since: moment.now,
                left_us: moment.left_us,
            });
            (sitting.locked, sitting.reason) = (false, reason.to_owned());
        }
        SittingStep::Continue => {
            if let Some(pause) = sitting.pause.take() {
                // As much is left as when it began, whatever became of the exam meanwhile.
                let lost = pause.left_us.saturating_sub(moment.left_us).max(0);
                sitting.given_back_us = sitting.given_back_us.saturating_add(lost);
            }
            (sitting.locked, sitting.reason) = (false, String::new());
        }
        SittingStep::Lock => (sitting.locked, sitting.reason) = (true, reason.to_owned()),
        SittingStep::ExtraTime => {
            let sum = sitting.extra_min.saturating_add(minutes);
            if minutes == 0 || sum > MAX_EXTRA_MIN {
                return Err(ErrorBody::from(ErrorCode::BadMessage)
                    .with("field", "minutes")
                    .with("limit", MAX_EXTRA_MIN));
            }
            sitting.extra_min = sum;
            if let Some(pause) = &mut sitting.pause {
                pause.left_us = pause.left_us.saturating_add(i64::from(minutes) * 60_000_000);
            }
        }
        // Who raises it again has waited since the first time.
        SittingStep::RaiseHand => sitting.hand_since = sitting.hand_since.or(Some(moment.now)),
        SittingStep::LowerHand => sitting.hand_since = None,
        SittingStep::Mute => sitting.muted = true,
        SittingStep::Unmute => sitting.muted = false,
        SittingStep::Remove => {
            (sitting.admission, sitting.reason) = (Admission::Removed, reason.to_owned());
            (sitting.hand_since, sitting.moving_since) = (None, None);
        }
        SittingStep::End => {
            (sitting.ended, sitting.reason) = (true, reason.to_owned());
            (sitting.locked, sitting.pause, sitting.hand_since) = (false, None, None);
            sitting.moving_since = None;
        }
        SittingStep::AskMove => sitting.moving_since = Some(moment.now),
        SittingStep::Move | SittingStep::RefuseMove => sitting.moving_since = None,
        SittingStep::Unknown => return Err(ErrorCode::Unsupported.into()),
    }
    Ok(sitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn at(now: i64, left_us: i64) -> Moment {
        Moment {
            now,
            left_us,
            finished: false,
        }
    }

    fn in_state(state: State) -> (Sitting, bool) {
        let mut sitting = Sitting::default();
        match state {
            State::Waiting => sitting.admission = Admission::Waiting,
            State::AskedAgain => sitting.admission = Admission::AskedAgain,
            State::Rejected => sitting.admission = Admission::Rejected,
            State::Removed => sitting.admission = Admission::Removed,
            State::Paused => sitting.pause = Some(OwnPause { since: 1, left_us: 2 }),
            State::Locked => sitting.locked = true,
            State::Sitting | State::Over => {}
        }
        (sitting, state == State::Over)
    }

    /// The table once more, as people read it. Columns: waiting, asked again, rejected, removed, sitting, paused, locked, over.
    const TABLE: &[(SittingStep, &str)] = &[
        (SittingStep::Admit, "xxxx----"),
        (SittingStep::AskAgain, "xx------"),
        (SittingStep::Ready, "-x------"),
        (SittingStep::Reject, "xx------"),
        (SittingStep::Pause, "----x-x-"),
        (SittingStep::Continue, "-----xx-"),
        (SittingStep::Lock, "----x---"),
        (SittingStep::ExtraTime, "xx--xxx-"),
        (SittingStep::RaiseHand, "xx--xxx-"),
        (SittingStep::LowerHand, "xx--xxx-"),
        (SittingStep::End, "xx-xxxx-"),
        (SittingStep::Mute, "xx--xxx-"),
        (SittingStep::Unmute, "xx--xxx-"),
        (SittingStep::Remove, "xx--xxx-"),
        (SittingStep::AskMove, "xx--xxx-"),
        (SittingStep::Move, "--------"),
        (SittingStep::RefuseMove, "--------"),
        (SittingStep::Unknown, "--------"),
    ];

    #[test]
    fn a_move_needs_a_device_that_waits() {
        let asked = after(&Sitting::default(), SittingStep::AskMove, "", 0, at(7, MINUTE)).unwrap();
        assert_eq!(asked.moving_since, Some(7));
        for step in [SittingStep::Move, SittingStep::RefuseMove] {
            let done = after(&asked, step, "", 0, at(9, MINUTE)).unwrap();
            assert_eq!(done, Sitting::default());
            assert!(after(&done, step, "", 0, at(10, MINUTE)).is_err(), "once");
        }
        let ended = after(&asked, SittingStep::End, "", 0, at(9, MINUTE)).unwrap();
        assert_eq!(ended.moving_since, None);
        let finished = Moment {
            finished: true,
            ..at(9, MINUTE)
        };
        assert!(after(&asked, SittingStep::Move, "", 0, finished).is_err());
    }

    #[test]
    fn every_step_from_every_state_is_legal_or_refused_with_a_code() {
        let states = [
            State::Waiting,
            State::AskedAgain,
            State::Rejected,
            State::Removed,
            State::Sitting,
            State::Paused,
            State::Locked,
            State::Over,
        ];
        for (step, cells) in TABLE {
            for (state, cell) in states.into_iter().zip(cells.chars()) {
                let (sitting, finished) = in_state(state);
                let moment = Moment {
                    finished,
                    ..at(MINUTE, MINUTE)
                };
                match after(&sitting, *step, "because", 5, moment) {
                    Ok(_) => assert_eq!(cell, 'x', "{step:?} from {state:?}"),
                    Err(error) => {
                        assert_eq!(cell, '-', "{step:?} from {state:?}");
                        assert_eq!(error.code, ErrorCode::SittingTransition);
                        assert_eq!(error.params["state"], state.as_str());
                    }
                }
            }
        }
    }

    #[test]
    fn a_pause_gives_back_what_it_took_and_nothing_twice() {
        let paused = after(&Sitting::default(), SittingStep::Pause, "", 0, at(0, 60 * MINUTE)).unwrap();
        // Ten minutes later; the exam's own pause moved the end by four of them.
        let ten_later = at(10 * MINUTE, 54 * MINUTE);
        let on = after(&paused, SittingStep::Continue, "", 0, ten_later).unwrap();
        assert_eq!((on.given_back_us, on.pause), (6 * MINUTE, None));
        let more = after(&paused, SittingStep::ExtraTime, "", 5, at(2 * MINUTE, 58 * MINUTE)).unwrap();
        assert_eq!(more.pause.unwrap().left_us, 65 * MINUTE);
        // The end has moved by the five minutes: 59 are left of it after ten.
        let on = after(&more, SittingStep::Continue, "", 0, at(10 * MINUTE, 55 * MINUTE)).unwrap();
        assert_eq!(on.extra_us(), (5 + 10) * MINUTE);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let plain = Sitting::default();
        let field = |step, reason: &str, minutes| {
            let error = after(&plain, step, reason, minutes, at(0, MINUTE)).unwrap_err();
            (error.code, error.params["field"].clone())
        };
        let long = "x".repeat(MAX_REASON_CHARS + 1);
        assert_eq!(
            field(SittingStep::Lock, &long, 0),
            (ErrorCode::BadMessage, "reason".into())
        );
        assert_eq!(
            field(SittingStep::Lock, "a\0b", 0),
            (ErrorCode::BadMessage, "reason".into())
        );
        for minutes in [0, MAX_EXTRA_MIN + 1] {
            assert_eq!(
                field(SittingStep::ExtraTime, "", minutes),
                (ErrorCode::BadMessage, "minutes".into())
            );
        }
        let raised = after(&plain, SittingStep::RaiseHand, "", 0, at(7, MINUTE)).unwrap();
        let again = after(&raised, SittingStep::RaiseHand, "", 0, at(9, MINUTE)).unwrap();
        assert_eq!(again.hand_since, Some(7));
    }
}
