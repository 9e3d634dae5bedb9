//! How one candidate's sitting stands apart from its exam: let in or not yet, paused, locked, with more time, a hand up, ended.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Whether a candidate was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Admission {
    #[default]
    Admitted,
    /// A proctor has to look first.
    Waiting,
    /// A proctor has looked, and wants to see something again.
    AskedAgain,
    Rejected,
    /// A lead put the candidate out of the room. Who comes back waits to be let in.
    Removed,
    #[serde(other)]
    Unknown,
}

/// A pause of one candidate: the own clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct OwnPause {
    /// Server time, microseconds.
    #[ts(type = "number")]
    pub since: i64,
    /// Microseconds of exam time that were left then, and are left when it goes on.
    #[ts(type = "number")]
    pub left_us: i64,
}

/// What proctors did to one sitting, and what its candidate asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct Sitting {
    pub admission: Admission,
    /// Came first when the exam's policy said that it was late.
    pub late: bool,
    /// Why a proctor asked again, rejected, removed, paused, locked or ended, in that proctor's words; empty when nothing of it holds.
    pub reason: String,
    pub pause: Option<OwnPause>,
    /// The exam page is covered, and the clock goes on.
    pub locked: bool,
    /// Since when the candidate's hand is up; server time, microseconds.
    #[ts(type = "number | null")]
    pub hand_since: Option<i64>,
    /// Minutes that proctors gave.
    pub extra_min: u16,
    /// Microseconds that own pauses gave back.
    #[ts(type = "number")]
    pub given_back_us: i64,
    /// A proctor ended it.
    pub ended: bool,
    /// Since when another device of the candidate waits to take over; server time, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(type = "number | null")]
    pub moving_since: Option<i64>,
    /// The microphone is not forwarded, and the candidate's app does not send it.
    #[serde(skip_serializing_if = "is_false")]
    pub muted: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it with a reference
fn is_false(value: &bool) -> bool {
    !value
}

impl Sitting {
    /// Nothing sets it apart from the exam.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Microseconds that this sitting ends after the roster entry's own end.
    pub fn extra_us(&self) -> i64 {
        (i64::from(self.extra_min) * 60_000_000).saturating_add(self.given_back_us)
    }
}

/// What was done to a sitting, or asked for by its candidate, as the timeline has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SittingStep {
    Admit,
    AskAgain,
    /// The candidate has done what was asked for.
    Ready,
    Reject,
    Pause,
    Continue,
    Lock,
    ExtraTime,
    RaiseHand,
    LowerHand,
    End,
    /// Another device, with the right secret, waits to take over.
    AskMove,
    /// It takes over; the device before is out.
    Move,
    RefuseMove,
    Mute,
    Unmute,
    Remove,
    #[serde(other)]
    Unknown,
}

impl SittingStep {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::AskAgain => "ask_again",
            Self::Ready => "ready",
            Self::Reject => "reject",
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Lock => "lock",
            Self::ExtraTime => "extra_time",
            Self::RaiseHand => "raise_hand",
            Self::LowerHand => "lower_hand",
            Self::End => "end",
            Self::AskMove => "ask_move",
            Self::Move => "move",
            Self::RefuseMove => "refuse_move",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Remove => "remove",
            Self::Unknown => "unknown",
        }
    }
}
