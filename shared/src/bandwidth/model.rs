//! A bottleneck for the estimator's tests: a rate with a bounded queue, a delay, jitter and random loss, on virtual time.

use super::history::SentPackets;
use super::{BandwidthEstimator, PacketResult, PathEstimator};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The path at one moment.
#[derive(Clone, Copy)]
pub(super) struct Path {
    /// Bits per second.
    pub rate: f64,
    pub round_trip: Duration,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Bits that wait at most.
    pub queue_bits: f64,
    pub jitter: Duration,
    /// Nothing moves.
    pub stalled: bool,
}

impl Path {
    pub fn of(rate: f64) -> Self {
        Self {
            rate,
            round_trip: Duration::from_millis(60),
            loss: 0.0,
            queue_bits: 400_000.0,
            jitter: Duration::ZERO,
            stalled: false,
        }
    }
}

/// A sender that sends what the estimate allows, and a receiver that reports every 50 ms.
pub(super) struct Model {
    pub estimator: PathEstimator,
    pub start: Instant,
    pub now: Instant,
    /// Of the media that wants to be sent, bits per second.
    pub wanted: f64,
    /// What is sent of it at most, whatever is allowed.
    pub available: f64,
    pub pads: bool,
    sent: SentPackets,
    owed: f64,
    /// What waits before the bottleneck: packets, with the bits of each that have not left.
    queue: VecDeque<(u16, f64)>,
    queued: f64,
    arrivals: VecDeque<(f64, u16)>,
    reported_at: f64,
    reports: VecDeque<(f64, Vec<u8>)>,
    random: u64,
    /// Bits of media that arrived in the last second, and the longest queue in it.
    pub second: Second,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    pub sent: f64,
    pub queue: f64,
    pub estimate: f64,
}

impl Model {
    pub fn new(wanted: f64, seed: u64) -> Self {
        let start = Instant::now();
        let mut estimator = PathEstimator::default();
        estimator.set_wanted(wanted as u64);
        Self {
            estimator,
            start,
            now: start,
            wanted,
            available: f64::MAX,
            pads: true,
            sent: SentPackets::default(),
            owed: 0.0,
            queue: VecDeque::new(),
            queued: 0.0,
            arrivals: VecDeque::new(),
            reported_at: 0.0,
            reports: VecDeque::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            second: Second::default(),
        }
    }

    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Runs for `seconds`; what happened in each.
    pub fn run(&mut self, seconds: u64, path: impl Fn(f64) -> Path) -> Vec<Second> {
        let mut seen = Vec::new();
        for _ in 0..seconds {
            self.second = Second::default();
            for _ in 0..1_000 {
                self.step(&path(self.now.duration_since(self.start).as_secs_f64()));
            }
            seen.push(self.second);
        }
        seen
    }

    fn step(&mut self, path: &Path) {
        self.now += Duration::from_millis(1);
        let t = self.now.duration_since(self.start).as_secs_f64();
        let allowed = self
            .estimator
            .estimate()
            .map_or(self.wanted, |bps| self.wanted.min(bps as f64));
        let rate = allowed.min(self.available);
        self.second.estimate += self.estimator.estimate().map_or(self.wanted, |bps| bps as f64) / 1_000.0;
        self.owed += rate / 1_000.0;
        // Frames of 20 ms at most, so that groups have something to compare.
        while self.owed >= 8_000.0 {
            self.owed -= 8_000.0;
            self.packet(1_000, path);
        }
        while self.pads && self.estimator.padding(self.now) >= 500 {
            self.packet(1_000, path);
        }
        if path.stalled {
            self.arrivals.iter_mut().for_each(|(at, _)| *at += 0.001);
        } else {
            self.serve(t, path);
            if t >= self.reported_at + 0.05 {
                self.reported_at = t;
                self.report(t, path);
            }
        }
        while self.reports.front().is_some_and(|(at, _)| *at <= t) {
            if let Some((_, control)) = self.reports.pop_front() {
                let mut results: Vec<PacketResult> = Vec::new();
                assert!(self.sent.feedback(&control, &mut results));
                self.estimator.on_feedback(self.now, &results);
            }
        }
    }

    fn packet(&mut self, bytes: usize, path: &Path) {
        let probe = self.estimator.on_sent(self.now, bytes);
        let number = self.sent.send(self.now, bytes, probe);
        let bits = bytes as f64 * 8.0;
        self.second.sent += bits;
        self.second.queue = self.second.queue.max(self.queued / path.rate);
        let lost = self.random() < path.loss;
        if lost || self.queued + bits > path.queue_bits {
            return;
        }
        self.queue.push_back((number, bits));
        self.queued += bits;
    }

    /// What the bottleneck carries in the millisecond that begins at `t`.
    fn serve(&mut self, t: f64, path: &Path) {
        let mut room = path.rate / 1_000.0;
        while let Some((number, left)) = self.queue.front_mut() {
            let bits = left.min(room);
            (*left, room, self.queued) = (*left - bits, room - bits, self.queued - bits);
            if *left > 0.0 {
                return;
            }
            let number = *number;
            self.queue.pop_front();
            let left_at = t + 0.001 - room / path.rate;
            let jitter = self.random() * path.jitter.as_secs_f64();
            self.arrivals
                .push_back((left_at + path.round_trip.as_secs_f64() / 2.0 + jitter, number));
        }
    }

    /// Writes what arrived as a feedback of two-byte deltas.
    fn report(&mut self, t: f64, path: &Path) {
        let mut arrived: Vec<(u16, i64)> = Vec::new();
        self.arrivals.retain(|(at, number)| {
            let due = *at <= t;
            if due {
                arrived.push((*number, (*at * 1e6) as i64));
            }
            !due
        });
        arrived.sort_by_key(|(number, _)| *number);
        let (Some(first), Some(last)) = (arrived.first().copied(), arrived.last().copied()) else {
            return;
        };
        let reference = first.1 / 64_000;
        let mut control = [first.0.to_be_bytes(), (last.0 - first.0 + 1).to_be_bytes()].concat();
        control.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        control.push(0);
        let (mut deltas, mut before) = (Vec::new(), reference * 64_000);
        for number in first.0..=last.0 {
            let found = arrived.iter().find(|(of, _)| *of == number);
            control.extend_from_slice(&(if found.is_some() { 2 << 13 | 1 } else { 1u16 }).to_be_bytes());
            if let Some((_, at)) = found {
                let ticks = ((at - before) / 250) as i16;
                before += i64::from(ticks) * 250;
                deltas.extend_from_slice(&ticks.to_be_bytes());
            }
        }
        control.extend_from_slice(&deltas);
        self.reports
            .push_back((t + path.round_trip.as_secs_f64() / 2.0, control));
    }
}
