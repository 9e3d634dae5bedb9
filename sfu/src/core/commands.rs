//! What control asks for, carried out or refused.

use crate::core::io::{Command, CommandResult, Direction, Profile, Reply};
use crate::core::media::codec_of_mime;
use crate::core::network::Network;
use crate::core::peer::Peer;
use crate::core::publication::Publication;
use crate::core::state::Shard;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::{
    AUDIO_SLOTS, MAX_INTENTS, MAX_LAYERS, MAX_PARTICIPANTS, MAX_PUBLICATIONS, MAX_TRANSPORTS, VIDEO_SLOTS,
};
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey, PublicationRef};
use rand::Rng;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Slots of a pool and of a second one (DESIGN.md section 3, slots).
const MAX_SLOT: u16 = 2 * (VIDEO_SLOTS + AUDIO_SLOTS);

impl Shard {
    pub(super) fn carry_out(&mut self, now: Instant, command: Command) -> CommandResult {
        match command {
            Command::AddTransport {
                transport,
                participant,
                exam,
                direction,
                profile,
                only_from,
            } => self.add_transport(now, transport, (participant, exam), direction, (profile, only_from)),
            Command::Offer { transport, sdp } => self.answer(now, transport, &sdp).map(Reply::Answer),
            Command::RestartIce { transport, remote } => self.restart_ice(now, transport, remote),
            Command::RemoveTransport { transport } => {
                if let Some(key) = self.transports.get(&transport).copied() {
                    self.remove_peer(now, key);
                }
                Ok(Reply::Done)
            }
            Command::Publish {
                participant,
                publication,
                codec,
                layers,
            } => self
                .publish(participant, publication, &codec, &layers)
                .map(Reply::Demand),
            Command::Unpublish {
                participant,
                publication,
            } => {
                let number = self
                    .participants
                    .get_mut(&participant)
                    .and_then(|known| known.publications.remove(&publication));
                if let Some(number) = number {
                    self.remove_publication(number);
                }
                Ok(Reply::Done)
            }
            Command::SetIntents {
                subscriber,
                revision,
                intents,
            } => {
                self.set_intents(subscriber, revision, intents)?;
                // Told by the reply, so no event repeats it.
                self.resolve_subscribers();
                let bindings = self.bindings(subscriber);
                if let Some(known) = self.participants.get_mut(&subscriber) {
                    known.bindings.clone_from(&bindings);
                }
                Ok(Reply::Bindings(bindings))
            }
            Command::RequestKeyframe { source, layer } => self.request_keyframe(now, source, layer),
            Command::RemoveParticipant { participant } => {
                self.remove_participant(now, participant);
                Ok(Reply::Done)
            }
            Command::SetMuted { participant, muted } => {
                self.set_muted(participant, muted);
                Ok(Reply::Done)
            }
            Command::AddTap { source, layer, tap } => {
                let number = self.publication_of(source).ok_or(ErrorCode::NotFound)?;
                if let Some(publication) = self.publications.get_mut(&number) {
                    publication.taps.push((layer, tap));
                    self.dirty_publications.insert(number);
                }
                Ok(Reply::Done)
            }
        }
    }

    fn add_transport(
        &mut self,
        now: Instant,
        id: TransportId,
        (person, exam): (ParticipantId, ExamId),
        direction: Direction,
        (profile, only_from): (Profile, Option<Arc<[Network]>>),
    ) -> CommandResult {
        if self.transports.contains_key(&id) {
            return Err(ErrorBody::from(ErrorCode::BadMessage).with("transport", id));
        }
        if self.peers.len() >= MAX_TRANSPORTS {
            return Err(ErrorCode::TransportLimit.into());
        }
        let participant = self.participant(person)?;
        if participant.exam.is_some_and(|known| known != exam) || !participant.take_side(direction) {
            return Err(ErrorCode::Forbidden.into());
        }
        participant.exam = Some(exam);
        participant.any_revision |= direction == Direction::Subscribe;
        let replaced = participant.transport(direction).take();
        if let Some(old) = replaced {
            self.lose_transport(now, old, ErrorCode::Replaced);
        }
        let numbers = (self.rng.random::<u64>() >> 2, self.rng.random());
        let key = self
            .peers
            .add(|key| Peer::new(key, (id, person, exam), (direction, profile), numbers, now))
            .ok_or(ErrorCode::TransportLimit)?;
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.only_from = only_from;
        }
        self.transports.insert(id, key);
        *self.participant(person)?.transport(direction) = Some(key);
        if direction == Direction::Publish {
            self.rebuild_streams(person);
            self.announce_all_of(person);
            self.touch_room_of(person);
        }
        self.dirty_subscribers.insert(person);
        Ok(Reply::Done)
    }

    fn set_muted(&mut self, id: ParticipantId, muted: bool) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        participant.muted = muted;
        for (key, number) in &participant.publications {
            if let Some(publication) = self.publications.get_mut(number) {
                publication.muted = muted && !key.kind.is_video();
            }
        }
    }

    /// The participant, made when it is new.
    pub(super) fn participant(
        &mut self,
        id: ParticipantId,
    ) -> Result<&mut crate::core::participant::Participant, ErrorCode> {
        if !self.participants.contains_key(&id) && self.participants.len() >= 2 * MAX_PARTICIPANTS {
            return Err(ErrorCode::RoomFull);
        }
        Ok(self.participants.entry(id).or_default())
    }

    /// A publication, or its mirror when its publisher lives on another shard.
    pub(super) fn publication_of(&self, source: PublicationRef) -> Option<u64> {
        let own = self
            .participants
            .get(&source.participant)
            .and_then(|publisher| publisher.publications.get(&source.publication));
        own.copied().or_else(|| self.siblings.mirror_of(source))
    }

    fn publish(
        &mut self,
        person: ParticipantId,
        key: PublicationKey,
        codec: &str,
        layers: &[LayerOffer],
    ) -> Result<Vec<Layer>, ErrorBody> {
        let invalid = |why: &str| ErrorBody::from(ErrorCode::PublicationInvalid).with("reason", why);
        let codec = codec_of_mime(codec).filter(|codec| (codec.clock_rate() == 90_000) == key.kind.is_video());
        let codec = codec.ok_or_else(|| invalid("codec"))?;
        let rids: BTreeSet<Layer> = layers.iter().map(|layer| layer.rid).collect();
        if layers.is_empty() || layers.len() > MAX_LAYERS || rids.len() != layers.len() {
            return Err(invalid("layers"));
        }
        let mut sources: Vec<u32> = Vec::new();
        for layer in layers {
            sources.push(layer.ssrc.ok_or_else(|| invalid("ssrc"))?);
            sources.extend(layer.rtx_ssrc);
        }
        let known = self.participants.get(&person);
        let others = known
            .into_iter()
            .flat_map(|known| &known.publications)
            .filter(|(other, _)| **other != key);
        for (_, number) in others {
            let others = self.publications.get(number).into_iter().flat_map(Publication::layers);
            sources.extend(
                others
                    .flat_map(|(_, state)| [state.offer.ssrc, state.offer.rtx_ssrc])
                    .flatten(),
            );
        }
        let distinct: BTreeSet<u32> = sources.iter().copied().collect();
        if distinct.len() != sources.len() {
            return Err(invalid("ssrc"));
        }
        let participant = self.participant(person)?;
        if !participant.take_side(Direction::Publish) {
            return Err(ErrorCode::Forbidden.into());
        }
        if !participant.publications.contains_key(&key) && participant.publications.len() >= MAX_PUBLICATIONS {
            return Err(ErrorCode::PublicationLimit.into());
        }
        let existing = participant.publications.get(&key).copied();
        let same = existing.filter(|number| {
            self.publications
                .get(number)
                .is_some_and(|known| known.codec == codec && known.native)
        });
        if let (Some(old), None) = (existing, same) {
            self.remove_publication(old);
        }
        let number = same.unwrap_or_else(|| self.add_publication(Publication::new(person, key, codec, true)));
        let publication = self.publications.get_mut(&number).ok_or(ErrorCode::Internal)?;
        let changed = publication.set_layers(layers);
        self.renumber(number, &changed);
        self.rebuild_streams(person);
        self.touch_room_of(person);
        // What is wanted is settled now, so that the reply says it and no event repeats it.
        let watchers = self.resolve_subscribers();
        self.dirty_subscribers.extend(watchers);
        let wanted = self.wanted(number);
        if let Some(publication) = self.publications.get_mut(&number) {
            (publication.wanted, publication.demanded) = (wanted, wanted);
        }
        Ok(wanted.iter().collect())
    }

    /// Enters a publication under a new number.
    pub(super) fn add_publication(&mut self, mut publication: Publication) -> u64 {
        let number = self.next_publication;
        self.next_publication += 1;
        let source = publication.source;
        if let Some(participant) = self.participants.get_mut(&source.participant) {
            participant.publications.insert(source.publication, number);
            publication.muted = participant.muted && !source.publication.kind.is_video();
        }
        self.publications.insert(number, publication);
        number
    }

    /// Forgets a publication; whoever watched it is told.
    pub(super) fn remove_publication(&mut self, number: u64) {
        let Some(publication) = self.publications.remove(&number) else {
            return;
        };
        let source = publication.source;
        if let Some(participant) = self.participants.get_mut(&source.participant)
            && participant.publications.get(&source.publication) == Some(&number)
        {
            participant.publications.remove(&source.publication);
        }
        self.siblings.withdraw(number);
        self.unbind_publication(number);
        self.rebuild_streams(source.participant);
        self.touch_room_of(source.participant);
    }

    /// Nobody is bound to the publication any more.
    pub(super) fn unbind_publication(&mut self, number: u64) {
        for target in self.table.targets(number).to_vec() {
            if let Some(peer) = self.peers.get_mut(&target.peer) {
                peer.unbind(target.slot);
            }
        }
        self.table.remove_publication(number);
    }

    /// Everyone who watches that participant's exam has to look again.
    pub(super) fn touch_room_of(&mut self, person: ParticipantId) {
        self.touch_room(self.participants.get(&person).and_then(|known| known.exam));
    }

    pub(super) fn touch_room(&mut self, exam: Option<ExamId>) {
        let watchers = self
            .participants
            .iter()
            .filter(|(_, other)| !other.intents.is_empty() && other.exam == exam);
        self.dirty_subscribers.extend(watchers.map(|(id, _)| *id));
    }

    fn set_intents(&mut self, subscriber: ParticipantId, revision: u64, intents: Vec<Intent>) -> Result<(), ErrorBody> {
        let slots: BTreeSet<u16> = intents.iter().map(|intent| intent.slot).collect();
        if intents.len() > MAX_INTENTS
            || slots.len() != intents.len()
            || slots.last().is_some_and(|slot| *slot >= MAX_SLOT)
        {
            return Err(ErrorCode::IntentInvalid.into());
        }
        let participant = self.participant(subscriber)?;
        if !participant.take_side(Direction::Subscribe) {
            return Err(ErrorCode::Forbidden.into());
        }
        if revision >= participant.revision || participant.any_revision {
            participant.any_revision = false;
            participant.revision = revision;
            participant.intents = intents;
            self.dirty_subscribers.insert(subscriber);
        }
        Ok(())
    }

    fn request_keyframe(&mut self, now: Instant, source: PublicationRef, layer: Layer) -> CommandResult {
        let number = self.publication_of(source).ok_or(ErrorCode::NotFound)?;
        let publication = self.publications.get_mut(&number).ok_or(ErrorCode::NotFound)?;
        publication
            .layer_mut(layer)
            .ok_or(ErrorCode::NotFound)?
            .keyframe
            .request();
        self.ask_for_key_frames(now, number);
        Ok(Reply::Done)
    }

    fn remove_participant(&mut self, now: Instant, person: ParticipantId) {
        let Some(participant) = self.participants.get(&person) else {
            return;
        };
        let (publish, subscribe) = (participant.publish, participant.subscribe);
        let publications: Vec<u64> = participant.publications.values().copied().collect();
        for key in [publish, subscribe].into_iter().flatten() {
            self.remove_peer(now, key);
        }
        for number in publications {
            self.remove_publication(number);
        }
        self.participants.remove(&person);
        self.dirty_subscribers.remove(&person);
    }
}
