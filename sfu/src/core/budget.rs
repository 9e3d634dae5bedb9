//! What a subscriber's path can carry, and what becomes of its wishes when that is less than they need.

use crate::core::layer_selector::LayerSet;
use crate::core::twcc::Feedback;
use invigil_shared::intent::Priority;
use invigil_shared::publication::Layer;
use std::time::{Duration, Instant};

/// Estimates a path's capacity from what its far end reports.
pub trait BandwidthEstimator {
    /// Transport-wide feedback about packets that were sent.
    fn on_feedback(&mut self, now: Instant, feedback: &Feedback);
    /// Bits per second; none while nothing speaks for a limit.
    fn estimate(&self) -> Option<u64>;
}

/// Loss above this is congestion, below [`CALM`] it is the radio's own.
const CONGESTED: f64 = 0.10;
const CALM: f64 = 0.02;
const WINDOW: Duration = Duration::from_millis(500);
/// The least that a picture can live on (DESIGN.md section 5, emergency).
const FLOOR: f64 = 30_000.0;
/// Without congestion for this long the limit is forgotten, and the media itself probes.
const FORGET: Duration = Duration::from_secs(10);

/// Feedback that comes later than this after the one before tells of a stall, not of a narrow path: one of the two ends, or the
/// path as a whole, stood still.
const STALL: Duration = Duration::from_millis(1_000);

/// An estimator that knows only loss. It stays silent until a path proves to be too narrow.
#[derive(Debug, Default)]
pub struct LossBased {
    rate: Option<f64>,
    window: Option<Instant>,
    heard: Option<Instant>,
    /// Feedback is not judged before: what was lost in a stall is still being reported.
    settled: Option<Instant>,
    total: Feedback,
    congested: Option<Instant>,
}

impl BandwidthEstimator for LossBased {
    fn on_feedback(&mut self, now: Instant, feedback: &Feedback) {
        let stalled = self.heard.replace(now).is_some_and(|heard| heard + STALL < now);
        if stalled {
            self.settled = Some(now + STALL);
        }
        if self.settled.is_some_and(|settled| now < settled) {
            (self.window, self.total) = (None, Feedback::default());
            return;
        }
        let since = *self.window.get_or_insert(now);
        self.total.received += feedback.received;
        self.total.lost += feedback.lost;
        self.total.bytes += feedback.bytes;
        let elapsed = now.saturating_duration_since(since);
        let packets = self.total.received + self.total.lost;
        if elapsed < WINDOW || packets < 20 {
            return;
        }
        let loss = f64::from(self.total.lost) / f64::from(packets);
        let acknowledged = self.total.bytes as f64 * 8.0 / elapsed.as_secs_f64();
        if loss > CONGESTED {
            let reduced = acknowledged * (1.0 - 0.5 * loss);
            self.rate = Some(self.rate.map_or(reduced, |rate| rate.min(reduced)).max(FLOOR));
            self.congested = Some(now);
        } else if loss < CALM {
            // DESIGN.md: clamped to one and a half of what was acknowledged.
            self.rate = self
                .rate
                .map(|rate| (rate * 1.08).min(acknowledged.max(FLOOR) * 1.5).max(rate));
        }
        if self.congested.is_some_and(|at| at + FORGET <= now) {
            (self.rate, self.congested) = (None, None);
        }
        (self.window, self.total) = (Some(now), Feedback::default());
    }

    fn estimate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }
}

/// One slot's wish, as far as bandwidth is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Audio goes first, whatever its priority.
    pub audio: bool,
    pub priority: Priority,
    pub wanted: Layer,
    pub offered: LayerSet,
    /// Bits per second of each layer.
    pub cost: [u64; 3],
}

/// The layer that each wish gets of `budget` bits per second; everything without a budget. First everyone gets their lowest
/// layer, the most important first, then the most important are raised.
pub fn allocate(budget: Option<u64>, wishes: &[Wish]) -> Vec<Option<Layer>> {
    let goal = |wish: &Wish| wish.offered.best(wish.wanted);
    let Some(mut left) = budget else {
        return wishes.iter().map(goal).collect();
    };
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&at| (!wishes[at].audio, std::cmp::Reverse(wishes[at].priority), at));
    let mut given: Vec<Option<Layer>> = vec![None; wishes.len()];
    for &at in &order {
        let wish = &wishes[at];
        let lowest = goal(wish).and_then(|goal| wish.offered.iter().find(|layer| *layer <= goal));
        if let Some(layer) = lowest
            && let Some(rest) = left.checked_sub(wish.cost[layer.index()])
        {
            (given[at], left) = (Some(layer), rest);
        }
    }
    for &at in &order {
        let wish = &wishes[at];
        let (Some(now), Some(goal)) = (given[at], goal(wish)) else {
            continue;
        };
        for layer in wish.offered.iter().rev().filter(|layer| *layer <= goal && *layer > now) {
            let more = wish.cost[layer.index()].saturating_sub(wish.cost[now.index()]);
            if let Some(rest) = left.checked_sub(more) {
                (given[at], left) = (Some(layer), rest);
                break;
            }
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(priority: Priority, wanted: Layer) -> Wish {
        let offered = [Layer::Low, Layer::High].into_iter().collect();
        Wish {
            audio: false,
            priority,
            wanted,
            offered,
            cost: [100_000, 0, 500_000],
        }
    }

    #[test]
    fn the_focus_is_raised_first_and_insets_are_given_up_first() {
        let wishes = [
            wish(Priority::Inset, Layer::Low),
            wish(Priority::Tile, Layer::High),
            wish(Priority::Focus, Layer::High),
        ];
        assert_eq!(
            allocate(None, &wishes),
            [Some(Layer::Low), Some(Layer::High), Some(Layer::High)]
        );
        assert_eq!(
            allocate(Some(700_000), &wishes),
            [Some(Layer::Low), Some(Layer::Low), Some(Layer::High)]
        );
        assert_eq!(
            allocate(Some(250_000), &wishes),
            [None, Some(Layer::Low), Some(Layer::Low)]
        );
        let audio = Wish {
            audio: true,
            ..wish(Priority::Inset, Layer::Low)
        };
        assert_eq!(allocate(Some(100_000), &[wishes[2], audio]), [None, Some(Layer::Low)]);
    }

    #[test]
    fn only_loss_makes_a_limit_and_time_without_it_lifts_it() {
        let start = Instant::now();
        let mut estimator = LossBased::default();
        let mut feed = |from: u64, to: u64, lost: u32| {
            for step in from..to {
                let feedback = Feedback {
                    received: 50 - lost,
                    lost,
                    bytes: u64::from(50 - lost) * 1_000,
                    ..Default::default()
                };
                estimator.on_feedback(start + Duration::from_millis(step * 100), &feedback);
            }
            estimator.estimate()
        };
        assert_eq!(feed(0, 30, 0), None);
        let limited = feed(30, 60, 15).unwrap();
        assert!((1_500_000..2_900_000).contains(&limited), "{limited}");
        assert!(feed(60, 80, 0).unwrap() > limited);
        assert_eq!(feed(80, 200, 0), None);
    }

    #[test]
    fn a_stall_is_no_congestion() {
        let start = Instant::now();
        let mut estimator = LossBased::default();
        let report = |received, lost| Feedback {
            received,
            lost,
            bytes: u64::from(received) * 1000,
            ..Feedback::default()
        };
        for tick in 0..20 {
            estimator.on_feedback(start + Duration::from_millis(100 * tick), &report(10, 0));
        }
        for tick in 40..45 {
            estimator.on_feedback(start + Duration::from_millis(100 * tick), &report(1, 30));
        }
        assert_eq!(estimator.estimate(), None);
        for tick in 55..90 {
            estimator.on_feedback(start + Duration::from_millis(100 * tick), &report(5, 5));
        }
        assert!(estimator.estimate().is_some(), "loss that goes on is congestion");
    }
}
