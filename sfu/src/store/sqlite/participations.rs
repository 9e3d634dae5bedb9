//! Stays, their statistics, and the devices of sessions.

use super::SqliteStore;
use crate::store::Stored;
use crate::store::audit::{self, Action, Actor};
use crate::store::participations::{
    DeviceKeyRecord, MOVED, NewPoint, ParticipationStore, StayRecord, device_key, participation, point, sql_rate,
};
use crate::store::rows::{Columns, all, limit};
use async_trait::async_trait;
use invigil_shared::id::{ExamId, ParticipationId, SessionId};
use invigil_shared::participation::{Departure, Participation, StatisticsPoint};
use serde_json::json;
use sqlx::SqliteConnection;

#[async_trait]
impl ParticipationStore for SqliteStore {
    async fn keep_stays(&self, stays: Vec<StayRecord>, points: Vec<NewPoint>) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for stay in stays {
                        keep(connection, stay).await?;
                    }
                    for new in points {
                        add_point(connection, new).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn end_unseen(&self, before: i64) -> Stored<u64> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE participations SET left_at = seen_at, departure = ? WHERE left_at IS NULL AND seen_at < ?",
                    );
                    let query = query.bind(Departure::ServerStopped.as_str()).bind(before);
                    Ok(query.execute(connection).await?.rows_affected())
                })
            })
            .await
    }

    async fn raise_peak(&self, exam: ExamId, peak: u32) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("UPDATE exams SET peak = ?1 WHERE id = ?2 AND peak < ?1");
                    let query = query.bind(i64::from(peak)).bind(exam.to_string());
                    query.execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn participations(&self, exam: ExamId, after: ParticipationId, count: usize) -> Stored<Vec<Participation>> {
        let query = sqlx::query(
            "SELECT participations.*, coalesce(roster.label, users.name, '') AS name FROM participations \
             LEFT JOIN roster ON roster.id = participations.entry LEFT JOIN users ON users.id = participations.account \
             WHERE participations.exam = ? AND participations.id > ? ORDER BY participations.id LIMIT ?",
        );
        let query = query.bind(exam.to_string()).bind(after.to_string()).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, participation)
    }

    async fn statistics(&self, exam: ExamId, wanted: ParticipationId) -> Stored<Option<Vec<StatisticsPoint>>> {
        let query = sqlx::query("SELECT 1 FROM participations WHERE id = ? AND exam = ?");
        let query = query.bind(wanted.to_string()).bind(exam.to_string());
        if query.fetch_optional(&self.readers).await?.is_none() {
            return Ok(None);
        }
        let query = sqlx::query("SELECT * FROM statistics WHERE participation = ? ORDER BY at");
        let rows = query.bind(wanted.to_string()).fetch_all(&self.readers).await?;
        all(&rows, point).map(Some)
    }

    async fn device_keys(&self, session: SessionId) -> Stored<Vec<DeviceKeyRecord>> {
        let query = sqlx::query(
            "SELECT * FROM device_keys WHERE session = ? ORDER BY registered_at, superseded_at IS NULL, superseded_at",
        );
        all(
            &query.bind(session.to_string()).fetch_all(&self.readers).await?,
            device_key,
        )
    }
}

async fn keep(connection: &mut SqliteConnection, stay: StayRecord) -> Stored<()> {
    let id = stay.id.to_string();
    if stay.first {
        sqlx::query(
            "UPDATE participations SET left_at = seen_at, departure = ? WHERE participant = ? AND left_at IS NULL AND id <> ?",
        )
        .bind(Departure::ServerStopped.as_str())
        .bind(stay.participant.to_string())
        .bind(&id)
        .execute(&mut *connection)
        .await?;
    }
    let (left_at, departure) = stay.left.unzip();
    sqlx::query(
        "INSERT INTO participations (id, exam, participant, role, entry, account, joined_at, seen_at, left_at, departure, \
         rtt_us, up_bps, down_bps, lost_ppm, trend) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 \
         WHERE EXISTS (SELECT 1 FROM exams WHERE id = ?2 AND erased_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM roster WHERE id = ?5 AND erased_at IS NOT NULL) \
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, left_at = excluded.left_at, \
         departure = excluded.departure, rtt_us = excluded.rtt_us, up_bps = excluded.up_bps, \
         down_bps = excluded.down_bps, lost_ppm = excluded.lost_ppm, trend = excluded.trend \
         WHERE participations.left_at IS NULL OR excluded.left_at IS NOT NULL",
    )
    .bind(id)
    .bind(stay.exam.to_string())
    .bind(stay.participant.to_string())
    .bind(stay.role.as_str())
    .bind(stay.entry.map(|entry| entry.to_string()))
    .bind(stay.account.map(|account| account.to_string()))
    .bind(stay.joined_at)
    .bind(stay.seen_at)
    .bind(left_at)
    .bind(departure.map(Departure::as_str))
    .bind(stay.averages.rtt_us.map(i64::from))
    .bind(sql_rate(stay.averages.up_bps))
    .bind(sql_rate(stay.averages.down_bps))
    .bind(stay.averages.lost_ppm.map(i64::from))
    .bind(stay.trend)
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_point(connection: &mut SqliteConnection, new: NewPoint) -> Stored<()> {
    let NewPoint { participation, point } = new;
    sqlx::query(
        "INSERT INTO statistics (participation, at, rtt_us, up_bps, down_bps, lost_ppm, layers) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM participations WHERE id = ?1) ON CONFLICT DO NOTHING",
    )
    .bind(participation.to_string())
    .bind(point.at)
    .bind(point.path.rtt_us.map(i64::from))
    .bind(sql_rate(point.path.up_bps))
    .bind(sql_rate(point.path.down_bps))
    .bind(point.path.lost_ppm.map(i64::from))
    .bind(i64::from(point.layers))
    .execute(connection)
    .await?;
    Ok(())
}

/// An exam is closed: its sittings that were left are over, and nobody is there any more.
pub(super) async fn end_all(connection: &mut SqliteConnection, actor: &Actor, exam: ExamId, at: i64) -> Stored<()> {
    let query = sqlx::query("UPDATE sessions SET finished_at = ? WHERE exam = ? AND finished_at IS NULL RETURNING id");
    let rows = query
        .bind(at)
        .bind(exam.to_string())
        .fetch_all(&mut *connection)
        .await?;
    let mut ended = all(&rows, |row| Ok(SessionId(row.uuid("id")?)))?;
    ended.sort_unstable();
    for session in ended {
        let said = json!({ "exam": exam, "by": "close" });
        audit::record(connection, actor, Action::Finish, session, &said).await?;
    }
    sqlx::query("UPDATE participations SET left_at = ?, seen_at = ?, departure = ? WHERE exam = ? AND left_at IS NULL")
        .bind(at)
        .bind(at)
        .bind(Departure::Closed.as_str())
        .bind(exam.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// A device holds a session from now on, unless another one does.
pub(super) async fn register(connection: &mut SqliteConnection, session: SessionId, key: &[u8], at: i64) -> Stored<()> {
    sqlx::query("INSERT INTO device_keys (session, device_key, registered_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(session.to_string())
        .bind(key)
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

/// The device that holds a session does so no more: its candidate goes on at another one.
pub(super) async fn supersede(connection: &mut SqliteConnection, session: SessionId, at: i64) -> Stored<()> {
    let query =
        sqlx::query("UPDATE device_keys SET superseded_at = ?, reason = ? WHERE session = ? AND superseded_at IS NULL");
    let query = query.bind(at).bind(MOVED).bind(session.to_string());
    query.execute(connection).await?;
    Ok(())
}
