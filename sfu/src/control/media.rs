//! Transports, publications and wish lists: checked here, carried out by the shard.

use super::room::{Part, Published, Transport};
use super::{Answer, Control, Link, OK, policy};
use crate::clock;
use crate::core::transport::sdp::tcp_candidate;
use crate::shard::{Command, Profile, Reply, ShardHandle};
use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::TransportId;
use invigil_shared::intent::Intent;
use invigil_shared::limits::{MAX_PUBLICATIONS, MAX_SDP};
use invigil_shared::publication::{
    Freshness, Layer, LayerOffer, PublicationInfo, PublicationKey, PublicationRef, SourceState,
};
use invigil_shared::signal::{Direction, ServerMessage, TLS_BY_SIGNALLING, TLS_CANDIDATE};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long `transport:connect` waits for the server's side; longer than DTLS needs on any path that works.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// All m-lines of our client are one bundle, and this is its first.
const FIRST_LINE: &str = "0";

/// ICE-TCP inside TLS on the port that the client's signalling goes to. Its address is a placeholder (RFC 6544 section 4.5 has the
/// same port for active candidates).
fn tls_candidate() -> String {
    let placeholder = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9));
    format!(
        "{} {TLS_CANDIDATE} {TLS_BY_SIGNALLING}",
        tcp_candidate(8_191, placeholder)
    )
}

pub(super) fn unexpected(reply: &Reply) -> ErrorBody {
    tracing::error!(?reply, "the shard's reply is of another kind than asked for");
    ErrorCode::Internal.into()
}

impl Control {
    pub(super) async fn create_transport(&self, link: &Link, direction: Direction) -> Answer {
        let room = match direction {
            Direction::Publish => link.sitting()?.0,
            Direction::Subscribe => link.watching()?,
        };
        let participant = link.identity.participant;
        let transport = clock::fresh(TransportId::from_parts);
        let command = Command::AddTransport {
            transport,
            participant,
            exam: room.id,
            direction,
            profile: Profile::Native,
            only_from: self.media_from(room.id),
        };
        self.shard_for(link)?.request(command).await?;
        let mut state = room.state.lock();
        let member = state.members.get_mut(&participant).ok_or(ErrorCode::NotInRoom)?;
        // The shard let the one before go.
        member.transports.retain(|_, other| other.direction != direction);
        let connected = watch::Sender::new(false);
        member.transports.insert(
            transport,
            Transport {
                direction,
                browser: false,
                connected,
            },
        );
        if member.candidate().is_some() {
            self.post_muted(participant, member.info.sitting.muted);
        }
        Ok(Some(ServerMessage::TransportCreated { transport }))
    }

    fn own_transport(&self, link: &Link, transport: TransportId) -> Result<watch::Receiver<bool>, ErrorBody> {
        let state = link.joined()?.state.lock();
        let member = state
            .members
            .get(&link.identity.participant)
            .ok_or(ErrorCode::NotInRoom)?;
        let own = member
            .transports
            .get(&transport)
            .filter(|t| !t.browser)
            .ok_or(ErrorCode::TransportUnknown)?;
        Ok(own.connected.subscribe())
    }

    /// The answer, and behind it the candidates for networks without UDP.
    pub(super) async fn offer(&self, link: &Link, id: Option<u32>, transport: TransportId, sdp: String) -> Answer {
        self.own_transport(link, transport)?;
        if sdp.len() > MAX_SDP {
            return Err(ErrorBody::from(ErrorCode::TooLarge).with("limit", MAX_SDP));
        }
        let command = Command::Offer { transport, sdp };
        match self.shard_for(link)?.request(command).await? {
            Reply::Answer(sdp) => {
                link.outbox.answer(id, ServerMessage::SdpAnswer { transport, sdp });
                self.tell_candidates(link, transport);
                Ok(None)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn tell_candidates(&self, link: &Link, transport: TransportId) {
        // A relay comes by UDP.
        if link
            .room
            .as_ref()
            .is_some_and(|room| room.state.lock().exam.policy.relay_only)
        {
            return;
        }
        let shard = self.shard_for(link);
        let Some(gate) = shard.as_ref().ok().and_then(ShardHandle::tcp) else {
            return;
        };
        let announced = gate.announced().iter().enumerate();
        let plain = announced.map(|(index, address)| tcp_candidate(index, *address));
        for candidate in plain.chain([tls_candidate()]) {
            let mid = FIRST_LINE.to_owned();
            link.outbox.send(ServerMessage::IceCandidate {
                transport,
                candidate,
                mid,
            });
        }
    }

    /// The server is ICE-lite: it learns its peer's addresses from checks, so a trickled candidate only has to be right.
    pub(super) fn ice_candidate(&self, link: &Link, transport: TransportId) -> Answer {
        self.own_transport(link, transport)?;
        OK
    }

    pub(super) fn transport_connect(&self, link: &Link, id: Option<u32>, transport: TransportId) -> Answer {
        let mut connected = self.own_transport(link, transport)?;
        if *connected.borrow() {
            return OK;
        }
        let outbox = link.outbox.clone();
        tokio::spawn(async move {
            let waited = tokio::time::timeout(CONNECT_WAIT, connected.wait_for(|connected| *connected)).await;
            let answer = match waited {
                Ok(Ok(_)) => ServerMessage::Ok,
                _ => ServerMessage::Error {
                    error: ErrorCode::TransportUnknown.into(),
                },
            };
            outbox.answer(id, answer);
        });
        Ok(None)
    }

    pub(super) async fn close_transport(&self, link: &Link, transport: TransportId) -> Answer {
        self.own_transport(link, transport)?;
        let room = link.joined()?;
        if let Some(member) = room.state.lock().members.get_mut(&link.identity.participant) {
            member.transports.remove(&transport);
        }
        let command = Command::RemoveTransport { transport };
        self.shard_for(link)?.request(command).await?;
        OK
    }

    pub(super) async fn publish(
        &self,
        link: &Link,
        key: PublicationKey,
        codec: String,
        layers: Vec<LayerOffer>,
        test_picture: bool,
    ) -> Answer {
        let (room, _) = link.sitting()?;
        let participant = link.identity.participant;
        {
            let state = room.state.lock();
            policy::may_publish(&state.exam.policy, key, &codec, &layers, test_picture)?;
            let candidate = state.candidate(participant).ok_or(ErrorCode::NotInRoom)?;
            if candidate.publications.len() >= MAX_PUBLICATIONS && !candidate.publications.contains_key(&key) {
                return Err(ErrorBody::from(ErrorCode::PublicationLimit).with("limit", MAX_PUBLICATIONS));
            }
        }
        let command = Command::Publish {
            participant,
            publication: key,
            codec: codec.clone(),
            layers: layers.clone(),
        };
        let demand = match self.shard_for(link)?.request(command).await? {
            Reply::Demand(demand) => demand,
            other => return Err(unexpected(&other)),
        };
        let mut state = room.state.lock();
        let candidate = state.candidate_mut(participant).ok_or(ErrorCode::NotInRoom)?;
        let known = candidate.publications.get(&key);
        let none = Freshness {
            publication: key,
            state: SourceState::Starting,
            captured_at: 0,
            changed_at: 0,
        };
        let freshness = known.map_or(none, |p| p.info.freshness);
        let flowing = known.map(|p| p.flowing.clone()).unwrap_or_default();
        let info = PublicationInfo {
            participant,
            publication: key,
            codec,
            layers,
            freshness,
            test_picture,
        };
        candidate.publications.insert(
            key,
            Published {
                info: info.clone(),
                flowing,
                browser: false,
            },
        );
        state.tell_watchers(ServerMessage::PublicationAdded { publication: info });
        drop(state);
        self.show_viewers(room.id);
        Ok(Some(ServerMessage::Published {
            publication: key,
            demand,
        }))
    }

    pub(super) async fn unpublish(&self, link: &Link, publication: PublicationKey) -> Answer {
        let (room, _) = link.sitting()?;
        let participant = link.identity.participant;
        let command = Command::Unpublish {
            participant,
            publication,
        };
        self.shard_for(link)?.request(command).await?;
        let mut state = room.state.lock();
        let removed = state
            .candidate_mut(participant)
            .and_then(|c| c.publications.remove(&publication));
        if removed.is_none() {
            return Err(ErrorCode::NotFound.into());
        }
        state.tell_watchers(ServerMessage::PublicationRemoved {
            source: PublicationRef {
                participant,
                publication,
            },
        });
        drop(state);
        self.show_viewers(room.id);
        OK
    }

    pub(super) fn freshness(&self, link: &Link, reports: Vec<Freshness>) -> Answer {
        let (room, _) = link.sitting()?;
        let participant = link.identity.participant;
        let now = clock::now_us();
        let mut state = room.state.lock();
        let candidate = state.candidate_mut(participant).ok_or(ErrorCode::NotInRoom)?;
        let mut freshness = Vec::new();
        let mut seen = BTreeSet::new();
        for mut report in reports {
            let Some(published) = candidate.publications.get_mut(&report.publication) else {
                continue;
            };
            if !seen.insert(report.publication) {
                continue;
            }
            // A clock that runs ahead must not make a picture look fresher than now.
            report.captured_at = report.captured_at.min(now);
            report.changed_at = report.changed_at.min(now);
            published.info.freshness = report;
            freshness.push(report);
        }
        if !freshness.is_empty() {
            state.tell_watchers(ServerMessage::PublicationUpdated { participant, freshness });
        }
        OK
    }

    pub(super) async fn set_intents(&self, link: &Link, revision: u64, intents: Vec<Intent>) -> Answer {
        let room = Arc::clone(link.watching()?);
        policy::intents_valid(&intents)?;
        let subscriber = link.identity.participant;
        let (allowed, refused, shard_revision) = {
            let mut state = room.state.lock();
            // Only what is in this room can be watched from it; the rest does not exist for this subscriber.
            let (allowed, refused): (Vec<_>, Vec<_>) = intents
                .into_iter()
                .partition(|i| state.candidate(i.wanted.participant).is_some());
            let member = state.members.get_mut(&subscriber).ok_or(ErrorCode::NotInRoom)?;
            let Part::Watcher(watcher) = &mut member.part else {
                return Err(ErrorCode::Forbidden.into());
            };
            if revision <= watcher.revision {
                let (revision, bindings) = (watcher.revision, watcher.bindings.clone());
                return Ok(Some(ServerMessage::Subscribed { revision, bindings }));
            }
            watcher.revision = revision;
            watcher.shard_revision += 1;
            watcher.intents.clone_from(&allowed);
            let shard_revision = watcher.shard_revision;
            state.update_listening();
            (allowed, refused, shard_revision)
        };
        let command = Command::SetIntents {
            subscriber,
            revision: shard_revision,
            intents: allowed,
        };
        let mut bindings = match self.shard_for(link)?.request(command).await? {
            Reply::Bindings(bindings) => bindings,
            other => return Err(unexpected(&other)),
        };
        bindings.extend(refused.iter().map(|intent| Binding {
            slot: intent.slot,
            source: intent.wanted,
            layer: None,
            state: BindingState::NotFound,
        }));
        let mut state = room.state.lock();
        if let Some(watcher) = state.members.get_mut(&subscriber).and_then(|m| m.watcher_mut()) {
            watcher.bindings.clone_from(&bindings);
        }
        Ok(Some(ServerMessage::Subscribed { revision, bindings }))
    }

    /// One publication into one slot: the wish list with that slot replaced.
    pub(super) async fn subscribe(&self, link: &Link, intent: Intent) -> Answer {
        let (revision, intents) = {
            let mut state = link.watching()?.state.lock();
            let member = state
                .members
                .get_mut(&link.identity.participant)
                .ok_or(ErrorCode::NotInRoom)?;
            let watcher = member.watcher_mut().ok_or(ErrorCode::Forbidden)?;
            let mut intents = watcher.intents.clone();
            intents.retain(|other| other.slot != intent.slot);
            intents.push(intent);
            (watcher.revision + 1, intents)
        };
        self.set_intents(link, revision, intents).await
    }

    pub(super) fn request_keyframe(&self, link: &Link, source: PublicationRef, layer: Layer) -> Answer {
        let mut state = link.watching()?.state.lock();
        let member = state
            .members
            .get_mut(&link.identity.participant)
            .ok_or(ErrorCode::NotInRoom)?;
        let wanted = member
            .watcher_mut()
            .is_some_and(|w| w.intents.iter().any(|i| i.wanted == source));
        if !wanted || !state.has_publication(source) {
            return Err(ErrorCode::NotFound.into());
        }
        drop(state);
        // Who publishes it lives elsewhere, perhaps.
        let shard = self.placement.lock().shard_of(source.participant).cloned();
        shard
            .ok_or(ErrorCode::NotFound)?
            .post(Command::RequestKeyframe { source, layer })?;
        OK
    }
}
