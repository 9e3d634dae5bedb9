//! Offers answered: what a browser publishes is found in them, and the slots that we send on are made from them.

use crate::core::browser::{self, Announced};
use crate::core::forwarder::{OutStream, StreamConfig};
use crate::core::io::{CommandResult, Direction, Event, Profile, Reply};
use crate::core::media::Codec;
use crate::core::peer::{Credentials, MAX_STREAMS, Peer, Stream};
use crate::core::state::Shard;
use crate::core::subscription::Slot;
use crate::core::transport::credentials::IceCredentials;
use crate::core::transport::sdp::{self, AnswerParams, ExtensionIds, Offer, SectionPlan, SendStream};
use crate::core::transport::{Association, AssociationConfig};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ParticipantId, TransportId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::{AUDIO_SLOTS, VIDEO_SLOTS};
use invigil_shared::publication::{Kind, Layer, PublicationKey};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::time::Instant;

/// Packets of replay protection: RTX and reordering of a second fit.
const REPLAY_WINDOW: u16 = 512;
/// One name for all that goes to one subscriber: browsers play what shares it in sync.
pub(super) const CNAME: &str = "invigil";

impl Shard {
    pub(super) fn answer(&mut self, now: Instant, id: TransportId, text: &str) -> Result<String, ErrorBody> {
        let key = *self.transports.get(&id).ok_or(ErrorCode::TransportUnknown)?;
        let offer = Offer::parse(text)?;
        let peer = self.peers.get(&key).ok_or(ErrorCode::TransportUnknown)?;
        let preference: &[Codec] = match peer.profile {
            Profile::Native => &[Codec::H264],
            Profile::Browser => &browser::PREFERENCE,
        };
        let plan = sdp::plan_for(&offer, &self.wanted_codecs(key), preference);
        let announced = match (peer.direction, peer.profile) {
            (Direction::Publish, Profile::Browser) => browser::announced(&offer, &plan)?,
            _ => Vec::new(),
        };
        let known = peer
            .credentials
            .as_ref()
            .map(|known| (known.local.clone(), known.remote.clone(), known.fingerprint));
        if known
            .as_ref()
            .is_some_and(|(.., fingerprint)| !fingerprint.matches(&offer.fingerprint))
        {
            // Another certificate is another association: the client has to make a new transport.
            return Err(ErrorCode::FingerprintMismatch.into());
        }
        let restarts = known.as_ref().is_none_or(|(_, remote, _)| *remote != offer.ice);
        let local = match &known {
            Some((local, ..)) if !restarts => local.clone(),
            _ => self.new_credentials(key),
        };
        let sends = self.take_over(key, &offer, &plan, announced);
        let peer = self.peers.get_mut(&key).ok_or(ErrorCode::TransportUnknown)?;
        let params = AnswerParams {
            session_id: peer.session.0,
            session_version: peer.session.1,
            local: &local,
            fingerprint: self.config.identity.fingerprint(),
            role: offer.answer_role(),
            candidates: &self.config.candidates,
            tcp: peer.profile == Profile::Browser,
        };
        let answer = match sdp::write_answer(&offer, &plan, &params, &sends) {
            Ok(answer) => answer,
            Err(error) => {
                if restarts {
                    self.demux.remove_ufrag(&local.ufrag);
                }
                return Err(error.into());
            }
        };
        peer.session.1 += 1;
        peer.tagged = sdp::tagged_line(&offer, &plan);
        match peer.association.as_mut() {
            Some(association) if restarts => association.restart_ice(&local, &offer.ice),
            Some(_) => {}
            None => {
                let config = AssociationConfig {
                    local: local.clone(),
                    remote: offer.ice.clone(),
                    remote_fingerprint: offer.fingerprint,
                    role: offer.answer_role(),
                    identity: std::sync::Arc::clone(&self.config.identity),
                    keying: self.config.keying.clone(),
                    replay_window: REPLAY_WINDOW,
                };
                peer.association = Some(Association::new(config, now));
            }
        }
        peer.credentials = Some(Credentials {
            local,
            remote: offer.ice,
            fingerprint: offer.fingerprint,
        });
        self.attend(now, key);
        Ok(answer)
    }

    /// Begins a new ICE session of a transport whose media stays as negotiated (RFC 9725 section 4.3.3). Returns our side
    /// of it as an SDP fragment (RFC 8840 section 9).
    pub(super) fn restart_ice(&mut self, now: Instant, id: TransportId, remote: IceCredentials) -> CommandResult {
        let key = *self.transports.get(&id).ok_or(ErrorCode::TransportUnknown)?;
        let negotiated = self.peers.get(&key).is_some_and(|peer| peer.association.is_some());
        if !negotiated {
            return Err(ErrorCode::TransportUnknown.into());
        }
        let local = self.new_credentials(key);
        let peer = self.peers.get_mut(&key).ok_or(ErrorCode::TransportUnknown)?;
        if let (Some(association), Some(credentials)) = (peer.association.as_mut(), peer.credentials.as_mut()) {
            association.restart_ice(&local, &remote);
            (credentials.local, credentials.remote) = (local.clone(), remote);
        }
        let fragment = sdp::write_fragment(&peer.tagged, &local, &self.config.candidates);
        self.attend(now, key);
        Ok(Reply::Answer(fragment))
    }

    fn new_credentials(&mut self, key: u32) -> IceCredentials {
        loop {
            let credentials = IceCredentials::for_shard(self.config.shard.0, self.rng.random());
            if self.demux.add_ufrag(&credentials.ufrag, key) {
                return credentials;
            }
        }
    }

    /// What each video m-line of a browser that watches has to carry: the codec of what it wants there.
    fn wanted_codecs(&self, key: u32) -> Vec<Option<Codec>> {
        let watching = self.peers.get(&key).filter(|peer| peer.profile == Profile::Browser);
        let Some(known) = watching.and_then(|peer| self.participants.get(&peer.participant)) else {
            return Vec::new();
        };
        let mut wanted = vec![None; usize::from(VIDEO_SLOTS)];
        for intent in &known.intents {
            let publication = self
                .publication_of(intent.wanted)
                .and_then(|number| self.publications.get(&number));
            if let (Some(slot), Some(publication)) = (wanted.get_mut(usize::from(intent.slot)), publication) {
                *slot = Some(publication.codec).filter(|codec| *codec != Codec::Opus);
            }
        }
        wanted
    }

    /// Takes the offer's media over; returns what we send on each m-line.
    fn take_over(
        &mut self,
        key: u32,
        offer: &Offer,
        plan: &[SectionPlan],
        announced: Vec<Announced>,
    ) -> Vec<Option<SendStream>> {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Vec::new();
        };
        let (person, direction, profile) = (peer.participant, peer.direction, peer.profile);
        peer.extensions = merge(plan);
        peer.formats.clear();
        for chosen in plan.iter().filter_map(|section| section.codec.as_ref()) {
            peer.formats.insert(chosen.pt, (chosen.codec, false));
            peer.formats.extend(chosen.rtx_pt.map(|pt| (pt, (chosen.codec, true))));
        }
        match (direction, profile) {
            (Direction::Subscribe, _) => {
                let sends = self.make_slots(key, offer, plan);
                self.dirty_subscribers.insert(person);
                sends
            }
            (Direction::Publish, Profile::Native) => {
                self.rebuild_streams(person);
                Vec::new()
            }
            (Direction::Publish, Profile::Browser) => {
                self.take_announced(key, offer, announced);
                Vec::new()
            }
        }
    }

    fn make_slots(&mut self, key: u32, offer: &Offer, plan: &[SectionPlan]) -> Vec<Option<SendStream>> {
        let mut sends = Vec::with_capacity(plan.len());
        let Some(peer) = self.peers.get_mut(&key) else {
            return sends;
        };
        let mut used: BTreeSet<u32> = peer
            .slots
            .iter()
            .flatten()
            .flat_map(|slot| [slot.out.config.ssrc, slot.out.config.rtx_ssrc])
            .collect();
        let mut streams = match (peer.profile, self.participants.get(&peer.participant)) {
            (Profile::Browser, Some(known)) => browser_streams(&known.intents, plan),
            _ => vec![None; plan.len()],
        };
        let rng = &mut self.rng;
        let mut fresh = |rng: &mut StdRng| loop {
            let ssrc = rng.random_range(1..u32::MAX);
            if used.insert(ssrc) {
                return ssrc;
            }
        };
        peer.slots.resize_with(plan.len().max(peer.slots.len()), || None);
        for (index, (section, planned)) in offer.media.iter().zip(plan).enumerate() {
            let slot = &mut peer.slots[index];
            let Some(chosen) = planned.codec.as_ref().filter(|_| planned.may_send) else {
                sends.push(None);
                continue;
            };
            if let Some(slot) = slot.as_mut().filter(|slot| slot.out.config.codec == chosen.codec) {
                slot.out.config.payload_type = chosen.pt;
                slot.out.config.rtx_payload_type = chosen.rtx_pt;
                slot.out.config.extensions = planned.extensions;
            } else if slot.is_none() {
                let config = StreamConfig {
                    mid: section.mid.clone(),
                    codec: chosen.codec,
                    payload_type: chosen.pt,
                    rtx_payload_type: chosen.rtx_pt,
                    ssrc: fresh(rng),
                    rtx_ssrc: fresh(rng),
                    extensions: planned.extensions,
                };
                *slot = Some(Slot::new(OutStream::new(config, rng.random(), rng.random())));
            }
            if let Some(slot) = slot {
                let codecs = std::iter::once(chosen).chain(&planned.others);
                slot.formats = codecs.map(|each| (each.codec, each.pt, each.rtx_pt)).collect();
            }
            let stream = streams.get_mut(index).and_then(Option::take);
            sends.push(slot.as_ref().map(|slot| SendStream {
                ssrc: slot.out.config.ssrc,
                rtx_ssrc: Some(slot.out.config.rtx_ssrc),
                cname: CNAME.to_owned(),
                stream: stream.unwrap_or_else(|| CNAME.to_owned()),
                track: format!("slot-{index}"),
            }));
        }
        sends
    }

    /// The SSRCs that a publisher's transport may carry, from what was announced.
    pub(super) fn rebuild_streams(&mut self, person: ParticipantId) {
        let Some(participant) = self.participants.get(&person) else {
            return;
        };
        let Some(peer) = participant.publish.and_then(|key| self.peers.get_mut(&key)) else {
            return;
        };
        // What a browser's packets have told (by rid) stays as long as the publication does.
        let publications = &self.publications;
        peer.streams
            .retain(|_, stream| publications.get(&stream.publication).is_some_and(|known| !known.native));
        for number in participant.publications.values() {
            let Some(publication) = publications.get(number) else {
                continue;
            };
            for (layer, state) in publication.layers() {
                for (ssrc, rtx) in [(state.offer.ssrc, false), (state.offer.rtx_ssrc, true)] {
                    if let Some(ssrc) = ssrc.filter(|_| peer.streams.len() < MAX_STREAMS) {
                        peer.streams.insert(
                            ssrc,
                            Stream {
                                publication: *number,
                                layer,
                                rtx,
                            },
                        );
                    }
                }
            }
        }
    }

    /// A publisher's transport is gone: its layers begin anew on the next one. A browser's publications go with it.
    pub(super) fn stop_publications(&mut self, peer: &Peer) {
        if peer.direction != Direction::Publish {
            return;
        }
        let numbers: Vec<u64> = match self.participants.get(&peer.participant) {
            Some(participant) => participant.publications.values().copied().collect(),
            None => return,
        };
        for number in numbers {
            let Some(publication) = self.publications.get_mut(&number) else {
                continue;
            };
            let (source, codec) = (publication.source, publication.codec);
            let stopped: Vec<Layer> = publication
                .layers_mut()
                .filter_map(|(layer, state)| state.reset(codec, true).then_some(layer))
                .collect();
            let native = publication.native;
            for layer in stopped {
                self.emit(Event::MediaFlow {
                    participant: source.participant,
                    publication: source.publication,
                    layer,
                    flowing: false,
                });
            }
            // Nothing of it flows, whatever is still numbered as current.
            self.renumber(number, &Layer::ALL);
            if !native {
                self.remove_publication(number);
            }
        }
        self.touch_room_of(peer.participant);
    }
}

/// The streams that a browser's m-lines belong to, by what is wanted on them: a participant's camera and microphone are one
/// stream, which is played in sync; everything else has its own. Browsers hand out this name, and not the track's.
fn browser_streams(intents: &[Intent], plan: &[SectionPlan]) -> Vec<Option<String>> {
    let (mut video, mut audio) = (0..VIDEO_SLOTS, VIDEO_SLOTS..VIDEO_SLOTS + AUDIO_SLOTS);
    let name = |section: &SectionPlan| {
        let chosen = section.codec.as_ref().filter(|_| section.may_send)?;
        let slot = if chosen.codec == Codec::Opus {
            audio.next()?
        } else {
            video.next()?
        };
        let wanted = intents.iter().find(|intent| intent.slot == slot)?.wanted;
        let PublicationKey { kind, instance } = wanted.publication;
        Some(match kind {
            Kind::Camera | Kind::Microphone if instance == 0 => wanted.participant.to_string(),
            _ => format!("{}.{}-{instance}", wanted.participant, kind.as_str()),
        })
    };
    plan.iter().map(name).collect()
}

/// In a bundle one id means one extension on every m-line (RFC 8843 section 9.2).
fn merge(plan: &[SectionPlan]) -> ExtensionIds {
    let mut merged = ExtensionIds::default();
    for ids in plan.iter().map(|section| &section.extensions) {
        merged.mid = merged.mid.or(ids.mid);
        merged.rid = merged.rid.or(ids.rid);
        merged.repaired_rid = merged.repaired_rid.or(ids.repaired_rid);
        merged.transport_cc = merged.transport_cc.or(ids.transport_cc);
        merged.capture_time = merged.capture_time.or(ids.capture_time);
        merged.audio_level = merged.audio_level.or(ids.audio_level);
        merged.frame_info = merged.frame_info.or(ids.frame_info);
    }
    merged
}
