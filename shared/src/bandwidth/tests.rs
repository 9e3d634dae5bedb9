//! The estimator over a modelled bottleneck, on virtual time with fixed seeds.

use super::model::{Model, Path, Second};
use super::{BandwidthEstimator, PacketResult, PathState};
use std::time::Duration;

const SEEDS: [u64; 3] = [1, 7, 42];

fn mean(seconds: &[Second], of: impl Fn(&Second) -> f64) -> f64 {
    seconds.iter().map(of).sum::<f64>() / seconds.len() as f64
}

fn longest_queue(seconds: &[Second]) -> f64 {
    seconds.iter().map(|second| second.queue).fold(0.0, f64::max)
}

#[test]
fn a_wide_path_is_never_limited() {
    let mut model = Model::new(3e6, 1);
    model.run(30, |_| Path::of(20e6));
    assert_eq!(model.estimator.estimate(), None);
}

#[test]
fn the_estimate_finds_a_megabit_and_keeps_its_queue_short() {
    for seed in SEEDS {
        let mut model = Model::new(2.5e6, seed);
        let seconds = model.run(60, |_| Path::of(1e6));
        let found = mean(&seconds[5..], |second| second.estimate);
        assert!(
            (0.85e6..=1.15e6).contains(&found),
            "seed {seed}: {found} of {seconds:?}"
        );
        let queue = longest_queue(&seconds[5..]);
        assert!(queue <= 0.3, "seed {seed}: {queue} s of queue in {seconds:?}");
    }
}

#[test]
fn it_backs_off_within_a_second_and_comes_back_within_ten() {
    for seed in SEEDS {
        let mut model = Model::new(0.9e6, seed);
        let narrow = |t: f64| Path::of(if (20.0..50.0).contains(&t) { 150e3 } else { 1e6 });
        model.run(20, narrow);
        assert!(
            model.estimator.estimate().is_none_or(|bps| bps >= 800_000),
            "seed {seed}"
        );
        let first = model.run(1, narrow);
        let estimate = model.estimator.estimate().unwrap();
        assert!(estimate <= 170_000, "seed {seed}: {estimate} after a second");
        assert!(
            first[0].queue <= 2.7,
            "seed {seed}: the model's own queue holds 400 kbit"
        );
        let seconds = model.run(29, narrow);
        let found = mean(&seconds[5..], |second| second.estimate);
        assert!((110e3..=165e3).contains(&found), "seed {seed}: {found} of {seconds:?}");
        let queue = longest_queue(&seconds[5..]);
        assert!(queue <= 0.5, "seed {seed}: {queue} s of queue in {seconds:?}");
        let seconds = model.run(10, narrow);
        let back = seconds[9].estimate;
        assert!(back >= 0.8 * 0.9e6, "seed {seed}: {back} after 10 s in {seconds:?}");
    }
}

#[test]
fn a_path_that_loses_no_more_is_found_to_be_wide_within_three_seconds() {
    for seed in SEEDS {
        let mut model = Model::new(1e6, seed);
        model.run(10, |_| Path {
            loss: 0.3,
            ..Path::of(500e3)
        });
        let then = model.estimator.estimate();
        // No more than what fills it when three tenths are lost on the way.
        assert!(then.is_some_and(|bps| bps < 715_000), "seed {seed}: {then:?}");
        let seconds = model.run(3, |_| Path::of(20e6));
        let now = model.estimator.estimate();
        assert!(
            now.is_none_or(|bps| bps > 900_000),
            "seed {seed}: {now:?} in {seconds:?}"
        );
    }
}

#[test]
fn what_is_narrow_for_a_moment_is_wide_again_within_three_seconds() {
    for seed in SEEDS {
        for (moment, rate, least) in [(0.15, 20e3, 600e3), (0.25, 50e3, 700e3), (0.35, 50e3, 500e3)] {
            let mut model = Model::new(0.9e6, seed);
            model.run(10, |_| Path::of(1e6));
            let narrow = |t: f64| Path::of(if (10.0..10.0 + moment).contains(&t) { rate } else { 1e6 });
            let seconds = model.run(4, narrow);
            let found = |second: usize| seconds[second].estimate;
            assert!(found(0) >= 300e3, "seed {seed}, {moment} s: {seconds:?}");
            assert!(found(2) >= least, "seed {seed}, {moment} s: {seconds:?}");
            assert!(found(3) >= 890e3, "seed {seed}, {moment} s: {seconds:?}");
        }
    }
}

#[test]
fn a_path_on_which_nothing_is_sent_is_found_to_be_wide_all_the_same() {
    for seed in SEEDS {
        let mut model = Model::new(1e6, seed);
        model.run(10, |_| Path::of(150e3));
        assert!(
            model.estimator.estimate().is_some_and(|bps| bps < 200_000),
            "seed {seed}"
        );
        model.available = 0.0;
        let seconds = model.run(4, |_| Path::of(20e6));
        let found = model.estimator.estimate();
        assert!(
            found.is_none_or(|bps| bps > 900_000),
            "seed {seed}: {found:?} in {seconds:?}"
        );
        // Where nothing comes back nothing is learned, and little is spent on it.
        let mut dead = Model::new(1e6, seed);
        dead.run(10, |_| Path::of(150e3));
        dead.available = 0.0;
        let path = Path {
            loss: 1.0,
            ..Path::of(1e6)
        };
        dead.run(1, |_| path);
        let then = dead.estimator.estimate();
        let seconds = dead.run(10, |_| path);
        assert_eq!(dead.estimator.estimate(), then, "seed {seed}");
        let sent = mean(&seconds, |second| second.sent);
        assert!((5e3..100e3).contains(&sent), "seed {seed}: {sent} in {seconds:?}");
    }
}

#[test]
fn random_loss_without_a_queue_costs_no_rate() {
    for seed in SEEDS {
        for loss in [0.05, 0.1, 0.2] {
            let needed = 500e3;
            let mut model = Model::new(needed, seed);
            let seconds = model.run(60, |_| Path { loss, ..Path::of(3e6) });
            let worst = seconds.iter().map(|second| second.estimate).fold(f64::MAX, f64::min);
            assert!(
                worst >= (0.85 - loss) * needed,
                "seed {seed}, {loss}: {worst} in {seconds:?}"
            );
            let found = mean(&seconds, |second| second.estimate);
            assert!(found >= 0.9 * needed, "seed {seed}, {loss}: {found} in {seconds:?}");
        }
    }
}

#[test]
fn a_policer_without_a_queue_is_found_by_its_loss() {
    for seed in SEEDS {
        let mut model = Model::new(1e6, seed);
        // Two packets of queue: 32 ms at this rate, so that delay tells next to nothing.
        let seconds = model.run(40, |_| Path {
            queue_bits: 17_000.0,
            ..Path::of(500e3)
        });
        let sent = mean(&seconds[10..], |second| second.sent);
        assert!((400e3..=650e3).contains(&sent), "seed {seed}: {sent} in {seconds:?}");
    }
}

#[test]
fn jitter_makes_no_limit() {
    for seed in SEEDS {
        let mut model = Model::new(800e3, seed);
        let seconds = model.run(60, |_| Path {
            jitter: Duration::from_millis(25),
            ..Path::of(5e6)
        });
        let found = mean(&seconds, |second| second.estimate);
        assert!(found >= 0.95 * 800e3, "seed {seed}: {found} in {seconds:?}");
    }
}

#[test]
fn a_path_that_becomes_longer_is_not_taken_for_a_narrow_one() {
    for seed in SEEDS {
        // As much more in one direction as queues of 65, 135 and 285 ms, and nothing arrives for as long.
        for longer in [160, 300, 600] {
            let mut model = Model::new(800e3, seed);
            let path = |ms| Path {
                round_trip: Duration::from_millis(ms),
                jitter: Duration::from_millis(15),
                ..Path::of(5e6)
            };
            model.run(10, |_| path(30));
            let seconds = model.run(6, |_| path(longer));
            let worst = seconds.iter().map(|second| second.estimate).fold(f64::MAX, f64::min);
            assert!(worst >= 0.25 * 800e3, "seed {seed}, {longer}: {worst} in {seconds:?}");
            assert!(seconds[5].estimate >= 0.9 * 800e3, "seed {seed}, {longer}: {seconds:?}");
        }
    }
}

#[test]
fn a_sender_with_little_to_send_proves_little() {
    let mut model = Model::new(2e6, 3);
    model.run(20, |_| Path::of(1e6));
    model.pads = false;
    model.available = 200e3;
    model.run(2, |_| Path::of(1e6));
    let before = model.estimator.estimate().unwrap();
    // Time enough for a growth by 8% a second, and not for a limit without probes to be lifted.
    model.run(7, |_| Path::of(1e6));
    let state = model.estimator.state();
    assert!(state.estimate.unwrap() <= before, "{before} became {state:?}");
}

#[test]
fn a_stall_is_no_congestion() {
    let mut model = Model::new(800e3, 5);
    model.run(10, |_| Path::of(5e6));
    model.run(4, |_| Path {
        stalled: true,
        ..Path::of(5e6)
    });
    model.run(10, |_| Path::of(5e6));
    assert_eq!(model.estimator.estimate(), None);
}

#[test]
fn a_path_that_is_longer_after_it_was_gone_is_no_queue() {
    let mut model = Model::new(800e3, 5);
    model.run(10, |_| Path::of(400e3));
    model.run(3, |_| Path {
        loss: 1.0,
        ..Path::of(400e3)
    });
    let mut longest: f64 = 0.0;
    for _ in 0..2 {
        let seconds = model.run(1, |_| Path {
            round_trip: Duration::from_millis(180),
            ..Path::of(5e6)
        });
        longest = longest.max(model.estimator.state().queue.as_secs_f64());
        assert!(longest < 0.02, "{longest}: {seconds:?}");
    }
    assert!(model.estimator.estimate().is_none_or(|bps| bps >= 780_000));
}

#[test]
fn a_test_of_the_loss_that_a_stall_ends_leaves_no_limit() {
    for seed in SEEDS {
        let mut model = Model::new(800e3, seed);
        model.run(10, |_| Path::of(5e6));
        model.run(2, |_| Path {
            loss: 0.3,
            ..Path::of(5e6)
        });
        assert!(model.estimator.is_testing() && model.estimator.estimate().is_some());
        model.run(4, |_| Path {
            stalled: true,
            ..Path::of(5e6)
        });
        let seconds = model.run(2, |_| Path::of(5e6));
        assert_eq!(model.estimator.estimate(), None, "seed {seed}: {seconds:?}");
    }
}

#[test]
fn a_test_of_the_loss_that_jitter_ends_leaves_no_limit() {
    for seed in SEEDS {
        let mut model = Model::new(800e3, seed);
        model.run(10, |_| Path::of(5e6));
        model.run(2, |_| Path {
            loss: 0.3,
            ..Path::of(5e6)
        });
        assert!(model.estimator.is_testing() && model.estimator.estimate().is_some());
        // One packet took 60 ms longer than the 30 of the path.
        let sent = model.now - Duration::from_millis(120);
        let arrived = sent - model.start + Duration::from_millis(90);
        let late = PacketResult {
            sent,
            arrived_us: Some(arrived.as_micros() as i64),
            bytes: 1_000,
            probe: None,
            late: false,
        };
        model.estimator.on_feedback(model.now, &[late]);
        let queue = model.estimator.state().queue.as_millis();
        assert!((50..70).contains(&queue), "{queue}");
        assert!(!model.estimator.is_testing());
        assert_eq!(model.estimator.estimate(), None, "seed {seed}");
    }
}

#[test]
fn a_limit_that_held_everything_is_lifted() {
    let mut model = Model::new(900e3, 9);
    model.run(5, |_| Path::of(400e3));
    assert!(model.estimator.estimate().is_some());
    model.run(30, |_| Path::of(20e6));
    assert_eq!(model.estimator.estimate(), None);
}

#[test]
fn the_far_ends_own_bound_counts() {
    let mut model = Model::new(900e3, 9);
    model.estimator.set_ceiling(Some(300_000));
    assert_eq!(model.estimator.estimate(), Some(300_000));
    model.estimator.set_ceiling(None);
    assert_eq!(model.estimator.estimate(), None);
}

#[test]
fn weak_is_what_people_would_see() {
    let good = PathState {
        estimate: Some(900),
        wanted: 1_000,
        ..PathState::default()
    };
    assert!(!good.is_weak());
    let narrow = PathState {
        estimate: Some(700),
        ..good
    };
    let lossy = PathState { lost: 0.1, ..good };
    assert!(narrow.is_weak() && lossy.is_weak());
}
