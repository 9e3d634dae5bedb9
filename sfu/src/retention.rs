//! Candidates are told for how many days signals are kept; this keeps the promise. When the days of an exam's policy are over, what is kept
//! of each of its candidates is erased, unless a legal hold is on the exam or on the candidate.

use crate::clock;
use crate::shutdown::ShutdownSignal;
use crate::store::erasure::{Cause, FIRST};
use crate::store::{Store, StoreError, Stored};
use invigil_shared::id::ExamId;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_hours(1);
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Exams that are read at once, and candidates who are.
const PAGE: usize = 200;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Candidates whose data were erased.
    pub candidates: u64,
    /// Exams of which nothing is left.
    pub exams: u64,
}

/// When the data of an exam are due: microseconds since the Unix epoch.
pub fn due_at(ended_at: i64, retention_days: u16) -> i64 {
    ended_at.saturating_add(i64::from(retention_days) * DAY_US)
}

/// Erases what is due at `now`.
///
/// # Errors
/// The store's; what was erased before is erased.
pub async fn sweep(store: &dyn Store, now: i64) -> Stored<Swept> {
    let mut swept = Swept::default();
    let mut after = ExamId(FIRST);
    loop {
        let exams = store.erasable_exams(after, PAGE).await?;
        for exam in &exams {
            let info = &exam.info;
            let ended_at = exam.times.ended_at.unwrap_or(info.ends_at);
            if due_at(ended_at, info.policy.retention_days) > now {
                continue;
            }
            swept.candidates += erase_candidates(store, info.id, now).await?;
            if store.mark_erased(info.id, now).await? {
                swept.exams += 1;
            }
        }
        match exams.last() {
            Some(last) if exams.len() == PAGE => after = last.info.id,
            _ => return Ok(swept),
        }
    }
}

async fn erase_candidates(store: &dyn Store, exam: ExamId, now: i64) -> Stored<u64> {
    let mut erased = 0;
    loop {
        let entries = store.erasable_entries(exam, PAGE).await?;
        for entry in &entries {
            match store.erase(exam, *entry, Cause::Retention, now).await {
                Ok(first) => erased += u64::from(first),
                // Somebody was quicker: it is kept now, and asked again in an hour.
                Err(StoreError::Held) => return Ok(erased),
                Err(error) => return Err(error),
            }
        }
        if entries.len() < PAGE {
            return Ok(erased);
        }
    }
}

/// Sweeps at the start and every hour, until the server stops.
pub async fn keep(store: Arc<dyn Store>, mut shutdown: ShutdownSignal) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            () = shutdown.begun() => return,
            swept = sweep(&*store, clock::now_us()) => match swept {
                Ok(Swept { candidates: 0, .. }) => {}
                Ok(swept) => tracing::info!(candidates = swept.candidates, exams = swept.exams, "data were erased: their days are over"),
                Err(error) => tracing::error!(%error, "data whose days are over were not erased; tried again in an hour"),
            }
        }
    }
}
