//! The transports of a shard. A key is a place in a slab and the generation of its tenant, so that the look-ups of a packet
//! (its sender, then each of its receivers) are no searches.

use crate::core::demux::PeerKey;
use crate::core::peer::Peer;
use std::collections::VecDeque;

/// Bits of a key that name the place; the rest counts the tenants.
const PLACE_BITS: u32 = 12;
/// Places: twice what a shard takes (`limits::MAX_TRANSPORTS`).
const PLACES: usize = 1 << PLACE_BITS;
const MAX_GENERATION: u32 = u32::MAX >> PLACE_BITS;

#[derive(Default)]
struct Place {
    generation: u32,
    peer: Option<Box<Peer>>,
}

/// All transports of a shard, in a fixed order.
#[derive(Default)]
pub struct Peers {
    places: Vec<Place>,
    /// Places that stand empty, the longest empty first.
    free: VecDeque<u32>,
    count: usize,
}

fn place_of(key: PeerKey) -> usize {
    key as usize % PLACES
}

impl Peers {
    /// Enters a transport under a key that no other one has or ever had; none when the slab is full.
    pub fn add(&mut self, make: impl FnOnce(PeerKey) -> Peer) -> Option<PeerKey> {
        let at = match self.free.pop_front() {
            Some(at) => at,
            None if self.places.len() < PLACES => {
                self.places.push(Place::default());
                self.places.len() as u32 - 1
            }
            None => return None,
        };
        let place = self.places.get_mut(at as usize)?;
        let key = place.generation << PLACE_BITS | at;
        place.peer = Some(Box::new(make(key)));
        self.count += 1;
        Some(key)
    }

    pub fn get(&self, key: &PeerKey) -> Option<&Peer> {
        let place = self.places.get(place_of(*key))?;
        place.peer.as_deref().filter(|peer| peer.key == *key)
    }

    pub fn get_mut(&mut self, key: &PeerKey) -> Option<&mut Peer> {
        let place = self.places.get_mut(place_of(*key))?;
        place.peer.as_deref_mut().filter(|peer| peer.key == *key)
    }

    /// Takes a transport out; its key is never used again.
    pub fn remove(&mut self, key: &PeerKey) -> Option<Peer> {
        let place = self.places.get_mut(place_of(*key))?;
        let peer = place.peer.take_if(|peer| peer.key == *key)?;
        self.count -= 1;
        // A place whose generations are used up stays empty for good.
        if place.generation < MAX_GENERATION {
            place.generation += 1;
            self.free.push_back(place_of(*key) as u32);
        }
        Some(*peer)
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn keys(&self) -> impl Iterator<Item = PeerKey> {
        self.values().map(|peer| peer.key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Peer> {
        self.places.iter().filter_map(|place| place.peer.as_deref())
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.places.iter_mut().filter_map(|place| place.peer.as_deref_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::io::{Direction, Profile};
    use invigil_shared::id::{ExamId, ParticipantId, TransportId};
    use std::collections::BTreeSet;
    use std::time::Instant;

    fn add(peers: &mut Peers) -> Option<PeerKey> {
        let ids = (
            TransportId::from_parts(1, [1; 10]),
            ParticipantId::from_parts(1, [1; 10]),
            ExamId::from_parts(1, [1; 10]),
        );
        let now = Instant::now();
        peers.add(|key| Peer::new(key, ids, (Direction::Publish, Profile::Native), (1, 1), now))
    }

    #[test]
    fn a_key_is_used_once() {
        let (mut peers, mut known) = (Peers::default(), BTreeSet::new());
        for _ in 0..100 {
            let (first, second) = (add(&mut peers).unwrap(), add(&mut peers).unwrap());
            assert!(known.insert(first) && known.insert(second));
            assert_eq!(peers.len(), 2);
            assert_eq!(peers.get(&first).unwrap().key, first);
            for key in [second, first] {
                assert_eq!(peers.remove(&key).unwrap().key, key);
                assert!(peers.get(&key).is_none() && peers.remove(&key).is_none());
            }
            assert!(peers.is_empty());
        }
    }

    #[test]
    fn the_slab_is_bounded() {
        let mut peers = Peers::default();
        for _ in 0..PLACES {
            add(&mut peers).unwrap();
        }
        assert_eq!(add(&mut peers), None);
        assert_eq!(peers.values().count(), PLACES);
        let key = peers.keys().next().unwrap();
        peers.remove(&key);
        assert!(add(&mut peers).is_some());
    }
}
