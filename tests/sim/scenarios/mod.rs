//! One behaviour a file. What they share stands here: a small exam, and how its wishes look.

mod bandwidth;
mod demand;
mod isolation;
mod loss;
mod negative;
mod seeds;
mod slots;
mod slow;
mod storm;

use crate::candidate::usual;
use crate::clock::{MS, S};
use crate::link::LinkSpec;
use crate::proctor::Want;
use crate::world::World;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};

/// A good path: 60 ms there and back.
pub const GOOD: LinkSpec = LinkSpec::clean(30 * MS);
/// Pool of a proctor who watches a few.
pub const POOL: (u16, u16) = (12, 2);

pub fn tile(slot: u16, person: u16) -> Want {
    want(slot, person, PublicationKey::CAMERA, Layer::Low, Priority::Tile)
}

pub fn want(slot: u16, person: u16, key: PublicationKey, layer: Layer, priority: Priority) -> Want {
    Want {
        slot,
        person,
        key,
        layer,
        priority,
    }
}

/// Camera, screen and microphone of one candidate at their best; `slot` and the one behind it, and `audio` of the pool.
pub fn focus(slot: u16, audio: u16, person: u16) -> Vec<Want> {
    vec![
        want(slot, person, PublicationKey::CAMERA, Layer::High, Priority::Focus),
        want(slot + 1, person, PublicationKey::SCREEN, Layer::High, Priority::Focus),
        want(audio, person, PublicationKey::MICROPHONE, Layer::High, Priority::Focus),
    ]
}

/// `candidates` with all that they have, then `proctors`, who see every camera and have the first candidate in focus.
pub fn exam(world: &mut World, spec: LinkSpec, candidates: u16, proctors: u16) -> (Vec<u16>, Vec<u16>) {
    let candidates: Vec<u16> = (0..candidates).map(|_| world.candidate(1, spec, usual())).collect();
    let proctors: Vec<u16> = (0..proctors).map(|_| world.proctor(1, spec, POOL)).collect();
    for proctor in &proctors {
        let mut wants: Vec<Want> = candidates[1..]
            .iter()
            .zip(2..)
            .map(|(who, slot)| tile(slot, *who))
            .collect();
        wants.extend(focus(0, POOL.0, candidates[0]));
        world.want(*proctor, wants);
    }
    (candidates, proctors)
}

/// Runs for so many seconds and asserts that every promise held.
pub fn hold(world: &mut World, seconds: u64) {
    world.run_for(seconds * S);
    if let Err(broken) = world.verdict() {
        panic!("{broken}");
    }
}
