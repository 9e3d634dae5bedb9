//! Who may see what, and that two runs of one seed are one run.

use super::{GOOD, POOL, exam, focus, hold, tile};
use crate::candidate::usual;
use crate::clock::S;
use crate::oracle::pictures::seen;
use crate::proctor::Source;
use crate::world::World;
use invigil_shared::publication::PublicationKey;

/// Two exams on one server. Proctors of each also wish for the other's, and for each other's.
#[test]
fn an_exam_is_seen_by_its_own_proctors_only_whatever_others_ask_for() {
    for shards in [1, 4] {
        apart(shards);
    }
}

fn apart(shards: usize) {
    let mut world = World::new(1, shards);
    let mine: Vec<u16> = (0..3).map(|_| world.candidate(1, GOOD, usual())).collect();
    let theirs: Vec<u16> = (0..3).map(|_| world.candidate(2, GOOD, usual())).collect();
    let ours = world.proctor(1, GOOD, POOL);
    let stranger = world.proctor(2, GOOD, POOL);
    let mut wants = vec![
        tile(0, mine[0]),
        tile(1, mine[1]),
        tile(2, theirs[0]),
        tile(3, stranger),
    ];
    wants.extend(focus(4, POOL.0, theirs[1]));
    world.want(ours, wants);
    world.want(stranger, vec![tile(0, theirs[0]), tile(1, mine[0]), tile(2, mine[2])]);
    hold(&mut world, 8);
    let sees = |proctor: u16| -> Vec<u16> {
        let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown;
        shown.keys().map(|(person, _)| *person).collect()
    };
    assert_eq!(sees(ours), [mine[0], mine[1]]);
    assert_eq!(sees(stranger), [theirs[0]]);
    assert!(world.people[usize::from(ours)].egress.packets > 100);
}

#[test]
fn one_seed_is_one_trace_and_another_seed_is_another() {
    let run = |seed: u64, shards: usize| {
        let mut world = World::new(seed, shards);
        let spec = crate::link::LinkSpec {
            jitter: 8_000,
            loss: 0.03,
            reorder: 0.01,
            duplicate: 0.01,
            corrupt: 0.002,
            ..GOOD
        };
        let (candidates, _) = exam(&mut world, spec, 4, 2);
        world.run_for(3 * S);
        world.crash(candidates[1], S);
        world.restart_ice(candidates[2]);
        world.run_for(3 * S);
        world.restart_server(S);
        hold(&mut world, 5);
        (world.trace.all, world.trace.people.clone(), world.trace.lines)
    };
    for shards in [1, 4] {
        let (first, again, other) = (run(11, shards), run(11, shards), run(12, shards));
        assert_eq!(first, again);
        assert_ne!(first.0, other.0);
        assert!(first.2 > 5_000, "{} lines", first.2);
    }
}

/// What flows on a good path flows at its rate, however many shards there are.
#[test]
fn on_a_good_path_one_and_four_shards_give_everyone_every_layer_at_its_rate() {
    let (one, four) = (rates(1), rates(4));
    assert_eq!(one.len(), 2 * (3 + 3));
    for ((source, one), (same, four)) in one.iter().zip(&four) {
        assert_eq!(source, same);
        assert!(
            one.abs_diff(*four) <= 1,
            "{source:?}: {one} frames of one shard, {four} of four"
        );
    }
}

/// Frames of each publication that each proctor saw in nine seconds.
fn rates(shards: usize) -> Vec<((u16, Source), usize)> {
    let mut world = World::new(2, shards);
    let (candidates, proctors) = exam(&mut world, GOOD, 4, 2);
    hold(&mut world, 12);
    let mut counts = Vec::new();
    for proctor in proctors {
        let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown;
        let rate = |person: u16, key| seen(&shown[&(person, key)], 3 * S, 12 * S);
        let focus = rate(candidates[0], PublicationKey::CAMERA);
        assert!(
            (14.7..15.4).contains(&focus.fps) && focus.longest_gap < 0.2,
            "{focus:?}"
        );
        let screen = rate(candidates[0], PublicationKey::SCREEN);
        assert!((4.7..5.4).contains(&screen.fps), "{screen:?}");
        let audio = rate(candidates[0], PublicationKey::MICROPHONE);
        assert!(
            (49.0..51.0).contains(&audio.fps) && audio.longest_gap < 0.05,
            "{audio:?}"
        );
        let tile = rate(candidates[2], PublicationKey::CAMERA);
        assert!((9.7..10.4).contains(&tile.fps) && tile.longest_gap < 0.25, "{tile:?}");
        counts.extend(
            shown
                .iter()
                .map(|(source, shown)| ((proctor, *source), seen(shown, 3 * S, 12 * S).frames)),
        );
    }
    counts
}
