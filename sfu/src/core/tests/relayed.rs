//! A transport for relays only takes a path from no other address, whoever knows its password.

use super::world::*;
use crate::core::io::Direction;
use std::net::SocketAddr;

#[test]
fn who_comes_from_elsewhere_is_not_answered_and_the_path_stays() {
    let mut world = World::new();
    world.only_from = vec!["198.51.100.0/28".parse().unwrap()];
    let at = world.join(1, 1, Direction::Subscribe, &pool(1));
    let relay = world.peers[at].address;
    let counted = |world: &World| world.shards[0].tally().not_relayed;
    assert_eq!(counted(&world), 0);
    for (number, elsewhere) in [[198, 51, 100, 16], [203, 0, 113, 5]].into_iter().enumerate() {
        let elsewhere = SocketAddr::from((elsewhere, 7_000));
        world.peers[at].address = elsewhere;
        world.check(at);
        assert_eq!(counted(&world), number as u64 + 1);
        assert!(!world.shards[0].knows(elsewhere) && world.shards[0].knows(relay));
    }
    let other_port = SocketAddr::new(relay.ip(), relay.port() + 1);
    world.peers[at].address = other_port;
    world.check(at);
    assert!(world.shards[0].knows(other_port), "another allocation of the relay");
    assert_eq!(counted(&world), 2);
}
