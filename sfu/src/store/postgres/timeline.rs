//! Timeline entries.

use super::PostgresStore;
use crate::store::rows::{broadcast_of, limit, message_of, timeline_entry, to_json};
use crate::store::{Stored, TimelineStore};
use async_trait::async_trait;
use invigil_shared::id::ExamId;
use invigil_shared::timeline::TimelineEntry;
use sqlx::PgConnection;

pub(super) async fn insert(connection: &mut PgConnection, exam: ExamId, entry: &TimelineEntry) -> Stored<()> {
    sqlx::query(
        "INSERT INTO timeline (id, exam, participant, at, received_at, message, broadcast, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.id.0)
    .bind(exam.0)
    .bind(entry.participant.0)
    .bind(entry.at)
    .bind(entry.received_at)
    .bind(message_of(entry).map(|message| message.0))
    .bind(broadcast_of(entry).map(|message| message.0))
    .bind(to_json(&entry.body)?)
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl TimelineStore for PostgresStore {
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
             LEFT JOIN messages ON messages.id = timeline.message WHERE timeline.exam = $1 ORDER BY timeline.id DESC LIMIT $2",
        );
        let rows = query.bind(exam.0).bind(limit(newest)).fetch_all(&self.readers).await?;
        rows.iter().rev().map(timeline_entry).collect()
    }
}
