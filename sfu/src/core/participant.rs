//! A participant as the media plane knows it: transports, publications, wishes. Who publishes never subscribes.

use crate::core::demux::PeerKey;
use crate::core::io::Direction;
use invigil_shared::binding::Binding;
use invigil_shared::id::ExamId;
use invigil_shared::intent::Intent;
use invigil_shared::publication::PublicationKey;
use std::collections::BTreeMap;

/// What went over a participant's transports, as far as whole seconds are over. Nothing of it falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From the participant and to it, on the wire.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Media packets that should have arrived, and those that did: of a publisher here, of whoever watches there.
    pub expected: u64,
    pub arrived: u64,
}

/// One participant.
#[derive(Debug, Default)]
pub struct Participant {
    /// Known with the first transport.
    pub exam: Option<ExamId>,
    /// Once a participant has done one of both, the other is closed to it for as long as it stays.
    pub side: Option<Direction>,
    pub publish: Option<PeerKey>,
    pub subscribe: Option<PeerKey>,
    /// Its microphones are silenced.
    pub muted: bool,
    /// Numbers of its publications in the shard.
    pub publications: BTreeMap<PublicationKey, u64>,
    pub revision: u64,
    /// A new client counts its wish lists from the beginning: the next one is taken whatever its revision.
    pub any_revision: bool,
    pub intents: Vec<Intent>,
    /// What control was last told.
    pub bindings: Vec<Binding>,
    pub carried: Carried,
}

impl Participant {
    /// Takes a side, or refuses because it has taken the other. This is what keeps candidates apart in the core, whatever
    /// control asks for.
    pub fn take_side(&mut self, side: Direction) -> bool {
        *self.side.get_or_insert(side) == side
    }

    pub fn transport(&mut self, direction: Direction) -> &mut Option<PeerKey> {
        match direction {
            Direction::Publish => &mut self.publish,
            Direction::Subscribe => &mut self.subscribe,
        }
    }
}
