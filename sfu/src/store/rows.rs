//! Reading rows, whichever database they are of: what a database gives is checked like what a peer sends.

use crate::auth::identity::Subject;
use crate::store::audit::{Action, AuditHead, Record};
use crate::store::erasure::{ChainLink, ChainOwner, Hold};
use crate::store::once::Once;
use crate::store::people::{self, ListedUser, Revocation};
use crate::store::records::{
    AssignmentChange, AssignmentMove, ExamChange, ExamTimes, SessionRecord, SittingChange, StoredExam, StoredMessage,
    UserRecord, WaitingDevice,
};
use crate::store::webhooks::{Incident, Progress, WebhookRecord};
use crate::store::{StoreError, Stored};
use invigil_shared::chain::{ChainHead, Hash, hex};
use invigil_shared::exam::{ExamInfo, ExamStatus, RosterEntry};
use invigil_shared::id::{
    ExamId, MessageId, ParticipantId, RosterEntryId, SessionId, TimelineEntryId, UserId, WebhookId,
};
use invigil_shared::office::RosterItem;
use invigil_shared::role::Role;
use invigil_shared::signal::Message;
use invigil_shared::sitting::Sitting;
use invigil_shared::timeline::{MessageKind, Reach, TimelineBody, TimelineEntry};
use serde::de::DeserializeOwned;
use sqlx::types::Uuid;

/// A row of either database.
pub trait Columns {
    fn uuid(&self, column: &str) -> Stored<Uuid>;
    fn maybe_uuid(&self, column: &str) -> Stored<Option<Uuid>>;
    fn text(&self, column: &str) -> Stored<String>;
    fn maybe_text(&self, column: &str) -> Stored<Option<String>>;
    fn integer(&self, column: &str) -> Stored<i64>;
    fn maybe_integer(&self, column: &str) -> Stored<Option<i64>>;
    fn bytes(&self, column: &str) -> Stored<Vec<u8>>;
    fn maybe_bytes(&self, column: &str) -> Stored<Option<Vec<u8>>>;
    fn truth(&self, column: &str) -> Stored<bool>;
}

/// Everything of [`Columns`] but ids, which each database stores in its own way.
macro_rules! plain_columns {
    () => {
        fn text(&self, column: &str) -> Stored<String> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn maybe_text(&self, column: &str) -> Stored<Option<String>> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn integer(&self, column: &str) -> Stored<i64> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn maybe_integer(&self, column: &str) -> Stored<Option<i64>> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn bytes(&self, column: &str) -> Stored<Vec<u8>> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn maybe_bytes(&self, column: &str) -> Stored<Option<Vec<u8>>> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
        fn truth(&self, column: &str) -> Stored<bool> {
            Ok(sqlx::Row::try_get(self, column)?)
        }
    };
}
pub(super) use plain_columns;

/// Reads all rows by one of the functions below.
pub fn all<R, T>(rows: &[R], read: impl Fn(&R) -> Stored<T>) -> Stored<Vec<T>> {
    rows.iter().map(read).collect()
}

/// Reads a row that may be missing.
pub fn one<R, T>(row: Option<&R>, read: impl Fn(&R) -> Stored<T>) -> Stored<Option<T>> {
    row.map(read).transpose()
}

fn corrupt(column: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {reason}"))
}

fn json<T: DeserializeOwned>(row: &impl Columns, column: &str) -> Stored<T> {
    serde_json::from_str(&row.text(column)?).map_err(|error| corrupt(column, error))
}

pub fn hash(row: &impl Columns, column: &str) -> Stored<Hash> {
    <[u8; 32]>::try_from(row.bytes(column)?)
        .map(Hash)
        .map_err(|_| corrupt(column, "not 32 bytes"))
}

pub fn seq(row: &impl Columns, column: &str) -> Stored<u64> {
    u64::try_from(row.integer(column)?).map_err(|_| corrupt(column, "negative"))
}

pub fn exam(row: &impl Columns) -> Stored<ExamInfo> {
    Ok(ExamInfo {
        id: ExamId(row.uuid("id")?),
        title: row.text("title")?,
        code: row.text("code")?,
        status: ExamStatus::parse(&row.text("status")?),
        starts_at: row.integer("starts_at")?,
        ends_at: row.integer("ends_at")?,
        policy: json(row, "policy")?,
    })
}

/// What the audit log says of a step of an exam's status; the row has the end as it is then.
pub fn exam_change(change: &ExamChange, row: &impl Columns) -> Stored<serde_json::Value> {
    let ends_at = row.integer("ends_at")?;
    Ok(serde_json::json!({ "from": change.from.as_str(), "to": change.to.as_str(), "ends_at": ends_at }))
}

/// What the audit log says of an exam that was made or edited.
pub fn exam_said(exam: &ExamInfo, capacity: u32) -> serde_json::Value {
    serde_json::json!({
        "code": exam.code, "title": exam.title, "starts_at": exam.starts_at, "ends_at": exam.ends_at,
        "policy": exam.policy, "capacity": capacity,
    })
}

/// What the audit log says of a roster entry.
pub fn entry_said(entry: &RosterEntry) -> serde_json::Value {
    serde_json::json!({ "exam": entry.exam, "label": entry.label, "allowances": entry.allowances })
}

/// Whether an exam's roster has room for so many more.
pub fn place_for(exam: &impl Columns, more: usize) -> Stored<()> {
    let (capacity, candidates) = (exam.integer("capacity")?, exam.integer("candidates")?);
    if candidates.saturating_add(limit(more)) > capacity {
        return Err(StoreError::Full { capacity });
    }
    Ok(())
}

pub fn exam_times(row: &impl Columns) -> Stored<ExamTimes> {
    Ok(ExamTimes {
        paused_at: row.maybe_integer("paused_at")?,
        started_at: row.maybe_integer("started_at")?,
        ended_at: row.maybe_integer("ended_at")?,
        peak: count(row, "peak")?,
    })
}

fn count(row: &impl Columns, column: &str) -> Stored<u32> {
    u32::try_from(row.integer(column)?).map_err(|error| corrupt(column, error))
}

/// An exam with the number of `candidates` on its roster.
pub fn stored_exam(row: &impl Columns) -> Stored<StoredExam> {
    Ok(StoredExam {
        info: exam(row)?,
        capacity: count(row, "capacity")?,
        revision: count(row, "revision")?,
        candidates: count(row, "candidates")?,
        times: exam_times(row)?,
        hold: hold(row)?,
        erased_at: row.maybe_integer("erased_at")?,
    })
}

/// Why an exam or a candidate is kept whatever the policy says.
fn hold(row: &impl Columns) -> Stored<Option<Hold>> {
    let reason = row.maybe_text("hold_reason")?.unwrap_or_default();
    Ok(row.maybe_integer("held_at")?.map(|at| Hold { at, reason }))
}

pub fn incident(row: &impl Columns) -> Stored<Incident> {
    Ok(Incident {
        seq: seq(row, "seq")?,
        exam: ExamId(row.uuid("exam")?),
        session: SessionId(row.uuid("session")?),
        kind: row.text("kind")?,
        severity: row.text("severity")?,
        at: row.integer("at")?,
    })
}

pub fn webhook(row: &impl Columns) -> Stored<WebhookRecord> {
    Ok(WebhookRecord {
        id: WebhookId(row.uuid("id")?),
        url: row.text("url")?,
        kinds: json(row, "kinds")?,
        salt: row.bytes("salt")?,
        created_at: row.integer("created_at")?,
        stopped: row.maybe_text("stopped")?,
        progress: Progress {
            audit_seq: seq(row, "audit_seq")?,
            incident_seq: seq(row, "incident_seq")?,
            attempts: count(row, "attempts")?,
            next_at: row.integer("next_at")?,
            last_error: row.maybe_text("last_error")?,
            delivered_at: row.maybe_integer("delivered_at")?,
        },
    })
}

pub fn chain_owner(row: &impl Columns) -> Stored<ChainOwner> {
    Ok(ChainOwner {
        session: SessionId(row.uuid("id")?),
        head: chain_head(row)?,
        erased: row.maybe_integer("erased_at")?.is_some(),
    })
}

pub fn chain_link(row: &impl Columns) -> Stored<ChainLink> {
    Ok(ChainLink {
        seq: seq(row, "seq")?,
        prev: hash(row, "prev")?,
        hash: hash(row, "hash")?,
        content: row.maybe_text("salt")?.zip(row.maybe_text("payload")?),
        payload_hash: hash(row, "payload_hash")?,
    })
}

/// An entry, and whether it is `used`.
pub fn roster_item(row: &impl Columns) -> Stored<RosterItem> {
    Ok(RosterItem {
        entry: entry(row)?,
        used: row.truth("used")?,
        hold: hold(row)?.map(|hold| hold.reason),
        erased: row.maybe_integer("erased_at")?.is_some(),
    })
}

/// An idempotency key with what was done for it.
pub fn once(row: &impl Columns) -> Stored<Once> {
    Ok(Once {
        actor: row.text("actor")?,
        key: row.text("key")?,
        request: row.bytes("request")?,
        salt: row.bytes("salt")?,
        answer: row.text("answer")?,
        at: row.integer("created_at")?,
    })
}

pub fn entry(row: &impl Columns) -> Stored<RosterEntry> {
    Ok(RosterEntry {
        id: RosterEntryId(row.uuid("id")?),
        exam: ExamId(row.uuid("exam")?),
        label: row.text("label")?,
        seat: row.maybe_text("seat")?,
        allowances: json(row, "allowances")?,
    })
}

/// An entry with its secret's keyed hash.
pub fn secret_entry(row: &impl Columns) -> Stored<(RosterEntry, Vec<u8>)> {
    Ok((entry(row)?, row.bytes("secret_hash")?))
}

pub fn session(row: &impl Columns) -> Stored<SessionRecord> {
    Ok(SessionRecord {
        id: SessionId(row.uuid("id")?),
        exam: ExamId(row.uuid("exam")?),
        entry: RosterEntryId(row.uuid("entry")?),
        participant: ParticipantId(row.uuid("participant")?),
        device_key: row.maybe_bytes("device_key")?,
        created_at: row.integer("created_at")?,
        joined_at: row.maybe_integer("joined_at")?,
        finished_at: row.maybe_integer("finished_at")?,
        looked_at: row.integer("looked_at")?,
        revoked_at: row.maybe_integer("revoked_at")?,
        generation: seq(row, "generation")?,
        chain: chain_head(row)?,
        sitting: json(row, "sitting")?,
        sitting_revision: row.integer("sitting_revision")?,
        proctor: proctor(row)?,
    })
}

/// Who watches the candidate of a session.
pub fn proctor(row: &impl Columns) -> Stored<Option<UserId>> {
    Ok(row.maybe_uuid("proctor")?.map(UserId))
}

/// What the audit log says of candidates that were given to proctors.
pub fn assigned(change: &AssignmentChange) -> serde_json::Value {
    let said =
        |moved: &AssignmentMove| serde_json::json!({ "session": moved.session, "from": moved.from, "to": moved.to });
    serde_json::json!({ "moves": change.moves.iter().map(said).collect::<Vec<_>>() })
}

/// What the audit log says of a candidate's first time in the room.
pub fn entered(row: &impl Columns) -> Stored<serde_json::Value> {
    let (exam, entry) = (ExamId(row.uuid("exam")?), RosterEntryId(row.uuid("entry")?));
    Ok(serde_json::json!({ "exam": exam, "entry": entry }))
}

/// What the audit log says of a step of a sitting: why, in somebody's words, is not in it.
pub fn sitting_change(change: &SittingChange) -> serde_json::Value {
    let Sitting {
        admission,
        late,
        extra_min,
        given_back_us,
        ..
    } = change.sitting;
    serde_json::json!({
        "exam": change.exam, "step": change.step, "admission": admission, "late": late, "extra_min": extra_min, "given_back_us": given_back_us,
    })
}

pub fn waiting_device(row: &impl Columns) -> Stored<WaitingDevice> {
    Ok(WaitingDevice {
        device_key: row.bytes("device_key")?,
        asked_at: row.integer("asked_at")?,
        refused_at: row.maybe_integer("refused_at")?,
    })
}

/// A session's device key as the audit log has it.
pub fn device(session: &SessionRecord) -> Option<String> {
    session.device_key.as_deref().map(hex)
}

/// Where the chain of a session stands.
pub fn chain_head(row: &impl Columns) -> Stored<ChainHead> {
    Ok(ChainHead {
        seq: seq(row, "chain_seq")?,
        hash: hash(row, "chain_hash")?,
    })
}

/// A session with its roster entry's columns beside its own.
pub fn joined_session(row: &impl Columns) -> Stored<(SessionRecord, RosterEntry)> {
    let session = session(row)?;
    let entry = RosterEntry {
        id: session.entry,
        exam: session.exam,
        label: row.text("label")?,
        seat: row.maybe_text("seat")?,
        allowances: json(row, "allowances")?,
    };
    Ok((session, entry))
}

pub fn user(row: &impl Columns) -> Stored<UserRecord> {
    Ok(UserRecord {
        id: UserId(row.uuid("id")?),
        email: row.text("email")?,
        name: row.text("name")?,
        role: Role::parse(&row.text("role")?),
        password_hash: row.maybe_text("password_hash")?,
        created_at: row.integer("created_at")?,
        deactivated_at: row.maybe_integer("deactivated_at")?,
        generation: seq(row, "generation")?,
    })
}

/// An account with the end of its link.
pub fn listed_user(row: &impl Columns) -> Stored<ListedUser> {
    Ok(ListedUser {
        user: user(row)?,
        link_expires_at: row.maybe_integer("expires_at")?,
        second_factor: row.truth("second_factor")?,
        oidc_linked: row.truth("oidc_linked")?,
    })
}

pub fn revocation(row: &impl Columns) -> Stored<Revocation> {
    let id = row.uuid("subject")?;
    let subject = match row.text("kind")?.as_str() {
        people::USER => Subject::User(UserId(id)),
        people::SESSION => Subject::Session(SessionId(id)),
        other => return Err(corrupt("kind", other)),
    };
    Ok(Revocation {
        subject,
        generation: seq(row, "generation")?,
        seq: seq(row, "seq")?,
    })
}

pub fn payload(row: &impl Columns) -> Stored<String> {
    Ok(row.maybe_text("payload")?.unwrap_or_default())
}

/// Where the audit log stands, by its last record.
pub fn audit_head<R: Columns>(last: Option<&R>) -> Stored<AuditHead> {
    match last {
        None => Ok(AuditHead::genesis()),
        Some(row) => Ok(AuditHead {
            seq: seq(row, "seq")?,
            hash: hash(row, "hash")?,
        }),
    }
}

pub fn record(row: &impl Columns) -> Stored<Record> {
    Ok(Record {
        seq: seq(row, "seq")?,
        prev: hash(row, "prev")?,
        hash: hash(row, "hash")?,
        salt: row.maybe_bytes("salt")?,
        record_hash: hash(row, "record_hash")?,
        at: row.integer("at")?,
        actor: row.text("actor")?,
        role: row.text("role")?,
        action: row.text("action")?,
        target: row.text("target")?,
        metadata: row.text("metadata")?,
        address: row.maybe_text("address")?,
    })
}

const WARNING: &str = "warning";

/// A message's kind as stored.
pub fn kind_text(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Warning => WARNING,
        MessageKind::Chat | MessageKind::Unknown => "chat",
    }
}

/// What the audit log calls the sending of a message.
pub fn action(kind: MessageKind) -> Action {
    match kind {
        MessageKind::Warning => Action::Warn,
        MessageKind::Chat | MessageKind::Unknown => Action::SendMessage,
    }
}

pub fn message(row: &impl Columns) -> Stored<StoredMessage> {
    let kind = match row.text("kind")?.as_str() {
        WARNING => MessageKind::Warning,
        _ => MessageKind::Chat,
    };
    let message = Message {
        id: MessageId(row.uuid("id")?),
        kind,
        candidate: ParticipantId(row.uuid("candidate")?),
        from_candidate: row.truth("from_candidate")?,
        author: row.text("author")?,
        text: row.text("text")?,
        at: row.integer("at")?,
        acknowledged: row.maybe_integer("acknowledged_at")?.is_some(),
    };
    let delivered = row.maybe_integer("delivered_at")?.is_some();
    Ok(StoredMessage {
        message,
        delivered,
        broadcast: row.truth("broadcast")?,
    })
}

/// How far a broadcast has come, by the columns `recipients`, `received` and `read`.
pub fn reach(row: &impl Columns) -> Stored<Reach> {
    let count = |column: &str| u16::try_from(row.integer(column)?).map_err(|error| corrupt(column, error));
    Ok(Reach {
        recipients: count("recipients")?,
        delivered: count("received")?,
        acknowledged: count("read")?,
    })
}

/// The message that a timeline entry is about: what became of it is read from there, so that an entry is written once.
pub fn message_of(entry: &TimelineEntry) -> Option<MessageId> {
    match &entry.body {
        TimelineBody::Message { message, .. } => Some(*message),
        _ => None,
    }
}

/// The same of a broadcast.
pub fn broadcast_of(entry: &TimelineEntry) -> Option<MessageId> {
    match &entry.body {
        TimelineBody::Broadcast { message, .. } => Some(*message),
        _ => None,
    }
}

/// A timeline entry, with the columns of the message that it is about.
pub fn timeline_entry(row: &impl Columns) -> Stored<TimelineEntry> {
    let mut body = json(row, "body")?;
    if let TimelineBody::Message {
        delivered,
        acknowledged,
        ..
    } = &mut body
    {
        *delivered = row.maybe_integer("delivered_at")?.is_some();
        *acknowledged = row.maybe_integer("acknowledged_at")?.is_some();
    }
    if let TimelineBody::Broadcast { reach: stored, .. } = &mut body {
        *stored = reach(row)?;
    }
    Ok(TimelineEntry {
        id: TimelineEntryId(row.uuid("id")?),
        participant: ParticipantId(row.uuid("participant")?),
        at: row.integer("at")?,
        received_at: row.integer("received_at")?,
        body,
    })
}

/// Limits of lists as SQL takes them.
pub fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub fn sql_seq(seq: u64) -> Stored<i64> {
    i64::try_from(seq).map_err(|_| StoreError::Corrupt("sequence number too large".to_owned()))
}

pub fn to_json<T: serde::Serialize>(value: &T) -> Stored<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Turns a violated uniqueness into [`StoreError::Exists`].
pub fn unique(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreError::Exists,
        _ => error.into(),
    }
}
