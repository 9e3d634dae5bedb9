//! Integrity events, in the order of a session's chain.

use super::{SqliteStore, timeline, webhooks};
use crate::store::append::{self, ChainTables};
use crate::store::records::{Append, Appended};
use crate::store::rows::{all, chain_head, hash, payload, sql_seq, to_json};
use crate::store::webhooks::NewIncident;
use crate::store::{EventStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::chain::{ChainHead, Hash};
use invigil_shared::id::{ExamId, ParticipantId, SessionId};
use invigil_shared::integrity::IntegrityEvent;
use invigil_shared::timeline::{TimelineBody, TimelineEntry};
use sqlx::SqliteConnection;

#[async_trait]
impl ChainTables for SqliteConnection {
    async fn head(&mut self, session: SessionId) -> Stored<ChainHead> {
        let query = sqlx::query("SELECT chain_seq, chain_hash FROM sessions WHERE id = ?").bind(session.to_string());
        chain_head(&query.fetch_optional(self).await?.ok_or(StoreError::Missing)?)
    }

    async fn set_head(&mut self, session: SessionId, head: ChainHead) -> Stored<()> {
        sqlx::query("UPDATE sessions SET chain_seq = ?, chain_hash = ? WHERE id = ?")
            .bind(sql_seq(head.seq)?)
            .bind(head.hash.0.to_vec())
            .bind(session.to_string())
            .execute(self)
            .await?;
        Ok(())
    }

    async fn kept(&mut self, session: SessionId, seq: u64) -> Stored<Option<Hash>> {
        let query = sqlx::query("SELECT hash FROM integrity_events WHERE session = ? AND seq = ?");
        let query = query.bind(session.to_string()).bind(sql_seq(seq)?);
        let row = query.fetch_optional(self).await?;
        row.map(|row| hash(&row, "hash")).transpose()
    }

    async fn keep(&mut self, append: &Append, event: &IntegrityEvent, inner: Hash, hash: Hash) -> Stored<()> {
        sqlx::query(
            "INSERT INTO integrity_events (session, seq, prev, hash, salt, payload, payload_hash, received_at, clock_offset) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(append.session.to_string())
        .bind(sql_seq(event.seq)?)
        .bind(event.prev.0.to_vec())
        .bind(hash.0.to_vec())
        .bind(&event.salt)
        .bind(&event.payload)
        .bind(inner.0.to_vec())
        .bind(append.received_at)
        .bind(append.clock_offset)
        .execute(self)
        .await?;
        Ok(())
    }

    async fn has_entry(&mut self, exam: ExamId, participant: ParticipantId, body: &TimelineBody) -> Stored<bool> {
        let query = sqlx::query("SELECT 1 FROM timeline WHERE exam = ? AND participant = ? AND body = ? LIMIT 1");
        let query = query
            .bind(exam.to_string())
            .bind(participant.to_string())
            .bind(to_json(body)?);
        Ok(query.fetch_optional(self).await?.is_some())
    }

    async fn add_entry(&mut self, exam: ExamId, entry: &TimelineEntry) -> Stored<()> {
        timeline::insert(self, exam, entry).await
    }

    async fn add_incident(&mut self, incident: NewIncident) -> Stored<()> {
        webhooks::insert(self, incident).await
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Stored<Appended> {
        self.writer
            .write(move |connection| Box::pin(append::append(connection, append)))
            .await
    }

    async fn payloads(&self, wanted: SessionId) -> Stored<Vec<String>> {
        let query = sqlx::query("SELECT payload FROM integrity_events WHERE session = ? ORDER BY seq");
        all(&query.bind(wanted.to_string()).fetch_all(&self.readers).await?, payload)
    }
}
