//! Browsers without our protocol: WHIP (RFC 9725) publishes, WHEP plays one publication or all of an exam's.

use super::join::{Seated, entry_now};
use super::media::unexpected;
use super::permission::{self, Act};
use super::placement::Weight;
use super::room::Transport;
use super::viewer::Viewer;
use super::{Control, OpenRoom, policy};
use crate::auth::Identity;
use crate::auth::identity::Person;
use crate::clock;
use crate::core::browser::read_announced;
use crate::core::media::mime_of;
use crate::core::transport::credentials::IceCredentials;
use crate::core::transport::sdp::{Fragment, MediaKind, Offer};
use crate::shard::{Command, Profile, Reply, ShardHandle};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::limits::{MAX_BROWSER_RESOURCES, MAX_PUBLICATIONS};
use invigil_shared::publication::{Layer, PublicationRef};
use invigil_shared::signal::{Direction, ServerMessage};
use invigil_shared::timeline::TimelineBody;
use std::sync::Arc;
use tokio::sync::watch;

/// A browser's WHIP or WHEP resource.
pub(super) struct BrowserResource {
    pub exam: ExamId,
    /// Who may change and end it.
    owner: ParticipantId,
    identity: Identity,
    /// Whom the shard knows: the candidate itself for WHIP, a name of its own for WHEP.
    pub peer: ParticipantId,
    pub direction: Direction,
    /// What it plays, where that is all of the exam.
    pub viewer: Option<Viewer>,
    /// Requests that begin a new ICE session wait for one another here, so that the tag that each is answered with is its own.
    ice: Arc<tokio::sync::Mutex<IceSession>>,
}

/// The ICE session that a resource is in.
struct IceSession {
    remote: IceCredentials,
    /// How many there were before.
    number: u64,
}

/// A resource that was made.
pub struct Created {
    pub transport: TransportId,
    pub answer: String,
    /// Of its ICE session.
    pub tag: String,
}

/// What a `PATCH` has done.
pub enum Patched {
    /// The candidates are noted.
    Trickled,
    /// There is a new ICE session: our side of it, and its tag.
    Restarted { fragment: String, tag: String },
}

/// What a `PATCH` requires (RFC 9110 section 13.1.1).
pub enum Precondition {
    /// `*`: whatever the ICE session is.
    Any,
    /// One of these strong tags, as they stand between the quotes.
    OneOf(Vec<String>),
}

/// Why a `PATCH` was refused.
pub enum Refused {
    /// The resource is in another ICE session than required.
    Stale,
    Error(ErrorBody),
}

impl<E: Into<ErrorBody>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Unique over all resources and all of their ICE sessions.
fn tag(transport: TransportId, number: u64) -> String {
    format!("{transport}.{number}")
}

impl Control {
    /// A candidate publishes from a browser. What the exam's policy does not want refuses the whole offer.
    pub async fn whip(&self, identity: &Identity, exam: ExamId, offer: String) -> Result<Created, ErrorBody> {
        let Person::Candidate { session, .. } = identity.person else {
            return Err(ErrorCode::Forbidden.into());
        };
        let info = self.exam_for(identity, exam).await?;
        let remote = Offer::parse(&offer)?.ice;
        let announced = read_announced(&offer)?;
        for each in &announced {
            policy::may_publish(&info.policy, each.publication, mime_of(each.codec), &each.layers, false)
                .map_err(|error| error.with("publication", each.publication))?;
        }
        if announced.len() > MAX_PUBLICATIONS {
            return Err(ErrorBody::from(ErrorCode::PublicationLimit).with("limit", MAX_PUBLICATIONS));
        }
        let Seated { room, record, first } = self.seat(identity, None, session, exam).await?;
        let participant = record.participant;
        if first {
            let entry = entry_now(participant, TimelineBody::Joined { resumed: false });
            self.store.add_timeline(exam, entry.clone()).await?;
            let mut state = room.state.lock();
            if let Some(member) = state.members.get(&participant) {
                state.tell_watchers(ServerMessage::ParticipantJoined {
                    participant: member.info.clone(),
                });
            }
            state.tell_timeline(entry);
        }
        let transport = clock::fresh(TransportId::from_parts);
        let direction = Direction::Publish;
        let profile = Profile::Browser;
        let command = Command::AddTransport {
            transport,
            participant,
            exam,
            direction,
            profile,
            only_from: self.media_from(exam),
        };
        self.placed(participant, exam, Weight::of_role(identity.role))?
            .request(command)
            .await?;
        {
            let mut state = room.state.lock();
            let member = state.members.get_mut(&participant).ok_or(ErrorCode::NotInRoom)?;
            member.transports.retain(|_, other| other.direction != direction);
            let connected = watch::Sender::new(false);
            member.transports.insert(
                transport,
                Transport {
                    direction,
                    browser: true,
                    connected,
                },
            );
            if member.candidate().is_some() {
                self.post_muted(participant, member.info.sitting.muted);
            }
        }
        let resource = BrowserResource {
            exam,
            owner: participant,
            identity: *identity,
            peer: participant,
            direction,
            viewer: None,
            ice: IceSession::first(remote),
        };
        self.negotiate(transport, resource, offer).await
    }

    /// Someone who watches plays in a browser: one publication, or all of the exam's that the offer has m-lines for.
    pub async fn whep(
        &self,
        identity: &Identity,
        exam: ExamId,
        source: Option<PublicationRef>,
        layer: Layer,
        offer: String,
    ) -> Result<Created, ErrorBody> {
        permission::check(identity.role, Act::Watch)?;
        let info = self.exam_for(identity, exam).await?;
        let room = self.open_room(info).await?;
        let parsed = Offer::parse(&offer)?;
        let lines = |kind: MediaKind| {
            let receives = |line: &&_| -> bool {
                let line: &crate::core::transport::sdp::MediaSection = line;
                line.usable && line.kind == kind && line.direction.receives()
            };
            parsed.media.iter().filter(receives).count()
        };
        let mut viewer = Viewer::new(layer, lines(MediaKind::Video), lines(MediaKind::Audio));
        let (viewer, intents) = match source {
            Some(source) => {
                if !room.state.lock().has_publication(source) {
                    return Err(ErrorCode::NotFound.into());
                }
                viewer.place(&[source]);
                (None, viewer.intents())
            }
            None => {
                viewer.place(&room.state.lock().publications());
                let intents = viewer.intents();
                (Some(viewer), intents)
            }
        };
        let received = lines(MediaKind::Video) + lines(MediaKind::Audio);
        if received == 0 || (source.is_some() && intents.is_empty()) {
            let reason = "no m-line receives what is asked for";
            return Err(ErrorBody::from(ErrorCode::SdpInvalid).with("reason", reason));
        }
        let owner = identity.participant;
        if self.browsers.lock().values().filter(|r| r.owner == owner).count() >= MAX_BROWSER_RESOURCES {
            return Err(ErrorBody::from(ErrorCode::TransportLimit).with("limit", MAX_BROWSER_RESOURCES));
        }
        // Each resource subscribes by itself: a name of its own keeps their wish lists apart.
        let peer = clock::fresh(ParticipantId::from_parts);
        let transport = clock::fresh(TransportId::from_parts);
        let (direction, profile) = (Direction::Subscribe, Profile::Browser);
        // What comes later weighs as well.
        let played = viewer.as_ref().map_or(intents.len(), |_| received);
        let shard = self.placed(peer, exam, Weight::of_player(played))?;
        let command = Command::AddTransport {
            transport,
            participant: peer,
            exam,
            direction,
            profile,
            only_from: self.media_from(exam),
        };
        if let Err(error) = shard.request(command).await {
            self.displace(peer);
            return Err(error);
        }
        let resource = BrowserResource {
            exam,
            owner,
            identity: *identity,
            peer,
            direction,
            viewer,
            ice: IceSession::first(parsed.ice),
        };
        // Before the offer: its codecs and names depend on what is wanted.
        let wish = Command::SetIntents {
            subscriber: peer,
            revision: 0,
            intents,
        };
        match shard.request(wish).await {
            Ok(Reply::Bindings(_)) => {
                let created = self.negotiate(transport, resource, offer).await?;
                // What was published meanwhile.
                self.show_viewers(exam);
                Ok(created)
            }
            Ok(other) => {
                self.release(transport, &resource);
                Err(unexpected(&other))
            }
            Err(error) => {
                self.release(transport, &resource);
                Err(error)
            }
        }
    }

    fn placed(&self, participant: ParticipantId, exam: ExamId, weight: Weight) -> Result<ShardHandle, ErrorBody> {
        Ok(self.placement.lock().place(participant, exam, weight)?.clone())
    }

    async fn negotiate(
        &self,
        transport: TransportId,
        resource: BrowserResource,
        sdp: String,
    ) -> Result<Created, ErrorBody> {
        let shard = self.placement.lock().shard_of(resource.peer).cloned();
        let identity = resource.identity;
        self.browsers.lock().insert(transport, resource);
        // A revocation that came meanwhile did not find the resource.
        let answer = match (self.standings.holds(&identity), shard) {
            (Err(revoked), _) => Err(revoked),
            (Ok(()), Some(shard)) => shard.request(Command::Offer { transport, sdp }).await,
            (Ok(()), None) => Err(ErrorCode::TransportUnknown.into()),
        };
        let error = match answer {
            Ok(Reply::Answer(answer)) => {
                return Ok(Created {
                    transport,
                    answer,
                    tag: tag(transport, 0),
                });
            }
            Ok(other) => unexpected(&other),
            Err(error) => error,
        };
        let resource = self.browsers.lock().remove(&transport);
        if let Some(resource) = resource {
            self.release(transport, &resource);
        }
        Err(error)
    }

    /// Takes a fragment of SDP: candidates of the ICE session that is, or the credentials of a new one (RFC 9725 section 4.3).
    ///
    /// # Errors
    /// [`Refused::Stale`] when `required` does not fit; `not_found` for others' resources too: they don't exist for whoever asks.
    pub async fn patch_browser(
        &self,
        identity: &Identity,
        (exam, transport): (ExamId, TransportId),
        direction: Direction,
        required: &Precondition,
        fragment: Fragment,
    ) -> Result<Patched, Refused> {
        let (ice, peer) = {
            let browsers = self.browsers.lock();
            let own = browsers
                .get(&transport)
                .filter(|r| r.owner == identity.participant && r.exam == exam && r.direction == direction);
            let own = own.ok_or(ErrorCode::NotFound)?;
            (Arc::clone(&own.ice), own.peer)
        };
        let mut session = ice.lock().await;
        let current = tag(transport, session.number);
        if matches!(required, Precondition::OneOf(tags) if !tags.contains(&current)) {
            return Err(Refused::Stale);
        }
        let Some(remote) = fragment.ice.filter(|remote| *remote != session.remote) else {
            return Ok(Patched::Trickled);
        };
        let command = Command::RestartIce {
            transport,
            remote: remote.clone(),
        };
        let shard = self.placement.lock().shard_of(peer).cloned();
        let shard = shard.ok_or(ErrorCode::NotFound)?;
        let fragment = match shard.request(command).await? {
            Reply::Answer(fragment) => fragment,
            other => return Err(unexpected(&other).into()),
        };
        session.remote = remote;
        session.number += 1;
        let tag = tag(transport, session.number);
        Ok(Patched::Restarted { fragment, tag })
    }

    /// Ends a resource. Others' resources don't exist for whoever asks.
    pub fn end_browser(
        &self,
        identity: &Identity,
        (exam, transport): (ExamId, TransportId),
        direction: Direction,
    ) -> Result<(), ErrorBody> {
        let mut browsers = self.browsers.lock();
        let own = browsers
            .get(&transport)
            .is_some_and(|r| r.owner == identity.participant && r.exam == exam && r.direction == direction);
        let resource = own
            .then(|| browsers.remove(&transport))
            .flatten()
            .ok_or(ErrorCode::NotFound)?;
        drop(browsers);
        self.release(transport, &resource);
        Ok(())
    }

    fn release(&self, transport: TransportId, resource: &BrowserResource) {
        self.free(transport, resource.peer, resource.exam, resource.direction);
    }

    fn free(&self, transport: TransportId, participant: ParticipantId, exam: ExamId, direction: Direction) {
        if direction == Direction::Subscribe {
            self.displace(participant);
            return;
        }
        self.post(participant, Command::RemoveTransport { transport });
        let Some(room) = self.room_of_exam(exam) else {
            return;
        };
        {
            let mut state = room.state.lock();
            let Some(member) = state.members.get_mut(&participant) else {
                return;
            };
            member.transports.remove(&transport);
            let presence = member.presence();
            let changed = member.set_presence(presence, clock::now_us());
            for publication in state.remove_browser_publications(participant) {
                let command = Command::Unpublish {
                    participant,
                    publication,
                };
                self.post(participant, command);
            }
            if changed {
                state.tell_updated(participant);
            }
        }
        self.show_viewers(exam);
    }

    /// A browser's transport is gone by itself, and in the shard its publications with it.
    pub(super) fn browser_lost(&self, room: &OpenRoom, participant: ParticipantId) {
        let gone = room.state.lock().remove_browser_publications(participant);
        if !gone.is_empty() {
            self.show_viewers(room.id);
        }
    }

    /// Ends what is held by tokens that hold no more.
    pub(super) fn end_browsers_of(&self, revoked: impl Fn(&Identity) -> bool) {
        let mut ended = Vec::new();
        self.browsers.lock().retain(|transport, resource| {
            let over = revoked(&resource.identity);
            if over {
                ended.push((*transport, resource.peer, resource.exam, resource.direction));
            }
            !over
        });
        for (transport, peer, exam, direction) in ended {
            self.free(transport, peer, exam, direction);
        }
    }

    /// The exam is over: nobody watches it any more.
    pub(super) fn end_viewers(&self, exam: ExamId) {
        let mut ended = Vec::new();
        self.browsers.lock().retain(|_, resource| {
            let over = resource.exam == exam;
            if over && resource.direction == Direction::Subscribe {
                ended.push(resource.peer);
            }
            !over
        });
        for participant in ended {
            self.displace(participant);
        }
    }
}

impl IceSession {
    fn first(remote: IceCredentials) -> Arc<tokio::sync::Mutex<Self>> {
        Arc::new(tokio::sync::Mutex::new(Self { remote, number: 0 }))
    }
}
