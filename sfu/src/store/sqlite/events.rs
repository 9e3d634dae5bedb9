//! Integrity events: appended to a session's chain, each with its timeline entry, in one transaction.

use super::SqliteStore;
use super::rows::{hash, to_json};
use super::sessions::session;
use super::timeline::insert;
use crate::store::records::{Append, Appended, NewEvent};
use crate::store::{EventStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::chain::{ChainBreak, ChainHead, Hash, link_hash, payload_hash, unhex};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::SessionId;
use invigil_shared::integrity::{IntegrityEvent, IntegrityKind};
use invigil_shared::timeline::{Severity, TimelineBody, TimelineEntry};
use sqlx::{Row, SqliteConnection};

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

fn sql_seq(seq: u64) -> Stored<i64> {
    i64::try_from(seq).map_err(|_| StoreError::Corrupt("sequence number too large".to_owned()))
}

/// Whether an event that came again is the one that was kept.
async fn same_as_kept(connection: &mut SqliteConnection, id: SessionId, event: &IntegrityEvent) -> Stored<bool> {
    let query = sqlx::query("SELECT hash FROM integrity_events WHERE session = ? AND seq = ?");
    let row = query
        .bind(id.to_string())
        .bind(sql_seq(event.seq)?)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(false) };
    let kept = hash(&row, "hash")?;
    Ok(inner_hash(event).is_some_and(|inner| link_hash(id, event.seq, event.prev, inner) == kept))
}

async fn keep(connection: &mut SqliteConnection, append: &Append, new: &NewEvent, head: ChainHead) -> Stored<()> {
    let event = &new.event;
    let inner = inner_hash(event).ok_or_else(|| StoreError::Corrupt("salt".to_owned()))?;
    sqlx::query(
        "INSERT INTO integrity_events (session, seq, prev, hash, salt, payload, payload_hash, received_at, clock_offset) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(append.session.to_string())
    .bind(sql_seq(event.seq)?)
    .bind(event.prev.0.to_vec())
    .bind(head.hash.0.to_vec())
    .bind(&event.salt)
    .bind(&event.payload)
    .bind(inner.0.to_vec())
    .bind(append.received_at)
    .bind(append.clock_offset)
    .execute(connection)
    .await?;
    Ok(())
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
    connection: &mut SqliteConnection,
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
    let query = sqlx::query("SELECT 1 FROM timeline WHERE exam = ? AND participant = ? AND body = ? LIMIT 1");
    let query = query
        .bind(append.exam.to_string())
        .bind(append.participant.to_string())
        .bind(to_json(&body)?);
    if query.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(None);
    }
    let (at, received_at) = (append.received_at, append.received_at);
    let entry = TimelineEntry {
        id: append.broken_id,
        participant: append.participant,
        at,
        received_at,
        body,
    };
    insert(connection, append.exam, &entry).await?;
    Ok(Some(entry))
}

async fn append_all(connection: &mut SqliteConnection, append: Append) -> Stored<Appended> {
    let query = sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(append.session.to_string());
    let row = query
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::Missing)?;
    let mut head = session(&row)?.chain;
    let (mut entries, mut broken) = (Vec::new(), None);
    for new in &append.events {
        match head.advance(append.session, &new.event) {
            Ok(()) => {
                keep(connection, &append, new, head).await?;
                let entry = entry_of(&append, new);
                insert(connection, append.exam, &entry).await?;
                entries.push(entry);
            }
            Err(ChainBreak::Duplicate(_)) if same_as_kept(connection, append.session, &new.event).await? => {}
            Err(ChainBreak::Duplicate(seq)) => broken = Some(ChainBreak::Fork(seq)),
            Err(other) => broken = Some(other),
        }
        if let Some(broken) = broken {
            entries.extend(note_break(connection, &append, broken).await?);
            break;
        }
    }
    let query = sqlx::query("UPDATE sessions SET chain_seq = ?, chain_hash = ? WHERE id = ?");
    let query = query
        .bind(sql_seq(head.seq)?)
        .bind(head.hash.0.to_vec())
        .bind(append.session.to_string());
    query.execute(connection).await?;
    Ok(Appended { head, entries, broken })
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Stored<Appended> {
        self.writer
            .write(move |connection| Box::pin(append_all(connection, append)))
            .await
    }

    async fn payloads(&self, wanted: SessionId) -> Stored<Vec<String>> {
        let query = sqlx::query("SELECT payload FROM integrity_events WHERE session = ? ORDER BY seq");
        let rows = query.bind(wanted.to_string()).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok(row.try_get::<Option<String>, _>("payload")?.unwrap_or_default()))
            .collect()
    }
}
