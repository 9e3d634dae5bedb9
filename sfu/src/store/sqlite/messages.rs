//! Messages between people, and what became of them.

use super::SqliteStore;
use super::timeline::insert;
use crate::store::audit::{self, Action};
use crate::store::records::{MAX_UNACKNOWLEDGED, NewMessage, StoredMessage};
use crate::store::rows::{Columns, action, all, kind_text, limit, message};
use crate::store::{MessageStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{MessageId, ParticipantId};
use serde_json::json;
use std::sync::Arc;

#[async_trait]
impl MessageStore for SqliteStore {
    async fn add_message(&self, new: NewMessage) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let NewMessage { exam, message, entry } = new;
                    let (candidate, action) = (message.candidate, action(message.kind));
                    let said = json!({ "exam": exam, "message": message.id });
                    sqlx::query(
                        "INSERT INTO messages (id, exam, candidate, from_candidate, author, kind, text, at) \
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(message.id.to_string())
                    .bind(exam.to_string())
                    .bind(message.candidate.to_string())
                    .bind(message.from_candidate)
                    .bind(message.author)
                    .bind(kind_text(message.kind))
                    .bind(message.text)
                    .bind(message.at)
                    .execute(&mut *connection)
                    .await?;
                    insert(connection, exam, &entry).await?;
                    audit::record(connection, &actor, action, candidate, &said).await
                })
            })
            .await
    }

    async fn mark_delivered(&self, ids: Vec<MessageId>, at: i64) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for id in ids {
                        let query = "UPDATE messages SET delivered_at = ? WHERE id = ? AND delivered_at IS NULL";
                        sqlx::query(query)
                            .bind(at)
                            .bind(id.to_string())
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn acknowledge(&self, wanted: MessageId, candidate: ParticipantId, at: i64) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = "SELECT acknowledged_at FROM messages WHERE id = ? AND candidate = ? AND NOT from_candidate";
                    let query = sqlx::query(query).bind(wanted.to_string()).bind(candidate.to_string());
                    let row = query.fetch_optional(&mut *connection).await?.ok_or(StoreError::Missing)?;
                    if row.maybe_integer("acknowledged_at")?.is_some() {
                        return Ok(false);
                    }
                    let query = "UPDATE messages SET acknowledged_at = ?, delivered_at = coalesce(delivered_at, ?) WHERE id = ?";
                    sqlx::query(query).bind(at).bind(at).bind(wanted.to_string()).execute(&mut *connection).await?;
                    audit::record(connection, &actor, Action::AcknowledgeMessage, wanted, &json!({})).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn unacknowledged(&self, candidate: ParticipantId) -> Stored<Vec<StoredMessage>> {
        let query = sqlx::query(
            "SELECT * FROM messages WHERE candidate = ? AND NOT from_candidate AND acknowledged_at IS NULL ORDER BY id LIMIT ?",
        );
        let rows = query
            .bind(candidate.to_string())
            .bind(limit(MAX_UNACKNOWLEDGED))
            .fetch_all(&self.readers)
            .await?;
        all(&rows, message)
    }
}
