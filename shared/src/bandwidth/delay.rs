//! Whether a queue builds up in the path. Two looks at the same packets: how the delay changes from one group to the next, over a
//! trend line with a threshold that follows the path's own jitter (draft-ietf-rmcat-gcc-02 sections 5.2 to 5.4; the line
//! instead of its Kalman filter), which is fast; and how much longer than at its best a packet now takes, which still works
//! when packets are few, and bounds the queue that a slow trend would never find.

use super::PacketResult;
use super::window::WindowedMin;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets sent within this belong to one group (section 5.2 of the draft).
const GROUP: Duration = Duration::from_millis(5);
/// Groups that the trend line is drawn through.
const LINE: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// The slope counts as often as groups carry it, and more than it would by itself: the threshold is in these units.
const MAX_WEIGHT: usize = 60;
const GAIN: f64 = 4.0;
/// The threshold, where it starts and what it stays within (section 5.4; milliseconds).
const THRESHOLD: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// How fast it follows: up quickly enough for a path that jitters, down slowly.
const FOLLOW_UP: f64 = 0.0087;
const FOLLOW_DOWN: f64 = 0.039;
/// A trend has to last this long.
const OVERUSE_AFTER: Duration = Duration::from_millis(10);
/// A trend without as much of a queue is jitter.
const QUEUE_SEEN: Duration = Duration::from_millis(20);
/// A queue of this length that stays is congestion, whatever the trend says.
const QUEUE_LONG: Duration = Duration::from_millis(90);
const QUEUE_STAYS: Duration = Duration::from_millis(100);
/// One whose best moments in so many pieces of time differ by no more than this is none: the path has become longer. A queue of our
/// own drains, because less is sent after it was found. A sender who waited for this one would wait until the best delay is forgotten.
const STANDING: Duration = Duration::from_millis(40);
const STANDS_STILL: Duration = Duration::from_millis(8);
const STANDING_PIECE: Duration = Duration::from_millis(350);
const STANDING_PIECES: usize = 3;
/// The best delay is looked for in this time, and in that before: clocks drift apart by less than a millisecond in it.
const BASE_WINDOW: Duration = Duration::from_secs(10);

/// What the delays say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Normal,
    /// More is sent than the path carries.
    Over,
    /// A queue drains.
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    arrived_us: i64,
}

/// The shortest queues of the last pieces of time.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// When this piece began, and its shortest queue.
    since: Instant,
    least: Duration,
    before: [Duration; STANDING_PIECES],
    pieces: usize,
}

impl Standing {
    fn is_still(&self) -> bool {
        let (least, most) = (self.before.iter().min(), self.before.iter().max());
        let differ = least.zip(most).map(|(least, most)| *most - *least);
        self.pieces >= STANDING_PIECES && differ.is_some_and(|differ| differ <= STANDS_STILL)
    }
}

/// Follows the delays of one path.
#[derive(Debug)]
pub(super) struct DelayDetector {
    epoch: Option<Instant>,
    base: WindowedMin,
    queue: Duration,
    /// Since when the queue has been long; and, by the receiver's clock, since when there has been one.
    long_since: Option<Instant>,
    busy_since: Option<i64>,
    standing: Option<Standing>,
    group: Option<Group>,
    before: Option<Group>,
    accumulated: f64,
    smoothed: f64,
    line: VecDeque<(f64, f64)>,
    first_arrival: i64,
    groups: usize,
    threshold: f64,
    over_for: Option<Duration>,
    slope: f64,
    trend: Usage,
    judged: Option<Instant>,
}

impl Default for DelayDetector {
    fn default() -> Self {
        Self {
            epoch: None,
            base: WindowedMin::new(BASE_WINDOW),
            queue: Duration::ZERO,
            long_since: None,
            busy_since: None,
            standing: None,
            group: None,
            before: None,
            accumulated: 0.0,
            smoothed: 0.0,
            line: VecDeque::with_capacity(LINE + 1),
            first_arrival: 0,
            groups: 0,
            threshold: THRESHOLD,
            over_for: None,
            slope: 0.0,
            trend: Usage::Normal,
            judged: None,
        }
    }
}

impl DelayDetector {
    /// Takes the packets of one feedback and judges.
    pub fn feedback(&mut self, now: Instant, results: &[PacketResult]) -> Usage {
        let mut least: Option<(i64, i64)> = None;
        for result in results.iter().filter(|result| !result.late) {
            let Some(arrived) = result.arrived_us else { continue };
            let delay = arrived - self.since_epoch(result.sent);
            if least.is_none_or(|(least, _)| delay < least) {
                least = Some((delay, arrived));
            }
            self.base.add(now, delay);
            self.packet(result.sent, arrived);
        }
        if let Some((delay, arrived)) = least {
            let queue = (delay - self.base.get().unwrap_or(delay)).max(0);
            self.queue = Duration::from_micros(queue.unsigned_abs());
            if self.stands_still(now) {
                self.base = WindowedMin::new(BASE_WINDOW);
                self.base.add(now, delay);
                (self.queue, self.standing) = (Duration::ZERO, None);
            }
            self.busy_since = (self.queue >= QUEUE_SEEN).then(|| self.busy_since.unwrap_or(arrived));
            self.long_since = (self.queue >= QUEUE_LONG).then(|| self.long_since.unwrap_or(now));
        }
        let stays = self.long_since.is_some_and(|since| since + QUEUE_STAYS <= now);
        match self.trend {
            _ if stays => Usage::Over,
            Usage::Over if self.queue < QUEUE_SEEN => Usage::Normal,
            trend => trend,
        }
    }

    fn stands_still(&mut self, now: Instant) -> bool {
        let queue = self.queue;
        if queue < STANDING {
            self.standing = None;
            return false;
        }
        let standing = self.standing.get_or_insert(Standing {
            since: now,
            least: queue,
            before: [Duration::ZERO; STANDING_PIECES],
            pieces: 0,
        });
        standing.least = standing.least.min(queue);
        if now < standing.since + STANDING_PIECE {
            return false;
        }
        standing.before.rotate_left(1);
        standing.before[STANDING_PIECES - 1] = standing.least;
        (standing.since, standing.least) = (now, Duration::MAX);
        standing.pieces += 1;
        standing.is_still()
    }

    /// How long packets wait in the path.
    pub fn queue(&self) -> Duration {
        self.queue
    }

    /// Since when a queue has stood, by the receiver's clock.
    pub fn busy_since(&self) -> Option<i64> {
        self.busy_since
    }

    /// Begins anew and keeps what the path's best delay is: it stood still, which is no trend.
    pub fn reset(&mut self) {
        let fresh = Self::default();
        *self = Self {
            epoch: self.epoch,
            base: self.base,
            threshold: self.threshold,
            ..fresh
        };
    }

    fn since_epoch(&mut self, at: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(at);
        match at.checked_duration_since(epoch) {
            Some(since) => since.as_micros() as i64,
            None => -(epoch.duration_since(at).as_micros() as i64),
        }
    }

    fn packet(&mut self, sent: Instant, arrived_us: i64) {
        match &mut self.group {
            Some(group) if sent <= group.first_sent + GROUP => {
                group.last_sent = group.last_sent.max(sent);
                group.arrived_us = group.arrived_us.max(arrived_us);
            }
            group => {
                let next = Group {
                    first_sent: sent,
                    last_sent: sent,
                    arrived_us,
                };
                if let Some(done) = group.replace(next)
                    && let Some(before) = self.before.replace(done)
                {
                    self.compare(before, done);
                }
            }
        }
    }

    fn compare(&mut self, before: Group, done: Group) {
        let sent = done.last_sent.saturating_duration_since(before.last_sent);
        let arrived = (done.arrived_us - before.arrived_us) as f64 / 1e3;
        let gradient = arrived - sent.as_secs_f64() * 1e3;
        if self.line.is_empty() {
            self.first_arrival = done.arrived_us;
        }
        self.groups = (self.groups + 1).min(MAX_WEIGHT);
        self.accumulated += gradient;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        let at = (done.arrived_us - self.first_arrival) as f64 / 1e3;
        self.line.push_back((at, self.smoothed));
        if self.line.len() > LINE {
            self.line.pop_front();
        }
        if self.line.len() == LINE
            && let Some(slope) = slope(&self.line)
        {
            self.judge(slope, sent, done.last_sent);
        }
    }

    fn judge(&mut self, slope: f64, sent: Duration, at: Instant) {
        let trend = slope * self.groups as f64 * GAIN;
        if trend > self.threshold {
            let lasted = self.over_for.map_or(sent / 2, |lasted| lasted + sent);
            self.over_for = Some(lasted);
            if lasted > OVERUSE_AFTER && slope >= self.slope {
                self.over_for = Some(Duration::ZERO);
                self.trend = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.trend = if trend < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.slope = slope;
        // A trend far outside is not the path's own jitter (section 5.4).
        if trend.abs() <= self.threshold + 15.0 {
            let follow = if trend.abs() < self.threshold {
                FOLLOW_DOWN
            } else {
                FOLLOW_UP
            };
            let elapsed = self
                .judged
                .map_or(0.0, |then| at.saturating_duration_since(then).as_secs_f64() * 1e3);
            self.threshold += follow * (trend.abs() - self.threshold) * elapsed.min(100.0);
            self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        }
        self.judged = Some(at);
    }
}

/// The slope of the line of least squares; none when all points stand above each other.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one packet each 10 ms, 5 to a feedback; `delay_us` of packet n.
    fn run(packets: u64, delay_us: impl Fn(u64) -> i64) -> (Vec<Usage>, DelayDetector) {
        let start = Instant::now();
        let mut detector = DelayDetector::default();
        let mut seen = Vec::new();
        for batch in 0..packets / 5 {
            let results: Vec<_> = (batch * 5..batch * 5 + 5)
                .map(|n| PacketResult {
                    sent: start + Duration::from_millis(n * 10),
                    arrived_us: Some(n as i64 * 10_000 + delay_us(n)),
                    bytes: 1_000,
                    probe: None,
                    late: false,
                })
                .collect();
            seen.push(detector.feedback(start + Duration::from_millis(batch * 50 + 100), &results));
        }
        (seen, detector)
    }

    /// Milliseconds of jitter that look random and are the same each time.
    fn noise(n: u64, most: u64) -> i64 {
        (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).rem_euclid(most * 1_000) as i64
    }

    #[test]
    fn a_growing_delay_is_overuse_within_a_few_hundred_milliseconds() {
        let (seen, detector) = run(200, |n| 20_000 + (n as i64 - 100).max(0) * 2_000);
        let first = seen.iter().position(|usage| *usage == Usage::Over).unwrap();
        assert!((20..27).contains(&first), "at feedback {first}");
        assert!(detector.queue() > Duration::from_millis(150));
    }

    #[test]
    fn jitter_is_no_overuse() {
        let (seen, _) = run(2_000, |n| 20_000 + noise(n, 30));
        let over = seen.iter().filter(|usage| **usage == Usage::Over).count();
        assert_eq!(over, 0, "of {}", seen.len());
    }

    #[test]
    fn a_queue_that_stays_is_overuse_until_it_turns_out_to_be_the_paths_length() {
        let (seen, detector) = run(600, |n| if n < 100 { 20_000 } else { 180_000 });
        assert!(seen[25..40].iter().all(|usage| *usage == Usage::Over), "{seen:?}");
        assert!(seen[60..].iter().all(|usage| *usage != Usage::Over), "{seen:?}");
        assert_eq!(detector.queue(), Duration::ZERO);
        // One that drains, however slowly, is ours.
        let (seen, _) = run(600, |n| {
            20_000 + (n as i64 * 8_000).min(800_000 - (n as i64 - 100) * 600)
        });
        assert!(seen[25..120].iter().all(|usage| *usage == Usage::Over), "{seen:?}");
    }

    #[test]
    fn a_path_that_became_longer_is_no_queue_for_long() {
        let (_, detector) = run(200, |n| if n < 100 { 20_000 } else { 80_000 });
        assert_eq!(detector.queue(), Duration::from_millis(60));
        let (_, detector) = run(300, |n| if n < 100 { 20_000 } else { 80_000 });
        assert_eq!(detector.queue(), Duration::ZERO);
        // One that shrinks is a queue.
        let (_, detector) = run(300, |n| {
            if n < 100 {
                20_000
            } else {
                100_000 - (n as i64 - 100) * 150
            }
        });
        assert!(detector.queue() > STANDING);
    }

    #[test]
    fn after_a_reset_the_best_delay_is_still_known() {
        let (_, mut detector) = run(100, |_| 20_000);
        detector.reset();
        let late = PacketResult {
            sent: detector.epoch.unwrap() + Duration::from_secs(2),
            arrived_us: Some(2_120_000),
            bytes: 1,
            probe: None,
            late: false,
        };
        detector.feedback(late.sent, &[late]);
        assert_eq!(detector.queue(), Duration::from_millis(100));
    }
}
