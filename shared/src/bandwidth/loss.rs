//! Telling a radio's loss from a full path's. Loss without a queue is first only suspected: the rate goes down once, to what
//! arrived, and if the loss stays as it was, it is the path's own and the rate goes back up. Only loss that the lower rate
//! ends is congestion (a policer, or a queue too short to be seen). The idea of an inherent loss is that of libwebrtc's second
//! loss-based controller; the test in place of its many candidates is ours.

use super::PacketResult;
use std::time::{Duration, Instant};

/// Loss is judged over this time and at least this many packets.
const WINDOW: Duration = Duration::from_millis(500);
const PACKETS: u32 = 40;
/// Loss above the path's own that is worth a test.
const SUSPECT: f64 = 0.08;
/// The path's own loss is the mean of about so many windows without suspicion. Where it is not known, chance makes every seventh
/// window of a radio that loses 4% suspicious.
const CALM_WINDOWS: f64 = 10.0;
/// More than this is taken for the path's own only when a test has said so: congestion may grow as slowly as the mean.
const UNTESTED: f64 = 0.05;
/// Windows in which it has to be seen.
const SUSPECT_WINDOWS: u32 = 2;
/// Loss that falls below this share of what was suspected goes by itself: a test would take the credit for it.
const FALLS: f64 = 0.5;
/// A test needs as many packets to tell a third of the loss from all of it, and ends after this time in any case.
const TEST_PACKETS: u32 = 100;
const TEST_AT_MOST: Duration = Duration::from_secs(3);
/// The encoders' reaction: packets sent before it still belong to the old rate.
const REACTION: Duration = Duration::from_millis(300);
/// Where everything that was sent for so long is lost, the path was gone for a moment, which says nothing of its width: a full
/// one lets its rate through.
const OUTAGE: Duration = Duration::from_millis(200);
/// A test that expected as many losses and has seen no more than this share of them is over, however few packets that were.
const CLEAR_EXPECTED: f64 = 8.0;
const CLEAR: f64 = 0.25;
/// Loss that falls below this share of what it was has been ended by the lower rate.
const ENDED: f64 = 0.34;

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// Send only what arrives, and see what becomes of the loss.
    Test,
    /// The loss is the path's own: back to what was before the test.
    Inherent,
    /// The lower rate ended the loss.
    Congestion,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    received: u32,
    lost: u32,
}

impl Count {
    fn packets(self) -> u32 {
        self.received + self.lost
    }
    fn loss(self) -> f64 {
        f64::from(self.lost) / f64::from(self.packets().max(1))
    }
    fn add(&mut self, (received, lost): (u32, i64)) {
        self.received += received;
        self.lost = (i64::from(self.lost) + lost).max(0) as u32;
    }
}

/// Packets that were lost one after the other.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: Instant,
    lost: u32,
}

#[derive(Clone, Copy, Debug)]
struct Test {
    loss: f64,
    /// Packets sent before belong to the old rate.
    from: Instant,
    until: Instant,
    count: Count,
}

impl Test {
    fn is_clear(&self) -> bool {
        let expected = f64::from(self.count.packets()) * self.loss;
        expected >= CLEAR_EXPECTED && f64::from(self.count.lost) <= expected * CLEAR
    }
}

/// Follows the losses of one path.
#[derive(Debug, Default)]
pub(super) struct LossJudge {
    since: Option<Instant>,
    count: Count,
    /// Of the last full window.
    last: f64,
    /// What the path loses whatever is sent.
    inherent: f64,
    /// What the last test found of that.
    tested: f64,
    suspected: u32,
    suspicion: f64,
    test: Option<Test>,
    run: Option<Run>,
}

impl LossJudge {
    /// Takes the packets of one feedback. `queued`: there is a queue, so that losses need no explanation and no test.
    pub fn feedback(&mut self, now: Instant, round_trip: Duration, queued: bool, results: &[PacketResult]) -> Verdict {
        let since = *self.since.get_or_insert(now);
        for result in results {
            let news = self.follow(result);
            self.count.add(news);
            if let Some(test) = self.test.as_mut().filter(|test| result.sent >= test.from) {
                test.count.add(news);
            }
        }
        if queued {
            self.test = None;
            self.suspected = 0;
        }
        if let Some(test) = self.test {
            let done = test.count.packets() >= TEST_PACKETS
                || (test.until <= now && test.count.packets() >= PACKETS)
                || test.is_clear();
            if !done {
                return Verdict::Nothing;
            }
            self.test = None;
            self.restart(now);
            self.last = test.count.loss();
            if test.count.loss() < test.loss * ENDED {
                return Verdict::Congestion;
            }
            self.inherent = (test.loss + test.count.loss()) / 2.0;
            self.tested = self.inherent;
            return Verdict::Inherent;
        }
        if now < since + WINDOW || self.count.packets() < PACKETS {
            return Verdict::Nothing;
        }
        let loss = self.count.loss();
        self.last = loss;
        self.restart(now);
        if queued || loss < self.inherent * 1.5 + SUSPECT {
            if !queued {
                self.inherent += (loss - self.inherent) / CALM_WINDOWS;
                self.inherent = self.inherent.min(self.tested.max(UNTESTED));
            }
            self.suspected = 0;
            return Verdict::Nothing;
        }
        let falls = loss < self.suspicion * FALLS;
        if self.suspected == 0 || falls {
            (self.suspicion, self.suspected) = (loss, 0);
        } else {
            self.suspicion = (self.suspicion + loss) / 2.0;
        }
        self.suspected += 1;
        if self.suspected < SUSPECT_WINDOWS {
            return Verdict::Nothing;
        }
        self.suspected = 0;
        self.test = Some(Test {
            loss: self.suspicion,
            from: now + round_trip / 2 + REACTION,
            until: now + round_trip + REACTION + TEST_AT_MOST,
            count: Count::default(),
        });
        Verdict::Test
    }

    /// What a result says, received and lost. Losses count once something arrives behind them: only then it is known whether the
    /// path was there.
    fn follow(&mut self, result: &PacketResult) -> (u32, i64) {
        match (result.arrived_us.is_some(), result.late) {
            // It was counted as lost and was only reordered.
            (true, true) => (1, -1),
            (true, false) => {
                let run = self.run.take();
                let run = run.filter(|run| result.sent.saturating_duration_since(run.since) < OUTAGE);
                (1, run.map_or(0, |run| i64::from(run.lost)))
            }
            (false, _) => {
                let since = result.sent;
                self.run.get_or_insert(Run { since, lost: 0 }).lost += 1;
                (0, 0)
            }
        }
    }

    /// Share of packets lost in the last window.
    pub fn loss(&self) -> f64 {
        self.last
    }

    pub fn is_testing(&self) -> bool {
        self.test.is_some()
    }

    /// What was lost in a stall says nothing of the rate.
    pub fn forget(&mut self) {
        (self.since, self.count, self.suspected, self.test) = (None, Count::default(), 0, None);
        self.run = None;
    }

    fn restart(&mut self, now: Instant) {
        (self.since, self.count) = (Some(now), Count::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(60);

    /// 100 packets a second; every `one_in(n)`th of them is lost. What was decided, and when (ms).
    fn run(until_ms: u64, queued: bool, one_in: impl Fn(u64, bool) -> u64) -> Vec<(u64, Verdict)> {
        let start = Instant::now();
        let mut judge = LossJudge::default();
        let mut verdicts = Vec::new();
        let mut sent = 0;
        for ms in (0..until_ms).step_by(50) {
            let testing = judge.is_testing();
            let results: Vec<_> = (0..5)
                .map(|n| {
                    sent += 1;
                    let every = one_in(ms, testing);
                    PacketResult {
                        sent: start + Duration::from_millis(ms + n * 10),
                        arrived_us: (every == 0 || sent % every != 0).then_some(0),
                        bytes: 1_000,
                        probe: None,
                        late: false,
                    }
                })
                .collect();
            let verdict = judge.feedback(start + Duration::from_millis(ms + 110), ROUND_TRIP, queued, &results);
            if verdict != Verdict::Nothing {
                verdicts.push((ms, verdict));
            }
        }
        verdicts
    }

    #[test]
    fn loss_that_stays_at_a_lower_rate_is_the_paths_own_and_is_tested_once() {
        let verdicts = run(30_000, false, |_, _| 5);
        assert_eq!(
            verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(),
            [Verdict::Test, Verdict::Inherent]
        );
        assert!(verdicts[1].0 < 4_000, "{verdicts:?}");
    }

    #[test]
    fn loss_that_the_lower_rate_ends_is_congestion() {
        let verdicts = run(5_000, false, |_, testing| if testing { 0 } else { 6 });
        assert_eq!((verdicts[0].1, verdicts[1].1), (Verdict::Test, Verdict::Congestion));
    }

    #[test]
    fn loss_that_is_going_is_not_tested() {
        // Two fifths of one window, a tenth of the next: what is left of it.
        let going = |ms: u64, _| match ms {
            1_000..1_500 => 2,
            1_500..2_000 => 10,
            _ => 0,
        };
        assert_eq!(run(5_000, false, going), []);
        let staying = |ms: u64, _| match ms {
            1_000..1_500 => 2,
            1_500..2_500 => 3,
            _ => 0,
        };
        assert_eq!(run(5_000, false, staying)[0].1, Verdict::Test);
    }

    #[test]
    fn a_little_loss_or_a_queue_asks_for_no_test() {
        assert!(run(10_000, false, |_, _| 20).is_empty());
        assert!(run(10_000, true, |_, _| 3).is_empty());
    }

    #[test]
    fn what_a_radio_loses_by_chance_is_seldom_tested() {
        // Half an hour at a hundred packets a second.
        let mut state = 1u64;
        let mut chance = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let start = Instant::now();
        let mut judge = LossJudge::default();
        let mut tests = 0;
        for ms in (0..1_800_000).step_by(50) {
            let sent = start + Duration::from_millis(ms);
            let results = [0; 5].map(|_| PacketResult {
                sent,
                arrived_us: (chance() >= 0.04).then_some(0),
                bytes: 1_000,
                probe: None,
                late: false,
            });
            let verdict = judge.feedback(sent + Duration::from_millis(110), ROUND_TRIP, false, &results);
            tests += u32::from(verdict == Verdict::Test);
        }
        assert!(tests <= 2, "{tests}");
    }

    #[test]
    fn loss_that_creeps_up_is_tested_before_it_is_a_fifth() {
        let verdicts = run(60_000, false, |ms, _| match ms / 1_000 {
            0..4 => 0,
            second => (200 / second).max(5),
        });
        assert!(verdicts.first().is_some_and(|(ms, _)| *ms < 38_000), "{verdicts:?}");
    }

    #[test]
    fn an_outage_is_no_loss() {
        let gone = |ms: u64| (4_000..4_800).contains(&ms);
        assert_eq!(
            run(10_000, false, |ms, _| u64::from(gone(ms))),
            [],
            "all of it for 800 ms"
        );
        assert!(
            !run(10_000, false, |ms, _| if gone(ms) { 2 } else { 0 }).is_empty(),
            "half of it"
        );
    }

    #[test]
    fn reordering_is_no_loss() {
        let start = Instant::now();
        let mut judge = LossJudge::default();
        for n in 0..400u64 {
            let result = |arrived_us, late| PacketResult {
                sent: start,
                arrived_us,
                bytes: 1,
                probe: None,
                late,
            };
            let now = start + Duration::from_millis(n * 10);
            let verdict = judge.feedback(now, ROUND_TRIP, false, &[result(None, false), result(Some(0), true)]);
            assert_eq!(verdict, Verdict::Nothing);
        }
        assert!(judge.loss() < 0.02);
    }
}
