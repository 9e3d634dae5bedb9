//! How much a shard holds of everything that a peer or a slow thread could make grow: for metrics, and for tests that hold
//! the bounds against it.

use crate::core::state::Shard;
use crate::core::tally::Tally;

/// What is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub transports: usize,
    pub participants: usize,
    pub publications: usize,
    /// Slots that carry something.
    pub subscriptions: usize,
    /// Events that control has not taken.
    pub events: usize,
    /// Bytes in batches that were not yet sent.
    pub unsent_bytes: usize,
    /// Payload bytes kept for retransmission, all layers together.
    pub kept_bytes: usize,
    /// The same of the layer that keeps most.
    pub kept_bytes_of_layer: usize,
    /// Incoming SSRCs of the publisher with most.
    pub streams_of_transport: usize,
}

impl Shard {
    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Walks everything: for once a second, not for every packet.
    pub fn gauges(&self) -> Gauges {
        let kept = || {
            self.publications
                .values()
                .flat_map(|known| known.layers().map(|(_, state)| state.kept.bytes()))
        };
        Gauges {
            transports: self.peers.len(),
            participants: self.participants.len(),
            publications: self.publications.len(),
            subscriptions: self
                .peers
                .values()
                .flat_map(|peer| peer.slots.iter().flatten())
                .filter(|slot| slot.subscription.is_some())
                .count(),
            events: self.waiting_events(),
            unsent_bytes: self.transmits().map(|batch| batch.bytes().len()).sum(),
            kept_bytes: kept().sum(),
            kept_bytes_of_layer: kept().max().unwrap_or(0),
            streams_of_transport: self.peers.values().map(|peer| peer.streams.len()).max().unwrap_or(0),
        }
    }
}
