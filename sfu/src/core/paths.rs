//! How each participant's path does, for statistics: counted where reports are read and written anyway and summed up once a second,
//! so that no packet costs anything for it. Whoever wants the figures asks the thread for a copy.

use crate::core::io::Direction;
use crate::core::participant::{Carried, Participant};
use crate::core::peer::Peer;
use crate::core::publication::Publication;
use crate::core::state::Shard;
use invigil_shared::bandwidth::BandwidthEstimator;
use invigil_shared::id::ParticipantId;
use std::time::Duration;

/// What is known of a participant who is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathFigures {
    pub participant: ParticipantId,
    /// Since the participant came to this shard; it begins anew when it was forgotten.
    pub carried: Carried,
    /// Smoothed; none as long as the far end has said nothing that it could be told from.
    pub round_trip: Option<Duration>,
    /// Layers whose packets arrive.
    pub layers: u8,
    /// What the path to one who watches is believed to carry, bits per second; none while nothing speaks for a limit.
    pub estimate: Option<u64>,
}

/// A round trip that is longer is a clock that was set, or a lie.
const LONGEST: Duration = Duration::from_secs(10);
/// Of the round trip, how much each answer moves it: they come once a second.
const SMOOTH: u32 = 4;

impl Peer {
    /// The far end had our reference time for `delay` (1/65536 s) and answers; `now` and `reference` are the middle 32 bits of NTP
    /// times (RFC 3611 section 4.5: the round trip is what remains).
    pub(super) fn note_round_trip(&mut self, now: u32, reference: u32, delay: u32) {
        let units = now.wrapping_sub(reference).wrapping_sub(delay);
        let sample = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
        // A negative one, by the coarseness of its units, is next to the top.
        if reference == 0 || sample > LONGEST {
            return;
        }
        self.round_trip = Some(match self.round_trip {
            Some(before) => (before * (SMOOTH - 1) + sample) / SMOOTH,
            None => sample,
        });
    }

    /// The results of one feedback were read.
    pub(super) fn note_reported(&mut self) {
        for result in &self.results {
            // One that was called missing before is not expected a second time when it comes after all.
            self.reported.0 += u64::from(!result.late);
            self.reported.1 += u64::from(result.arrived_us.is_some());
        }
    }
}

impl Shard {
    /// Adds what a transport has carried to what is known of its participant.
    pub(super) fn carry(&mut self, peer: &mut Peer) {
        let Some(known) = self.participants.get_mut(&peer.participant) else {
            return;
        };
        carry(&mut known.carried, peer);
    }

    /// The same with all transports and publications, once a second.
    pub(super) fn carry_all(&mut self) {
        for peer in self.peers.values_mut() {
            if let Some(known) = self.participants.get_mut(&peer.participant) {
                carry(&mut known.carried, peer);
            }
        }
        for publication in self.publications.values_mut().filter(|known| known.origin.is_none()) {
            let arrived = publication.arrived();
            if let Some(known) = self.participants.get_mut(&publication.source.participant) {
                known.carried.received_bytes += arrived.bytes;
                known.carried.expected += arrived.expected;
                known.carried.arrived += arrived.packets;
            }
        }
    }

    /// Everybody who is connected. Walks all of them: for once a second, not for every packet.
    pub fn paths(&self) -> Vec<PathFigures> {
        let of = |(participant, known): (&ParticipantId, &Participant)| {
            let keys = [known.publish.as_ref(), known.subscribe.as_ref()].into_iter().flatten();
            let peers = keys
                .filter_map(|key| self.peers.get(key))
                .filter(|peer| peer.is_connected());
            let round_trips: Vec<Option<Duration>> = peers.map(round_trip).collect();
            let round_trip = *round_trips.iter().max()?;
            let watching = known.subscribe.and_then(|key| self.peers.get(&key));
            let publications = known
                .publications
                .values()
                .filter_map(|number| self.publications.get(number));
            let layers = publications
                .flat_map(Publication::layers)
                .filter(|(_, state)| state.flowing);
            Some(PathFigures {
                participant: *participant,
                carried: known.carried,
                round_trip,
                layers: layers.count().min(usize::from(u8::MAX)) as u8,
                estimate: watching.and_then(|peer| peer.estimator.estimate()),
            })
        };
        self.participants.iter().filter_map(of).collect()
    }
}

fn carry(carried: &mut Carried, peer: &mut Peer) {
    carried.sent_bytes += std::mem::take(&mut peer.sent_bytes);
    carried.received_bytes += std::mem::take(&mut peer.received_bytes);
    let (expected, arrived) = std::mem::take(&mut peer.reported);
    carried.expected += expected;
    carried.arrived += arrived;
}

fn round_trip(peer: &Peer) -> Option<Duration> {
    match peer.direction {
        Direction::Publish => peer.round_trip,
        Direction::Subscribe => peer.estimator.round_trip(),
    }
}
