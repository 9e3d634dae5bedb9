//! Key frames: many who need one are one who asks.

use super::{GOOD, hold, want};
use crate::candidate::usual;
use crate::clock::{MS, S};
use crate::world::World;
use invigil_shared::intent::Priority;
use invigil_shared::publication::{Layer, PublicationKey};

/// 50 proctors open one tile within half a second, on paths that lose 3%, and keep at it.
fn storm(window: u64) -> (usize, World) {
    let mut world = World::new(8, 1);
    let candidate = world.candidate(1, GOOD, usual());
    let proctors: Vec<u16> = (0..50).map(|_| world.proctor(1, GOOD.losing(0.03), (1, 0))).collect();
    world.run_for(2 * S);
    for (nth, proctor) in proctors.iter().enumerate() {
        world.run_until(2 * S + nth as u64 * 10 * MS);
        world.want(
            *proctor,
            vec![want(0, candidate, PublicationKey::CAMERA, Layer::Low, Priority::Tile)],
        );
    }
    world.run_until(10 * S);
    let asked = &world.people[usize::from(candidate)].candidate().unwrap().asked;
    let low: Vec<u64> = asked
        .iter()
        .filter(|asked| (asked.key, asked.layer) == (PublicationKey::CAMERA, Layer::Low))
        .map(|asked| asked.at)
        .collect();
    let most = low
        .iter()
        .map(|from| low.iter().filter(|at| (*from..from + window).contains(at)).count())
        .max()
        .unwrap_or(0);
    (most, world)
}

#[test]
fn fifty_proctors_who_open_one_tile_ask_upstream_at_most_twice_a_second() {
    let (most, mut world) = storm(S);
    hold(&mut world, 0);
    assert!((1..=2).contains(&most), "{most} requests within a second");
    for (number, proctor) in world.proctors() {
        let first = proctor.shown[&(0, PublicationKey::CAMERA)][0].at;
        let asked = 2 * S + u64::from(number - 1) * 10 * MS;
        // Throttled to one in 500 ms, a key frame is at most that, a path's delays, and a frame away; once more if it was lost.
        assert!(
            first - asked < 1_500 * MS,
            "proctor {number} waited {} us",
            first - asked
        );
    }
}

/// The bound can be broken: within ten seconds there are more than two.
#[test]
fn requests_go_on_beyond_a_second() {
    assert!(storm(8 * S).0 > 2);
}
