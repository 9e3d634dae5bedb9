//! Who may see whom, decided here: exams' rooms, presence, publications, intents, messages and the timeline.

pub mod assignment;
mod attention;
mod broadcast;
pub mod browser;
pub mod census;
mod exam;
pub mod exam_status;
pub mod ice;
mod integrity;
mod join;
mod levels;
mod lifecycle;
mod media;
mod messages;
pub mod office;
mod once;
pub mod outbox;
mod path_quality;
pub mod permission;
mod placement;
pub mod policy;
mod revoke;
pub mod room;
mod shard_events;
mod sitting;
pub mod sitting_step;
mod staff;
mod state;
mod statistics;
mod stay;
mod viewer;
mod watching;

use crate::auth::identity::Person;
use crate::auth::{Identity, Standings};
use crate::clock;
use crate::shard::{Command, ShardHandle, ShardId};
use crate::store::Store;
use crate::store::audit::Actor;
use browser::BrowserResource;
use census::Durations;
use ice::Ice;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::{ExamId, ParticipantId, RequestId, SessionId, TransportId};
use invigil_shared::signal::{ClientMessage, ServerMessage};
use invigil_shared::sitting::SittingStep;
use once::Key;
use outbox::Outbox;
use parking_lot::Mutex;
use permission::Act;
use placement::{Placement, Weight};
use room::Room;
use statistics::Ended;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A room that is open, shared by the connections of its members.
pub struct OpenRoom {
    pub id: ExamId,
    pub state: Mutex<Room>,
    /// Held while the exam's status, a sitting, or who watches whom is changed.
    pub changing: tokio::sync::Mutex<()>,
}

/// Control of one server.
pub struct Control {
    store: Arc<dyn Store>,
    ice: Ice,
    rooms: Mutex<HashMap<ExamId, Arc<OpenRoom>>>,
    /// Rooms are opened one at a time, so that there is never a second one of an exam.
    opening: tokio::sync::Mutex<()>,
    /// Which exam a participant is in, and which shard it lives on.
    placement: Mutex<Placement>,
    /// The newest connection of each participant, and who is at its other end.
    connections: Mutex<HashMap<ParticipantId, (Outbox, Identity)>>,
    /// Whose tokens hold no more.
    pub standings: Standings,
    browsers: Mutex<HashMap<TransportId, BrowserResource>>,
    durations: Durations,
    /// Stays that have ended, to be written.
    ended: Mutex<Ended>,
    /// New clients belong elsewhere.
    leaving: AtomicBool,
}

/// One authenticated signalling connection, as control knows it.
pub struct Link {
    pub identity: Identity,
    /// How the person is called by colleagues.
    pub name: String,
    pub outbox: Outbox,
    pub room: Option<Arc<OpenRoom>>,
    /// Where the connection comes from.
    pub address: Option<IpAddr>,
    /// Server clock minus the client's wall clock, microseconds: the smallest seen, which holds the least delay.
    pub clock_offset: Option<i64>,
}

/// What a request is answered with; none when the answer has been queued already.
pub type Answer = Result<Option<ServerMessage>, ErrorBody>;

const OK: Answer = Ok(Some(ServerMessage::Ok));

impl Control {
    pub fn new(store: Arc<dyn Store>, shards: Vec<(ShardId, ShardHandle)>, ice: Ice) -> Self {
        Self {
            store,
            ice,
            rooms: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            placement: Mutex::new(Placement::new(shards)),
            connections: Mutex::default(),
            standings: Standings::default(),
            browsers: Mutex::default(),
            durations: Durations::default(),
            ended: Mutex::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// Registers a connection that has authenticated; an older one of the same participant is closed.
    ///
    /// # Errors
    /// The token was revoked meanwhile; the connection is not registered.
    pub fn attach(&self, identity: &Identity, outbox: &Outbox) -> Result<(), ErrorBody> {
        let mut connections = self.connections.lock();
        // Under the lock, so that a revocation either is seen here or finds the connection.
        self.standings.holds(identity)?;
        let older = connections.insert(identity.participant, (outbox.clone(), *identity));
        drop(connections);
        if let Some((older, _)) = older.filter(|(older, _)| older.connection() != outbox.connection()) {
            older.close(ErrorCode::Replaced.into());
        }
        Ok(())
    }

    /// A connection has ended.
    pub fn detach(self: &Arc<Self>, link: &Link) {
        let participant = link.identity.participant;
        let mut connections = self.connections.lock();
        if connections
            .get(&participant)
            .is_some_and(|(c, _)| c.connection() == link.outbox.connection())
        {
            connections.remove(&participant);
        }
        drop(connections);
        if let Some(room) = &link.room {
            self.client_gone(room, participant, link.outbox.connection());
        }
    }

    /// Carries out a request of an authenticated connection.
    pub async fn handle(
        self: &Arc<Self>,
        link: &mut Link,
        id: Option<u32>,
        request: Option<RequestId>,
        message: ClientMessage,
    ) -> Answer {
        if let Some(act) = permission::of(&message) {
            permission::check(link.identity.role, act)?;
        }
        let key = Key::of(request, &message)?;
        let key = key.as_ref();
        // Before anything is counted or looked for: what it was about may be gone since.
        if let Some(once) = once::once(key, link, &ServerMessage::Ok)?
            && let Some(answer) = self.store.done_before(&once).await?.and_then(once::before)
        {
            return answer;
        }
        match message {
            ClientMessage::Ping { t0 } => Ok(Some(pong(link, t0))),
            ClientMessage::RoomJoin { exam } => self.join(link, id, exam).await,
            ClientMessage::RoomLeave => self.leave(link),
            ClientMessage::TransportCreate { direction } => self.create_transport(link, direction).await,
            ClientMessage::SdpOffer { transport, sdp } => self.offer(link, id, transport, sdp).await,
            ClientMessage::IceCandidate { transport, .. } => self.ice_candidate(link, transport),
            ClientMessage::TransportConnect { transport } => self.transport_connect(link, id, transport),
            ClientMessage::TransportClose { transport } => self.close_transport(link, transport).await,
            ClientMessage::Publish {
                publication,
                codec,
                layers,
                test_picture,
            } => self.publish(link, publication, codec, layers, test_picture).await,
            ClientMessage::Unpublish { publication } => self.unpublish(link, publication).await,
            ClientMessage::PublicationFreshness { publications } => self.freshness(link, publications),
            ClientMessage::IntentsSet { revision, intents } => self.set_intents(link, revision, intents).await,
            ClientMessage::Subscribe { intent } => self.subscribe(link, intent).await,
            ClientMessage::KeyframeRequest { source, layer } => self.request_keyframe(link, source, layer),
            ClientMessage::IntegrityEvents { events } => self.integrity(link, events).await,
            ClientMessage::MessageSend { to, kind, text } => self.send_message(link, key, to, kind, text).await,
            ClientMessage::MessageBroadcast { audience, text } => self.broadcast(link, key, audience, &text).await,
            ClientMessage::MessageAcknowledge { message } => self.acknowledge(link, message).await,
            ClientMessage::Action { action } => self.action(link, key, action).await,
            ClientMessage::HandRaise { raised: true } => self.step_of_candidate(link, SittingStep::RaiseHand).await,
            ClientMessage::HandRaise { raised: false } => self.step_of_candidate(link, SittingStep::LowerHand).await,
            ClientMessage::AdmissionRequest => self.step_of_candidate(link, SittingStep::Ready).await,
            ClientMessage::AttentionLook { participant } => self.look(link, participant).await,
            ClientMessage::StatsReport { stats } => self.stats(link, stats),
            ClientMessage::SessionFinish => self.finish(link).await,
            // Authentication is the connection's own business.
            ClientMessage::AuthRequest { .. }
            | ClientMessage::AuthRefresh
            | ClientMessage::Resume { .. }
            | ClientMessage::Unknown => Err(ErrorCode::Unsupported.into()),
        }
    }

    /// Candidates that are in an exam's room now.
    pub fn online(&self, exam: ExamId) -> u32 {
        self.rooms
            .lock()
            .get(&exam)
            .map_or(0, |room| room.state.lock().online())
    }

    /// The most candidates who were in an exam's room at once, as far as its open room knows.
    pub fn peak(&self, exam: ExamId) -> u32 {
        let room = self.room_of_exam(exam);
        room.map_or(0, |room| room.state.lock().peak)
    }

    /// Tells every client that the server stops, and ends the connections.
    pub fn drain(&self, retry_after_s: u32) {
        self.withdraw();
        for (outbox, _) in self.connections.lock().values() {
            outbox.send(ServerMessage::ServerDraining { retry_after_s });
            outbox.close(ErrorBody::from(ErrorCode::ServerDraining).with("retry_after_s", retry_after_s));
        }
    }

    /// New clients should go elsewhere; those that come are served.
    pub fn withdraw(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether new clients belong here: the server is not about to stop.
    pub fn is_serving(&self) -> bool {
        !self.leaving.load(Ordering::Acquire)
    }

    fn room_of_exam(&self, exam: ExamId) -> Option<Arc<OpenRoom>> {
        self.rooms.lock().get(&exam).cloned()
    }

    /// The room of a participant that the shard speaks of.
    fn room_of(&self, participant: ParticipantId) -> Option<Arc<OpenRoom>> {
        let exam = self.placement.lock().exam_of(participant)?;
        self.room_of_exam(exam)
    }

    /// The shard of whoever is at the other end of a connection.
    fn shard_for(&self, link: &Link) -> Result<ShardHandle, ErrorBody> {
        let (exam, weight) = (link.joined()?.id, Weight::of_role(link.identity.role));
        let mut placement = self.placement.lock();
        Ok(placement.place(link.identity.participant, exam, weight)?.clone())
    }

    /// Hands a command to a participant's shard without waiting. A shard that is gone has forgotten everything anyway.
    fn post(&self, participant: ParticipantId, command: Command) {
        let shard = self.placement.lock().shard_of(participant).cloned();
        if let Some(shard) = shard
            && let Err(error) = shard.post(command)
        {
            tracing::warn!(%error, %participant, "the shard did not take a command");
        }
    }

    /// Finds a shard for whoever enters an exam. The one before is left at once: its room learns of it later, and must not
    /// take the place in this one along.
    fn move_in(&self, participant: ParticipantId, exam: ExamId, weight: Weight) -> Result<(), ErrorCode> {
        let mut placement = self.placement.lock();
        if placement.exam_of(participant).is_some_and(|before| before != exam) {
            forget(placement.remove(participant), participant);
        }
        placement.place(participant, exam, weight).map(drop)
    }

    /// Removes a participant from its shard.
    fn displace(&self, participant: ParticipantId) {
        forget(self.placement.lock().remove(participant), participant);
    }

    /// Removes a participant of an exam from its shard, unless it has moved on to another exam. Whether it had one.
    fn displace_from(&self, participant: ParticipantId, exam: ExamId) -> bool {
        let mut placement = self.placement.lock();
        let shard = placement.leave(participant, exam);
        forget(shard, participant);
        shard.is_some()
    }

    async fn exam_for(&self, identity: &Identity, exam: ExamId) -> Result<ExamInfo, ErrorBody> {
        // Asked before the store: a candidate can't tell an exam of others from one that does not exist.
        if let Person::Candidate { exam: own, .. } = identity.person
            && own != exam
        {
            return Err(ErrorCode::Forbidden.into());
        }
        let info = self.store.exam(exam).await?.ok_or(ErrorCode::NotFound)?;
        policy::may_enter(identity, &info)?;
        self.ice.can_hold(&info.policy)?;
        Ok(info)
    }
}

impl Link {
    /// Who acts, in the audit log.
    fn actor(&self) -> Actor {
        Actor::of(&self.identity, self.address)
    }

    fn joined(&self) -> Result<&Arc<OpenRoom>, ErrorBody> {
        self.room.as_ref().ok_or_else(|| ErrorCode::NotInRoom.into())
    }

    /// The room and session of a candidate that has joined; others are refused.
    fn sitting(&self) -> Result<(&Arc<OpenRoom>, SessionId), ErrorBody> {
        match self.identity.person {
            Person::Candidate { session, .. } => Ok((self.joined()?, session)),
            Person::User(_) => Err(ErrorCode::Forbidden.into()),
        }
    }

    /// The room of someone who watches; others are refused.
    fn watching(&self) -> Result<&Arc<OpenRoom>, ErrorBody> {
        permission::check(self.identity.role, Act::Watch)?;
        self.joined()
    }
}

fn forget(shard: Option<&ShardHandle>, participant: ParticipantId) {
    if let Some(shard) = shard
        && let Err(error) = shard.post(Command::RemoveParticipant { participant })
    {
        tracing::warn!(%error, %participant, "the shard did not forget a participant");
    }
}

fn pong(link: &mut Link, t0: i64) -> ServerMessage {
    let t1 = clock::now_us();
    let offset = t1.saturating_sub(t0);
    link.clock_offset = Some(link.clock_offset.map_or(offset, |known| known.min(offset)));
    ServerMessage::Pong {
        t0,
        t1,
        t2: clock::now_us(),
    }
}

#[cfg(test)]
mod tests;
