//! Stays, their statistics, and the devices of sessions.

use super::PostgresStore;
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
use sqlx::PgConnection;

#[async_trait]
impl ParticipationStore for PostgresStore {
    async fn keep_stays(&self, stays: Vec<StayRecord>, points: Vec<NewPoint>) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if !stays.is_empty() {
                        keep(connection, stays).await?;
                    }
                    if !points.is_empty() {
                        add_points(connection, &points).await?;
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
                        "UPDATE participations SET left_at = seen_at, departure = $1 WHERE left_at IS NULL AND seen_at < $2",
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
                    let query = sqlx::query("UPDATE exams SET peak = $1 WHERE id = $2 AND peak < $1");
                    let query = query.bind(i64::from(peak)).bind(exam.0);
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
             WHERE participations.exam = $1 AND participations.id > $2 ORDER BY participations.id LIMIT $3",
        );
        let query = query.bind(exam.0).bind(after.0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, participation)
    }

    async fn statistics(&self, exam: ExamId, wanted: ParticipationId) -> Stored<Option<Vec<StatisticsPoint>>> {
        let query = sqlx::query("SELECT 1 FROM participations WHERE id = $1 AND exam = $2");
        let query = query.bind(wanted.0).bind(exam.0);
        if query.fetch_optional(&self.readers).await?.is_none() {
            return Ok(None);
        }
        let query = sqlx::query("SELECT * FROM statistics WHERE participation = $1 ORDER BY at");
        let rows = query.bind(wanted.0).fetch_all(&self.readers).await?;
        all(&rows, point).map(Some)
    }

    async fn device_keys(&self, session: SessionId) -> Stored<Vec<DeviceKeyRecord>> {
        let query = sqlx::query(
            "SELECT * FROM device_keys WHERE session = $1 ORDER BY registered_at, superseded_at IS NULL, superseded_at",
        );
        all(&query.bind(session.0).fetch_all(&self.readers).await?, device_key)
    }
}

async fn keep(connection: &mut PgConnection, stays: Vec<StayRecord>) -> Stored<()> {
    // One statement for all: each would be a journey of its own.
    let fresh = |stay: &&StayRecord| stay.first;
    sqlx::query(
        "UPDATE participations SET left_at = seen_at, departure = $1 \
         FROM UNNEST($2::uuid[], $3::uuid[]) AS fresh (id, participant) \
         WHERE participations.participant = fresh.participant AND left_at IS NULL AND participations.id <> fresh.id",
    )
    .bind(Departure::ServerStopped.as_str())
    .bind(stays.iter().filter(fresh).map(|stay| stay.id.0).collect::<Vec<_>>())
    .bind(
        stays
            .iter()
            .filter(fresh)
            .map(|stay| stay.participant.0)
            .collect::<Vec<_>>(),
    )
    .execute(&mut *connection)
    .await?;
    let departure = |stay: &StayRecord| stay.left.map(|(_, departure)| departure.as_str());
    sqlx::query(
        "INSERT INTO participations (id, exam, participant, role, entry, account, joined_at, seen_at, left_at, departure, \
         rtt_us, up_bps, down_bps, lost_ppm, trend) SELECT stay.* FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], \
         $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], \
         $13::bigint[], $14::bigint[], $15::bytea[]) AS stay (id, exam, participant, role, entry, account, joined_at, seen_at, \
         left_at, departure, rtt_us, up_bps, down_bps, lost_ppm, trend) \
         JOIN exams ON exams.id = stay.exam AND exams.erased_at IS NULL LEFT JOIN roster ON roster.id = stay.entry \
         WHERE roster.erased_at IS NULL \
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, left_at = excluded.left_at, \
         departure = excluded.departure, rtt_us = excluded.rtt_us, up_bps = excluded.up_bps, \
         down_bps = excluded.down_bps, lost_ppm = excluded.lost_ppm, trend = excluded.trend \
         WHERE participations.left_at IS NULL OR excluded.left_at IS NOT NULL",
    )
    .bind(stays.iter().map(|stay| stay.id.0).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.exam.0).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.participant.0).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.role.as_str()).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.entry.map(|entry| entry.0)).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.account.map(|account| account.0)).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.joined_at).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.seen_at).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.left.map(|(at, _)| at)).collect::<Vec<_>>())
    .bind(stays.iter().map(departure).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.averages.rtt_us.map(i64::from)).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| sql_rate(stay.averages.up_bps)).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| sql_rate(stay.averages.down_bps)).collect::<Vec<_>>())
    .bind(stays.iter().map(|stay| stay.averages.lost_ppm.map(i64::from)).collect::<Vec<_>>())
    .bind(stays.into_iter().map(|stay| stay.trend).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_points(connection: &mut PgConnection, points: &[NewPoint]) -> Stored<()> {
    let path =
        |read: fn(&StatisticsPoint) -> Option<i64>| points.iter().map(|new| read(&new.point)).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO statistics (participation, at, rtt_us, up_bps, down_bps, lost_ppm, layers) SELECT new.* FROM \
         UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
         AS new (participation, at, rtt_us, up_bps, down_bps, lost_ppm, layers) \
         JOIN participations ON participations.id = new.participation ON CONFLICT DO NOTHING",
    )
    .bind(points.iter().map(|new| new.participation.0).collect::<Vec<_>>())
    .bind(points.iter().map(|new| new.point.at).collect::<Vec<_>>())
    .bind(path(|point| point.path.rtt_us.map(i64::from)))
    .bind(path(|point| sql_rate(point.path.up_bps)))
    .bind(path(|point| sql_rate(point.path.down_bps)))
    .bind(path(|point| point.path.lost_ppm.map(i64::from)))
    .bind(points.iter().map(|new| i64::from(new.point.layers)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// An exam is closed: its sittings that were left are over, and nobody is there any more.
pub(super) async fn end_all(connection: &mut PgConnection, actor: &Actor, exam: ExamId, at: i64) -> Stored<()> {
    let query =
        sqlx::query("UPDATE sessions SET finished_at = $1 WHERE exam = $2 AND finished_at IS NULL RETURNING id");
    let rows = query.bind(at).bind(exam.0).fetch_all(&mut *connection).await?;
    let mut ended = all(&rows, |row| Ok(SessionId(row.uuid("id")?)))?;
    ended.sort_unstable();
    for session in ended {
        let said = json!({ "exam": exam, "by": "close" });
        audit::record(connection, actor, Action::Finish, session, &said).await?;
    }
    sqlx::query(
        "UPDATE participations SET left_at = $1, seen_at = $2, departure = $3 WHERE exam = $4 AND left_at IS NULL",
    )
    .bind(at)
    .bind(at)
    .bind(Departure::Closed.as_str())
    .bind(exam.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// A device holds a session from now on, unless another one does.
pub(super) async fn register(connection: &mut PgConnection, session: SessionId, key: &[u8], at: i64) -> Stored<()> {
    sqlx::query(
        "INSERT INTO device_keys (session, device_key, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(session.0)
    .bind(key)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The device that holds a session does so no more: its candidate goes on at another one.
pub(super) async fn supersede(connection: &mut PgConnection, session: SessionId, at: i64) -> Stored<()> {
    let query = sqlx::query(
        "UPDATE device_keys SET superseded_at = $1, reason = $2 WHERE session = $3 AND superseded_at IS NULL",
    );
    let query = query.bind(at).bind(MOVED).bind(session.0);
    query.execute(connection).await?;
    Ok(())
}
