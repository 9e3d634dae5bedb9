//! Stays of people in rooms, how their connection was, and which devices held a session. Nothing here is evidence: it is written
//! beside what is, and left out rather than waited for.

use crate::store::rows::Columns;
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{ExamId, ParticipantId, ParticipationId, RosterEntryId, SessionId, UserId};
use invigil_shared::participation::{Departure, Participation, PathAverages, StatisticsPoint};
use invigil_shared::role::Role;

/// A stay as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayRecord {
    pub id: ParticipationId,
    pub exam: ExamId,
    pub participant: ParticipantId,
    pub role: Role,
    pub entry: Option<RosterEntryId>,
    pub account: Option<UserId>,
    /// Microseconds since the Unix epoch, UTC.
    pub joined_at: i64,
    /// When the server last saw it.
    pub seen_at: i64,
    pub left: Option<(i64, Departure)>,
    pub averages: PathAverages,
    pub trend: Vec<u8>,
    /// It was never written: an older one of the same participant that is open still has ended with its server.
    pub first: bool,
}

/// A point of a stay's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPoint {
    pub participation: ParticipationId,
    pub point: StatisticsPoint,
}

/// A device that holds a session, or has held it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeyRecord {
    /// Ed25519 public key.
    pub device_key: Vec<u8>,
    pub registered_at: i64,
    /// Since when it does not hold the session any more, and why.
    pub superseded: Option<(i64, String)>,
}

/// Why a device holds a session no more: its candidate went on at another one.
pub(super) const MOVED: &str = "moved";

#[async_trait]
pub trait ParticipationStore: Send + Sync {
    /// Writes stays as they are now, and points of their series: those of candidates and exams that were erased are left out. An
    /// ended stay is not opened again.
    async fn keep_stays(&self, stays: Vec<StayRecord>, points: Vec<NewPoint>) -> Stored<()>;
    /// Ends the stays that no server has seen since `before`, with the time at which one last did; how many there were.
    async fn end_unseen(&self, before: i64) -> Stored<u64>;
    /// Notes how many candidates were there at once, when there never were so many.
    async fn raise_peak(&self, exam: ExamId, peak: u32) -> Stored<()>;
    /// Stays in an exam's room after one, in the order in which they began.
    async fn participations(&self, exam: ExamId, after: ParticipationId, count: usize) -> Stored<Vec<Participation>>;
    /// A stay's series in its order; none when the exam has no such stay.
    async fn statistics(&self, exam: ExamId, participation: ParticipationId) -> Stored<Option<Vec<StatisticsPoint>>>;
    /// Every device that has held a session, in the order in which they did.
    async fn device_keys(&self, session: SessionId) -> Stored<Vec<DeviceKeyRecord>>;
}

fn count<T: TryFrom<i64>>(row: &impl Columns, column: &str) -> Stored<Option<T>> {
    let value = row.maybe_integer(column)?.map(T::try_from).transpose();
    value.map_err(|_| StoreError::Corrupt(format!("{column}: out of range")))
}

fn averages(row: &impl Columns) -> Stored<PathAverages> {
    Ok(PathAverages {
        rtt_us: count(row, "rtt_us")?,
        up_bps: count(row, "up_bps")?,
        down_bps: count(row, "down_bps")?,
        lost_ppm: count(row, "lost_ppm")?,
    })
}

/// A stay with the `name` of whom it was.
pub(super) fn participation(row: &impl Columns) -> Stored<Participation> {
    Ok(Participation {
        id: ParticipationId(row.uuid("id")?),
        participant: ParticipantId(row.uuid("participant")?),
        role: Role::parse(&row.text("role")?),
        name: row.text("name")?,
        entry: row.maybe_uuid("entry")?.map(RosterEntryId),
        account: row.maybe_uuid("account")?.map(UserId),
        joined_at: row.integer("joined_at")?,
        left_at: row.maybe_integer("left_at")?,
        departure: row.maybe_text("departure")?.map(|text| Departure::parse(&text)),
        averages: averages(row)?,
        trend: row.bytes("trend")?,
    })
}

pub(super) fn point(row: &impl Columns) -> Stored<StatisticsPoint> {
    Ok(StatisticsPoint {
        at: row.integer("at")?,
        path: averages(row)?,
        layers: count(row, "layers")?.unwrap_or_default(),
    })
}

pub(super) fn device_key(row: &impl Columns) -> Stored<DeviceKeyRecord> {
    let reason = row.maybe_text("reason")?.unwrap_or_default();
    Ok(DeviceKeyRecord {
        device_key: row.bytes("device_key")?,
        registered_at: row.integer("registered_at")?,
        superseded: row.maybe_integer("superseded_at")?.map(|at| (at, reason)),
    })
}

/// As SQL takes it; no rate of a real path is cut.
pub(super) fn sql_rate(bps: Option<u64>) -> Option<i64> {
    bps.map(|bps| i64::try_from(bps).unwrap_or(i64::MAX))
}
