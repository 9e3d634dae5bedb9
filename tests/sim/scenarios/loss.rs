//! Loss: 15 frames a second at a round trip of 60 ms stay above their floors, because what is lost is asked for in time.

use super::{GOOD, want};
use crate::candidate::{LayerPlan, Plan, microphone};
use crate::clock::S;
use crate::oracle::pictures::{Seen, seen};
use crate::world::World;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};

/// Seconds that are looked at, after two of setting up.
const SECONDS: u64 = 30;

/// Where the loss is.
#[derive(Clone, Copy, Debug)]
enum Side {
    Publisher,
    Subscriber,
}

/// A camera of one layer, 15 frames a second, watched through `loss` in both directions of one side's path, by someone who reports
/// packets or doesn't.
fn watch(seed: u64, side: Side, loss: f64, feedback: bool) -> Seen {
    let mut world = World::new(seed, 1);
    let layers = vec![LayerPlan {
        layer: Layer::Low,
        fps: 15,
        kbps: 350,
    }];
    let camera = Plan {
        key: PublicationKey::CAMERA,
        layers,
    };
    let candidate = world.candidate(1, GOOD, vec![camera, microphone()]);
    let proctor = world.proctor(1, GOOD, (1, 1));
    let wants = vec![
        want(0, candidate, PublicationKey::CAMERA, Layer::Low, Priority::Focus),
        want(1, candidate, PublicationKey::MICROPHONE, Layer::High, Priority::Focus),
    ];
    world.want(proctor, wants);
    if let Some(watcher) = world.people[usize::from(proctor)].proctor_mut() {
        watcher.feedback = feedback;
    }
    world.run_for(2 * S);
    let who = match side {
        Side::Publisher => candidate,
        Side::Subscriber => proctor,
    };
    world.set_path(who, GOOD.losing(loss));
    world.run_for(SECONDS * S);
    // Past this, no promise but the floors' own is kept.
    assert!(loss > 0.25 || world.verdict().is_ok(), "{:?}", world.verdict());
    let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown;
    seen(&shown[&(candidate, PublicationKey::CAMERA)], 2 * S, (2 + SECONDS) * S)
}

fn floors(loss: f64, fps: f64, freeze: f64) {
    for side in [Side::Publisher, Side::Subscriber] {
        // With feedback the server judges the path by it: loss without a queue must not make it look narrow.
        for (seed, feedback) in (1..=6).flat_map(|seed| [(seed, true), (seed, false)]) {
            let seen = watch(seed, side, loss, feedback);
            assert!(
                seen.fps >= fps && seen.longest_gap <= freeze,
                "seed {seed}, feedback {feedback}, loss {loss} at the {side:?}: {seen:?}, wanted {fps} frames a second and no \
                 gap over {freeze} s"
            );
        }
    }
}

#[test]
fn five_percent_of_loss_leave_14_frames_a_second_and_no_freeze_over_half_a_second() {
    floors(0.05, 14.0, 0.5);
}

#[test]
fn ten_percent_of_loss_leave_12_frames_a_second_and_no_freeze_over_a_second() {
    floors(0.10, 12.0, 1.0);
}

#[test]
fn twenty_percent_of_loss_leave_8_frames_a_second_and_no_freeze_over_two_seconds() {
    floors(0.20, 8.0, 2.0);
}

/// The floors can be missed.
#[test]
fn a_floor_that_nobody_can_hold_is_missed() {
    for feedback in [true, false] {
        let seen = watch(1, Side::Subscriber, 0.45, feedback);
        assert!(seen.fps < 12.0 || seen.longest_gap > 0.5, "{seen:?}");
    }
}
