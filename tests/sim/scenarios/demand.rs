//! Layers on demand: what nobody wants is not sent, and what is wanted again is back within a round trip and one key frame.

use super::{GOOD, POOL, focus, hold, tile};
use crate::candidate::{Switched, usual};
use crate::clock::{MS, S, Us};
use crate::world::World;
use invigil_shared::publication::{Layer, PublicationKey};

fn switches(world: &World, person: u16) -> Vec<Switched> {
    world.people[usize::from(person)].candidate().unwrap().switched.clone()
}

/// When the proctor first saw `layer` of the camera after `from`.
fn first_seen(world: &World, proctor: u16, person: u16, layer: Layer, from: Us) -> Us {
    let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown[&(person, PublicationKey::CAMERA)];
    let first = shown.iter().find(|shown| shown.at >= from && shown.layer == layer);
    first.expect("the layer is seen").at - from
}

#[test]
fn a_layer_that_nobody_wants_is_not_sent_and_comes_back_with_the_first_key_frame() {
    let mut world = World::new(21, 1);
    let candidate = world.candidate(1, GOOD, usual());
    let proctor = world.proctor(1, GOOD, POOL);
    hold(&mut world, 3);
    assert_eq!(world.sent_media(candidate), 0, "nobody looks, nothing is encoded");
    assert!(switches(&world, candidate).is_empty());

    world.want(proctor, vec![tile(0, candidate)]);
    hold(&mut world, 3);
    let on: Vec<_> = switches(&world, candidate);
    assert_eq!(on.len(), 1, "the low camera only: {on:?}");
    assert_eq!(
        (on[0].key, on[0].layer, on[0].on),
        (PublicationKey::CAMERA, Layer::Low, true)
    );
    // To the server 30 ms, to the candidate 30, a frame of at most 100, back 60, and the server's grid of 10.
    let wait = first_seen(&world, proctor, candidate, Layer::Low, 3 * S);
    assert!(wait < 240 * MS, "{wait} us");

    // Up: the low layer goes on until the high one's key frame, then stops.
    world.want(proctor, focus(0, POOL.0, candidate));
    hold(&mut world, 3);
    let wait = first_seen(&world, proctor, candidate, Layer::High, 6 * S);
    assert!(wait < 240 * MS, "{wait} us");
    let shown = &world.people[usize::from(proctor)].proctor().unwrap().shown[&(candidate, PublicationKey::CAMERA)];
    let around: Vec<Us> = shown
        .iter()
        .map(|shown| shown.at)
        .filter(|at| (6 * S - 200 * MS..6 * S + 500 * MS).contains(at))
        .collect();
    assert!(
        around.windows(2).all(|pair| pair[1] - pair[0] < 250 * MS),
        "no hitch: {around:?}"
    );
    let low_stopped = switches(&world, candidate)
        .into_iter()
        .find(|switched| (switched.layer, switched.on, switched.key) == (Layer::Low, false, PublicationKey::CAMERA));
    assert!(low_stopped.is_some_and(|stopped| stopped.at < 7 * S));

    // Away: all of it stops within a round trip.
    world.want(proctor, Vec::new());
    world.run_for(200 * MS);
    let sent = world.sent_media(candidate);
    hold(&mut world, 3);
    assert_eq!(world.sent_media(candidate), sent);
}
