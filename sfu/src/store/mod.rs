//! What is kept: one trait per aggregate, so that the service knows no database. A write that returned is committed.

mod append;
pub mod audit;
mod migrations;
pub mod postgres;
pub mod records;
mod rows;
pub mod sqlite;
mod writer;

use async_trait::async_trait;
use audit::{Action, Actor, AuditHead, Record};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ExamId, MessageId, ParticipantId, RosterEntryId, SessionId, UserId};
use invigil_shared::timeline::TimelineEntry;
use postgres::{DatabaseUrl, PostgresStore};
use records::{
    Append, Appended, ExamChange, ExamTimes, NewMessage, NewRosterEntry, SessionRecord, SittingChange, StoredMessage,
    UserRecord,
};
use serde_json::Value;
use sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The commit of a group failed; nothing of it was kept.
    #[error("the commit failed: {0}")]
    Commit(String),
    #[error("the database holds what can't be: {0}")]
    Corrupt(String),
    #[error(
        "the database was written by a newer version (migration {found}); this one knows up to {known}. Start the newer version"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error("migration {0} of this version differs from the one that the database was made with")]
    ChangedMigration(i64),
    #[error("cannot bring the database up to date: {0}")]
    Migration(String),
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: std::io::Error },
    /// Never says what the URL is: it may hold a password.
    #[error("the database's URL {0}")]
    Url(String),
    #[error("PostgreSQL does not answer")]
    Silent,
    #[error("PostgreSQL can't be used as it is set: {name} is {value}, {reason}")]
    Setting {
        name: &'static str,
        value: String,
        reason: &'static str,
    },
    #[error("the store is closed")]
    Closed,
    /// A value that has to be unique is taken.
    #[error("there is one already")]
    Exists,
    #[error("there is no such thing")]
    Missing,
}

impl From<StoreError> for ErrorBody {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => ErrorCode::NotFound.into(),
            error => {
                tracing::error!(%error, "the store failed");
                ErrorCode::StorageFailed.into()
            }
        }
    }
}

/// Result of the store.
pub type Stored<T> = Result<T, StoreError>;

#[async_trait]
pub trait ExamStore: Send + Sync {
    /// [`StoreError::Exists`] when the code is taken.
    async fn create_exam(&self, exam: ExamInfo) -> Stored<()>;
    async fn exam(&self, id: ExamId) -> Stored<Option<ExamInfo>>;
    async fn exam_by_code(&self, code: &str) -> Stored<Option<ExamInfo>>;
    /// Newest first, at most [`records::MAX_EXAMS_LISTED`], with the number of candidates on each roster.
    async fn exams(&self) -> Stored<Vec<(ExamInfo, u32)>>;
    /// Brings an exam from one status to another, with its end; false when it is not in the first one any more.
    async fn change_exam(&self, change: ExamChange) -> Stored<bool>;
    async fn exam_times(&self, id: ExamId) -> Stored<Option<ExamTimes>>;
    /// Exams whose status the clock may change: scheduled, waiting, active. At most [`records::MAX_EXAMS_LISTED`], newest first.
    async fn live_exams(&self) -> Stored<Vec<ExamInfo>>;
}

#[async_trait]
pub trait RosterStore: Send + Sync {
    /// [`StoreError::Exists`] when the exam has such a label.
    async fn add_entry(&self, entry: NewRosterEntry) -> Stored<()>;
    async fn entry(&self, id: RosterEntryId) -> Stored<Option<RosterEntry>>;
    async fn entry_by_label(&self, exam: ExamId, label: &str) -> Stored<Option<RosterEntry>>;
    /// The entry whose secret has this keyed hash, and that hash as stored.
    async fn entry_by_secret(&self, exam: ExamId, secret_hash: &[u8]) -> Stored<Option<(RosterEntry, Vec<u8>)>>;
}

#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The entry's session; made when there is none. `device_key` is registered when the session has none yet.
    async fn open_session(&self, fresh: SessionRecord) -> Stored<SessionRecord>;
    async fn session(&self, id: SessionId) -> Stored<Option<SessionRecord>>;
    /// The sessions of an exam that have been in its room.
    async fn joined_sessions(&self, exam: ExamId) -> Stored<Vec<(SessionRecord, RosterEntry)>>;
    /// Notes the first `room:join`; true when it was the first.
    async fn mark_joined(&self, id: SessionId, at: i64) -> Stored<bool>;
    async fn mark_looked(&self, participant: ParticipantId, at: i64) -> Stored<()>;
    /// Changes how a sitting stands, with its timeline entry, and ends the session when the sitting is ended; false when it was
    /// changed, or had ended, since the revision that the change was decided on.
    async fn change_sitting(&self, change: SittingChange) -> Stored<bool>;
    /// Ends a session and writes its timeline entry with it; false when it had ended before.
    async fn finish(&self, id: SessionId, exam: ExamId, entry: TimelineEntry) -> Stored<bool>;
}

#[async_trait]
pub trait UserStore: Send + Sync {
    /// [`StoreError::Exists`] when the e-mail is taken.
    async fn add_user(&self, user: UserRecord) -> Stored<()>;
    async fn user(&self, id: UserId) -> Stored<Option<UserRecord>>;
    async fn user_by_email(&self, email: &str) -> Stored<Option<UserRecord>>;
    async fn has_admin(&self) -> Stored<bool>;
    /// Replaces the setup code while there is no admin; false when there is one.
    async fn offer_setup(&self, code_hash: Vec<u8>) -> Stored<bool>;
    /// Makes the first admin and uses the setup code up. [`StoreError::Missing`] when the code is not the one.
    async fn set_up(&self, code_hash: Vec<u8>, admin: UserRecord) -> Stored<()>;
}

#[async_trait]
pub trait EventStore: Send + Sync {
    /// Continues a session's chain and writes the timeline entries with it. What came before is acknowledged again; a gap
    /// or fork keeps what was right before it and is itself written to the timeline, once.
    async fn append(&self, append: Append) -> Stored<Appended>;
    /// The payloads of a session's events, in order.
    async fn payloads(&self, session: SessionId) -> Stored<Vec<String>>;
}

#[async_trait]
pub trait TimelineStore: Send + Sync {
    async fn add_timeline(&self, exam: ExamId, entry: TimelineEntry) -> Stored<()>;
    /// The newest entries of an exam, oldest first.
    async fn timeline(&self, exam: ExamId, limit: usize) -> Stored<Vec<TimelineEntry>>;
}

#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Writes a message together with its timeline entry.
    async fn add_message(&self, message: NewMessage) -> Stored<()>;
    async fn mark_delivered(&self, ids: Vec<MessageId>, at: i64) -> Stored<()>;
    /// Notes that `candidate` acknowledged a message to it; false when it had before. [`StoreError::Missing`] when there is none.
    async fn acknowledge(&self, id: MessageId, candidate: ParticipantId, at: i64) -> Stored<bool>;
    /// Messages to a candidate that it has not acknowledged, oldest first, at most [`records::MAX_UNACKNOWLEDGED`].
    async fn unacknowledged(&self, candidate: ParticipantId) -> Stored<Vec<StoredMessage>>;
}

/// The audit log. Everything else that changes the store writes its own record, in the name of whom it acts for.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// The same store, acting for somebody. Without it, it acts for the server.
    fn acting(&self, actor: Actor) -> Arc<dyn Store>;
    /// Writes down an action that changes nothing else in the store.
    async fn note(&self, action: Action, target: String, metadata: Value) -> Stored<()>;
    async fn audit_head(&self) -> Stored<AuditHead>;
    /// At most `count` records after a number, in order.
    async fn audit_records(&self, after: u64, count: usize) -> Stored<Vec<Record>>;
}

/// How the store itself is.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// Goes the way of every write, and changes nothing.
    async fn check_writable(&self) -> Stored<()>;
    /// Writes that wait for the writer.
    fn waiting_writes(&self) -> usize;
}

/// Everything that is kept.
#[async_trait]
pub trait Store:
    ExamStore
    + RosterStore
    + SessionStore
    + UserStore
    + EventStore
    + TimelineStore
    + MessageStore
    + HealthStore
    + AuditStore
{
    /// Ends the connections after what was queued; further calls fail with [`StoreError::Closed`].
    async fn close(&self);
}

/// Opens the PostgreSQL of a URL, or else the SQLite of the data directory, and brings its schema up to date. A newer schema
/// is refused.
pub async fn open(directory: &Path, database: Option<&DatabaseUrl>) -> Stored<Arc<dyn Store>> {
    Ok(match database {
        Some(url) => Arc::new(PostgresStore::open(url).await?),
        None => Arc::new(SqliteStore::open(directory).await?),
    })
}
