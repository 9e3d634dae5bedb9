//! Sessions: one candidate's sitting, across devices' restarts and ours.

use super::SqliteStore;
use super::devices::change_device;
use super::participations::register;
use super::timeline::insert;
use crate::store::audit::{self, Action};
use crate::store::once;
use crate::store::records::{AssignmentChange, SessionRecord, SittingChange, WaitingDevice};
use crate::store::rows::{
    all, assigned, device, entered, joined_session, one, proctor, session, sitting_change, to_json, waiting_device,
};
use crate::store::{SessionStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::exam::RosterEntry;
use invigil_shared::id::{ExamId, ParticipantId, RosterEntryId, SessionId};
use invigil_shared::timeline::TimelineEntry;
use serde_json::json;
use std::sync::Arc;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn open_session(&self, fresh: SessionRecord) -> Stored<SessionRecord> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO sessions (id, exam, entry, participant, device_key, created_at, chain_seq, chain_hash) \
                         VALUES (?, ?, ?, ?, ?, ?, 0, ?) \
                         ON CONFLICT (entry) DO UPDATE SET device_key = coalesce(device_key, excluded.device_key)",
                    )
                    .bind(fresh.id.to_string())
                    .bind(fresh.exam.to_string())
                    .bind(fresh.entry.to_string())
                    .bind(fresh.participant.to_string())
                    .bind(fresh.device_key)
                    .bind(fresh.created_at)
                    .bind(fresh.chain.hash.0.to_vec())
                    .execute(&mut *connection)
                    .await?;
                    let query = sqlx::query("SELECT * FROM sessions WHERE entry = ?").bind(fresh.entry.to_string());
                    let session = session(&query.fetch_one(&mut *connection).await?)?;
                    if let Some(key) = &session.device_key {
                        register(connection, session.id, key, fresh.created_at).await?;
                    }
                    let said = json!({ "exam": session.exam, "entry": session.entry, "device": device(&session) });
                    audit::record(connection, &actor, Action::Join, session.id, &said).await?;
                    Ok(session)
                })
            })
            .await
    }

    async fn session(&self, wanted: SessionId) -> Stored<Option<SessionRecord>> {
        let query = sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(wanted.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), session)
    }

    async fn session_of_entry(&self, entry: RosterEntryId) -> Stored<Option<SessionRecord>> {
        let query = sqlx::query("SELECT * FROM sessions WHERE entry = ?").bind(entry.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), session)
    }

    async fn joined_sessions(&self, exam: ExamId) -> Stored<Vec<(SessionRecord, RosterEntry)>> {
        let query = sqlx::query(
            "SELECT sessions.*, roster.label, roster.seat, roster.allowances FROM sessions \
             JOIN roster ON roster.id = sessions.entry WHERE sessions.exam = ? AND joined_at IS NOT NULL ORDER BY sessions.id",
        );
        let rows = query.bind(exam.to_string()).fetch_all(&self.readers).await?;
        all(&rows, joined_session)
    }

    async fn mark_joined(&self, wanted: SessionId, at: i64) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE sessions SET joined_at = ? WHERE id = ? AND joined_at IS NULL RETURNING exam, entry",
                    );
                    let query = query.bind(at).bind(wanted.to_string());
                    let done = query.fetch_optional(&mut *connection).await?;
                    let Some(row) = done else { return Ok(false) };
                    let said = entered(&row)?;
                    audit::record(connection, &actor, Action::EnterRoom, wanted, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn mark_looked(&self, participant: ParticipantId, at: i64) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("UPDATE sessions SET looked_at = max(looked_at, ?) WHERE participant = ?");
                    let done = query.bind(at).bind(participant.to_string()).execute(connection).await?;
                    if done.rows_affected() == 1 {
                        Ok(())
                    } else {
                        Err(StoreError::Missing)
                    }
                })
            })
            .await
    }

    async fn change_sitting(&self, change: SittingChange) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        let said = sitting_change(&change);
        let sitting = to_json(&change.sitting)?;
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE sessions SET sitting = ?, sitting_revision = sitting_revision + 1, \
                         finished_at = CASE WHEN ? THEN ? ELSE finished_at END \
                         WHERE id = ? AND sitting_revision = ? AND finished_at IS NULL",
                    );
                    let done = query
                        .bind(sitting)
                        .bind(change.sitting.ended)
                        .bind(change.at)
                        .bind(change.session.to_string())
                        .bind(change.revision)
                        .execute(&mut *connection)
                        .await?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    // Whoever was faster with the same key has changed the revision too.
                    if once::begin(connection, change.once.as_ref()).await?.is_some() {
                        return Err(StoreError::Exists);
                    }
                    if let Some(entry) = &change.entry {
                        insert(connection, change.exam, entry).await?;
                    }
                    if let Some(device) = change.device {
                        change_device(connection, change.session, device, change.at).await?;
                    }
                    audit::record(connection, &actor, Action::ChangeSitting, change.session, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn waiting_device(&self, session: SessionId) -> Stored<Option<WaitingDevice>> {
        let query = sqlx::query("SELECT * FROM device_moves WHERE session = ?").bind(session.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), waiting_device)
    }

    async fn assign(&self, change: AssignmentChange) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    // All are looked at before one is changed: no other writer is at work meanwhile.
                    for moved in &change.moves {
                        let query =
                            sqlx::query("SELECT proctor FROM sessions WHERE id = ?").bind(moved.session.to_string());
                        let row = query.fetch_optional(&mut *connection).await?;
                        if one(row.as_ref(), proctor)? != Some(moved.from) {
                            return Ok(false);
                        }
                    }
                    for moved in &change.moves {
                        sqlx::query("UPDATE sessions SET proctor = ? WHERE id = ?")
                            .bind(moved.to.map(|user| user.to_string()))
                            .bind(moved.session.to_string())
                            .execute(&mut *connection)
                            .await?;
                    }
                    for entry in &change.entries {
                        insert(connection, change.exam, entry).await?;
                    }
                    audit::record(connection, &actor, Action::Assign, change.exam, &assigned(&change)).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn finish(&self, wanted: SessionId, exam: ExamId, entry: TimelineEntry) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("UPDATE sessions SET finished_at = ? WHERE id = ? AND finished_at IS NULL");
                    let done = query
                        .bind(entry.at)
                        .bind(wanted.to_string())
                        .execute(&mut *connection)
                        .await?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    insert(connection, exam, &entry).await?;
                    audit::record(connection, &actor, Action::Finish, wanted, &json!({ "exam": exam })).await?;
                    Ok(true)
                })
            })
            .await
    }
}
