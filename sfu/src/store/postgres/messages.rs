//! Messages between people, and what became of them.

use super::PostgresStore;
use super::timeline::insert;
use crate::store::audit::{self, Action};
use crate::store::records::{MAX_UNACKNOWLEDGED, NewMessage, StoredMessage};
use crate::store::rows::{Columns, action, all, kind_text, limit, message};
use crate::store::{MessageStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{MessageId, ParticipantId};
use serde_json::json;
use sqlx::types::Uuid;
use std::sync::Arc;

#[async_trait]
impl MessageStore for PostgresStore {
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
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    )
                    .bind(message.id.0)
                    .bind(exam.0)
                    .bind(message.candidate.0)
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
        let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = "UPDATE messages SET delivered_at = $2 WHERE id = ANY ($1) AND delivered_at IS NULL";
                    sqlx::query(query).bind(ids).bind(at).execute(connection).await?;
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
                    let query =
                        "SELECT acknowledged_at FROM messages WHERE id = $1 AND candidate = $2 AND NOT from_candidate";
                    let query = sqlx::query(query).bind(wanted.0).bind(candidate.0);
                    let row = query
                        .fetch_optional(&mut *connection)
                        .await?
                        .ok_or(StoreError::Missing)?;
                    if row.maybe_integer("acknowledged_at")?.is_some() {
                        return Ok(false);
                    }
                    let query = "UPDATE messages SET acknowledged_at = $2, delivered_at = coalesce(delivered_at, $2) WHERE id = $1";
                    sqlx::query(query).bind(wanted.0).bind(at).execute(&mut *connection).await?;
                    audit::record(connection, &actor, Action::AcknowledgeMessage, wanted, &json!({})).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn unacknowledged(&self, candidate: ParticipantId) -> Stored<Vec<StoredMessage>> {
        let query = sqlx::query(
            "SELECT * FROM messages WHERE candidate = $1 AND NOT from_candidate AND acknowledged_at IS NULL ORDER BY id LIMIT $2",
        );
        let query = query.bind(candidate.0).bind(limit(MAX_UNACKNOWLEDGED));
        all(&query.fetch_all(&self.readers).await?, message)
    }
}
