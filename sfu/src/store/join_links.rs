//! One-time join links of roster entries, as kept.

use super::Stored;
use super::rows::Columns;
use async_trait::async_trait;
use invigil_shared::id::{ExamId, RosterEntryId};

/// A link on its way into the store. Times are microseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJoinLink {
    pub exam: ExamId,
    pub entry: RosterEntryId,
    pub token_hash: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// A link as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinLinkRecord {
    pub entry: RosterEntryId,
    pub token_hash: Vec<u8>,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[async_trait]
pub trait JoinLinkStore: Send + Sync {
    /// Makes an entry's link, in place of the one before; false when the exam has no such entry.
    async fn put_join_link(&self, link: NewJoinLink) -> Stored<bool>;
    /// The link of an exam whose token has this hash.
    async fn join_link(&self, exam: ExamId, token_hash: &[u8]) -> Stored<Option<JoinLinkRecord>>;
    /// Notes the first use.
    async fn use_join_link(&self, entry: RosterEntryId, token_hash: Vec<u8>, at: i64) -> Stored<()>;
}

pub(super) fn join_link(row: &impl Columns) -> Stored<JoinLinkRecord> {
    Ok(JoinLinkRecord {
        entry: RosterEntryId(row.uuid("entry")?),
        token_hash: row.bytes("token_hash")?,
        expires_at: row.integer("expires_at")?,
        used_at: row.maybe_integer("used_at")?,
    })
}
