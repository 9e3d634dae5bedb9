//! Messages between people, and what became of them.

use super::PostgresStore;
use super::timeline::insert;
use crate::store::audit::{self, Action};
use crate::store::once::{self, Outcome};
use crate::store::records::{Acknowledged, MAX_UNACKNOWLEDGED, NewBroadcast, NewMessage, StoredMessage};
use crate::store::rows::{Columns, action, all, kind_text, limit, message, reach};
use crate::store::{MessageStore, StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{MessageId, ParticipantId};
use invigil_shared::timeline::Reach;
use serde_json::json;
use sqlx::types::Uuid;
use std::sync::Arc;

const ACKNOWLEDGE_MESSAGE: &str = "UPDATE messages SET acknowledged_at = $1, delivered_at = coalesce(delivered_at, $2) \
                                   WHERE id = $3 AND candidate = $4";
const ACKNOWLEDGE_BROADCAST: &str = "UPDATE broadcast_recipients SET acknowledged_at = $1, \
                                     delivered_at = coalesce(delivered_at, $2) \
                                     WHERE broadcast = $3 AND candidate = $4";

#[async_trait]
impl MessageStore for PostgresStore {
    async fn add_message(&self, new: NewMessage) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, new.once.as_ref()).await? {
                        return Ok(before);
                    }
                    let NewMessage {
                        exam, message, entry, ..
                    } = new;
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
                    audit::record(connection, &actor, action, candidate, &said).await?;
                    Ok(Outcome::Done)
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

    async fn add_broadcast(&self, new: NewBroadcast) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, new.once.as_ref()).await? {
                        return Ok(before);
                    }
                    let said = json!({ "broadcast": new.id, "recipients": new.recipients.len() });
                    sqlx::query("INSERT INTO broadcasts (id, exam, author, text, at) VALUES ($1, $2, $3, $4, $5)")
                        .bind(new.id.0)
                        .bind(new.exam.0)
                        .bind(new.author)
                        .bind(new.text)
                        .bind(new.at)
                        .execute(&mut *connection)
                        .await?;
                    for candidate in &new.recipients {
                        sqlx::query("INSERT INTO broadcast_recipients (broadcast, candidate) VALUES ($1, $2)")
                            .bind(new.id.0)
                            .bind(candidate.0)
                            .execute(&mut *connection)
                            .await?;
                    }
                    insert(connection, new.exam, &new.entry).await?;
                    audit::record(connection, &actor, Action::Broadcast, new.exam, &said).await?;
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn mark_broadcast(&self, id: MessageId, candidates: Vec<ParticipantId>, at: i64) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for candidate in candidates {
                        let query = "UPDATE broadcast_recipients SET delivered_at = $1 \
                                     WHERE broadcast = $2 AND candidate = $3 AND delivered_at IS NULL";
                        sqlx::query(query)
                            .bind(at)
                            .bind(id.0)
                            .bind(candidate.0)
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn reach(&self, broadcast: MessageId) -> Stored<Reach> {
        let query = sqlx::query(
            "SELECT count(*) AS recipients, count(delivered_at) AS received, count(acknowledged_at) AS read \
             FROM broadcast_recipients WHERE broadcast = $1",
        );
        reach(&query.bind(broadcast.0).fetch_one(&self.readers).await?)
    }

    async fn acknowledge(&self, wanted: MessageId, candidate: ParticipantId, at: i64) -> Stored<Acknowledged> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "SELECT acknowledged_at, FALSE AS broadcast FROM messages \
                         WHERE id = $1 AND candidate = $2 AND NOT from_candidate \
                         UNION ALL SELECT acknowledged_at, TRUE FROM broadcast_recipients \
                         WHERE broadcast = $3 AND candidate = $4",
                    );
                    let query = query.bind(wanted.0).bind(candidate.0).bind(wanted.0).bind(candidate.0);
                    let row = query
                        .fetch_optional(&mut *connection)
                        .await?
                        .ok_or(StoreError::Missing)?;
                    if row.maybe_integer("acknowledged_at")?.is_some() {
                        return Ok(Acknowledged::Before);
                    }
                    let (of, query) = if row.truth("broadcast")? {
                        (Acknowledged::Broadcast, ACKNOWLEDGE_BROADCAST)
                    } else {
                        (Acknowledged::Message, ACKNOWLEDGE_MESSAGE)
                    };
                    sqlx::query(query)
                        .bind(at)
                        .bind(at)
                        .bind(wanted.0)
                        .bind(candidate.0)
                        .execute(&mut *connection)
                        .await?;
                    audit::record(connection, &actor, Action::AcknowledgeMessage, wanted, &json!({})).await?;
                    Ok(of)
                })
            })
            .await
    }

    async fn unacknowledged(&self, candidate: ParticipantId) -> Stored<Vec<StoredMessage>> {
        let query = sqlx::query(
            "SELECT id, candidate, from_candidate, author, kind, text, at, delivered_at, acknowledged_at, FALSE AS broadcast \
             FROM messages WHERE candidate = $1 AND NOT from_candidate AND acknowledged_at IS NULL \
             UNION ALL SELECT id, candidate, FALSE, author, 'chat', text, at, delivered_at, acknowledged_at, TRUE \
             FROM broadcast_recipients JOIN broadcasts ON broadcasts.id = broadcast \
             WHERE candidate = $2 AND acknowledged_at IS NULL ORDER BY id LIMIT $3",
        );
        let query = query
            .bind(candidate.0)
            .bind(candidate.0)
            .bind(limit(MAX_UNACKNOWLEDGED));
        all(&query.fetch_all(&self.readers).await?, message)
    }
}
