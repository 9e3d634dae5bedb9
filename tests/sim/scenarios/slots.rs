//! The pool of slots: 120 publications on one subscriber, paged, added to and taken from without a hitch and without SDP.

use super::{GOOD, hold, tile, want};
use crate::candidate::{camera, microphone, screen};
use crate::clock::{MS, S, Us};
use crate::oracle::pictures::seen;
use crate::proctor::Want;
use crate::world::World;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};

/// Two pools (DESIGN.md section 3, slots).
const POOL: (u16, u16) = (128, 8);
/// Candidates with camera and screen.
const CANDIDATES: u16 = 70;

fn screen_want(slot: u16, person: u16) -> Want {
    want(slot, person, PublicationKey::SCREEN, Layer::Low, Priority::Inset)
}

/// The longest time without a picture of the cameras of `people`.
fn worst(world: &World, proctor: u16, people: impl Iterator<Item = u16>, from: Us, to: Us) -> f64 {
    let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown;
    let gaps = people.map(|person| seen(&shown[&(person, PublicationKey::CAMERA)], from, to).longest_gap);
    gaps.fold(0.0, f64::max)
}

#[test]
fn a_hundred_and_twenty_publications_are_paged_without_a_hitch_and_without_sdp() {
    let mut world = World::new(31, 1);
    for _ in 0..CANDIDATES {
        world.candidate(1, GOOD, vec![camera(), screen(), microphone()]);
    }
    let proctor = world.proctor(1, GOOD, POOL);
    world.run_for(S);
    // 60 cameras and 60 screens.
    let page = |first: u16, count: u16| -> Vec<Want> {
        let cameras = (0..count).map(|n| tile(n, first + n));
        cameras
            .chain((0..count).map(|n| screen_want(60 + n, first + n)))
            .collect()
    };
    world.want(proctor, page(0, 60));
    hold(&mut world, 5);
    let shows = |world: &World| {
        let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown;
        let lately = shown
            .values()
            .filter(|shown| shown.last().unwrap().at + 2 * S > world.clock.now);
        lately.count()
    };
    assert_eq!(shows(&world), 120);

    // Ten candidates leave the wall and ten others take their slots; 50 stay where they are.
    let mut paged = page(0, 60);
    for wanted in paged.iter_mut().filter(|wanted| wanted.person < 10) {
        wanted.person += 60;
    }
    let turned = world.clock.now;
    world.want(proctor, paged.clone());
    hold(&mut world, 4);
    assert_eq!(shows(&world), 120);
    let gap = worst(&world, proctor, 10..60, turned - S, turned + 3 * S);
    assert!(gap < 0.3, "those who stayed saw a gap of {gap} s");
    let first: Us = (60..70)
        .map(|person| {
            world.people[usize::from(proctor)].proctor().unwrap().shown[&(person, PublicationKey::CAMERA)][0].at
        })
        .max()
        .unwrap();
    assert!(
        first - turned < 300 * MS,
        "the new ones came after {} us",
        first - turned
    );

    // Taking away and adding again.
    let before = world.clock.now;
    world.want(proctor, paged[..110].to_vec());
    world.run_for(2 * S);
    world.want(proctor, paged);
    hold(&mut world, 3);
    assert_eq!(shows(&world), 120);
    let gap = worst(&world, proctor, 10..60, before, before + 5 * S);
    assert!(gap < 0.3, "{gap}");
    assert_eq!(
        world.people[usize::from(proctor)].proctor().unwrap().offers,
        1,
        "one offer for all of it"
    );
}
