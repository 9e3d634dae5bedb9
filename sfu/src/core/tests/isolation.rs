//! No packet and no event of one candidate reaches another, whatever control asks for; no packet reaches a proctor who has
//! no binding for it. On one shard and across several.

use super::world::*;
use crate::core::io::{Direction, Event};
use invigil_shared::binding::BindingState;
use invigil_shared::publication::Layer;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What is asked for: by whom (candidates too), revision by order, of whom.
fn wishes() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    let sources = proptest::collection::vec(1u8..=5, 0..4);
    proptest::collection::vec((0usize..5, sources), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn packets_only_follow_bindings(
        exams in proptest::array::uniform5(1u8..=2),
        shards in 1u16..=4,
        homes in proptest::array::uniform5(0usize..4),
        wishes in wishes(),
    ) {
        let mut world = World::of(shards);
        world.homes = (1..=5u8).zip(homes.map(|home| home % usize::from(shards))).collect();
        // Candidates 1 to 3, proctors 4 and 5, each in one of two exams.
        let mut places = vec![];
        for who in 1..=3u8 {
            places.push(world.candidate(who, exams[usize::from(who) - 1]));
        }
        for who in 4..=5u8 {
            places.push(world.join(who, exams[usize::from(who) - 1], Direction::Subscribe, &pool(3)));
        }
        let mut watched: Vec<BTreeSet<u8>> = vec![BTreeSet::new(); 5];
        for (revision, (asker, sources)) in wishes.into_iter().enumerate() {
            let who = asker as u8 + 1;
            let intents = sources.iter().enumerate().map(|(slot, source)| intent(slot as u16, camera(*source), Layer::Low)).collect();
            let answer = world.want(who, revision as u64 + 1, intents);
            prop_assert_eq!(answer.is_err(), who <= 3, "only proctors may wish");
            if who > 3 {
                let same_exam = |source: &u8| *source <= 3 && exams[usize::from(*source) - 1] == exams[usize::from(who) - 1];
                watched[asker] = sources.iter().copied().filter(same_exam).collect();
            }
            for peer in &mut world.peers {
                peer.rtp.clear();
            }
            for candidate in 1..=3u8 {
                world.frame(places[usize::from(candidate) - 1], ssrcs(candidate).0, revision as u16, true, &[candidate; 30]);
            }
            for (at, place) in places.iter().enumerate() {
                let got: BTreeSet<u8> = world.peers[*place].rtp.iter().map(|got| got.payload()[0]).collect();
                prop_assert_eq!(&got, &watched[at], "participant {}", at + 1);
            }
        }
        world.pass(500);
        for event in &world.events {
            match event {
                Event::Bindings { subscriber, bindings, .. } => {
                    let at = (1..=5).find(|who| person(*who) == *subscriber).unwrap();
                    prop_assert!(at > 3);
                    for binding in bindings.iter().filter(|binding| binding.state != BindingState::NotFound) {
                        let of = (1..=3).find(|who| person(*who) == binding.source.participant);
                        prop_assert_eq!(of.map(|of: u8| exams[usize::from(of) - 1]), Some(exams[usize::from(at) - 1]));
                    }
                }
                Event::LayerSelected { subscriber, .. } => prop_assert!((1..=3).all(|who| person(who) != *subscriber)),
                _ => {}
            }
        }
    }
}
