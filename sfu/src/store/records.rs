//! What the store takes and gives that the protocol has no type for.

use crate::store::erasure::Hold;
use crate::store::once::Once;
use invigil_shared::chain::{ChainBreak, ChainHead};
use invigil_shared::exam::{ExamInfo, ExamStatus, RosterEntry};
use invigil_shared::id::{ExamId, MessageId, ParticipantId, RosterEntryId, SessionId, TimelineEntryId, UserId};
use invigil_shared::integrity::{IntegrityEvent, IntegrityPayload};
use invigil_shared::role::Role;
use invigil_shared::signal::Message;
use invigil_shared::sitting::Sitting;
use invigil_shared::timeline::TimelineEntry;

/// Exams that a page of the list holds at most.
pub const MAX_EXAMS_LISTED: usize = 200;
/// Unacknowledged messages that a returning candidate receives.
pub const MAX_UNACKNOWLEDGED: usize = 200;

/// The setting that holds the setup code's keyed hash.
pub const SETUP_CODE: &str = "setup_code_hash";

/// A step of an exam's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExamChange {
    pub exam: ExamId,
    pub from: ExamStatus,
    pub to: ExamStatus,
    /// By how much the end moves, so that an edit of the end just before is not undone; microseconds.
    pub longer_us: i64,
    pub at: i64,
}

/// An exam with what the office knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredExam {
    pub info: ExamInfo,
    /// Candidates that the roster holds at most.
    pub capacity: u32,
    /// Changes with every edit and step.
    pub revision: u32,
    /// Candidates on the roster.
    pub candidates: u32,
    pub times: ExamTimes,
    /// It keeps every candidate's data.
    pub hold: Option<Hold>,
    /// Since when nothing is left of any candidate.
    pub erased_at: Option<i64>,
}

/// An exam as it will be, if it is still of that revision. Its status is not touched.
#[derive(Clone, Debug)]
pub struct EditedExam {
    pub info: ExamInfo,
    pub capacity: u32,
    pub revision: u32,
}

/// A page of exams, newest first.
#[derive(Clone, Copy, Debug)]
pub struct ExamsWanted {
    /// Only those that were made before this one.
    pub before: ExamId,
    /// Drafts too.
    pub drafts: bool,
    pub limit: usize,
}

impl Default for ExamsWanted {
    fn default() -> Self {
        Self {
            before: ExamId(sqlx::types::Uuid::max()),
            drafts: true,
            limit: MAX_EXAMS_LISTED,
        }
    }
}

/// When an exam began, was closed, and since when it is paused; and how many were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExamTimes {
    pub paused_at: Option<i64>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    /// The most candidates in its room at once.
    pub peak: u32,
}

/// A roster entry with its secret's keyed hash.
#[derive(Clone, Debug)]
pub struct NewRosterEntry {
    pub entry: RosterEntry,
    pub secret_hash: Vec<u8>,
    pub created_at: i64,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub exam: ExamId,
    pub entry: RosterEntryId,
    pub participant: ParticipantId,
    /// Ed25519 public key of the device that holds the session.
    pub device_key: Option<Vec<u8>>,
    pub created_at: i64,
    pub joined_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub looked_at: i64,
    /// Since when a lead keeps it out.
    pub revoked_at: Option<i64>,
    /// How often it was: tokens of an earlier generation are refused.
    pub generation: u64,
    pub chain: ChainHead,
    pub sitting: Sitting,
    /// Counted up by every change of `sitting`.
    pub sitting_revision: i64,
    /// Who watches the candidate.
    pub proctor: Option<UserId>,
}

/// A candidate is given to somebody else, or to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignmentMove {
    pub session: SessionId,
    pub participant: ParticipantId,
    /// Who watched when it was decided.
    pub from: Option<UserId>,
    pub to: Option<UserId>,
}

/// Moves of one exam that are made together.
#[derive(Clone, Debug)]
pub struct AssignmentChange {
    pub exam: ExamId,
    pub moves: Vec<AssignmentMove>,
    pub entries: Vec<TimelineEntry>,
}

/// A step of one sitting.
#[derive(Clone, Debug)]
pub struct SittingChange {
    pub session: SessionId,
    pub exam: ExamId,
    /// The revision that it was decided on.
    pub revision: i64,
    /// What was done, for the audit log.
    pub step: &'static str,
    pub sitting: Sitting,
    /// For the timeline; none when the step is told by something else.
    pub entry: Option<TimelineEntry>,
    /// What becomes of another device with it.
    pub device: Option<DeviceChange>,
    pub at: i64,
    pub once: Option<Once>,
}

/// Another device of a session's candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It waits. Its Ed25519 public key.
    Ask(Vec<u8>),
    /// The one that waits holds the session from now on; tokens of before are void.
    Take,
    Refuse,
}

/// A device that waits for a session, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDevice {
    pub device_key: Vec<u8>,
    pub asked_at: i64,
    pub refused_at: Option<i64>,
}

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub id: UserId,
    /// Lower case.
    pub email: String,
    pub name: String,
    pub role: Role,
    pub password_hash: Option<String>,
    pub created_at: i64,
    /// Since when the account is refused everywhere.
    pub deactivated_at: Option<i64>,
    /// How often what it may do was taken away: tokens of an earlier generation are refused.
    pub generation: u64,
}

impl UserRecord {
    pub fn active(&self) -> bool {
        self.deactivated_at.is_none()
    }
}

/// One integrity event on its way into the store.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: IntegrityEvent,
    /// The event's payload, decoded.
    pub payload: IntegrityPayload,
    /// For the timeline entry that the event makes.
    pub timeline_id: TimelineEntryId,
    /// When it happened, server time.
    pub at: i64,
}

/// Integrity events of one session, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Append {
    pub session: SessionId,
    pub exam: ExamId,
    pub participant: ParticipantId,
    pub received_at: i64,
    pub clock_offset: Option<i64>,
    pub events: Vec<NewEvent>,
    /// For the timeline entry that a gap or fork makes.
    pub broken_id: TimelineEntryId,
}

/// What became of [`Append`].
#[derive(Clone, Debug)]
pub struct Appended {
    /// Everything up to here is committed.
    pub head: ChainHead,
    /// The timeline entries that were new.
    pub entries: Vec<TimelineEntry>,
    /// The event that did not continue the chain; it and what followed was not kept.
    pub broken: Option<ChainBreak>,
}

/// A message with its timeline entry.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub exam: ExamId,
    /// `author` is the person's name, as proctors see it.
    pub message: Message,
    pub entry: TimelineEntry,
    pub once: Option<Once>,
}

/// Words to many, with their timeline entry.
#[derive(Clone, Debug)]
pub struct NewBroadcast {
    pub id: MessageId,
    pub exam: ExamId,
    /// The person's name, as proctors see it.
    pub author: String,
    pub text: String,
    pub at: i64,
    pub recipients: Vec<ParticipantId>,
    pub entry: TimelineEntry,
    pub once: Option<Once>,
}

/// A message as stored, or one candidate's part of a broadcast.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    pub message: Message,
    pub delivered: bool,
    pub broadcast: bool,
}

/// What an acknowledgement was of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    Before,
    Message,
    Broadcast,
}
