//! One stay of somebody in a room: how long it lasted, and what its path was like, from figures of the media plane. Pure: figures and
//! times are arguments.

use super::path_quality::PathQuality;
use crate::clock;
use crate::shard::{Carried, PathFigures};
use crate::store::participations::{NewPoint, StayRecord};
use invigil_shared::id::{ExamId, ParticipantId, ParticipationId, RosterEntryId, UserId};
use invigil_shared::limits::{MAX_STATISTICS, MAX_TREND, STATISTICS_AT_ONE_RATE};
use invigil_shared::participation::{Departure, PathAverages, StatisticsPoint, UNMEASURED};
use invigil_shared::role::Role;

/// What went over a path in a while, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    carried: Carried,
    us: i64,
    /// Round trips, microseconds, and how many.
    rtt_us: u64,
    rtts: u64,
}

impl Passed {
    fn add(&mut self, other: &Self) {
        self.carried.received_bytes += other.carried.received_bytes;
        self.carried.sent_bytes += other.carried.sent_bytes;
        self.carried.expected += other.carried.expected;
        self.carried.arrived += other.carried.arrived;
        self.us += other.us;
        self.rtt_us += other.rtt_us;
        self.rtts += other.rtts;
    }

    pub fn averages(&self) -> PathAverages {
        let bps = |bytes: u64| {
            let us = u128::try_from(self.us).ok().filter(|us| *us > 0)?;
            u64::try_from(u128::from(bytes) * 8_000_000 / us).ok()
        };
        // A packet that comes late counts in the interval after the one that missed it.
        let lost = self.carried.expected.saturating_sub(self.carried.arrived);
        let ppm = (u128::from(lost) * 1_000_000).checked_div(u128::from(self.carried.expected));
        PathAverages {
            rtt_us: self.rtt_us.checked_div(self.rtts).and_then(|us| u32::try_from(us).ok()),
            up_bps: bps(self.carried.received_bytes),
            down_bps: bps(self.carried.sent_bytes),
            lost_ppm: ppm.and_then(|ppm| u32::try_from(ppm).ok()),
        }
    }
}

/// The last figures that were seen of a participant, and when: the next ones say what passed since.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    before: Option<(Carried, i64)>,
}

impl Meter {
    /// What passed since the last figures; none with the first, and with those of a shard that has begun anew. A shard adds up whole
    /// seconds of its own: where none of them has ended since, nothing has passed yet.
    pub fn read(&mut self, figures: &PathFigures, now: i64) -> Option<Passed> {
        if self.before.is_some_and(|(before, _)| before == figures.carried) {
            return None;
        }
        let (before, at) = self.before.replace((figures.carried, now))?;
        let after = figures.carried;
        let since = |after: u64, before: u64| after.checked_sub(before);
        let rtt_us = figures.round_trip.and_then(|rtt| u64::try_from(rtt.as_micros()).ok());
        Some(Passed {
            carried: Carried {
                received_bytes: since(after.received_bytes, before.received_bytes)?,
                sent_bytes: since(after.sent_bytes, before.sent_bytes)?,
                expected: since(after.expected, before.expected)?,
                arrived: since(after.arrived, before.arrived)?,
            },
            us: now.saturating_sub(at).max(0),
            rtt_us: rtt_us.unwrap_or(0),
            rtts: u64::from(rtt_us.is_some()),
        })
    }

    /// Nobody is connected: what comes next is not since then.
    pub fn forget(&mut self) {
        self.before = None;
    }
}

/// How a path was from the beginning to now, in at most [`MAX_TREND`] steps of equal length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trend {
    steps: Vec<u8>,
    /// Points of one step, as a power of two.
    doubled: u32,
    /// Of the step that is not whole: points, and what those of them that were measured add up to.
    points: u32,
    sum: u32,
    measured: u32,
}

impl Trend {
    fn add(&mut self, score: Option<u8>) {
        self.points += 1;
        self.sum += score.map_or(0, u32::from);
        self.measured += u32::from(score.is_some());
        if self.points < 1 << self.doubled {
            return;
        }
        let step = self.sum.checked_div(self.measured);
        self.steps.push(step.map_or(UNMEASURED, |step| step as u8));
        (self.points, self.sum, self.measured) = (0, 0, 0);
        if self.steps.len() == MAX_TREND {
            self.steps = self.steps.chunks(2).map(joined).collect();
            self.doubled += 1;
        }
    }
}

/// The mean of those of two steps that were measured.
fn joined(steps: &[u8]) -> u8 {
    let measured = steps.iter().filter(|step| **step != UNMEASURED);
    let (sum, count) = measured.fold((0, 0), |(sum, count), step| (sum + u32::from(*step), count + 1));
    u32::checked_div(sum, count).map_or(UNMEASURED, |mean| mean as u8)
}

/// Whose stay it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    pub participant: ParticipantId,
    pub role: Role,
    pub entry: Option<RosterEntryId>,
    pub account: Option<UserId>,
}

/// A stay, while it lasts and until it is written.
#[derive(Clone, Debug)]
pub struct Stay {
    id: ParticipationId,
    whose: Whose,
    joined_at: i64,
    left: Option<(i64, Departure)>,
    whole: Passed,
    /// Since the last point.
    lately: Passed,
    layers: u8,
    trend: Trend,
    points: u32,
    /// Times that a point was due.
    due: u32,
    written: bool,
}

impl Stay {
    pub fn new(whose: Whose, now: i64) -> Self {
        Self {
            id: clock::fresh(ParticipationId::from_parts),
            whose,
            joined_at: now,
            left: None,
            whole: Passed::default(),
            lately: Passed::default(),
            layers: 0,
            trend: Trend::default(),
            points: 0,
            due: 0,
            written: false,
        }
    }

    pub fn pass(&mut self, passed: &Passed, layers: u8) {
        self.whole.add(passed);
        self.lately.add(passed);
        self.layers = self.layers.max(layers);
    }

    pub fn end(&mut self, departure: Departure, now: i64) {
        self.left.get_or_insert((now.max(self.joined_at), departure));
    }

    /// Whether it has to be written that it began.
    pub fn is_news(&self) -> bool {
        !self.written
    }

    /// It was written.
    pub fn note_written(&mut self) {
        self.written = true;
    }

    pub fn id(&self) -> ParticipationId {
        self.id
    }

    pub fn record(&self, exam: ExamId, now: i64) -> StayRecord {
        StayRecord {
            id: self.id,
            exam,
            participant: self.whose.participant,
            role: self.whose.role,
            entry: self.whose.entry,
            account: self.whose.account,
            joined_at: self.joined_at,
            seen_at: self.left.map_or(now, |(at, _)| at),
            left: self.left,
            averages: self.whole.averages(),
            trend: self.trend.steps.clone(),
            first: !self.written,
        }
    }

    /// A point is due. None when nothing has passed since the last one, when there are so many that they come less often, or when
    /// there are enough.
    pub fn point(&mut self, now: i64) -> Option<NewPoint> {
        self.due += 1;
        // Every point of the first stretch, every second of the next, every fourth of the one after that.
        let every = 1u32 << (self.points / STATISTICS_AT_ONE_RATE).min(16);
        if !self.due.is_multiple_of(every) || self.points >= MAX_STATISTICS {
            return None;
        }
        let lately = std::mem::take(&mut self.lately);
        let (path, layers) = (lately.averages(), std::mem::take(&mut self.layers));
        let measured = lately.us > 0;
        for _ in 0..every {
            self.trend.add(path.score().filter(|_| measured));
        }
        if !measured {
            return None;
        }
        self.points += 1;
        Some(NewPoint {
            participation: self.id,
            point: StatisticsPoint { at: now, path, layers },
        })
    }
}

/// A member's stay now, those that have ended and were not written yet, and what its path was last seen to be like.
#[derive(Clone, Debug, Default)]
pub struct Stays {
    now: Option<Stay>,
    ended: Vec<Stay>,
    meter: Meter,
    quality: PathQuality,
}

impl Stays {
    /// Whoever is there stays from now on, unless they do already.
    pub fn begin(&mut self, whose: Whose, now: i64) {
        self.now.get_or_insert_with(|| Stay::new(whose, now));
    }

    /// Ends the stay, if there is one.
    pub fn end(&mut self, departure: Departure, now: i64) {
        if let Some(mut stay) = self.now.take() {
            stay.end(departure, now);
            self.ended.push(stay);
        }
    }

    /// What the shards know now; none when nothing is connected.
    pub fn measure(&mut self, figures: Option<&PathFigures>, now: i64) {
        let Some(figures) = figures else {
            self.meter.forget();
            self.quality.forget();
            return;
        };
        let Some(passed) = self.meter.read(figures, now) else {
            return;
        };
        self.quality.note(&passed.averages(), passed.us);
        if let Some(stay) = &mut self.now {
            stay.pass(&passed, figures.layers);
        }
    }

    pub fn is_poor(&self) -> bool {
        self.quality.is_poor()
    }

    pub fn current(&mut self) -> Option<&mut Stay> {
        self.now.as_mut()
    }

    /// Those that have ended, to be written.
    pub fn take_ended(&mut self) -> Vec<Stay> {
        std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn whose() -> Whose {
        Whose {
            participant: ParticipantId::from_parts(1, [1; 10]),
            role: Role::Candidate,
            entry: None,
            account: None,
        }
    }

    fn figures(seconds: u64, lost: u64) -> PathFigures {
        PathFigures {
            participant: whose().participant,
            carried: Carried {
                received_bytes: 12_500 * seconds,
                sent_bytes: 250 * seconds,
                expected: 100 * seconds,
                arrived: 100 * seconds - lost,
            },
            round_trip: Some(Duration::from_millis(40)),
            layers: 2,
            estimate: None,
        }
    }

    const S: i64 = 1_000_000;

    #[test]
    fn averages_are_those_of_the_whole_stay_and_points_those_since_the_last() {
        let (mut meter, mut stay) = (Meter::default(), Stay::new(whose(), 0));
        assert_eq!(meter.read(&figures(0, 0), 0), None, "the first says nothing of before");
        for second in 1..=10 {
            // Five of the hundred of the second half are lost.
            let passed = meter.read(&figures(second, second.saturating_sub(5) * 5), second as i64 * S);
            stay.pass(&passed.unwrap(), 2);
            if second == 5 {
                let first = stay.point(5 * S).unwrap().point;
                assert_eq!((first.path.lost_ppm, first.layers), (Some(0), 2));
            }
        }
        let second = stay.point(10 * S).unwrap().point;
        let expected = PathAverages {
            rtt_us: Some(40_000),
            up_bps: Some(100_000),
            down_bps: Some(2_000),
            lost_ppm: Some(50_000),
        };
        assert_eq!((second.at, second.path), (10 * S, expected));
        let whole = stay.record(ExamId::from_parts(1, [2; 10]), 11 * S).averages;
        assert_eq!(
            whole,
            PathAverages {
                lost_ppm: Some(25_000),
                ..expected
            }
        );
        assert_eq!(stay.point(11 * S), None, "nothing passed");
    }

    #[test]
    fn a_second_that_has_not_ended_is_no_good_second() {
        let mut meter = Meter::default();
        meter.read(&figures(1, 0), S);
        assert_eq!(meter.read(&figures(1, 0), 2 * S), None);
        let passed = meter.read(&figures(3, 20), 3 * S).unwrap();
        assert_eq!((passed.us, passed.averages().lost_ppm), (2 * S, Some(100_000)));
    }

    #[test]
    fn a_shard_that_has_begun_anew_says_nothing_of_before() {
        let mut meter = Meter::default();
        meter.read(&figures(100, 3), 0);
        assert_eq!(meter.read(&figures(1, 0), S), None);
        assert!(meter.read(&figures(2, 0), 2 * S).is_some());
    }

    #[test]
    fn a_long_stay_has_fewer_points_of_an_hour_and_a_trend_of_all_of_it() {
        let (mut meter, mut stay) = (Meter::default(), Stay::new(whose(), 0));
        let mut points = 0;
        // A day at a point in ten seconds, bad in its second half.
        const TICKS: u64 = 8_640;
        for tick in 0..TICKS {
            let lost = tick.saturating_sub(TICKS / 2) * 16;
            if let Some(passed) = meter.read(&figures(tick, lost), tick as i64 * 10 * S) {
                stay.pass(&passed, 1);
            }
            points += u32::from(stay.point(tick as i64 * 10 * S).is_some());
        }
        assert!(points < 4 * STATISTICS_AT_ONE_RATE, "{points}");
        assert!(points > 2 * STATISTICS_AT_ONE_RATE, "{points}");
        let trend = &stay.trend.steps;
        assert!((MAX_TREND / 2..MAX_TREND).contains(&trend.len()), "{trend:?}");
        let (good, bad) = trend.split_at(trend.len() / 2);
        assert!(good[..good.len() - 2].iter().all(|step| *step == 95), "{trend:?}");
        assert!(bad[2..].iter().all(|step| *step == 45), "{trend:?}");
    }

    #[test]
    fn what_was_not_measured_is_not_bad() {
        let mut trend = Trend::default();
        for n in 0..MAX_TREND {
            trend.add(if n % 2 == 0 { Some(80) } else { None });
        }
        assert_eq!(trend.steps, vec![80; MAX_TREND / 2]);
        for _ in 0..4 {
            trend.add(None);
        }
        assert_eq!(trend.steps[MAX_TREND / 2..], [UNMEASURED; 2]);
    }

    #[test]
    fn a_stay_ends_once() {
        let mut stay = Stay::new(whose(), 5);
        stay.end(Departure::Lost, 9);
        stay.end(Departure::Closed, 12);
        let record = stay.record(ExamId::from_parts(1, [2; 10]), 20);
        assert_eq!(
            (record.left, record.seen_at, record.first),
            (Some((9, Departure::Lost)), 9, true)
        );
    }
}
