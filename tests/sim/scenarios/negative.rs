//! Every oracle is shown to be able to fail: by a fault of which only it can know, or by a bound of zero.

use super::{GOOD, exam, tile};
use crate::clock::S;
use crate::oracle::Promise;
use crate::world::World;
use std::collections::BTreeSet;

fn broken(prepare: impl FnOnce(&mut World), then: impl FnOnce(&mut World)) -> BTreeSet<Promise> {
    let mut world = World::new(3, 1);
    prepare(&mut world);
    exam(&mut world, GOOD, 3, 1);
    world.run_for(3 * S);
    then(&mut world);
    world.run_for(6 * S);
    assert_eq!(world.verdict().is_err(), !world.violations.is_empty());
    world.violations.iter().map(|violation| violation.promise).collect()
}

#[test]
fn without_a_fault_nothing_is_reported() {
    assert_eq!(broken(|_| {}, |_| {}), BTreeSet::new());
}

#[test]
fn what_control_did_not_allow_is_a_breach_of_isolation() {
    // Control grants what it keeps from the oracle.
    let found = broken(
        |_| {},
        |world| {
            world.secretive = true;
            let mut wants = world.people[3].proctor().unwrap().wants.clone();
            wants.retain(|want| want.person != 1);
            wants.push(tile(9, 1));
            world.people[3].allowed.retain(|(person, _)| *person != 1);
            world.want(3, wants);
        },
    );
    assert!(found.contains(&Promise::Isolation), "{found:?}");
}

#[test]
fn a_changed_byte_is_no_opaque_payload() {
    let found = broken(|_| {}, |world| world.bending = true);
    assert!(found.contains(&Promise::Opaque), "{found:?}");
}

#[test]
fn a_hole_in_the_numbering_is_seen() {
    let found = broken(|_| {}, |world| world.people[3].egress.tear());
    assert!(found.contains(&Promise::Continuity), "{found:?}");
}

#[test]
fn a_publisher_who_freezes_leaves_a_tile_that_stands_still() {
    let found = broken(|_| {}, |world| world.people[1].candidate_mut().unwrap().frozen = true);
    assert_eq!(found, BTreeSet::from([Promise::Tile]));
}

#[test]
fn a_tile_can_not_be_new_all_the_time() {
    assert_eq!(
        broken(|world| world.limits.still = 0, |_| {}),
        BTreeSet::from([Promise::Tile])
    );
}

#[test]
fn each_gauge_is_held_against_its_bound() {
    let zeros: [fn(&mut World); 5] = [
        |world| world.limits.gauges.transports = 0,
        |world| world.limits.gauges.participants = 0,
        |world| world.limits.gauges.publications = 0,
        |world| world.limits.gauges.kept_bytes_of_layer = 0,
        |world| world.limits.gauges.streams_of_transport = 0,
    ];
    for zero in zeros {
        assert_eq!(broken(|_| {}, zero), BTreeSet::from([Promise::Bounds]));
    }
}
