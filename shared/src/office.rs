//! Bodies of the exam office: making and editing exams, and the roster with its import. `rest.rs` has what everybody needs.

use crate::error::ErrorBody;
use crate::exam::{Allowances, Policy, RosterEntry};
use crate::id::RosterEntryId;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// Candidates of an exam whose maker says nothing else.
pub const DEFAULT_CAPACITY: u32 = 100;

fn default_capacity() -> u32 {
    DEFAULT_CAPACITY
}

/// `POST /api/v1/exams` (with `Idempotency-Key`): a draft.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NewExam {
    pub title: String,
    /// What candidates type: 4 to 16 of `A-Z 0-9 -`.
    pub code: String,
    /// Microseconds since the Unix epoch, UTC.
    pub starts_at: i64,
    pub ends_at: i64,
    #[serde(default)]
    pub policy: Policy,
    /// Candidates that the roster holds at most.
    #[serde(default = "default_capacity")]
    pub capacity: u32,
}

/// `PATCH /api/v1/exams/{exam}`: what is left out stays as it is; a policy is replaced as a whole.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export, optional_fields)]
pub struct ExamEdit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

/// `POST /api/v1/exams/{exam}/roster` (with `Idempotency-Key`), and `PUT` of an entry.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct EntryEdit {
    pub label: String,
    #[serde(default)]
    pub seat: Option<String>,
    #[serde(default)]
    pub allowances: Allowances,
}

/// `GET /api/v1/exams/{exam}/roster`: an entry as the office sees it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RosterItem {
    #[serde(flatten)]
    pub entry: RosterEntry,
    /// Somebody has joined with it: it is neither edited nor removed any more.
    pub used: bool,
    /// Why it is kept whatever the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hold: Option<String>,
    /// What was kept of the candidate is erased; the label is one of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// `PUT /api/v1/exams/{exam}/hold`, and of one candidate.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct HoldRequest {
    /// 1 to 200 characters, for leads and admins.
    pub reason: String,
}

/// A candidate's way in. The server does not have the secret in clear: it is told when it is made, and never again.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct EntrySecret {
    pub entry: RosterEntryId,
    pub label: String,
    pub seat: Option<String>,
    pub secret: String,
    /// `invigil://…`, see [`crate::rest::JoinLink`].
    pub link: String,
    /// For a one-time link, whose token stands in place of the secret: until when it is good, microseconds since the Unix epoch, UTC.
    #[serde(default)]
    pub once_until: Option<i64>,
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/link`. Answered with an [`EntrySecret`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinLinkRequest {
    /// Microseconds since the Unix epoch, UTC; without it, the exam's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl fmt::Debug for EntrySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntrySecret")
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// `POST /api/v1/exams/{exam}/roster/import` that was carried out.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Imported {
    pub secrets: Vec<EntrySecret>,
}

/// The same with `dry_run=true`: what the file says and what is wrong with it. Nothing was stored.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImportPreview {
    /// The cells as they stand in the file, without blanks round them.
    pub rows: Vec<ImportRow>,
    pub faults: Vec<RowFault>,
    /// There are more faults than are listed.
    pub more_faults: bool,
}

/// A row of an import.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImportRow {
    /// As spreadsheets count: the header is row 1.
    pub row: u32,
    pub label: String,
    pub seat: String,
    pub extra_time_percent: String,
    pub second_display: String,
    pub assistive_tools: String,
}

/// What is wrong with a cell, a row (no column) or the file (row 0).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RowFault {
    pub row: u32,
    pub column: Option<String>,
    pub code: FaultCode,
    /// For `duplicate`: the row that had it first. For numbers: how many are possible.
    pub limit: Option<u32>,
}

/// Why a row can't be taken. Stable, like [`crate::error::ErrorCode`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum FaultCode {
    /// A cell, or a column of the header, that has to be there.
    Missing,
    TooLong,
    /// Not a number or word of those that are possible.
    Invalid,
    /// An earlier row, or column of the header, is called the same.
    Duplicate,
    /// The roster has the label already.
    Taken,
    /// A column that nobody knows.
    UnknownColumn,
    /// More or fewer cells than the header has.
    Cells,
    /// Not text in UTF-8.
    Encoding,
    /// A header and nothing below it, or nothing at all.
    Empty,
    TooManyRows,
    /// More candidates than the exam has places.
    RosterFull,
    #[serde(other)]
    Unknown,
}

/// Answer to an import that was refused: a problem document (RFC 9457) with the faults beside it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: u16,
    #[serde(flatten)]
    pub error: ErrorBody,
    pub faults: Vec<RowFault>,
    pub more_faults: bool,
}
