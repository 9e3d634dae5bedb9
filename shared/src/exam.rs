//! Exams, their status and the policy that decides what is asked of a candidate and what is kept.

use crate::id::{ExamId, RosterEntryId};
use crate::limits::CANDIDATES_PER_PROCTOR;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ExamStatus {
    Draft,
    Scheduled,
    Waiting,
    Active,
    Paused,
    Closed,
    Archived,
    #[serde(other)]
    Unknown,
}

impl ExamStatus {
    /// Nobody sits it any more, and nobody will.
    pub fn is_over(self) -> bool {
        matches!(self, ExamStatus::Closed | ExamStatus::Archived)
    }
    pub fn as_str(self) -> &'static str {
        match self {
            ExamStatus::Draft => "draft",
            ExamStatus::Scheduled => "scheduled",
            ExamStatus::Waiting => "waiting",
            ExamStatus::Active => "active",
            ExamStatus::Paused => "paused",
            ExamStatus::Closed => "closed",
            ExamStatus::Archived => "archived",
            ExamStatus::Unknown => "unknown",
        }
    }
    pub fn parse(s: &str) -> Self {
        match s {
            "draft" => ExamStatus::Draft,
            "scheduled" => ExamStatus::Scheduled,
            "waiting" => ExamStatus::Waiting,
            "active" => ExamStatus::Active,
            "paused" => ExamStatus::Paused,
            "closed" => ExamStatus::Closed,
            "archived" => ExamStatus::Archived,
            _ => ExamStatus::Unknown,
        }
    }
}

/// Whether a source is asked for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SourceRule {
    /// The exam can't start without it.
    Required,
    /// It is asked for; the candidate may go on without it.
    Optional,
    /// It is not asked for and never opened.
    Off,
}

/// What the exam asks of the candidate's machine and what is kept. The candidate's consent page is written from it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct Policy {
    pub camera: SourceRule,
    pub microphone: SourceRule,
    pub screen: SourceRule,
    /// The server keeps video. It decides the word on the candidate's mark: "Recording" or "Live".
    pub keeps_video: bool,
    /// The exam page keeps answers while offline. It decides whether we may say "nothing is lost".
    pub exam_page_keeps_answers: bool,
    /// Days after the exam's end that signals are kept.
    pub retention_days: u16,
    /// Where the exam page lives; none shows the built-in page.
    pub exam_page_url: Option<String>,
    /// Whether a candidate is told when a proctor listens.
    pub tell_when_listening: bool,
    /// A proctor lets each candidate in.
    #[serde(skip_serializing_if = "is_false")]
    pub admit_each: bool,
    /// Whoever comes for the first time later than so many minutes after the start is let in by a proctor; none: nobody is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_after_min: Option<u16>,
    /// Media of this exam goes through a TURN relay only: clients make no other path (RFC 8829 section 4.1.1, "relay"), and the
    /// server takes none where it was told the relays' addresses.
    #[serde(skip_serializing_if = "is_false")]
    pub relay_only: bool,
    /// Candidates that one proctor is given at most, 1 to [`crate::limits::MAX_CANDIDATES_PER_PROCTOR`]. Candidates never learn of it.
    #[serde(skip_serializing_if = "is_usual_ratio")]
    pub candidates_per_proctor: u16,
    /// Only the demo and the tests set this: a missing camera may be replaced by the test picture, which says so.
    pub allow_test_picture: bool,
}

/// What is off is left out, so that a policy looks as it did before the setting was there.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks with a reference
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the same
fn is_usual_ratio(ratio: &u16) -> bool {
    *ratio == CANDIDATES_PER_PROCTOR
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            camera: SourceRule::Required,
            microphone: SourceRule::Required,
            screen: SourceRule::Required,
            keeps_video: false,
            exam_page_keeps_answers: false,
            retention_days: 30,
            exam_page_url: None,
            tell_when_listening: true,
            admit_each: false,
            late_after_min: None,
            relay_only: false,
            candidates_per_proctor: CANDIDATES_PER_PROCTOR,
            allow_test_picture: false,
        }
    }
}

/// An exam as its participants see it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ExamInfo {
    pub id: ExamId,
    pub title: String,
    /// What a candidate types: 4 to 16 of `A-Z 0-9 -`.
    pub code: String,
    pub status: ExamStatus,
    /// Scheduled start and end, microseconds since the Unix epoch, UTC.
    pub starts_at: i64,
    pub ends_at: i64,
    pub policy: Policy,
}

impl ExamInfo {
    /// The exam as one of its candidates sees it: nothing says that there are others.
    pub fn for_candidate(mut self) -> Self {
        self.policy.candidates_per_proctor = CANDIDATES_PER_PROCTOR;
        self
    }
}

/// Allowances of a roster entry.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct Allowances {
    pub extra_time_percent: u16,
    pub second_display: bool,
    pub assistive_tools: Vec<String>,
}

/// A candidate who may sit an exam.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RosterEntry {
    pub id: RosterEntryId,
    pub exam: ExamId,
    /// As proctors see it: "Candidate 014" or a name.
    pub label: String,
    pub seat: Option<String>,
    pub allowances: Allowances,
}
