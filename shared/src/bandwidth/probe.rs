//! Short bursts at more than the estimate, to see whether the path has grown wider: growth by a few percent a second would take
//! a minute from 150 kbit/s to one megabit. What is sent anyway counts, padding fills the rest.

use super::PacketResult;
use std::time::{Duration, Instant};

/// Names one probe within its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeId(u32);

/// How long a probe lasts at least, and what it sends at least: fewer packets measure nothing.
const LASTS: Duration = Duration::from_millis(40);
const PACKETS: u32 = 5;
const BYTES: f64 = 4_500.0;
/// A probe that was not filled in this time had nobody to fill it.
const STARVED: Duration = Duration::from_millis(700);
/// Its last packets are waited for as long, and a round trip.
const REPORTED: Duration = Duration::from_millis(500);
/// Packets that arrived spread wider than this share says have waited for each other: the path is full.
const SPREAD: f64 = 0.9;
/// As much more, seconds, is a path's jitter.
const JITTER: f64 = 0.008;
/// Packets of one probe that are looked at.
const MAX_ARRIVALS: usize = 256;
/// The largest piece of padding at a time.
const PIECE: f64 = 1_200.0;

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The path carries this rate, bits per second, and maybe more.
    Passed(f64),
    /// The path carries this much and no more.
    Full(f64),
    /// Too little was sent, or too little came back.
    Nothing {
        /// It was never filled: padding can't be sent here.
        starved: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    id: ProbeId,
    rate: f64,
    started: Instant,
    wanted: f64,
    sent_bytes: f64,
    sent_packets: u32,
    /// Everything has been sent.
    sent_all: Option<Instant>,
    last_sent: Instant,
    reported: u32,
}

/// A packet of a probe that came back: when it was sent, when it arrived in microseconds of the far end's clock, and its bytes.
type Arrival = (Instant, i64, u32);

/// Runs one probe at a time.
#[derive(Debug, Default)]
pub(super) struct Prober {
    count: u32,
    cluster: Option<Cluster>,
    /// Of its packets, at most [`MAX_ARRIVALS`]; the memory is kept.
    arrivals: Vec<Arrival>,
}

impl Prober {
    /// Begins to send at `rate`, bits per second.
    pub fn start(&mut self, now: Instant, rate: f64) {
        self.count = self.count.wrapping_add(1);
        self.arrivals.clear();
        self.cluster = Some(Cluster {
            id: ProbeId(self.count),
            rate,
            started: now,
            wanted: (rate / 8.0 * LASTS.as_secs_f64()).max(BYTES),
            sent_bytes: 0.0,
            sent_packets: 0,
            sent_all: None,
            last_sent: now,
            reported: 0,
        });
    }

    pub fn stop(&mut self) {
        self.cluster = None;
    }

    pub fn is_running(&self) -> bool {
        self.cluster.is_some()
    }

    /// Counts a packet to the probe that runs.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) -> Option<ProbeId> {
        let cluster = self.cluster.as_mut().filter(|cluster| cluster.sent_all.is_none())?;
        cluster.sent_bytes += bytes as f64;
        cluster.sent_packets += 1;
        cluster.last_sent = now;
        if cluster.sent_bytes >= cluster.wanted && cluster.sent_packets >= PACKETS {
            cluster.sent_all = Some(now);
        }
        Some(cluster.id)
    }

    /// Bytes that the probe lacks at this moment.
    pub fn padding(&self, now: Instant) -> usize {
        let Some(cluster) = self.cluster.filter(|cluster| cluster.sent_all.is_none()) else {
            return 0;
        };
        let elapsed = now.saturating_duration_since(cluster.started).as_secs_f64();
        // The first piece leaves at once: it is the start of the measurement.
        let due = cluster.rate / 8.0 * elapsed + PIECE / 2.0;
        (due.min(cluster.wanted + PIECE) - cluster.sent_bytes).max(0.0) as usize
    }

    /// Takes the packets of one feedback; the outcome once there is one.
    pub fn feedback(&mut self, now: Instant, round_trip: Duration, results: &[PacketResult]) -> Option<Outcome> {
        let cluster = self.cluster.as_mut()?;
        for result in results.iter().filter(|result| result.probe == Some(cluster.id)) {
            cluster.reported += u32::from(!result.late);
            if let Some(arrived) = result.arrived_us.filter(|_| self.arrivals.len() < MAX_ARRIVALS) {
                self.arrivals.push((result.sent, arrived, result.bytes));
            }
        }
        let complete = cluster
            .sent_all
            .is_some_and(|at| cluster.reported >= cluster.sent_packets || at + round_trip + REPORTED <= now);
        let starved = cluster.sent_all.is_none() && cluster.started + STARVED <= now;
        if !complete && !starved {
            return None;
        }
        let outcome = if starved {
            Outcome::Nothing { starved }
        } else {
            self.arrivals.sort_unstable();
            cluster.measure(&self.arrivals).unwrap_or(Outcome::Nothing { starved })
        };
        self.cluster = None;
        Some(outcome)
    }
}

impl Cluster {
    /// Loss thins a probe but does not stretch it: both rates are those of the packets that arrived, here in the order in which they
    /// were sent. One that was held up by itself is none of the path's width, so that the last but one may end it as well.
    fn measure(&self, arrivals: &[Arrival]) -> Option<Outcome> {
        if arrivals.len() * 2 < self.sent_packets as usize || arrivals.len() < PACKETS as usize - 1 {
            return None;
        }
        let carried = |upto: usize| {
            let (first, rest) = arrivals.get(..upto)?.split_first()?;
            let last = rest.last()?;
            let sent_span = last.0.saturating_duration_since(first.0).as_secs_f64();
            let arrived_span = (last.1 - first.1) as f64 / 1e6;
            let bits = rest.iter().map(|(.., bytes)| f64::from(*bytes) * 8.0).sum::<f64>();
            if sent_span <= 0.0 || bits <= 0.0 {
                return None;
            }
            let fits = arrived_span <= 0.0 || sent_span >= (arrived_span - JITTER).max(0.0) * SPREAD;
            Some(if fits { f64::INFINITY } else { bits / arrived_span })
        };
        let carried = [arrivals.len(), arrivals.len() - 1]
            .into_iter()
            .filter_map(carried)
            .reduce(f64::max)?;
        if carried.is_finite() {
            return Some(Outcome::Full(carried));
        }
        // What was lost on the way was sent all the same.
        let all = self.sent_bytes * 8.0 / self.last_sent.saturating_duration_since(self.started).as_secs_f64();
        Some(Outcome::Passed(all.min(self.rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe of 1 Mbit/s over a path of `capacity`; each `lost`th packet is lost, and that which is `held` arrives 25 ms late.
    fn probe(capacity: f64, lost: u64, held: u64) -> Outcome {
        let (start, mut prober, mut results) = (Instant::now(), Prober::default(), Vec::new());
        prober.start(start, 1e6);
        let (mut free, mut n) = (0.0f64, 0u64);
        for ms in 0..400 {
            let now = start + Duration::from_millis(ms);
            while prober.padding(now) >= 600 {
                let id = prober.on_sent(now, 1_000);
                free = free.max(ms as f64 / 1e3) + 8_000.0 / capacity;
                n += 1;
                let late = if n == held { 25_000 } else { 0 };
                results.push(PacketResult {
                    sent: now,
                    arrived_us: (lost == 0 || n % lost != 0).then_some((free * 1e6) as i64 + late),
                    bytes: 1_000,
                    probe: id,
                    late: false,
                });
            }
        }
        let end = start + Duration::from_millis(400);
        prober.feedback(end, Duration::ZERO, &results).unwrap()
    }

    #[test]
    fn a_wide_path_passes_and_a_narrow_one_shows_its_width() {
        assert!(matches!(probe(5e6, 0, 0), Outcome::Passed(rate) if (0.8e6..=1e6).contains(&rate)));
        assert!(matches!(probe(0.5e6, 0, 0), Outcome::Full(rate) if (0.45e6..0.55e6).contains(&rate)));
    }

    #[test]
    fn a_lost_packet_does_not_make_a_path_narrow() {
        let outcome = probe(5e6, 4, 0);
        assert!(matches!(outcome, Outcome::Passed(rate) if rate > 0.8e6), "{outcome:?}");
    }

    #[test]
    fn a_packet_that_is_held_up_does_not_make_a_path_narrow_nor_a_narrow_one_wide() {
        for held in 2..8 {
            let wide = probe(5e6, 0, held);
            assert!(
                matches!(wide, Outcome::Passed(rate) if rate > 0.8e6),
                "{held}: {wide:?}"
            );
            let narrow = probe(0.5e6, 0, held);
            assert!(
                matches!(narrow, Outcome::Full(rate) if (0.4e6..0.65e6).contains(&rate)),
                "{held}: {narrow:?}"
            );
        }
    }

    #[test]
    fn without_padding_it_ends_with_nothing() {
        let (start, mut prober) = (Instant::now(), Prober::default());
        prober.start(start, 1e6);
        assert!(prober.on_sent(start, 200).is_some());
        let later = start + Duration::from_secs(1);
        assert_eq!(
            prober.feedback(later, Duration::ZERO, &[]),
            Some(Outcome::Nothing { starved: true })
        );
        assert!(!prober.is_running() && prober.on_sent(later, 200).is_none());
    }
}
