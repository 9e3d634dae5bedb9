//! Measures everybody's path once a second and writes stays with their statistics. They are not evidence: they wait for nobody, go in
//! small pieces, one at a time, and points are left out where the store has enough to do.

use super::Control;
use super::stay::Stay;
use crate::clock;
use crate::shard::PathFigures;
use crate::shutdown::ShutdownSignal;
use crate::store::Stored;
use crate::store::participations::{NewPoint, StayRecord};
use futures_util::future::join_all;
use invigil_shared::id::{ExamId, ParticipantId, ParticipationId};
use invigil_shared::participation::Departure;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

const MEASURE: Duration = Duration::from_secs(1);
/// A shard that takes longer to say how its paths do is asked again in a second.
const PATIENCE: Duration = Duration::from_millis(500);
/// Stays of one write. It takes a few milliseconds, and so long an event may wait behind it.
const CHUNK: usize = 64;
/// Writes that wait, of the 1,024 that can: with more, points are left out.
const BUSY: usize = 128;
/// Stays that have ended and could not be written: as many as all people of a large server have in an hour of a failing database.
const MAX_ENDED: usize = 20_000;
/// Points that a server may miss before its stays count as left behind.
const MISSED: u32 = 3;
/// The least that this is: a database that is slow for a moment is no server that is gone.
const UNSEEN_US: i64 = 30_000_000;

/// What has ended and was not written yet, and how much was left out.
#[derive(Debug, Default)]
pub(super) struct Ended {
    records: VecDeque<StayRecord>,
    /// How many were in rooms that are closed by now.
    peaks: Vec<(ExamId, u32)>,
    dropped: u64,
}

/// What is to be written of open stays.
struct Current {
    record: StayRecord,
    point: Option<NewPoint>,
}

impl Control {
    /// Stays that have ended are written with the next turn.
    pub(super) fn keep_ended(&self, exam: ExamId, stays: Vec<Stay>) {
        let mut ended = self.ended.lock();
        for stay in stays {
            if ended.records.len() >= MAX_ENDED {
                ended.records.pop_front();
                ended.dropped += 1;
            }
            ended.records.push_back(stay.record(exam, clock::now_us()));
        }
    }

    /// How many candidates were in a room that is closed is written with the next turn.
    pub(super) fn keep_peak(&self, exam: ExamId, peak: u32) {
        let mut ended = self.ended.lock();
        if ended.peaks.len() < MAX_ENDED {
            ended.peaks.push((exam, peak));
        }
    }

    /// Points of statistics, and stays, that were not written since the start.
    pub fn statistics_dropped(&self) -> u64 {
        self.ended.lock().dropped
    }

    /// Measures and writes until the server stops, with a point of each stay `every` so long. `alone`: nobody else writes to this
    /// database, so that stays which are open at the start are of a server that went down.
    pub async fn keep_statistics(self: Arc<Self>, every: Duration, alone: bool, mut shutdown: ShutdownSignal) {
        if alone && let Err(error) = self.store.end_unseen(i64::MAX).await {
            tracing::warn!(%error, "stays of before were not ended; tried again later");
        }
        let turns = u32::try_from(every.as_secs().max(1)).unwrap_or(u32::MAX);
        let unseen = i64::try_from((every * MISSED).as_micros())
            .unwrap_or(i64::MAX)
            .max(UNSEEN_US);
        let mut ticks = tokio::time::interval(MEASURE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut turn, mut well) = (0u32, true);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = ticks.tick() => {}
            }
            turn = turn.wrapping_add(1);
            self.measure().await;
            let written = match turn.is_multiple_of(turns) {
                false => self.write_news().await,
                true => self.write_points(unseen).await,
            };
            match written {
                Ok(()) => well = true,
                // Once: a database that is away is away for many turns.
                Err(error) if std::mem::take(&mut well) => {
                    tracing::warn!(%error, "who is there, and statistics, are not written now");
                }
                Err(_) => {}
            }
        }
    }

    /// Asks the shards how everybody's path does, and brings presence in line with it.
    async fn measure(&self) {
        let shards = self.placement.lock().shards();
        let asked = shards.iter().map(|shard| tokio::time::timeout(PATIENCE, shard.paths()));
        let answers = join_all(asked).await;
        // One that said nothing is not one that knows nobody.
        if answers.iter().any(|answer| !matches!(answer, Ok(Ok(_)))) {
            return;
        }
        let figures = answers.into_iter().flatten().flatten().flatten();
        let figures: HashMap<ParticipantId, PathFigures> =
            figures.map(|figures| (figures.participant, figures)).collect();
        let now = clock::now_us();
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        for room in rooms {
            let mut state = room.state.lock();
            let mut changed = Vec::new();
            for (participant, member) in &mut state.members {
                let before = member.stays.is_poor();
                member.stays.measure(figures.get(participant), now);
                if member.stays.is_poor() == before {
                    continue;
                }
                let presence = member.presence();
                if member.set_presence(presence, now) {
                    changed.push(*participant);
                }
            }
            for participant in changed {
                state.tell_updated(participant);
            }
            state.note_peak();
        }
    }

    /// Writes what has begun and ended since the last turn, and how many were there.
    async fn write_news(&self) -> Stored<()> {
        self.write_peaks().await?;
        let now = clock::now_us();
        let news = self.current(|stay, exam| {
            let record = stay.is_news().then(|| stay.record(exam, now))?;
            Some(Current { record, point: None })
        });
        self.write(news, false).await?;
        self.write_ended().await
    }

    /// Writes a point of every stay, and that it was seen; ends those that nobody has seen.
    async fn write_points(&self, unseen: i64) -> Stored<()> {
        self.write_peaks().await?;
        let now = clock::now_us();
        let all = self.current(|stay, exam| {
            let point = stay.point(now);
            let record = stay.record(exam, now);
            Some(Current { record, point })
        });
        let seen = self.write(all, true).await?;
        self.write_ended().await?;
        // Only after all of ours were seen.
        if seen {
            self.store.end_unseen(now.saturating_sub(unseen)).await?;
        }
        Ok(())
    }

    /// Ends every stay, because the server stops, and writes them.
    pub async fn end_stays(&self) {
        let now = clock::now_us();
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        for room in rooms {
            for member in room.state.lock().members.values_mut() {
                member.stays.end(Departure::ServerStopped, now);
                self.keep_ended(room.id, member.stays.take_ended());
            }
        }
        let written = match self.write_peaks().await {
            Ok(()) => self.write_ended().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "who was there until the end was not written; the next start does it");
        }
    }

    /// Goes through the stays of all rooms, and takes up those that have ended.
    fn current(&self, read: impl Fn(&mut Stay, ExamId) -> Option<Current>) -> Vec<Current> {
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        let mut found = Vec::new();
        for room in rooms {
            for member in room.state.lock().members.values_mut() {
                self.keep_ended(room.id, member.stays.take_ended());
                found.extend(member.stays.current().and_then(|stay| read(stay, room.id)));
            }
        }
        found
    }

    /// False when the store had enough to do and some of it was left out.
    async fn write(&self, current: Vec<Current>, gives_way: bool) -> Stored<bool> {
        let mut rest = current.into_iter();
        loop {
            let chunk: Vec<Current> = rest.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return Ok(true);
            }
            if gives_way && self.store.waiting_writes() > BUSY {
                let left_out = chunk
                    .iter()
                    .chain(rest.as_slice())
                    .filter(|current| current.point.is_some());
                self.ended.lock().dropped += left_out.count() as u64;
                return Ok(false);
            }
            let new: Vec<(ExamId, ParticipantId, ParticipationId)> = chunk
                .iter()
                .map(|current| &current.record)
                .filter(|record| record.first)
                .map(|record| (record.exam, record.participant, record.id))
                .collect();
            let points = chunk.iter().filter_map(|current| current.point).collect();
            let records = chunk.into_iter().map(|current| current.record).collect();
            self.store.keep_stays(records, points).await?;
            self.note_written(&new);
        }
    }

    fn note_written(&self, new: &[(ExamId, ParticipantId, ParticipationId)]) {
        for (exam, participant, id) in new {
            let Some(room) = self.room_of_exam(*exam) else { continue };
            let mut state = room.state.lock();
            let member = state.members.get_mut(participant);
            let stay = member.and_then(|member| member.stays.current());
            if let Some(stay) = stay.filter(|stay| stay.id() == *id) {
                stay.note_written();
            }
        }
    }

    async fn write_ended(&self) -> Stored<()> {
        loop {
            let chunk: Vec<StayRecord> = {
                let mut ended = self.ended.lock();
                let count = ended.records.len().min(CHUNK);
                ended.records.drain(..count).collect()
            };
            if chunk.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.store.keep_stays(chunk.clone(), Vec::new()).await {
                let mut ended = self.ended.lock();
                for record in chunk.into_iter().rev() {
                    ended.records.push_front(record);
                }
                return Err(error);
            }
        }
    }

    async fn write_peaks(&self) -> Stored<()> {
        let closed = std::mem::take(&mut self.ended.lock().peaks);
        for (at, (exam, peak)) in closed.iter().enumerate() {
            if let Err(error) = self.store.raise_peak(*exam, *peak).await {
                self.ended.lock().peaks.extend_from_slice(&closed[at..]);
                return Err(error);
            }
        }
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        for room in rooms {
            let (peak, stored) = {
                let state = room.state.lock();
                (state.peak, state.peak_stored)
            };
            if peak > stored {
                self.store.raise_peak(room.id, peak).await?;
                room.state.lock().peak_stored = peak;
            }
        }
        Ok(())
    }
}
