//! Holds, and erasing what is kept of a candidate.

use super::PostgresStore;
use super::people::revoke;
use crate::auth::identity::Subject;
use crate::clock;
use crate::store::audit::{self, Action};
use crate::store::erasure::{Cause, ChainLink, ChainOwner, ErasureStore, Hold, Kept, nobody, said, subject};
use crate::store::records::StoredExam;
use crate::store::rows::{Columns, all, chain_link, chain_owner, limit, seq, sql_seq, stored_exam};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{ExamId, ParticipantId, RosterEntryId, SessionId};
use serde_json::json;
use sqlx::PgConnection;
use std::sync::Arc;

#[async_trait]
impl ErasureStore for PostgresStore {
    async fn set_hold(&self, kept: Kept, hold: Option<Hold>) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let action = if hold.is_some() { Action::Hold } else { Action::Release };
                    let (at, reason) = hold.map(|hold| (hold.at, hold.reason)).unzip();
                    let (query, target, said) = match kept {
                        Kept::Exam(exam) => (
                            sqlx::query("UPDATE exams SET held_at = $1, hold_reason = $2 WHERE id = $3")
                                .bind(at)
                                .bind(reason)
                                .bind(exam.0),
                            exam.to_string(),
                            json!({}),
                        ),
                        Kept::Candidate(exam, entry) => (
                            sqlx::query("UPDATE roster SET held_at = $1, hold_reason = $2 WHERE id = $3 AND exam = $4")
                                .bind(at)
                                .bind(reason)
                                .bind(entry.0)
                                .bind(exam.0),
                            entry.to_string(),
                            json!({ "exam": exam }),
                        ),
                    };
                    if query.execute(&mut *connection).await?.rows_affected() == 0 {
                        return Err(StoreError::Missing);
                    }
                    audit::record(connection, &actor, action, target, &said).await
                })
            })
            .await
    }

    async fn erase(&self, exam: ExamId, entry: RosterEntryId, cause: Cause, at: i64) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "SELECT roster.erased_at, roster.held_at, exams.held_at AS exam_held_at, exams.status, \
                         sessions.id AS session, sessions.participant, sessions.generation FROM roster \
                         JOIN exams ON exams.id = roster.exam LEFT JOIN sessions ON sessions.entry = roster.id \
                         WHERE roster.id = $1 AND roster.exam = $2",
                    );
                    let query = query.bind(entry.0).bind(exam.0);
                    let row = query.fetch_optional(&mut *connection).await?.ok_or(StoreError::Missing)?;
                    let Some(whom) = subject(&row)? else { return Ok(false) };
                    let mut events = 0;
                    if let Some((session, participant)) = whom.session {
                        events = erase_session(connection, session, whom.generation + 1, at).await?;
                        erase_participant(connection, participant).await?;
                    }
                    let records = erase_records(connection, entry, whom.session.map(|(session, _)| session)).await?;
                    sqlx::query("DELETE FROM join_links WHERE entry = $1")
                        .bind(entry.0)
                        .execute(&mut *connection)
                        .await?;
                    // What was answered to whoever made the entry, for a day.
                    sqlx::query("DELETE FROM idempotency WHERE position($1 in answer) > 0")
                        .bind(entry.to_string())
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query(
                        "UPDATE roster SET label = $1, seat = NULL, allowances = '{}', secret_hash = $2, erased_at = $3 WHERE id = $4",
                    )
                    .bind(nobody(entry))
                    .bind(clock::random::<32>().to_vec())
                    .bind(at)
                    .bind(entry.0)
                    .execute(&mut *connection)
                    .await?;
                    let said = said(exam, cause, events, &records);
                    audit::record(connection, &actor, Action::Erase, entry, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn erasable_exams(&self, after: ExamId, count: usize) -> Stored<Vec<StoredExam>> {
        let query = sqlx::query(
            "SELECT exams.*, (SELECT count(*) FROM roster WHERE roster.exam = exams.id) AS candidates FROM exams \
             WHERE status IN ('closed', 'archived') AND held_at IS NULL AND erased_at IS NULL AND id > $1 ORDER BY id LIMIT $2",
        );
        let query = query.bind(after.0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, stored_exam)
    }

    async fn erasable_entries(&self, exam: ExamId, count: usize) -> Stored<Vec<RosterEntryId>> {
        let query = sqlx::query(
            "SELECT id FROM roster WHERE exam = $1 AND held_at IS NULL AND erased_at IS NULL ORDER BY id LIMIT $2",
        );
        let query = query.bind(exam.0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, |row| {
            Ok(RosterEntryId(row.uuid("id")?))
        })
    }

    async fn mark_erased(&self, exam: ExamId, at: i64) -> Stored<bool> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE exams SET erased_at = $1 WHERE id = $2 AND erased_at IS NULL AND held_at IS NULL \
                         AND status IN ('closed', 'archived') \
                         AND NOT EXISTS (SELECT 1 FROM roster WHERE exam = exams.id AND roster.erased_at IS NULL)",
                    );
                    let query = query.bind(at).bind(exam.0);
                    if query.execute(&mut *connection).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                    // What was said to all of them.
                    for query in [
                        "DELETE FROM timeline WHERE exam = $1",
                        "DELETE FROM participations WHERE exam = $1",
                        "DELETE FROM broadcast_recipients WHERE broadcast IN (SELECT id FROM broadcasts WHERE exam = $1)",
                        "DELETE FROM broadcasts WHERE exam = $1",
                    ] {
                        sqlx::query(query)
                            .bind(exam.0)
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(true)
                })
            })
            .await
    }

    async fn chain_owners(&self, after: SessionId, count: usize) -> Stored<Vec<ChainOwner>> {
        let query = sqlx::query(
            "SELECT sessions.id, chain_seq, chain_hash, erased_at FROM sessions JOIN roster ON roster.id = sessions.entry \
             WHERE sessions.id > $1 ORDER BY sessions.id LIMIT $2",
        );
        let query = query.bind(after.0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, chain_owner)
    }

    async fn chain_links(&self, session: SessionId, after: u64, count: usize) -> Stored<Vec<ChainLink>> {
        let query = sqlx::query("SELECT * FROM integrity_events WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        let query = query.bind(session.0).bind(sql_seq(after)?).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, chain_link)
    }
}

/// Takes away what the session's device and its events say, and its access for good.
async fn erase_session(connection: &mut PgConnection, session: SessionId, generation: u64, at: i64) -> Stored<u64> {
    sqlx::query(
        "UPDATE sessions SET device_key = NULL, proctor = NULL, sitting = '{}', sitting_revision = sitting_revision + 1, \
         revoked_at = coalesce(revoked_at, $1), generation = $2 WHERE id = $3",
    )
    .bind(at)
    .bind(sql_seq(generation)?)
    .bind(session.0)
    .execute(&mut *connection)
    .await?;
    revoke(connection, Subject::Session(session), generation).await?;
    for query in [
        "DELETE FROM device_moves WHERE session = $1",
        "DELETE FROM device_keys WHERE session = $1",
    ] {
        sqlx::query(query).bind(session.0).execute(&mut *connection).await?;
    }
    sqlx::query("UPDATE incidents SET kind = '' WHERE session = $1")
        .bind(session.0)
        .execute(&mut *connection)
        .await?;
    let query = sqlx::query("UPDATE integrity_events SET salt = NULL, payload = NULL WHERE session = $1");
    Ok(query.bind(session.0).execute(connection).await?.rows_affected())
}

/// Takes away what people wrote to and about the candidate.
async fn erase_participant(connection: &mut PgConnection, participant: ParticipantId) -> Stored<()> {
    for query in [
        "DELETE FROM timeline WHERE participant = $1",
        "DELETE FROM messages WHERE candidate = $1",
        "DELETE FROM broadcast_recipients WHERE candidate = $1",
        "DELETE FROM participations WHERE participant = $1",
    ] {
        sqlx::query(query).bind(participant.0).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes away what the audit log says of the entry, and of what the candidate did; says which records that were.
async fn erase_records(
    connection: &mut PgConnection,
    entry: RosterEntryId,
    session: Option<SessionId>,
) -> Stored<Vec<u64>> {
    let session = session.map(|session| session.to_string());
    let query = sqlx::query(
        "SELECT seq FROM audit WHERE salt IS NOT NULL AND (target = $1 OR target = $2 OR actor = $2) ORDER BY seq",
    );
    let query = query.bind(entry.to_string()).bind(&session);
    let records = all(&query.fetch_all(&mut *connection).await?, |row| seq(row, "seq"))?;
    sqlx::query(
        "UPDATE audit SET salt = NULL, actor = '', target = '', metadata = '{}', address = NULL \
         WHERE salt IS NOT NULL AND (target = $1 OR target = $2 OR actor = $2)",
    )
    .bind(entry.to_string())
    .bind(&session)
    .execute(connection)
    .await?;
    Ok(records)
}
