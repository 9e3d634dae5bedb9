//! Exams.

use super::PostgresStore;
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

#[async_trait]
impl ExamStore for PostgresStore {
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
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    )
                    .bind(exam.id.0)
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
        let query = sqlx::query("SELECT * FROM exams WHERE id = $1").bind(wanted.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), exam)
    }

    async fn exam_by_code(&self, code: &str) -> Stored<Option<ExamInfo>> {
        let query = sqlx::query("SELECT * FROM exams WHERE code = $1").bind(code);
        one(query.fetch_optional(&self.readers).await?.as_ref(), exam)
    }

    async fn exams(&self) -> Stored<Vec<(ExamInfo, u32)>> {
        let query = sqlx::query(
            "SELECT exams.*, (SELECT count(*) FROM roster WHERE roster.exam = exams.id) AS candidates FROM exams \
             ORDER BY id DESC LIMIT $1",
        );
        let rows = query.bind(limit(MAX_EXAMS_LISTED)).fetch_all(&self.readers).await?;
        all(&rows, listed_exam)
    }

    async fn change_exam(&self, change: ExamChange) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let at = |status| (change.to == status).then_some(change.at);
                    let query = sqlx::query(
                        "UPDATE exams SET status = $1, ends_at = $2, paused_at = $3, started_at = coalesce(started_at, $4), \
                         ended_at = coalesce($5, ended_at) WHERE id = $6 AND status = $7",
                    );
                    let done = query
                        .bind(change.to.as_str())
                        .bind(change.ends_at)
                        .bind(at(ExamStatus::Paused))
                        .bind(at(ExamStatus::Active))
                        .bind(at(ExamStatus::Closed))
                        .bind(change.exam.0)
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
        let query = sqlx::query("SELECT paused_at, started_at, ended_at FROM exams WHERE id = $1").bind(wanted.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), exam_times)
    }

    async fn live_exams(&self) -> Stored<Vec<ExamInfo>> {
        let query = sqlx::query(
            "SELECT * FROM exams WHERE status IN ('scheduled', 'waiting', 'active') ORDER BY id DESC LIMIT $1",
        );
        let rows = query.bind(limit(MAX_EXAMS_LISTED)).fetch_all(&self.readers).await?;
        all(&rows, exam)
    }
}
