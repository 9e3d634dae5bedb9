//! The estimator of both sides: delay and loss say when a path is full, what is acknowledged says how much it carries, time and
//! probes bring it back. After draft-ietf-rmcat-gcc-02, with what that leaves open decided for us: the start, stalls, random
//! loss, and senders that have little to send.

use super::acknowledged::Acknowledged;
use super::delay::{DelayDetector, Usage};
use super::loss::{LossJudge, Verdict};
use super::probe::{Outcome, ProbeId, Prober};
use super::{BandwidthEstimator, PacketResult, PathState};
use std::time::{Duration, Instant};

/// The least that a session can live on: audio and an emergency picture (DESIGN.md section 5).
const FLOOR: f64 = 50_000.0;
/// What remains of the acknowledged rate after congestion (draft section 5.5).
const BACK_OFF: f64 = 0.85;
/// One cut goes no deeper than this share of what arrived lately: the first moments of a queue measure badly, and if it was not
/// enough the next one follows.
const DEEPEST: f64 = 0.25;
/// Between two cuts: the first has to show before it is judged.
const CUT_AGAIN: Duration = Duration::from_millis(150);
/// Growth far from where the path was last full, and near it: a packet each response time.
const GROWTH_PER_S: f64 = 1.08;
const NEAR: f64 = 0.15;
const PACKET_BITS: f64 = 9_600.0;
/// Nothing grows beyond this share of what arrives: a sender with little to send proves little.
const PROVEN: f64 = 1.5;
/// Feedback later than this, about packets as old, tells of a stall and not of a narrow path: one end, or the path as a whole,
/// stood still.
const STALL: Duration = Duration::from_secs(1);
/// A queue of the first length is drained by sending less until it has the second.
const DRAIN_FROM: Duration = Duration::from_millis(200);
const DRAIN_TO: Duration = Duration::from_millis(50);
const DRAIN_RATE: f64 = 0.65;
/// A queue above this doesn't grow the rate.
const CALM_QUEUE: Duration = Duration::from_millis(40);
/// After a cut nothing is probed for this long.
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// A probe asks for this multiple of the estimate.
const PROBE_AT: f64 = 2.0;
/// After a probe that found nothing, and after more of them. What came back is used within 10 s all the same.
const PROBE_AGAIN: Duration = Duration::from_secs(2);
const PROBE_SELDOM: Duration = Duration::from_millis(4_500);
/// After one whose reports were lost, which says nothing, or that found much.
const PROBE_REPEAT: Duration = Duration::from_millis(300);
/// A probe that found this much more than was known, and the path full all the same, may have seen its jitter: it is repeated.
const MUCH: f64 = 1.5;
/// Where nothing was sent for so long nothing is reported, and a probe has to see for itself.
const QUIET: Duration = Duration::from_millis(300);
/// A path that loses less by this share than at its worst is another one than that which was found to be full: it is probed at once.
const LESS_LOSS: f64 = 0.08;
/// A probe that passed at this multiple of all that is wanted has found a path that limits nothing.
const AMPLE: f64 = 1.4;
/// A limit that held everything that was wanted for so long without congestion is lifted.
const LIFT: Duration = Duration::from_secs(10);
/// Windows of the acknowledged rate, microseconds: for growth, and at a cut.
const WINDOW_US: i64 = 500_000;
const SHORT_WINDOW_US: i64 = 250_000;
/// The same for a test of the loss, where chance must not make the cut deep.
const LONG_WINDOW_US: i64 = 1_000_000;
/// A queue that stood for less has not measured the path yet.
const BUSY_US: i64 = 100_000;

/// Judges one path. See [`BandwidthEstimator`].
#[derive(Debug, Default)]
pub struct PathEstimator {
    limit: Option<f64>,
    wanted: f64,
    ceiling: Option<f64>,
    delay: DelayDetector,
    loss: LossJudge,
    acknowledged: Acknowledged,
    probes: Prober,
    round_trip: Option<Duration>,
    heard: Option<Instant>,
    /// Feedback is not judged before: what was lost in a stall is still being reported.
    settled: Option<Instant>,
    grown: Option<Instant>,
    cut: Option<Instant>,
    /// Where the path was full last.
    full_at: Option<f64>,
    draining: bool,
    /// The limit before a test of the loss.
    before_test: Option<Option<f64>>,
    next_probe: Option<Instant>,
    /// When a packet was sent last.
    sent: Option<Instant>,
    probe_pause: Option<Duration>,
    /// The most that the path has lost since it is limited.
    most_lost: f64,
    /// Padding can't be sent here.
    starved: bool,
    sufficient_since: Option<Instant>,
}

impl PathEstimator {
    fn response_time(&self) -> Duration {
        self.round_trip.unwrap_or(Duration::from_millis(100)) + Duration::from_millis(100)
    }

    fn within_ceiling(&self, limit: Option<f64>) -> Option<u64> {
        let bound = match (limit, self.ceiling) {
            (Some(limit), Some(ceiling)) => Some(limit.min(ceiling)),
            (limit, ceiling) => limit.or(ceiling),
        };
        bound.map(|bps| bps as u64)
    }

    fn measure_round_trip(&mut self, now: Instant, results: &[PacketResult]) {
        let arrived = results
            .iter()
            .filter(|result| result.arrived_us.is_some() && !result.late);
        let newest = arrived.map(|result| now.saturating_duration_since(result.sent)).min();
        if let Some(sample) = newest {
            let sample = sample.min(Duration::from_secs(2));
            self.round_trip = Some(self.round_trip.map_or(sample, |known| (known * 7 + sample) / 8));
        }
    }

    /// True while feedback says nothing of the path's width.
    fn is_stalled(&mut self, now: Instant, results: &[PacketResult]) -> bool {
        let silent = self.heard.replace(now).is_some_and(|heard| heard + STALL < now);
        let old = results.iter().any(|result| result.sent + STALL < now);
        if silent && old {
            self.settled = Some(now + STALL);
        }
        let stalled = self.settled.is_some_and(|settled| now < settled);
        if stalled || (silent && self.before_test.is_some()) {
            self.break_off_test();
            self.loss.forget();
        }
        if silent && !old {
            // What was queued is gone, and it may be another path by now, with a best delay of its own.
            (self.delay, self.draining) = (DelayDetector::default(), false);
        }
        if stalled {
            self.delay.reset();
            self.acknowledged.clear();
            self.probes.stop();
            self.draining = false;
        }
        stalled
    }

    /// How much arrived while there was a queue, which is what the path carries.
    fn measured(&self) -> Option<f64> {
        self.delay.busy_since().and_then(|since| {
            let since = since.max(self.acknowledged.newest()? - WINDOW_US);
            (self.acknowledged.newest()? - since >= BUSY_US).then(|| self.acknowledged.rate_since(since))?
        })
    }

    /// How much arrived lately, which is what was sent where there was no queue. Where a path has just become longer nothing
    /// arrived for a moment: that is not its width.
    fn lately(&self) -> Option<f64> {
        let rates = [SHORT_WINDOW_US, WINDOW_US].map(|window| self.acknowledged.rate(window));
        rates.into_iter().flatten().reduce(f64::max)
    }

    fn cut_to(&mut self, now: Instant, rate: f64) {
        let rate = rate.max(FLOOR);
        self.limit = Some(self.limit.map_or(rate, |limit| limit.min(rate)));
        (self.cut, self.grown) = (Some(now), Some(now));
    }

    /// Whether what the path lost while it was limited is over. True once.
    fn is_relieved(&mut self) -> bool {
        let lost = self.loss.loss();
        let relieved = lost + LESS_LOSS < self.most_lost;
        self.most_lost = if relieved { lost } else { self.most_lost.max(lost) };
        relieved
    }

    fn overused(&mut self, now: Instant) {
        let again = self.round_trip.unwrap_or_default().clamp(CUT_AGAIN, STALL);
        let probing = self.probes.is_running() && self.delay.queue() < DRAIN_FROM;
        if probing || self.cut.is_some_and(|cut| now < cut + again) {
            return;
        }
        let (measured, lately) = (self.measured(), self.lately());
        let rate = if let (None, Some(limit), Some(lately)) = (measured, self.limit, lately)
            && lately < limit
        {
            // The queue of a burst: what arrived with it says little of what the path carries.
            limit
        } else if let Some(carried) = measured
            .or(lately)
            .map(|rate| rate.max(lately.unwrap_or(0.0) * DEEPEST))
        {
            self.full_at = Some(self.full_at.map_or(carried, |known| {
                // A path that changed is learned anew, one that stayed is averaged.
                if (carried / known - 1.0).abs() > NEAR {
                    carried
                } else {
                    (known * 4.0 + carried) / 5.0
                }
            }));
            carried
        } else {
            return;
        };
        self.cut_to(now, rate * BACK_OFF);
        self.end_test();
        self.sufficient_since = None;
    }

    fn judge_loss(&mut self, now: Instant, verdict: Verdict) {
        match verdict {
            Verdict::Nothing => {}
            Verdict::Test => {
                if let Some(carried) = self.acknowledged.rate(LONG_WINDOW_US) {
                    self.before_test = Some(self.limit);
                    self.cut_to(now, carried);
                }
            }
            Verdict::Inherent => self.break_off_test(),
            Verdict::Congestion => {
                self.end_test();
                self.full_at = self.limit;
                self.sufficient_since = None;
                self.pause_probes(now);
            }
        }
    }

    fn end_test(&mut self) {
        self.before_test = None;
    }

    /// Back to what was before the test.
    fn break_off_test(&mut self) {
        if let Some(before) = self.before_test.take() {
            self.limit = before;
        }
    }

    fn grow(&mut self, now: Instant) {
        let since = self
            .grown
            .replace(now)
            .map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        let since = since.min(Duration::from_secs(1)).as_secs_f64();
        let Some(limit) = self.limit else { return };
        let Some(acknowledged) = self.acknowledged.rate(WINDOW_US) else {
            return;
        };
        // The path turned out to be wider than where it was full.
        if self.full_at.is_some_and(|full| acknowledged > full * (1.0 + NEAR)) {
            self.full_at = None;
        }
        let near = self.full_at.is_some_and(|full| (limit / full - 1.0).abs() <= NEAR);
        let grown = if near {
            limit + PACKET_BITS * since / self.response_time().as_secs_f64()
        } else {
            limit * GROWTH_PER_S.powf(since)
        };
        let bound = (acknowledged * PROVEN + PACKET_BITS).min(self.wanted);
        self.limit = Some(grown.min(bound).max(limit));
    }

    fn probed(&mut self, now: Instant, outcome: Outcome) {
        let limit = self.limit.unwrap_or(f64::MAX);
        match outcome {
            Outcome::Passed(rate) if rate > self.wanted * AMPLE => self.lift(),
            Outcome::Passed(rate) if rate > limit => {
                self.limit = Some((rate * 0.95).min(self.wanted).max(limit));
                if self.full_at.is_some_and(|full| rate > full * (1.0 + NEAR)) {
                    self.full_at = None;
                }
                (self.next_probe, self.probe_pause, self.grown) = (Some(now), None, Some(now));
            }
            Outcome::Full(rate) if rate * BACK_OFF > limit => {
                self.limit = Some((rate * BACK_OFF).min(self.wanted).max(limit));
                self.grown = Some(now);
                if rate * BACK_OFF > limit * MUCH {
                    self.next_probe = Some(now + PROBE_REPEAT);
                } else {
                    self.pause_probes(now);
                }
            }
            Outcome::Nothing { starved: true } => {
                self.starved = true;
                self.pause_probes(now);
            }
            Outcome::Nothing { starved: false } => self.next_probe = Some(now + PROBE_REPEAT),
            Outcome::Passed(_) | Outcome::Full(_) => self.pause_probes(now),
        }
    }

    fn pause_probes(&mut self, now: Instant) {
        let pause = self.probe_pause.map_or(PROBE_AGAIN, |_| PROBE_SELDOM);
        (self.probe_pause, self.next_probe) = (Some(pause), Some(now + pause));
    }

    /// Looks at the probes after a feedback.
    fn consider_probe(&mut self, now: Instant) {
        if self.limit.is_some() && self.is_relieved() {
            (self.probe_pause, self.next_probe) = (None, None);
        }
        if self.delay.queue() < CALM_QUEUE && !self.draining && !self.loss.is_testing() {
            self.probe(now);
        }
    }

    /// Looks at the probes where nothing is sent, so that no feedback comes: what was known of a queue says nothing any more.
    fn consider_quiet(&mut self, now: Instant) {
        if self.sent.is_some_and(|sent| sent + QUIET <= now) {
            let round_trip = self.round_trip.unwrap_or_default();
            if let Some(outcome) = self.probes.feedback(now, round_trip, &[]) {
                self.probed(now, outcome);
            }
            self.probe(now);
        }
    }

    /// Starts a probe where more is wanted than is known to fit, and it is time for one.
    fn probe(&mut self, now: Instant) {
        let Some(limit) = self.limit else { return };
        let rested = self.cut.is_none_or(|cut| cut + PROBE_AFTER <= now);
        let due = self.next_probe.is_none_or(|at| at <= now);
        if rested && due && !self.probes.is_running() && self.wanted > limit * 1.02 {
            self.probes.start(now, limit * PROBE_AT);
        }
    }

    fn consider_lifting(&mut self, now: Instant) {
        let Some(limit) = self.limit else {
            self.sufficient_since = None;
            return;
        };
        // Where nothing can be probed, media itself has to.
        let enough = limit >= self.wanted * 0.98 || self.starved;
        let calm = self.delay.queue() < CALM_QUEUE && !self.loss.is_testing();
        if !enough || !calm {
            self.sufficient_since = None;
        } else if *self.sufficient_since.get_or_insert(now) + LIFT <= now {
            self.lift();
        }
    }

    fn lift(&mut self) {
        (self.limit, self.sufficient_since, self.full_at, self.most_lost) = (None, None, None, 0.0);
        (self.probe_pause, self.next_probe) = (None, None);
    }
}

impl BandwidthEstimator for PathEstimator {
    fn on_sent(&mut self, now: Instant, bytes: usize) -> Option<ProbeId> {
        self.sent = Some(now);
        self.probes.on_sent(now, bytes)
    }

    fn on_feedback(&mut self, now: Instant, results: &[PacketResult]) {
        if results.is_empty() || self.is_stalled(now, results) {
            return;
        }
        self.measure_round_trip(now, results);
        for result in results {
            if let Some(arrived) = result.arrived_us {
                self.acknowledged.add(arrived, result.bytes);
            }
        }
        let usage = self.delay.feedback(now, results);
        let queue = self.delay.queue();
        self.draining = queue >= DRAIN_FROM || (self.draining && queue > DRAIN_TO);
        let round_trip = self.round_trip.unwrap_or_default();
        let queued = queue > CALM_QUEUE || usage == Usage::Over;
        let verdict = self.loss.feedback(now, round_trip, queued, results);
        self.judge_loss(now, verdict);
        if !self.loss.is_testing() && verdict == Verdict::Nothing && self.before_test.is_some() {
            // A queue ended the test: it says how much is too much, if it is one and no jitter.
            match usage {
                Usage::Over => self.end_test(),
                _ => self.break_off_test(),
            }
        }
        let probed = self.probes.feedback(now, round_trip, results);
        if let Some(outcome) = probed {
            self.probed(now, outcome);
        }
        match usage {
            Usage::Over => self.overused(now),
            Usage::Normal if queue < CALM_QUEUE && !self.loss.is_testing() => self.grow(now),
            _ => self.grown = Some(now),
        }
        self.consider_probe(now);
        self.consider_lifting(now);
    }

    fn set_wanted(&mut self, bps: u64) {
        self.wanted = bps as f64;
    }

    fn set_ceiling(&mut self, ceiling: Option<u64>) {
        self.ceiling = ceiling.map(|bps| (bps as f64).max(FLOOR));
    }

    fn padding(&mut self, now: Instant) -> usize {
        self.consider_quiet(now);
        self.probes.padding(now)
    }

    fn estimate(&self) -> Option<u64> {
        self.within_ceiling(
            self.limit
                .map(|limit| if self.draining { limit * DRAIN_RATE } else { limit }),
        )
    }

    fn sustained(&self) -> Option<u64> {
        self.within_ceiling(self.limit)
    }

    fn is_testing(&self) -> bool {
        self.before_test.is_some()
    }

    fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn state(&self) -> PathState {
        PathState {
            estimate: self.estimate(),
            wanted: self.wanted as u64,
            acknowledged: self.acknowledged.rate(WINDOW_US).unwrap_or_default() as u64,
            round_trip: self.round_trip,
            queue: self.delay.queue(),
            lost: self.loss.loss(),
        }
    }
}
