//! A proctor who is slow, or has stopped altogether, is nobody's problem but his own.

use super::{GOOD, POOL, focus, tile};
use crate::candidate::usual;
use crate::clock::{MS, S};
use crate::link::LinkSpec;
use crate::oracle::pictures::seen;
use crate::world::World;
use invigil_shared::publication::PublicationKey;
use std::collections::BTreeMap;

/// What a third proctor is.
#[derive(Clone, Copy, PartialEq)]
enum Third {
    Absent,
    Well,
    /// Suspended once media flows.
    Stalled,
    /// His path carries a tenth of what he wants, behind a deep queue.
    Slow,
    Greedy,
}

/// An exam with two proctors and perhaps a third, who came last and wants what they have.
fn run(third: Third) -> World {
    let mut world = World::new(5, 1);
    let candidates: Vec<u16> = (0..4).map(|_| world.candidate(1, GOOD, usual())).collect();
    // Nothing is published before everyone is here, so that his coming changes nothing either.
    for candidate in &candidates {
        world.hold_back(*candidate);
    }
    let proctors: Vec<u16> = (0..2).map(|_| world.proctor(1, GOOD, POOL)).collect();
    world.run_for(500 * MS);
    let him = (third != Third::Absent).then(|| world.proctor(1, GOOD, POOL));
    for proctor in proctors.into_iter().chain(him) {
        let mut wants = focus(0, POOL.0, candidates[0]);
        wants.extend(candidates[1..].iter().zip(2..).map(|(who, slot)| tile(slot, *who)));
        world.want(proctor, wants);
    }
    if let Some(him) = him.filter(|_| third == Third::Slow) {
        let narrow = LinkSpec::clean(30 * MS).narrow(100_000, 200_000);
        world.set_paths(him, GOOD, narrow);
    }
    world.run_for(1_500 * MS);
    for candidate in &candidates {
        world.publish_all(*candidate);
    }
    world.run_for(4 * S);
    match (third, him) {
        (Third::Stalled, Some(him)) => world.stall(him),
        (Third::Greedy, Some(him)) => world.people[usize::from(him)].proctor_mut().unwrap().greedy = true,
        _ => {}
    }
    // Past the moment at which consent of the stalled one ends.
    world.run_for(34 * S);
    if let Err(broken) = world.verdict() {
        panic!("{broken}");
    }
    world
}

/// Hashes of the two proctors' and the four candidates' own traces.
fn others(world: &World) -> BTreeMap<u16, u64> {
    let mut people = world.trace.people.clone();
    people.retain(|number, _| *number < 6);
    assert_eq!(people.len(), 6);
    people
}

#[test]
fn a_stalled_proctor_leaves_the_trace_of_all_others_as_it_is_without_him() {
    let absent = others(&run(Third::Absent));
    assert_eq!(absent, others(&run(Third::Well)), "a healthy third one");
    let stalled = run(Third::Stalled);
    assert_eq!(absent, others(&stalled), "a stalled one");
    assert!(
        stalled.people[6].proctor().unwrap().received > 300,
        "he saw something before"
    );
    // The comparison can fail: one who keeps asking for key frames is felt.
    assert_ne!(absent, others(&run(Third::Greedy)));
}

#[test]
fn beside_a_proctor_on_a_narrow_path_the_others_have_their_pictures_as_before() {
    let world = run(Third::Slow);
    for proctor in [4, 5] {
        let shown = &world.people[proctor].proctor().unwrap().shown;
        for (person, key, fps) in [
            (0, PublicationKey::CAMERA, 14.7),
            (0, PublicationKey::SCREEN, 4.7),
            (0, PublicationKey::MICROPHONE, 49.0),
            (2, PublicationKey::CAMERA, 9.7),
        ] {
            let seen = seen(&shown[&(person, key)], 4 * S, 39 * S);
            assert!(seen.fps >= fps && seen.longest_gap < 0.5, "{key:?}: {seen:?}");
        }
    }
    let him = world.people[6].proctor().unwrap();
    let his = seen(&him.shown[&(0, PublicationKey::MICROPHONE)], 10 * S, 39 * S);
    assert!(his.frames > 0);
}
