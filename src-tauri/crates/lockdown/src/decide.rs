//! Whether the exam lost the focus. Pure: times are arguments.
//!
//! Between two of our own windows the active window is nobody's for some milliseconds: a loss counts when it has lasted
//! [`SETTLE_US`], and is then reported with the time at which it began. A return counts at once.

/// How long the focus must be away, microseconds. Window managers take 1 to 30 ms between two windows.
pub const SETTLE_US: i64 = 60_000;

/// A change of focus, with the wall clock of the moment at which it happened, microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FocusChange {
    /// Another window is active; its title where it is known.
    Lost {
        at_us: i64,
        to: Option<String>,
    },
    Returned {
        at_us: i64,
    },
}

/// What is active now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Active {
    Ours,
    Other { title: Option<String> },
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ours,
    Leaving {
        since: i64,
        to: Option<String>,
    },
    Away,
}

/// Turns observations into changes.
#[derive(Debug, Default)]
pub struct FocusDecider {
    state: State,
}

impl FocusDecider {
    /// The active window was looked at.
    pub fn observe(&mut self, now_us: i64, active: Active) -> Option<FocusChange> {
        let (state, change) = match (std::mem::take(&mut self.state), active) {
            (State::Away, Active::Ours) => (State::Ours, Some(FocusChange::Returned { at_us: now_us })),
            (_, Active::Ours) => (State::Ours, None),
            (State::Ours, Active::Other { title }) => (
                State::Leaving {
                    since: now_us,
                    to: title,
                },
                None,
            ),
            (State::Leaving { since, .. }, Active::Other { title }) => (State::Leaving { since, to: title }, None),
            (State::Away, Active::Other { .. }) => (State::Away, None),
        };
        self.state = state;
        change.or_else(|| self.tick(now_us))
    }

    /// Time passed. Call it at [`Self::deadline`].
    pub fn tick(&mut self, now_us: i64) -> Option<FocusChange> {
        if self.deadline().is_none_or(|deadline| now_us < deadline) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Away) {
            State::Leaving { since, to } => Some(FocusChange::Lost { at_us: since, to }),
            State::Ours | State::Away => None,
        }
    }

    /// When a loss that has begun will count.
    pub fn deadline(&self) -> Option<i64> {
        if let State::Leaving { since, .. } = self.state {
            Some(since + SETTLE_US)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(title: &str) -> Active {
        Active::Other {
            title: Some(title.into()),
        }
    }

    #[test]
    fn a_flicker_between_our_windows_is_nothing() {
        let mut decider = FocusDecider::default();
        assert_eq!(decider.observe(0, Active::Other { title: None }), None);
        assert_eq!(decider.tick(SETTLE_US - 1), None);
        assert_eq!(decider.observe(SETTLE_US - 1, Active::Ours), None);
        assert_eq!((decider.tick(10 * SETTLE_US), decider.deadline()), (None, None));
    }

    #[test]
    fn a_loss_is_reported_once_with_its_beginning_and_its_last_title() {
        let mut decider = FocusDecider::default();
        decider.observe(100, Active::Other { title: None });
        assert_eq!(decider.observe(200, other("Notes")), None);
        let lost = FocusChange::Lost {
            at_us: 100,
            to: Some("Notes".into()),
        };
        assert_eq!(decider.tick(100 + SETTLE_US), Some(lost));
        assert_eq!(decider.tick(200 + SETTLE_US), None);
        assert_eq!(decider.observe(300 + SETTLE_US, other("Browser")), None);
        let back = 400 + SETTLE_US;
        assert_eq!(
            decider.observe(back, Active::Ours),
            Some(FocusChange::Returned { at_us: back })
        );
        assert_eq!(decider.observe(back, Active::Ours), None);
    }

    #[test]
    fn a_late_look_reports_the_loss_itself() {
        let mut decider = FocusDecider::default();
        decider.observe(0, other("a"));
        assert!(matches!(
            decider.observe(SETTLE_US, other("b")),
            Some(FocusChange::Lost { at_us: 0, .. })
        ));
    }
}
