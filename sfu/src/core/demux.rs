//! Which transport a datagram belongs to: STUN by the user fragment that it names, everything else by an address that has
//! proved itself by STUN. What belongs to nobody is dropped unanswered.

#![allow(clippy::disallowed_types)] // its one HashMap is only looked up, never walked for what order could change

use crate::core::transport::{DatagramKind, classify, stun};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// A transport's number within its shard; never used twice.
pub type PeerKey = u32;

/// The routes of a shard.
#[derive(Debug)]
pub struct Demux {
    ufrags: BTreeMap<String, PeerKey>,
    /// Looked up by every packet. Only addresses that proved themselves stand in it, and the hash is keyed, so nobody can
    /// fill one bucket. Never walked in its own order.
    addresses: HashMap<SocketAddr, PeerKey, FixedState>,
}

impl Demux {
    /// No routes yet; `seed` keys the hash of addresses.
    pub fn new(seed: u64) -> Self {
        Self {
            ufrags: BTreeMap::new(),
            addresses: HashMap::with_hasher(FixedState::with_seed(seed)),
        }
    }

    /// Who should read a datagram, and as what.
    pub fn route(&self, source: SocketAddr, datagram: &[u8]) -> Option<(PeerKey, DatagramKind)> {
        let kind = classify(datagram)?;
        let peer = match kind {
            DatagramKind::Stun => self.ufrags.get(stun::local_ufrag(datagram)?),
            DatagramKind::Dtls | DatagramKind::Rtp | DatagramKind::Rtcp => self.addresses.get(&source),
        };
        Some((*peer?, kind))
    }

    /// False when the fragment is taken.
    pub fn add_ufrag(&mut self, ufrag: &str, peer: PeerKey) -> bool {
        if self.ufrags.contains_key(ufrag) {
            return false;
        }
        self.ufrags.insert(ufrag.to_owned(), peer);
        true
    }

    pub fn remove_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// The address has proved that it knows the transport's password; whoever had it before has lost it.
    pub fn add_address(&mut self, address: SocketAddr, peer: PeerKey) {
        self.addresses.insert(address, peer);
    }

    pub fn knows(&self, address: SocketAddr) -> bool {
        self.addresses.contains_key(&address)
    }

    pub fn remove_address(&mut self, address: SocketAddr, peer: PeerKey) {
        if self.addresses.get(&address) == Some(&peer) {
            self.addresses.remove(&address);
        }
    }

    /// Forgets all of a transport's routes.
    pub fn remove(&mut self, peer: PeerKey) {
        self.ufrags.retain(|_, owner| *owner != peer);
        self.addresses.retain(|_, owner| *owner != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proved_addresses_are_routed_and_a_fragment_has_one_owner() {
        let mut demux = Demux::new(3);
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let rtp = [0x80u8; 40];
        assert_eq!(demux.route(address, &rtp), None);
        demux.add_address(address, 1);
        assert_eq!(demux.route(address, &rtp), Some((1, DatagramKind::Rtp)));
        demux.add_address(address, 2);
        demux.remove_address(address, 1);
        assert_eq!(
            demux.route(address, &rtp),
            Some((2, DatagramKind::Rtp)),
            "the old owner can't take it away"
        );
        assert!(demux.add_ufrag("abcd", 1));
        assert!(!demux.add_ufrag("abcd", 2));
        demux.remove(2);
        assert_eq!(demux.route(address, &rtp), None);
    }
}
