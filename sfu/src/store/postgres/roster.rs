//! Roster entries and the keyed hashes of their secrets.

use super::PostgresStore;
use crate::store::audit::{self, Action};
use crate::store::once::{self, Once, Outcome};
use crate::store::records::NewRosterEntry;
use crate::store::rows::{all, entry, entry_said, limit, one, place_for, roster_item, secret_entry, to_json, unique};
use crate::store::{RosterStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::exam::RosterEntry;
use invigil_shared::id::{ExamId, RosterEntryId};
use invigil_shared::office::RosterItem;
use serde_json::json;
use sqlx::PgConnection;
use std::sync::Arc;

#[async_trait]
impl RosterStore for PostgresStore {
    async fn add_entries(&self, exam: ExamId, new: Vec<NewRosterEntry>, once: Option<Once>) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, once.as_ref()).await? {
                        return Ok(before);
                    }
                    let places = sqlx::query(
                        "SELECT capacity, (SELECT count(*) FROM roster WHERE exam = exams.id) AS candidates \
                         FROM exams WHERE id = $1",
                    );
                    let places = places.bind(exam.0).fetch_optional(&mut *connection).await?;
                    place_for(places.as_ref().ok_or(StoreError::Missing)?, new.len())?;
                    for new in new {
                        let (id, said) = (new.entry.id, entry_said(&new.entry));
                        insert(connection, exam, new).await?;
                        audit::record(connection, &actor, Action::AddRosterEntry, id, &said).await?;
                    }
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn edit_entry(&self, edited: RosterEntry) -> Stored<bool> {
        let allowances = to_json(&edited.allowances)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let said = entry_said(&edited);
                    let query = sqlx::query(
                        "UPDATE roster SET label = $1, seat = $2, allowances = $3 WHERE id = $4 AND exam = $5 \
                         AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.entry = roster.id)",
                    );
                    let done = query
                        .bind(edited.label)
                        .bind(edited.seat)
                        .bind(allowances)
                        .bind(edited.id.0)
                        .bind(edited.exam.0)
                        .execute(&mut *connection)
                        .await
                        .map_err(unique)?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    audit::record(connection, &actor, Action::EditRosterEntry, edited.id, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn remove_entry(&self, exam: ExamId, id: RosterEntryId) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "DELETE FROM roster WHERE id = $1 AND exam = $2 \
                         AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.entry = roster.id)",
                    );
                    let query = query.bind(id.0).bind(exam.0);
                    if query.execute(&mut *connection).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                    let said = json!({ "exam": exam });
                    audit::record(connection, &actor, Action::RemoveRosterEntry, id, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn renew_secret(&self, exam: ExamId, id: RosterEntryId, secret_hash: Vec<u8>) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("UPDATE roster SET secret_hash = $1 WHERE id = $2 AND exam = $3");
                    let query = query.bind(secret_hash).bind(id.0).bind(exam.0);
                    let done = query.execute(&mut *connection).await.map_err(unique)?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    let said = json!({ "exam": exam });
                    audit::record(connection, &actor, Action::RenewSecret, id, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn roster(&self, exam: ExamId, after: RosterEntryId, count: usize) -> Stored<Vec<RosterItem>> {
        let query = sqlx::query(
            "SELECT roster.*, EXISTS (SELECT 1 FROM sessions WHERE sessions.entry = roster.id) AS used FROM roster \
             WHERE exam = $1 AND id > $2 ORDER BY id LIMIT $3",
        );
        let query = query.bind(exam.0).bind(after.0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, roster_item)
    }

    async fn roster_item(&self, exam: ExamId, id: RosterEntryId) -> Stored<Option<RosterItem>> {
        let query = sqlx::query(
            "SELECT roster.*, EXISTS (SELECT 1 FROM sessions WHERE sessions.entry = roster.id) AS used FROM roster \
             WHERE id = $1 AND exam = $2",
        );
        let query = query.bind(id.0).bind(exam.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), roster_item)
    }

    async fn entry(&self, wanted: RosterEntryId) -> Stored<Option<RosterEntry>> {
        let query = sqlx::query("SELECT * FROM roster WHERE id = $1").bind(wanted.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), entry)
    }

    async fn entry_by_label(&self, exam: ExamId, label: &str) -> Stored<Option<RosterEntry>> {
        let query = sqlx::query("SELECT * FROM roster WHERE exam = $1 AND label = $2")
            .bind(exam.0)
            .bind(label);
        one(query.fetch_optional(&self.readers).await?.as_ref(), entry)
    }

    async fn entry_by_secret(&self, exam: ExamId, secret_hash: &[u8]) -> Stored<Option<(RosterEntry, Vec<u8>)>> {
        let query = sqlx::query("SELECT * FROM roster WHERE exam = $1 AND secret_hash = $2");
        let row = query
            .bind(exam.0)
            .bind(secret_hash)
            .fetch_optional(&self.readers)
            .await?;
        one(row.as_ref(), secret_entry)
    }
}

async fn insert(connection: &mut PgConnection, exam: ExamId, new: NewRosterEntry) -> Stored<()> {
    let query = sqlx::query(
        "INSERT INTO roster (id, exam, label, seat, allowances, secret_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    query
        .bind(new.entry.id.0)
        .bind(exam.0)
        .bind(new.entry.label)
        .bind(new.entry.seat)
        .bind(to_json(&new.entry.allowances)?)
        .bind(new.secret_hash)
        .bind(new.created_at)
        .execute(connection)
        .await
        .map_err(unique)?;
    Ok(())
}
