//! Timeline entries. What became of a message is read from the message, so that an entry is written once.

use super::SqliteStore;
use super::rows::{id, json, limit, to_json};
use crate::store::{Stored, TimelineStore};
use async_trait::async_trait;
use invigil_shared::id::ExamId;
use invigil_shared::timeline::{TimelineBody, TimelineEntry};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

pub(super) async fn insert(connection: &mut SqliteConnection, exam: ExamId, entry: &TimelineEntry) -> Stored<()> {
    let message = match &entry.body {
        TimelineBody::Message { message, .. } => Some(message.to_string()),
        _ => None,
    };
    sqlx::query(
        "INSERT INTO timeline (id, exam, participant, at, received_at, message, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(entry.id.to_string())
    .bind(exam.to_string())
    .bind(entry.participant.to_string())
    .bind(entry.at)
    .bind(entry.received_at)
    .bind(message)
    .bind(to_json(&entry.body)?)
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Stored<TimelineEntry> {
    let mut body = json(row, "body")?;
    if let TimelineBody::Message {
        delivered,
        acknowledged,
        ..
    } = &mut body
    {
        *delivered = row.try_get::<Option<i64>, _>("delivered_at")?.is_some();
        *acknowledged = row.try_get::<Option<i64>, _>("acknowledged_at")?.is_some();
    }
    Ok(TimelineEntry {
        id: id(row, "id")?,
        participant: id(row, "participant")?,
        at: row.try_get("at")?,
        received_at: row.try_get("received_at")?,
        body,
    })
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
            "SELECT timeline.*, delivered_at, acknowledged_at FROM timeline \
             LEFT JOIN messages ON messages.id = timeline.message WHERE timeline.exam = ? ORDER BY timeline.id DESC LIMIT ?",
        );
        let rows = query
            .bind(exam.to_string())
            .bind(limit(newest))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().rev().map(read).collect()
    }
}
