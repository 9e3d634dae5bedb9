//! Exams.

use super::SqliteStore;
use crate::clock;
use crate::store::audit::{self, Action};
use crate::store::records::{ExamChange, ExamTimes, MAX_EXAMS_LISTED};
use crate::store::rows::{all, exam, exam_change as said, exam_times, limit, listed_exam, one, to_json, unique};
use crate::store::{ExamStore, Stored};
use async_trait::async_trait;
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::ExamId;
use serde_json::json;
use std::sync::Arc;

const COLUMNS: &str = "exams.id, code, title, status, starts_at, ends_at, policy";

#[async_trait]
impl ExamStore for SqliteStore {
    async fn create_exam(&self, exam: ExamInfo) -> Stored<()> {
        let policy = to_json(&exam.policy)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let (id, said) = (
                        exam.id,
                        json!({ "code": exam.code, "title": exam.title, "policy": exam.policy }),
                    );
                    sqlx::query(
                        "INSERT INTO exams (id, code, title, status, starts_at, ends_at, policy, created_at) \
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(exam.id.to_string())
                    .bind(exam.code)
                    .bind(exam.title)
                    .bind(exam.status.as_str())
                    .bind(exam.starts_at)
                    .bind(exam.ends_at)
                    .bind(policy)
                    .bind(clock::now_us())
                    .execute(&mut *connection)
                    .await
                    .map_err(unique)?;
                    audit::record(connection, &actor, Action::CreateExam, id, &said).await
                })
            })
            .await
    }

    async fn exam(&self, wanted: ExamId) -> Stored<Option<ExamInfo>> {
        let query = format!("SELECT {COLUMNS} FROM exams WHERE id = ?");
        let row = sqlx::query(&query)
            .bind(wanted.to_string())
            .fetch_optional(&self.readers)
            .await?;
        one(row.as_ref(), exam)
    }

    async fn exam_by_code(&self, code: &str) -> Stored<Option<ExamInfo>> {
        let query = format!("SELECT {COLUMNS} FROM exams WHERE code = ?");
        let row = sqlx::query(&query).bind(code).fetch_optional(&self.readers).await?;
        one(row.as_ref(), exam)
    }

    async fn exams(&self) -> Stored<Vec<(ExamInfo, u32)>> {
        let query = format!(
            "SELECT {COLUMNS}, (SELECT count(*) FROM roster WHERE roster.exam = exams.id) AS candidates FROM exams \
             ORDER BY id DESC LIMIT ?"
        );
        let rows = sqlx::query(&query)
            .bind(limit(MAX_EXAMS_LISTED))
            .fetch_all(&self.readers)
            .await?;
        all(&rows, listed_exam)
    }

    async fn change_exam(&self, change: ExamChange) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let at = |status| (change.to == status).then_some(change.at);
                    let query = sqlx::query(
                        "UPDATE exams SET status = ?, ends_at = ?, paused_at = ?, started_at = coalesce(started_at, ?), \
                         ended_at = coalesce(?, ended_at) WHERE id = ? AND status = ?",
                    );
                    let done = query
                        .bind(change.to.as_str())
                        .bind(change.ends_at)
                        .bind(at(ExamStatus::Paused))
                        .bind(at(ExamStatus::Active))
                        .bind(at(ExamStatus::Closed))
                        .bind(change.exam.to_string())
                        .bind(change.from.as_str())
                        .execute(&mut *connection)
                        .await?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    let said = said(&change);
                    audit::record(connection, &actor, Action::ChangeExam, change.exam, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn exam_times(&self, wanted: ExamId) -> Stored<Option<ExamTimes>> {
        let query =
            sqlx::query("SELECT paused_at, started_at, ended_at FROM exams WHERE id = ?").bind(wanted.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), exam_times)
    }

    async fn live_exams(&self) -> Stored<Vec<ExamInfo>> {
        let query = format!(
            "SELECT {COLUMNS} FROM exams WHERE status IN ('scheduled', 'waiting', 'active') ORDER BY id DESC LIMIT ?"
        );
        let rows = sqlx::query(&query)
            .bind(limit(MAX_EXAMS_LISTED))
            .fetch_all(&self.readers)
            .await?;
        all(&rows, exam)
    }
}
