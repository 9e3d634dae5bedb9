//! Timeline entries.

use super::SqliteStore;
use crate::store::rows::{broadcast_of, limit, message_of, timeline_entry, to_json};
use crate::store::{Stored, TimelineStore};
use async_trait::async_trait;
use invigil_shared::id::ExamId;
use invigil_shared::timeline::TimelineEntry;
use sqlx::SqliteConnection;

pub(super) async fn insert(connection: &mut SqliteConnection, exam: ExamId, entry: &TimelineEntry) -> Stored<()> {
    sqlx::query(
        "INSERT INTO timeline (id, exam, participant, at, received_at, message, broadcast, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(entry.id.to_string())
    .bind(exam.to_string())
    .bind(entry.participant.to_string())
    .bind(entry.at)
    .bind(entry.received_at)
    .bind(message_of(entry).map(|message| message.to_string()))
    .bind(broadcast_of(entry).map(|message| message.to_string()))
    .bind(to_json(&entry.body)?)
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl TimelineStore for SqliteStore {
    async fn add_timeline(&self, exam: ExamId, entry: TimelineEntry) -> Stored<()> {
        self.writer
            .write(move |connection| Box::pin(async move { insert(connection, exam, &entry).await }))
            .await
    }

    async fn timeline(&self, exam: ExamId, newest: usize) -> Stored<Vec<TimelineEntry>> {
        let query = sqlx::query(
            "SELECT timeline.*, messages.delivered_at, messages.acknowledged_at, \
             (SELECT count(*) FROM broadcast_recipients r WHERE r.broadcast = timeline.broadcast) AS recipients, \
             (SELECT count(delivered_at) FROM broadcast_recipients r WHERE r.broadcast = timeline.broadcast) AS received, \
             (SELECT count(acknowledged_at) FROM broadcast_recipients r WHERE r.broadcast = timeline.broadcast) AS read \
             FROM timeline \
             LEFT JOIN messages ON messages.id = timeline.message WHERE timeline.exam = ? ORDER BY timeline.id DESC LIMIT ?",
        );
        let rows = query
            .bind(exam.to_string())
            .bind(limit(newest))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().rev().map(timeline_entry).collect()
    }
}
