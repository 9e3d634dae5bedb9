//! After every input: wishes become bindings, bindings become demand, and both are told to control when they change.

use crate::core::budget::{self, Given, Held, Wish, allocate};
use crate::core::demux::PeerKey;
use crate::core::forward_table::Target;
use crate::core::ingest::ssrc_of;
use crate::core::io::{Demand, Event};
use crate::core::keyframe::Request;
use crate::core::layer_selector::LayerSet;
use crate::core::media::Codec;
use crate::core::peer::Peer;
use crate::core::rtcp::{write_fir, write_pli, write_receiver_reports};
use crate::core::state::Shard;
use crate::core::subscription::Subscription;
use invigil_shared::bandwidth::BandwidthEstimator;
use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::id::ParticipantId;
use invigil_shared::intent::Intent;
use invigil_shared::publication::Layer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A path should carry this share more than the layers: for retransmissions and reports.
const HEADROOM: f64 = 1.05;

impl Shard {
    pub(super) fn settle(&mut self, now: Instant) {
        self.announce();
        if self.dirty_subscribers.is_empty() && self.dirty_publications.is_empty() {
            return;
        }
        let subscribers = self.resolve_subscribers();
        for number in std::mem::take(&mut self.dirty_publications) {
            self.tell_demand(number);
            self.ask_for_key_frames(now, number);
        }
        for subscriber in subscribers {
            self.tell_bindings(subscriber);
        }
    }

    /// Binds what the dirty subscribers wish for; returns them.
    pub(super) fn resolve_subscribers(&mut self) -> Vec<ParticipantId> {
        let subscribers: Vec<ParticipantId> = std::mem::take(&mut self.dirty_subscribers).into_iter().collect();
        for subscriber in &subscribers {
            self.resolve(*subscriber);
        }
        subscribers
    }

    /// The publication that an intent may have: of the subscriber's own exam, of somebody else, of somebody who publishes.
    fn allowed(&self, subscriber: ParticipantId, intent: &Intent) -> Option<u64> {
        let exam = self.participants.get(&subscriber)?.exam?;
        let wanted = intent.wanted;
        let number = self
            .publication_of(wanted)
            .filter(|_| wanted.participant != subscriber)?;
        let of = match self.publications.get(&number)?.origin {
            Some(origin) => Some(origin.exam),
            None => self.participants.get(&wanted.participant)?.exam,
        };
        (of == Some(exam)).then_some(number)
    }

    fn resolve(&mut self, subscriber: ParticipantId) {
        let Some(participant) = self.participants.get(&subscriber) else {
            return;
        };
        let Some(key) = participant.subscribe else { return };
        let intents = participant.intents.clone();
        let mut wanted: BTreeMap<u16, (u64, Intent)> = BTreeMap::new();
        for intent in &intents {
            if let Some(number) = self.allowed(subscriber, intent) {
                wanted.insert(
                    self.peers.get(&key).map_or(intent.slot, |peer| peer.line_of(intent)),
                    (number, *intent),
                );
            }
        }
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let mut bound: Vec<u16> = Vec::new();
        let mut wishes: Vec<Wish> = Vec::new();
        for index in 0..peer.slots.len() {
            let slot_number = index as u16;
            let Some(slot) = peer.slots[index].as_mut() else {
                continue;
            };
            let publications = &self.publications;
            let goal = wanted.get(&slot_number).filter(|(number, _)| {
                publications
                    .get(number)
                    .is_some_and(|publication| slot.can_carry(publication.codec))
            });
            let target = Target {
                peer: key,
                slot: slot_number,
            };
            if let Some(old) = slot.subscription.as_ref().map(|carried| carried.publication)
                && goal.is_none_or(|(number, _)| *number != old)
            {
                slot.subscription = None;
                peer.pacer.forget_slot(slot_number);
                self.table.remove(old, target);
                self.dirty_publications.insert(old);
            }
            let Some(&(number, intent)) = goal else { continue };
            let Some(publication) = publications.get(&number) else {
                continue;
            };
            slot.carry(publication.codec);
            let carried = slot
                .subscription
                .get_or_insert_with(|| Subscription::new(now, number, intent.layer, intent.priority));
            (carried.wanted, carried.priority) = (intent.layer, intent.priority);
            self.table.add(number, target);
            self.dirty_publications.insert(number);
            bound.push(slot_number);
            let audio = publication.codec == Codec::Opus;
            let held = match carried.selector.target() {
                _ if carried.denied || carried.selector.is_thinned() => Held::Denied,
                Some(layer) => Held::Layer(layer),
                None => Held::New,
            };
            wishes.push(Wish {
                audio,
                priority: intent.priority,
                wanted: intent.layer,
                offered: publication.offered(),
                cost: publication.costs(),
                picture: publication.pictures(),
                held,
            });
        }
        peer.estimator
            .set_wanted((budget::wanted(&wishes) as f64 * HEADROOM) as u64);
        peer.allotted = peer.estimator.sustained();
        let mut given = allocate(peer.allotted, &wishes);
        peer.is_tested = peer.estimator.is_testing();
        if peer.is_tested {
            budget::keep_lowest(&wishes, &mut given);
        }
        peer.is_thinned = given.iter().any(|given| matches!(given, Given::KeyFrames(..)));
        for ((slot, wish), given) in bound.into_iter().zip(&wishes).zip(given) {
            let (layer, thinned) = match given {
                Given::Nothing => (None, None),
                Given::KeyFrames(layer, every) => (Some(layer), Some(every)),
                Given::Layer(layer) => (Some(layer), None),
            };
            peer.pacer.grant(slot, given.weight(wish));
            let is_full = peer.is_behind(slot);
            let Some(carried) = peer.slot_mut(slot).and_then(|slot| slot.subscription.as_mut()) else {
                continue;
            };
            let before = carried.selector.target();
            carried.selector.retarget(layer, wish.offered);
            let was_thinned = carried.selector.is_thinned();
            let thins = thinned.is_some() && !was_thinned;
            if thinned.is_some() != was_thinned {
                // Either begins with a key frame, and it is as if nothing had been awaited before.
                (carried.since, carried.asked) = (now, None);
            }
            carried.selector.thin(thinned.is_some());
            carried.every = Duration::from_millis(thinned.unwrap_or_default());
            if layer.is_some() && before > layer && is_full {
                // The rest of a large picture would take seconds from the small one that is to come instead.
                carried.selector.interrupted();
                peer.pacer.forget_slot(slot);
            } else if thins {
                // So would what waits, unless it is such a picture already, or begins with the rest of one.
                let number = carried.publication;
                let shows = carried.selector.shows_picture();
                if shows || layer.is_some_and(|layer| peer.pacer.finishes_key_frame(slot, (number, layer))) {
                    peer.pacer.drop_slot(slot, number);
                } else {
                    peer.pacer.forget_slot(slot);
                }
            }
            let Some(carried) = peer.slot_mut(slot).and_then(|slot| slot.subscription.as_mut()) else {
                continue;
            };
            carried.denied = layer.is_none() && !wish.offered.is_empty();
            if carried.selector.target() != before {
                (carried.since, carried.asked) = (now, None);
            }
            if let Some(awaited) = carried.needs_key_frame(now)
                && let Some(state) = self
                    .publications
                    .get_mut(&carried.publication)
                    .and_then(|known| known.layer_mut(awaited))
            {
                state.keyframe.request();
            }
        }
    }

    /// The layers of a publication that anybody wants: subscribers and taps here, and those of siblings.
    pub(super) fn wanted(&self, number: u64) -> LayerSet {
        let Some(publication) = self.publications.get(&number) else {
            return LayerSet::default();
        };
        let offered = publication.offered();
        let slots = self.table.targets(number).iter().filter_map(|target| {
            let slot = self
                .peers
                .get(&target.peer)?
                .slots
                .get(usize::from(target.slot))?
                .as_ref()?;
            slot.subscription
                .as_ref()
                .map(|carried| carried.selector.demand(offered))
        });
        let taps = publication
            .taps
            .iter()
            .filter_map(|(layer, _)| offered.best(*layer))
            .collect();
        let siblings = publication
            .siblings
            .iter()
            .map(|(_, layers)| layers.intersection(offered));
        slots.chain(siblings).fold(taps, LayerSet::union)
    }

    fn tell_demand(&mut self, number: u64) {
        let wanted = self.wanted(number);
        let Some(publication) = self.publications.get_mut(&number) else {
            return;
        };
        publication.wanted = wanted;
        if publication.demanded == wanted {
            return;
        }
        publication.demanded = wanted;
        if let Some(origin) = publication.origin {
            if wanted.is_empty() {
                // Nobody is left who could ask for it again.
                publication.layers_mut().for_each(|(_, state)| state.kept.clear());
            }
            self.siblings.want(origin, wanted);
            return;
        }
        let source = publication.source;
        let demand = Demand {
            publication: source.publication,
            layers: wanted.iter().collect(),
        };
        self.emit(Event::LayerDemand {
            participant: source.participant,
            demands: vec![demand],
        });
    }

    fn tell_bindings(&mut self, subscriber: ParticipantId) {
        let bindings = self.bindings(subscriber);
        let Some(participant) = self.participants.get_mut(&subscriber) else {
            return;
        };
        if participant.bindings != bindings {
            participant.bindings.clone_from(&bindings);
            let revision = participant.revision;
            self.emit(Event::Bindings {
                subscriber,
                revision,
                bindings,
            });
        }
    }

    /// What each wish of a subscriber has become.
    pub(super) fn bindings(&self, subscriber: ParticipantId) -> Vec<Binding> {
        let Some(participant) = self.participants.get(&subscriber) else {
            return Vec::new();
        };
        participant
            .intents
            .iter()
            .map(|intent| self.binding(subscriber, participant.subscribe, intent))
            .collect()
    }

    fn binding(&self, subscriber: ParticipantId, key: Option<PeerKey>, intent: &Intent) -> Binding {
        let bind = |layer: Option<Layer>, state| Binding {
            slot: intent.slot,
            source: intent.wanted,
            layer,
            state,
        };
        let Some(number) = self.allowed(subscriber, intent) else {
            return bind(None, BindingState::NotFound);
        };
        let slot = key.and_then(|key| {
            let peer = self.peers.get(&key)?;
            peer.slots.get(usize::from(peer.line_of(intent)))?.as_ref()
        });
        let carried = slot
            .and_then(|slot| slot.subscription.as_ref())
            .filter(|carried| carried.publication == number);
        let Some(carried) = carried else {
            return bind(None, BindingState::NoMedia);
        };
        if carried.denied {
            return bind(None, BindingState::Bandwidth);
        }
        match (carried.selector.current(), carried.selector.target()) {
            (Some(current), _) => bind(Some(current), BindingState::Active),
            (None, Some(_)) if carried.selector.is_stalled() => bind(None, BindingState::NoMedia),
            (None, Some(target)) => bind(Some(target), BindingState::WaitingKeyFrame),
            (None, None) => bind(None, BindingState::NoMedia),
        }
    }

    /// Sends the key frame requests that are due to a publication's publisher, or to the shard where it lives. Our own clients get
    /// full intra requests (RFC 5104 section 4.3.1), which are repeated until a key frame begins.
    pub(super) fn ask_for_key_frames(&mut self, now: Instant, number: u64) {
        let Some(publication) = self.publications.get_mut(&number) else {
            return;
        };
        if let Some(origin) = publication.origin {
            for (layer, state) in publication.layers_mut() {
                // Between shards nothing is lost.
                if state.keyframe.poll(now) == Some(Request::New) {
                    self.siblings.ask_for_key_frame(origin, layer);
                }
            }
            return;
        }
        let key = self
            .participants
            .get(&publication.source.participant)
            .and_then(|publisher| publisher.publish);
        let Some((key, peer)) = key.and_then(|key| Some((key, self.peers.get_mut(&key)?))) else {
            return;
        };
        if !peer.is_connected() || publication.codec == Codec::Opus {
            return;
        }
        let native = publication.native;
        let mut asked = false;
        for (layer, state) in publication.layers_mut() {
            let Some(ssrc) = ssrc_of(peer, number, layer) else {
                continue;
            };
            let Some(request) = state.keyframe.poll(now) else {
                continue;
            };
            let is_new = request == Request::New;
            if !native && !is_new {
                // A picture loss has no number by which a browser would know that it is the same.
                continue;
            }
            let command = native.then(|| peer.command(ssrc, is_new));
            let reporter = peer.reporter;
            peer.report(now, |out| {
                if out.is_empty() {
                    write_receiver_reports(out, reporter, &[]);
                }
                match command {
                    Some(command) => write_fir(out, reporter, ssrc, command),
                    None => write_pli(out, reporter, ssrc),
                }
            });
            asked = true;
            self.tally.key_frames_asked += u64::from(is_new);
        }
        if asked {
            peer.flush_rtcp(now);
            self.mark_outgoing(key);
        }
    }

    /// A layer sends nothing any more: who showed it shows the next best picture that comes.
    pub(super) fn layer_stopped(&mut self, number: u64, layer: Layer) {
        let now = self.now;
        for target in self.table.targets(number).to_vec() {
            let Some(peer) = self.peers.get_mut(&target.peer) else {
                continue;
            };
            let subscriber = peer.participant;
            if let Some(carried) = peer.slot_mut(target.slot).and_then(|slot| slot.subscription.as_mut()) {
                carried.selector.stopped(layer);
                (carried.since, carried.asked) = (now, None);
                self.dirty_subscribers.insert(subscriber);
            }
        }
        self.dirty_publications.insert(number);
    }

    /// Layers whose packets are numbered anew from here on: who showed one waits for its next key frame, and no slot may look
    /// up in the new numbering what it sent before.
    pub(super) fn renumber(&mut self, number: u64, layers: &[Layer]) {
        for layer in layers {
            if let Some(publication) = self.publications.get_mut(&number) {
                publication.numbering[layer.index()] += 1;
            }
            self.layer_stopped(number, *layer);
            self.forget_sent(number, *layer);
        }
        self.siblings.announce_later(number);
    }

    pub(super) fn forget_sent(&mut self, number: u64, layer: Layer) {
        for peer in self.peers.values_mut() {
            peer.forget_layer(number, layer);
        }
    }

    /// Takes all of a subscriber's slots out of the table.
    pub(super) fn unbind_all(&mut self, peer: &mut Peer) {
        for slot in 0..peer.slots.len() as u16 {
            if let Some(carried) = peer.unbind(slot) {
                self.table.remove(carried.publication, Target { peer: peer.key, slot });
                self.dirty_publications.insert(carried.publication);
            }
        }
    }
}
