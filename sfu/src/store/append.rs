//! How integrity events continue a session's chain, each with its timeline entry. The databases add their SQL.

use crate::store::records::{Append, Appended, NewEvent};
use crate::store::webhooks::NewIncident;
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::chain::{ChainBreak, ChainHead, Hash, link_hash, payload_hash, unhex};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipantId, SessionId};
use invigil_shared::integrity::{IntegrityEvent, IntegrityKind};
use invigil_shared::timeline::{Severity, TimelineBody, TimelineEntry};

/// What appending asks of a database, all in one transaction.
#[async_trait]
pub trait ChainTables: Send {
    /// [`StoreError::Missing`] when there is no such session.
    async fn head(&mut self, session: SessionId) -> Stored<ChainHead>;
    async fn set_head(&mut self, session: SessionId, head: ChainHead) -> Stored<()>;
    /// The hash of an event that was kept.
    async fn kept(&mut self, session: SessionId, seq: u64) -> Stored<Option<Hash>>;
    async fn keep(&mut self, append: &Append, event: &IntegrityEvent, inner: Hash, hash: Hash) -> Stored<()>;
    async fn has_entry(&mut self, exam: ExamId, participant: ParticipantId, body: &TimelineBody) -> Stored<bool>;
    async fn add_entry(&mut self, exam: ExamId, entry: &TimelineEntry) -> Stored<()>;
    async fn add_incident(&mut self, incident: NewIncident) -> Stored<()>;
}

/// What was found by the entry of a session, when a human should look at it: what is urgent, and begins or has no length.
fn incident(append: &Append, entry: &TimelineEntry) -> Option<NewIncident> {
    let (kind, severity) = match &entry.body {
        TimelineBody::Integrity { begins: Some(_), .. } => return None,
        TimelineBody::Integrity { kind, severity, .. } => (word(kind)?, *severity),
        TimelineBody::ChainBroken { severity, .. } => ("chain_broken".to_owned(), *severity),
        _ => return None,
    };
    matches!(severity, Severity::Medium | Severity::High).then(|| NewIncident {
        exam: append.exam,
        session: append.session,
        kind,
        severity,
        at: entry.at,
    })
}

/// How a value of the protocol without fields is written.
pub(super) fn word(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// How urgent a human should find it.
fn severity(kind: IntegrityKind) -> Severity {
    match kind {
        IntegrityKind::ScreenLost => Severity::High,
        IntegrityKind::FocusLost | IntegrityKind::CameraLost | IntegrityKind::ClockJumped => Severity::Medium,
        IntegrityKind::MicrophoneLost | IntegrityKind::NetworkLost => Severity::Low,
        _ => Severity::Info,
    }
}

fn inner_hash(event: &IntegrityEvent) -> Option<Hash> {
    Some(payload_hash(&unhex(&event.salt)?, event.payload.as_bytes()))
}

/// Whether an event that came again is the one that was kept.
async fn same_as_kept(tables: &mut impl ChainTables, id: SessionId, event: &IntegrityEvent) -> Stored<bool> {
    let Some(kept) = tables.kept(id, event.seq).await? else {
        return Ok(false);
    };
    Ok(inner_hash(event).is_some_and(|inner| link_hash(id, event.seq, event.prev, inner) == kept))
}

fn entry_of(append: &Append, new: &NewEvent) -> TimelineEntry {
    let payload = &new.payload;
    TimelineEntry {
        id: new.timeline_id,
        participant: append.participant,
        at: new.at,
        received_at: append.received_at,
        body: TimelineBody::Integrity {
            kind: payload.kind,
            seq: new.event.seq,
            observer: payload.observer,
            confidence: payload.confidence.min(100),
            severity: severity(payload.kind),
            begins: payload.begins,
        },
    }
}

/// The timeline entry of a broken chain; none when the same break was written before (a client tries again).
async fn note_break(
    tables: &mut impl ChainTables,
    append: &Append,
    broken: ChainBreak,
) -> Stored<Option<TimelineEntry>> {
    let (code, seq) = match broken {
        ChainBreak::Gap { got, .. } => (ErrorCode::ChainGap, got),
        ChainBreak::Fork(seq) | ChainBreak::BadSalt(seq) | ChainBreak::Duplicate(seq) => (ErrorCode::ChainFork, seq),
    };
    let body = TimelineBody::ChainBroken {
        code: code.as_str().to_owned(),
        seq,
        severity: Severity::High,
    };
    if tables.has_entry(append.exam, append.participant, &body).await? {
        return Ok(None);
    }
    let entry = TimelineEntry {
        id: append.broken_id,
        participant: append.participant,
        at: append.received_at,
        received_at: append.received_at,
        body,
    };
    tables.add_entry(append.exam, &entry).await?;
    if let Some(incident) = incident(append, &entry) {
        tables.add_incident(incident).await?;
    }
    Ok(Some(entry))
}

/// [`crate::store::EventStore::append`].
pub async fn append(tables: &mut impl ChainTables, append: Append) -> Stored<Appended> {
    let mut head = tables.head(append.session).await?;
    let (mut entries, mut broken) = (Vec::new(), None);
    for new in &append.events {
        match head.advance(append.session, &new.event) {
            Ok(()) => {
                let inner = inner_hash(&new.event).ok_or_else(|| StoreError::Corrupt("salt".to_owned()))?;
                tables.keep(&append, &new.event, inner, head.hash).await?;
                let entry = entry_of(&append, new);
                tables.add_entry(append.exam, &entry).await?;
                if let Some(incident) = incident(&append, &entry) {
                    tables.add_incident(incident).await?;
                }
                entries.push(entry);
            }
            Err(ChainBreak::Duplicate(_)) if same_as_kept(tables, append.session, &new.event).await? => {}
            Err(ChainBreak::Duplicate(seq)) => broken = Some(ChainBreak::Fork(seq)),
            Err(other) => broken = Some(other),
        }
        if let Some(broken) = broken {
            entries.extend(note_break(tables, &append, broken).await?);
            break;
        }
    }
    tables.set_head(append.session, head).await?;
    Ok(Appended { head, entries, broken })
}
