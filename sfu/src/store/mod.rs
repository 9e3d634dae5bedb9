//! What is kept: one trait per aggregate, so that the service knows no database. A write that returned is committed.

pub mod api_keys;
mod append;
pub mod audit;
pub mod erasure;
pub mod join_links;
mod migrations;
pub mod oidc;
pub mod once;
pub mod participations;
pub mod people;
pub mod postgres;
pub mod records;
mod rows;
pub mod second_factors;
pub mod secret_key;
pub mod sqlite;
pub mod webhooks;
mod writer;

use api_keys::ApiKeyStore;
use async_trait::async_trait;
use audit::{Action, Actor, AuditHead, Record};
use erasure::ErasureStore;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ExamId, MessageId, ParticipantId, RosterEntryId, SessionId, UserId};
use invigil_shared::office::{DEFAULT_CAPACITY, RosterItem};
use invigil_shared::timeline::{Reach, TimelineEntry};
use join_links::JoinLinkStore;
use oidc::OidcStore;
use once::{Once, Outcome};
use participations::ParticipationStore;
use people::{PeopleStore, RevocationStore};
use postgres::{DatabaseUrl, PostgresStore};
use records::{
    Acknowledged, Append, Appended, AssignmentChange, EditedExam, ExamChange, ExamTimes, ExamsWanted, NewBroadcast,
    NewMessage, NewRosterEntry, SessionRecord, SittingChange, StoredExam, StoredMessage, UserRecord, WaitingDevice,
};
use second_factors::SecondFactorStore;
use secret_key::SecretKeyStore;
use serde_json::Value;
use sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webhooks::WebhookStore;

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
    /// The exam has places for so many and no more.
    #[error("the roster holds {capacity} candidates at most")]
    Full { capacity: i64 },
    #[error("nobody else could administer the server")]
    LastAdmin,
    /// A legal hold keeps it.
    #[error("a legal hold is on it")]
    Held,
    #[error("the exam is not over")]
    Running,
}

impl From<StoreError> for ErrorBody {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => ErrorCode::NotFound.into(),
            StoreError::Full { capacity } => ErrorBody::from(ErrorCode::RosterFull).with("capacity", capacity),
            StoreError::LastAdmin => ErrorCode::LastAdmin.into(),
            StoreError::Held => ErrorCode::LegalHold.into(),
            StoreError::Running => ErrorCode::ExamNotOver.into(),
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
    async fn make_exam(&self, exam: ExamInfo, capacity: u32, once: Option<Once>) -> Stored<Outcome>;
    /// The same with the usual capacity and without a key.
    async fn create_exam(&self, exam: ExamInfo) -> Stored<()> {
        self.make_exam(exam, DEFAULT_CAPACITY, None).await.map(drop)
    }
    /// False when it is of another revision, or has more on its roster than the new capacity. [`StoreError::Exists`] when the
    /// code is taken.
    async fn edit_exam(&self, edited: EditedExam) -> Stored<bool>;
    async fn exam(&self, id: ExamId) -> Stored<Option<ExamInfo>>;
    async fn stored_exam(&self, id: ExamId) -> Stored<Option<StoredExam>>;
    async fn exam_by_code(&self, code: &str) -> Stored<Option<ExamInfo>>;
    async fn exams_page(&self, wanted: ExamsWanted) -> Stored<Vec<StoredExam>>;
    /// The first page.
    async fn exams(&self) -> Stored<Vec<StoredExam>> {
        self.exams_page(ExamsWanted::default()).await
    }
    /// Brings an exam from one status to another, moving its end; false when it is not in the first one any more.
    async fn change_exam(&self, change: ExamChange) -> Stored<bool>;
    async fn exam_times(&self, id: ExamId) -> Stored<Option<ExamTimes>>;
    /// Exams whose status the clock may change: scheduled, waiting, active. At most [`records::MAX_EXAMS_LISTED`], newest first.
    async fn live_exams(&self) -> Stored<Vec<ExamInfo>>;
    /// What became of something that was asked for with a key; none when it was not done yet.
    async fn done_before(&self, once: &Once) -> Stored<Option<Outcome>>;
    /// Drops idempotency keys that are older.
    async fn forget_keys(&self, before: i64) -> Stored<()>;
}

#[async_trait]
pub trait RosterStore: Send + Sync {
    /// All or none. [`StoreError::Exists`] when the exam has such a label, [`StoreError::Full`] when it has not so many places,
    /// [`StoreError::Missing`] when there is no such exam.
    async fn add_entries(&self, exam: ExamId, new: Vec<NewRosterEntry>, once: Option<Once>) -> Stored<Outcome>;
    async fn add_entry(&self, new: NewRosterEntry) -> Stored<()> {
        self.add_entries(new.entry.exam, vec![new], None).await.map(drop)
    }
    /// False when there is none, or somebody has joined with it. [`StoreError::Exists`] as above.
    async fn edit_entry(&self, edited: RosterEntry) -> Stored<bool>;
    /// The same.
    async fn remove_entry(&self, exam: ExamId, id: RosterEntryId) -> Stored<bool>;
    /// The secret before is void; false when there is no such entry.
    async fn renew_secret(&self, exam: ExamId, id: RosterEntryId, secret_hash: Vec<u8>) -> Stored<bool>;
    /// Entries in the order in which they were added, after one.
    async fn roster(&self, exam: ExamId, after: RosterEntryId, count: usize) -> Stored<Vec<RosterItem>>;
    async fn roster_item(&self, exam: ExamId, id: RosterEntryId) -> Stored<Option<RosterItem>>;
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
    async fn session_of_entry(&self, entry: RosterEntryId) -> Stored<Option<SessionRecord>>;
    /// The sessions of an exam that have been in its room.
    async fn joined_sessions(&self, exam: ExamId) -> Stored<Vec<(SessionRecord, RosterEntry)>>;
    /// Notes the first `room:join`; true when it was the first.
    async fn mark_joined(&self, id: SessionId, at: i64) -> Stored<bool>;
    async fn mark_looked(&self, participant: ParticipantId, at: i64) -> Stored<()>;
    /// Changes how a sitting stands, with its timeline entry, and ends the session when the sitting is ended; false when it was
    /// changed, or had ended, since the revision that the change was decided on.
    async fn change_sitting(&self, change: SittingChange) -> Stored<bool>;
    /// The other device that waits for a session, or was the last to be refused.
    async fn waiting_device(&self, session: SessionId) -> Stored<Option<WaitingDevice>>;
    /// Gives candidates to proctors, with the timeline entries of it: all, or none and false when one of them is not with whom the
    /// move takes it from.
    async fn assign(&self, change: AssignmentChange) -> Stored<bool>;
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
    async fn add_message(&self, message: NewMessage) -> Stored<Outcome>;
    async fn mark_delivered(&self, ids: Vec<MessageId>, at: i64) -> Stored<()>;
    /// Writes a broadcast once, with its recipients and its timeline entry.
    async fn add_broadcast(&self, broadcast: NewBroadcast) -> Stored<Outcome>;
    /// Notes that it is on the machines of candidates.
    async fn mark_broadcast(&self, id: MessageId, candidates: Vec<ParticipantId>, at: i64) -> Stored<()>;
    async fn reach(&self, broadcast: MessageId) -> Stored<Reach>;
    /// Notes that `candidate` acknowledged a message or a broadcast to it. [`StoreError::Missing`] when there is none.
    async fn acknowledge(&self, id: MessageId, candidate: ParticipantId, at: i64) -> Stored<Acknowledged>;
    /// Messages and broadcasts to a candidate that it has not acknowledged, oldest first, at most [`records::MAX_UNACKNOWLEDGED`].
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
    + PeopleStore
    + ApiKeyStore
    + SecondFactorStore
    + OidcStore
    + SecretKeyStore
    + JoinLinkStore
    + RevocationStore
    + EventStore
    + TimelineStore
    + MessageStore
    + HealthStore
    + AuditStore
    + ErasureStore
    + WebhookStore
    + ParticipationStore
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
