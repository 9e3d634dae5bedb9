//! Exams.

use super::SqliteStore;
use super::participations::end_all;
use crate::clock;
use crate::store::audit::{self, Action};
use crate::store::once::{self, Once, Outcome};
use crate::store::records::{EditedExam, ExamChange, ExamTimes, ExamsWanted, MAX_EXAMS_LISTED, StoredExam};
use crate::store::rows::{
    all, exam, exam_change as said, exam_said, exam_times, limit, one, stored_exam, to_json, unique,
};
use crate::store::{ExamStore, Stored};
use async_trait::async_trait;
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::ExamId;
use std::sync::Arc;

const COLUMNS: &str = "exams.id, code, title, status, starts_at, ends_at, policy";
const LISTED: &str = "exams.*, (SELECT count(*) FROM roster WHERE roster.exam = exams.id) AS candidates";

#[async_trait]
impl ExamStore for SqliteStore {
    async fn make_exam(&self, exam: ExamInfo, capacity: u32, once: Option<Once>) -> Stored<Outcome> {
        let policy = to_json(&exam.policy)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, once.as_ref()).await? {
                        return Ok(before);
                    }
                    let (id, said) = (exam.id, exam_said(&exam, capacity));
                    sqlx::query(
                        "INSERT INTO exams (id, code, title, status, starts_at, ends_at, policy, capacity, created_at) \
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(exam.id.to_string())
                    .bind(exam.code)
                    .bind(exam.title)
                    .bind(exam.status.as_str())
                    .bind(exam.starts_at)
                    .bind(exam.ends_at)
                    .bind(policy)
                    .bind(i64::from(capacity))
                    .bind(clock::now_us())
                    .execute(&mut *connection)
                    .await
                    .map_err(unique)?;
                    audit::record(connection, &actor, Action::CreateExam, id, &said).await?;
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn edit_exam(&self, edited: EditedExam) -> Stored<bool> {
        let policy = to_json(&edited.info.policy)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EditedExam {
                        info,
                        capacity,
                        revision,
                    } = edited;
                    let said = exam_said(&info, capacity);
                    let query = sqlx::query(
                        "UPDATE exams SET code = ?, title = ?, starts_at = ?, ends_at = ?, policy = ?, capacity = ?, \
                         revision = revision + 1 WHERE id = ? AND revision = ? \
                         AND (SELECT count(*) FROM roster WHERE roster.exam = exams.id) <= ?",
                    );
                    let done = query
                        .bind(info.code)
                        .bind(info.title)
                        .bind(info.starts_at)
                        .bind(info.ends_at)
                        .bind(policy)
                        .bind(i64::from(capacity))
                        .bind(info.id.to_string())
                        .bind(i64::from(revision))
                        .bind(i64::from(capacity))
                        .execute(&mut *connection)
                        .await
                        .map_err(unique)?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    audit::record(connection, &actor, Action::EditExam, info.id, &said).await?;
                    Ok(true)
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

    async fn stored_exam(&self, wanted: ExamId) -> Stored<Option<StoredExam>> {
        let query = format!("SELECT {LISTED} FROM exams WHERE id = ?");
        let query = sqlx::query(&query).bind(wanted.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), stored_exam)
    }

    async fn exam_by_code(&self, code: &str) -> Stored<Option<ExamInfo>> {
        let query = format!("SELECT {COLUMNS} FROM exams WHERE code = ?");
        let row = sqlx::query(&query).bind(code).fetch_optional(&self.readers).await?;
        one(row.as_ref(), exam)
    }

    async fn exams_page(&self, wanted: ExamsWanted) -> Stored<Vec<StoredExam>> {
        let query = format!(
            "SELECT {LISTED} FROM exams WHERE exams.id < ? AND (? OR status <> 'draft') ORDER BY exams.id DESC LIMIT ?"
        );
        let rows = sqlx::query(&query)
            .bind(wanted.before.to_string())
            .bind(wanted.drafts)
            .bind(limit(wanted.limit))
            .fetch_all(&self.readers)
            .await?;
        all(&rows, stored_exam)
    }

    async fn change_exam(&self, change: ExamChange) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let at = |status| (change.to == status).then_some(change.at);
                    let query = sqlx::query(
                        "UPDATE exams SET status = ?, ends_at = ends_at + ?, paused_at = ?, \
                         started_at = coalesce(started_at, ?), ended_at = coalesce(?, ended_at), \
                         revision = revision + 1 WHERE id = ? AND status = ? RETURNING ends_at",
                    );
                    let done = query
                        .bind(change.to.as_str())
                        .bind(change.longer_us)
                        .bind(at(ExamStatus::Paused))
                        .bind(at(ExamStatus::Active))
                        .bind(at(ExamStatus::Closed))
                        .bind(change.exam.to_string())
                        .bind(change.from.as_str())
                        .fetch_optional(&mut *connection)
                        .await?;
                    let Some(row) = done else { return Ok(false) };
                    let said = said(&change, &row)?;
                    audit::record(connection, &actor, Action::ChangeExam, change.exam, &said).await?;
                    if change.to == ExamStatus::Closed {
                        end_all(connection, &actor, change.exam, change.at).await?;
                    }
                    Ok(true)
                })
            })
            .await
    }

    async fn exam_times(&self, wanted: ExamId) -> Stored<Option<ExamTimes>> {
        let query = sqlx::query("SELECT paused_at, started_at, ended_at, peak FROM exams WHERE id = ?")
            .bind(wanted.to_string());
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

    async fn done_before(&self, once: &Once) -> Stored<Option<Outcome>> {
        let mut connection = self.readers.acquire().await?;
        once::before(&mut *connection, once).await
    }

    async fn forget_keys(&self, before: i64) -> Stored<()> {
        self.writer
            .write(move |connection| Box::pin(async move { once::OnceTable::forget(connection, before).await }))
            .await
    }
}
