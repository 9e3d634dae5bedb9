//! Erasing what is kept of a candidate, and holding it back from that. What was hashed stays hashed: chains of events and the audit log lose
//! what they say and can still be verified, and the record of the erasure names what it took from the log.

use crate::store::records::StoredExam;
use crate::store::rows::Columns;
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::chain::Hash;
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::{ExamId, ParticipantId, RosterEntryId, SessionId};
use serde_json::{Value, json};
use sqlx::types::Uuid;

/// What a hold is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Exam(ExamId),
    Candidate(ExamId, RosterEntryId),
}

/// Why something is kept, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub at: i64,
    /// For leads and admins.
    pub reason: String,
}

/// Why a candidate's data are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The days of the exam's policy are over.
    Retention,
    /// An admin was asked to.
    Asked,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Asked => "asked",
        }
    }
}

/// A session and whether what it said was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainOwner {
    pub session: SessionId,
    pub head: invigil_shared::chain::ChainHead,
    pub erased: bool,
}

/// An integrity event as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    pub seq: u64,
    pub prev: Hash,
    pub hash: Hash,
    /// Salt and payload as they were sent; none once erased.
    pub content: Option<(String, String)>,
    pub payload_hash: Hash,
}

#[async_trait]
pub trait ErasureStore: Send + Sync {
    /// Holds back from erasure, or lets go. [`StoreError::Missing`] when there is no such exam or candidate.
    async fn set_hold(&self, kept: Kept, hold: Option<Hold>) -> Stored<()>;
    /// Erases what is kept of a candidate; false when it was before. [`StoreError::Held`] under a hold, [`StoreError::Running`]
    /// while the exam is not over, [`StoreError::Missing`] when there is no such candidate.
    async fn erase(&self, exam: ExamId, entry: RosterEntryId, cause: Cause, at: i64) -> Stored<bool>;
    /// Exams that are over, not held and not erased, whose ids come after one, in the order of their ids.
    async fn erasable_exams(&self, after: ExamId, count: usize) -> Stored<Vec<StoredExam>>;
    /// Candidates of an exam who are neither held nor erased.
    async fn erasable_entries(&self, exam: ExamId, count: usize) -> Stored<Vec<RosterEntryId>>;
    /// Notes that nothing is left of an exam's candidates; false as long as something is.
    async fn mark_erased(&self, exam: ExamId, at: i64) -> Stored<bool>;
    /// Sessions after one, in the order of their ids.
    async fn chain_owners(&self, after: SessionId, count: usize) -> Stored<Vec<ChainOwner>>;
    /// Events of a session after a number, in order.
    async fn chain_links(&self, session: SessionId, after: u64, count: usize) -> Stored<Vec<ChainLink>>;
}

/// Whom an erasure is about.
pub(super) struct Subject {
    pub session: Option<(SessionId, ParticipantId)>,
    pub generation: u64,
}

/// A row of roster entry, exam and session, when its data may be erased; none when they are already.
pub(super) fn subject(row: &impl Columns) -> Stored<Option<Subject>> {
    if row.maybe_integer("erased_at")?.is_some() {
        return Ok(None);
    }
    if row.maybe_integer("exam_held_at")?.is_some() || row.maybe_integer("held_at")?.is_some() {
        return Err(StoreError::Held);
    }
    if !ExamStatus::parse(&row.text("status")?).is_over() {
        return Err(StoreError::Running);
    }
    let session = match row.maybe_integer("generation")? {
        None => None,
        Some(generation) => {
            let ids = (SessionId(row.uuid("session")?), ParticipantId(row.uuid("participant")?));
            Some((ids, u64::try_from(generation).map_err(|_| corrupt_generation())?))
        }
    };
    Ok(Some(Subject {
        session: session.map(|(ids, _)| ids),
        generation: session.map_or(0, |(_, generation)| generation),
    }))
}

fn corrupt_generation() -> StoreError {
    StoreError::Corrupt("generation: negative".to_owned())
}

/// What a roster entry is called once its candidate is nobody any more. No two are called the same.
pub(super) fn nobody(entry: RosterEntryId) -> String {
    let id = entry.0.simple().to_string();
    format!("Erased {}", &id[20..])
}

/// Numbers in a row as ranges, so that the record of an erasure stays short.
pub(super) fn ranges(sorted: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &seq in sorted {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == seq => *end = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}

/// What the audit log says of an erasure: never of whom, only what.
pub(super) fn said(exam: ExamId, cause: Cause, events: u64, records: &[u64]) -> Value {
    json!({ "exam": exam, "cause": cause.as_str(), "events": events, "records": ranges(records) })
}

/// The records that an erasure says it took from the log.
pub fn records_of(metadata: &str) -> Vec<(u64, u64)> {
    let parsed = serde_json::from_str::<Value>(metadata).unwrap_or_default();
    serde_json::from_value(parsed["records"].clone()).unwrap_or_default()
}

/// Before every exam, entry and session.
pub const FIRST: Uuid = Uuid::nil();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_names_the_records_that_it_took() {
        let said = said(ExamId(FIRST), Cause::Asked, 3, &[1, 2, 3, 7, 9, 10]);
        assert_eq!(records_of(&said.to_string()), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(records_of("{}"), []);
        assert_eq!(records_of(r#"{"records":"all"}"#), []);
    }
}
