//! The other shards of this process, as one of them sees them: what of ours they want, and the mirrors of what they have.
//!
//! A mirror is a publication like any other, bound by the same rules, with packets of its own kept for retransmission; only
//! its packets come from a sibling, and its demand and key frame requests go there.

use crate::core::fan_out::Kept;
use crate::core::io::ShardId;
use crate::core::layer_selector::LayerSet;
use crate::core::media::{Codec, Packet};
use crate::core::publication::{Origin, Publication};
use crate::core::relay::{RelayBatch, RelayMessage, Relayed};
use crate::core::state::Shard;
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationRef};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// What a shard has for its siblings and of them.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    links: Vec<(ShardId, RelayBatch)>,
    /// Taken out after every input, so it holds what one input can say: a message for each publication and sibling.
    messages: VecDeque<(ShardId, RelayMessage)>,
    /// Of our publications, those that siblings don't know as they are now.
    unannounced: BTreeSet<u64>,
    mirrors: BTreeMap<PublicationRef, u64>,
    by_origin: BTreeMap<(ShardId, u64), u64>,
    /// Packets that came from siblings and those that were too late to come.
    relayed: u64,
    dropped: u64,
}

impl Siblings {
    pub fn new(ids: &[ShardId]) -> Self {
        Self {
            links: ids.iter().map(|id| (*id, RelayBatch::default())).collect(),
            ..Self::default()
        }
    }

    /// Copies a packet for each sibling that wants its layer.
    pub fn pass(&mut self, number: u64, publication: &Publication, layer: Layer, packet: &Packet<'_>) {
        for (wanting, layers) in &publication.siblings {
            if layers.contains(layer)
                && let Some((_, batch)) = self.links.iter_mut().find(|(id, _)| id == wanting)
            {
                batch.push(&Relayed {
                    number,
                    layer,
                    numbering: publication.numbering[layer.index()],
                    packet: *packet,
                });
            }
        }
    }

    /// The number here of what is published on a sibling.
    pub fn mirror_of(&self, source: PublicationRef) -> Option<u64> {
        self.mirrors.get(&source).copied()
    }

    /// One of our publications is new or has changed.
    pub fn announce_later(&mut self, number: u64) {
        if !self.links.is_empty() {
            self.unannounced.insert(number);
        }
    }

    /// One of our publications has ended.
    pub fn withdraw(&mut self, number: u64) {
        self.unannounced.remove(&number);
        self.tell_all(&RelayMessage::Withdraw { number });
    }

    /// A layer of one of our publications is silent.
    pub fn stopped(&mut self, number: u64, layer: Layer) {
        self.tell_all(&RelayMessage::Stopped { number, layer });
    }

    pub fn want(&mut self, origin: Origin, layers: LayerSet) {
        let number = origin.number;
        self.tell(origin.shard, RelayMessage::Want { number, layers });
    }

    pub fn ask_for_key_frame(&mut self, origin: Origin, layer: Layer) {
        let number = origin.number;
        self.tell(origin.shard, RelayMessage::KeyFrame { number, layer });
    }

    fn tell(&mut self, to: ShardId, message: RelayMessage) {
        if self.links.iter().any(|(id, _)| *id == to) {
            self.messages.push_back((to, message));
        }
    }

    fn tell_all(&mut self, message: &RelayMessage) {
        for (to, _) in &self.links {
            self.messages.push_back((*to, message.clone()));
        }
    }
}

/// The doors towards siblings.
impl Shard {
    /// The next message for a sibling. Deliver each in order; [`Self::handle_sibling_overrun`] mends what could not be kept.
    pub fn poll_relay(&mut self) -> Option<(ShardId, RelayMessage)> {
        self.siblings.messages.pop_front()
    }

    /// The packets that wait for siblings, where there are any. Take them out after every round.
    pub fn relays(&mut self) -> impl Iterator<Item = (ShardId, &mut RelayBatch)> {
        self.siblings
            .links
            .iter_mut()
            .filter(|(_, batch)| !batch.is_empty())
            .map(|(id, batch)| (*id, batch))
    }

    /// Reads a message of a sibling.
    pub fn handle_relay(&mut self, now: Instant, from: ShardId, message: RelayMessage) {
        self.now = now;
        match message {
            RelayMessage::Hello => self.introduce(from),
            RelayMessage::Announce {
                number,
                source,
                exam,
                codec,
                native,
                layers,
                numbering,
            } => {
                let shard = from;
                let origin = Origin { shard, number, exam };
                let mirror = self.mirror(origin, source, codec, native);
                let Some(publication) = self.publications.get_mut(&mirror) else {
                    return;
                };
                publication.set_layers(&layers);
                for layer in Layer::ALL {
                    self.follow_numbering(mirror, layer, numbering[layer.index()]);
                }
                self.touch_room(Some(exam));
            }
            RelayMessage::Withdraw { number } => {
                if let Some(mirror) = self.siblings.by_origin.get(&(from, number)).copied() {
                    self.remove_mirror(mirror);
                }
            }
            RelayMessage::Want { number, layers } => {
                if let Some(publication) = self.publications.get_mut(&number).filter(|own| own.origin.is_none()) {
                    publication.siblings.retain(|(id, _)| *id != from);
                    if !layers.is_empty() {
                        publication.siblings.push((from, layers));
                    }
                    self.dirty_publications.insert(number);
                }
            }
            RelayMessage::KeyFrame { number, layer } => {
                let own = self.publications.get_mut(&number).filter(|own| own.origin.is_none());
                if let Some(state) = own.and_then(|own| own.layer_mut(layer)) {
                    state.keyframe.request();
                    self.ask_for_key_frames(now, number);
                }
            }
            RelayMessage::Stopped { number, layer } => {
                if let Some(mirror) = self.siblings.by_origin.get(&(from, number)).copied() {
                    let state = self
                        .publications
                        .get_mut(&mirror)
                        .and_then(|known| known.layer_mut(layer));
                    if let Some(state) = state {
                        state.kept.clear();
                    }
                    self.layer_stopped(mirror, layer);
                }
            }
        }
        self.settle(now);
    }

    /// Reads packets of a sibling, and has ready to be sent what comes of them; leaves the batch empty.
    pub fn handle_relayed(&mut self, now: Instant, from: ShardId, batch: &mut RelayBatch) {
        self.read_relayed(now, from, batch);
        self.fan_out_all(now);
    }

    /// Reads packets of a sibling; [`Shard::fan_out`] has to follow. Leaves the batch empty.
    pub fn read_relayed(&mut self, now: Instant, from: ShardId, batch: &mut RelayBatch) {
        self.now = now;
        self.siblings.relayed += batch.len() as u64;
        self.siblings.dropped += batch.take_dropped();
        for relayed in batch.packets() {
            self.take_relayed(now, from, &relayed);
        }
        batch.clear();
        self.settle(now);
    }

    /// A sibling's shard has ended: what it published is gone, and it wants nothing any more.
    pub fn handle_sibling_lost(&mut self, now: Instant, lost: ShardId) {
        self.now = now;
        self.forget_sibling(lost);
        self.siblings.links.retain(|(id, _)| *id != lost);
        self.siblings.messages.retain(|(to, _)| *to != lost);
        self.settle(now);
    }

    /// Messages of a sibling are missing: what they said is asked for from the beginning.
    pub fn handle_sibling_overrun(&mut self, now: Instant, from: ShardId) {
        self.now = now;
        self.forget_sibling(from);
        self.siblings.tell(from, RelayMessage::Hello);
        self.settle(now);
    }

    /// Packets that siblings sent so far, and those of them that were dropped because this shard was late.
    pub fn relayed(&self) -> (u64, u64) {
        (self.siblings.relayed, self.siblings.dropped)
    }
}

impl Shard {
    /// Tells siblings of what has changed, once its exam is known.
    pub(super) fn announce(&mut self) {
        while let Some(number) = self.siblings.unannounced.pop_first() {
            if let Some(message) = self.announcement(number) {
                self.siblings.tell_all(&message);
            }
        }
    }

    pub(super) fn announce_all_of(&mut self, person: ParticipantId) {
        for number in self
            .participants
            .get(&person)
            .into_iter()
            .flat_map(|known| known.publications.values())
        {
            self.siblings.announce_later(*number);
        }
    }

    fn announcement(&self, number: u64) -> Option<RelayMessage> {
        let publication = self.publications.get(&number).filter(|own| own.origin.is_none())?;
        let exam = self.participants.get(&publication.source.participant)?.exam?;
        Some(RelayMessage::Announce {
            number,
            source: publication.source,
            exam,
            codec: publication.codec,
            native: publication.native,
            layers: publication.layers().map(|(_, state)| state.offer.clone()).collect(),
            numbering: publication.numbering,
        })
    }

    /// Says everything to a sibling that has forgotten it.
    fn introduce(&mut self, to: ShardId) {
        for number in self.publications.keys().copied().collect::<Vec<_>>() {
            let Some(publication) = self.publications.get_mut(&number) else {
                continue;
            };
            match publication.origin {
                None => {
                    publication.siblings.retain(|(id, _)| *id != to);
                    self.dirty_publications.insert(number);
                    if let Some(message) = self.announcement(number) {
                        self.siblings.tell(to, message);
                    }
                }
                Some(origin) if origin.shard == to => {
                    let wanted = publication.demanded;
                    self.siblings.want(origin, wanted);
                }
                Some(_) => {}
            }
        }
    }

    /// The mirror of an announced publication, made when it is new.
    fn mirror(&mut self, origin: Origin, source: PublicationRef, codec: Codec, native: bool) -> u64 {
        let named = self.siblings.mirror_of(source);
        let known = self.siblings.by_origin.get(&(origin.shard, origin.number)).copied();
        let same = known.filter(|number| {
            named == known
                && self
                    .publications
                    .get(number)
                    .is_some_and(|mirror| mirror.origin == Some(origin) && mirror.codec == codec)
        });
        if let Some(number) = same {
            return number;
        }
        // The participant has moved, and this came before the farewell of where it was.
        for outdated in [named, known].into_iter().flatten() {
            self.remove_mirror(outdated);
        }
        let number = self.next_publication;
        self.next_publication += 1;
        let mut mirror = Publication::new(source.participant, source.publication, codec, native);
        mirror.origin = Some(origin);
        self.publications.insert(number, mirror);
        self.siblings.mirrors.insert(source, number);
        self.siblings.by_origin.insert((origin.shard, origin.number), number);
        number
    }

    fn remove_mirror(&mut self, number: u64) {
        let Some(mirror) = self.publications.remove(&number) else {
            return;
        };
        let Some(origin) = mirror.origin else { return };
        self.siblings.by_origin.remove(&(origin.shard, origin.number));
        if self.siblings.mirror_of(mirror.source) == Some(number) {
            self.siblings.mirrors.remove(&mirror.source);
        }
        self.unbind_publication(number);
        self.touch_room(Some(origin.exam));
    }

    fn forget_sibling(&mut self, sibling: ShardId) {
        let mirrors = self.siblings.by_origin.range((sibling, 0)..=(sibling, u64::MAX));
        for mirror in mirrors.map(|(_, number)| *number).collect::<Vec<_>>() {
            self.remove_mirror(mirror);
        }
        for (number, publication) in &mut self.publications {
            let before = publication.siblings.len();
            publication.siblings.retain(|(id, _)| *id != sibling);
            if publication.siblings.len() != before {
                self.dirty_publications.insert(*number);
            }
        }
    }

    /// A layer's origin numbers its packets anew: the mirror begins anew with it.
    fn follow_numbering(&mut self, mirror: u64, layer: Layer, numbering: u32) {
        let Some(publication) = self.publications.get_mut(&mirror) else {
            return;
        };
        if numbering <= publication.numbering[layer.index()] {
            return;
        }
        publication.numbering[layer.index()] = numbering;
        let codec = publication.codec;
        if let Some(state) = publication.layer_mut(layer) {
            state.reset(codec, true);
        }
        self.fan.forget(mirror, layer);
        self.layer_stopped(mirror, layer);
        self.forget_sent(mirror, layer);
    }

    fn take_relayed(&mut self, now: Instant, from: ShardId, relayed: &Relayed<'_>) {
        let Some(mirror) = self.siblings.by_origin.get(&(from, relayed.number)).copied() else {
            return;
        };
        let layer = relayed.layer;
        let known = self
            .publications
            .get(&mirror)
            .map(|known| known.numbering[layer.index()]);
        if known.is_none_or(|known| relayed.numbering < known) {
            return;
        }
        // Packets can overtake the announcement that says so.
        self.follow_numbering(mirror, layer, relayed.numbering);
        let Some(publication) = self.publications.get_mut(&mirror) else {
            return;
        };
        let audio = publication.codec == Codec::Opus;
        let Some(state) = publication.layer_mut(layer) else {
            return;
        };
        let packet = relayed.packet;
        state.count(packet.payload.len());
        let mut kept = Kept::No;
        if !audio {
            let in_burst = state.comes_in_bursts(now, packet.meta.timestamp);
            if state.kept.keep(now, packet.index, packet.meta, packet.payload) {
                kept = if in_burst { Kept::InBurst } else { Kept::Yes };
            }
            state.weigh(&packet.meta, packet.payload.len());
        }
        if packet.meta.frame.key && packet.meta.frame.start {
            state.keyframe.satisfied();
        }
        if publication.offer_to_taps(layer, &packet) {
            self.dirty_publications.insert(mirror);
        }
        self.send_out(now, mirror, layer, &packet, kept);
    }
}
