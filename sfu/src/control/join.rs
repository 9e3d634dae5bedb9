//! Entering and leaving a room.

use super::messages::for_candidate;
use super::placement::Weight;
use super::room::{Candidate, Member, Part, Room, Watcher};
use super::sitting::hold_at_door;
use super::state::{FromStore, frames};
use super::stay::Stays;
use super::{Answer, Control, Link, OK, OpenRoom, policy};
use crate::auth::Identity;
use crate::auth::identity::Person;
use crate::clock;
use crate::store::audit::Actor;
use crate::store::records::SessionRecord;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ExamId, ParticipantId, SessionId, TimelineEntryId};
use invigil_shared::limits::{MAX_PARTICIPANTS, MAX_TIMELINE_BACKLOG};
use invigil_shared::role::Role;
use invigil_shared::signal::{ParticipantInfo, ServerMessage};
use invigil_shared::sitting::Sitting;
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::{Presence, TimelineBody, TimelineEntry};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

fn member(id: ParticipantId, role: Role, label: String, seat: Option<String>, now: i64, part: Part) -> Member {
    let info = ParticipantInfo {
        id,
        role,
        label,
        seat,
        presence: Presence::Lost,
        presence_since: now,
        connection: ConnectionLevel::Lost,
        looked_at: 0,
        sitting: Sitting::default(),
    };
    Member {
        info,
        client: None,
        joining: None,
        transports: BTreeMap::new(),
        quality: ConnectionLevel::Good,
        stays: Stays::default(),
        part,
    }
}

fn candidate_member(exam: &ExamInfo, record: &SessionRecord, entry: &RosterEntry, now: i64) -> Member {
    let candidate = Candidate {
        session: record.id,
        entry: record.entry,
        ends_at: policy::sitting_end(exam, &entry.allowances, &record.sitting),
        allowances: entry.allowances.clone(),
        publications: BTreeMap::new(),
        listening: false,
        delivery: Arc::default(),
    };
    let (label, seat) = (entry.label.clone(), entry.seat.clone());
    let mut member = member(
        record.participant,
        Role::Candidate,
        label,
        seat,
        now,
        Part::Candidate(candidate),
    );
    member.info.looked_at = record.looked_at;
    member.info.sitting = record.sitting.clone();
    if let Some(at) = record.finished_at {
        (member.info.presence, member.info.presence_since) = (Presence::Finished, at);
    }
    member
}

/// A timeline entry of now.
pub(super) fn entry_now(participant: ParticipantId, body: TimelineBody) -> TimelineEntry {
    let now = clock::now_us();
    TimelineEntry {
        id: clock::fresh(TimelineEntryId::from_parts),
        participant,
        at: now,
        received_at: now,
        body,
    }
}

/// A candidate that was let in.
pub(super) struct Seated {
    pub room: Arc<OpenRoom>,
    pub record: SessionRecord,
    /// Its first time in the room.
    pub first: bool,
}

impl Control {
    /// The open room of an exam; opened with everyone who sat in it before.
    pub(super) async fn open_room(&self, exam: ExamInfo) -> Result<Arc<OpenRoom>, ErrorBody> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(room) = self.room_of_exam(exam.id) {
            self.refresh(&room).await?;
            return Ok(room);
        }
        let now = clock::now_us();
        let sessions = self.store.joined_sessions(exam.id).await?;
        let id = exam.id;
        let times = self.store.exam_times(id).await?.unwrap_or_default();
        let mut state = Room::new(exam);
        state.paused_at = times.paused_at;
        (state.peak, state.peak_stored) = (times.peak, times.peak);
        state.assignments = self.stored_assignments(&sessions, now).await?;
        for (record, entry) in sessions.into_iter().take(MAX_PARTICIPANTS) {
            let member = candidate_member(&state.exam, &record, &entry, now);
            state.members.insert(record.participant, member);
        }
        let room = Arc::new(OpenRoom {
            id,
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::default(),
        });
        self.rooms.lock().insert(id, Arc::clone(&room));
        Ok(room)
    }

    /// A candidate who was never in the room stands there as one that is away.
    pub(super) fn show_in_room(
        &self,
        room: &OpenRoom,
        record: &SessionRecord,
        entry: &RosterEntry,
        now: i64,
    ) -> Result<(), ErrorBody> {
        let mut state = room.state.lock();
        if state.members.contains_key(&record.participant) {
            return Ok(());
        }
        if state.members.len() >= MAX_PARTICIPANTS {
            return Err(ErrorCode::RoomFull.into());
        }
        let member = candidate_member(&state.exam, record, entry, now);
        let participant = member.info.clone();
        state.members.insert(record.participant, member);
        state.update_ends();
        state.tell_watchers(ServerMessage::ParticipantJoined { participant });
        Ok(())
    }

    /// Lets a candidate into its exam's room and notes the first time.
    pub(super) async fn seat(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        session: SessionId,
        exam: ExamId,
    ) -> Result<Seated, ErrorBody> {
        let info = self.exam_for(identity, exam).await?;
        let record = self.store.session(session).await?.ok_or(ErrorCode::NotFound)?;
        policy::may_sit(&record)?;
        let entry = self.store.entry(record.entry).await?.ok_or(ErrorCode::NotFound)?;
        let now = clock::now_us();
        policy::room_open(
            &info,
            policy::open_until(&info, &entry.allowances, &record.sitting),
            now,
        )?;
        let store = self.store.acting(Actor::of(identity, address));
        let record = hold_at_door(store.as_ref(), record, policy::waits(&info, now), now).await?;
        policy::may_sit(&record)?;
        let room = self.open_room(info).await?;
        {
            let mut state = room.state.lock();
            if let Some(member) = state.members.get_mut(&record.participant) {
                // Another server may have changed it.
                member.info.sitting = record.sitting.clone();
                state.update_ends();
            } else {
                if state.members.len() >= MAX_PARTICIPANTS {
                    return Err(ErrorCode::RoomFull.into());
                }
                let member = candidate_member(&state.exam, &record, &entry, now);
                state.members.insert(record.participant, member);
            }
            let weight = Weight::of_role(identity.role);
            self.move_in(record.participant, exam, weight)?;
        }
        let first = store.mark_joined(session, now).await?;
        Ok(Seated { room, record, first })
    }

    pub(super) async fn join(self: &Arc<Self>, link: &mut Link, id: Option<u32>, exam: ExamId) -> Answer {
        if link.room.as_ref().is_some_and(|room| room.id != exam) {
            self.leave(link)?;
        }
        match link.identity.person {
            Person::Candidate { session, .. } => self.join_candidate(link, id, session, exam).await?,
            Person::User(_) => self.join_watcher(link, id, exam).await?,
        }
        Ok(None)
    }

    async fn join_candidate(
        self: &Arc<Self>,
        link: &mut Link,
        id: Option<u32>,
        session: SessionId,
        exam: ExamId,
    ) -> Result<(), ErrorBody> {
        let began = Instant::now();
        let Seated { room, record, first } = self.seat(&link.identity, link.address, session, exam).await?;
        let participant = record.participant;
        let delivery = room
            .state
            .lock()
            .candidate(participant)
            .map(|c| Arc::clone(&c.delivery));
        let delivery = delivery.ok_or(ErrorCode::Internal)?;
        // From here to the queued state no message of this candidate is stored or delivered by anybody else.
        let _no_delivery = delivery.lock().await;
        let waiting = self.store.unacknowledged(participant).await?;
        let chain = self.store.session(session).await?.ok_or(ErrorCode::NotFound)?.chain;
        let was = room.state.lock().members.get(&participant).map(|m| m.info.presence);
        let joined = (first || was == Some(Presence::Lost))
            .then(|| entry_now(participant, TimelineBody::Joined { resumed: !first }));
        if let Some(entry) = &joined {
            self.store.add_timeline(exam, entry.clone()).await?;
        }
        let (broadcasts, undelivered): (Vec<_>, Vec<_>) = waiting
            .iter()
            .filter(|m| !m.delivered)
            .map(|m| (m.broadcast, m.message.id))
            .partition(|(broadcast, _)| *broadcast);
        let undelivered = undelivered.into_iter().map(|(_, id)| id).collect();
        let messages = waiting
            .into_iter()
            .map(|stored| for_candidate(stored.message))
            .collect();
        let now = clock::now_us();
        {
            let mut state = room.state.lock();
            let Some(member) = state.members.get_mut(&participant) else {
                return Err(ErrorCode::Internal.into());
            };
            if member.info.presence == Presence::Finished {
                return Err(ErrorCode::ExamClosed.into());
            }
            member.client = Some(link.outbox.clone());
            member.joining = Some(began);
            let presence = member.presence();
            member.set_presence(presence, now);
            let told_listening = member.candidate().is_some_and(|c| c.listening);
            let Some(member) = state.members.get(&participant) else {
                return Err(ErrorCode::Internal.into());
            };
            let stored = FromStore {
                chain: Some(chain),
                messages,
                timeline: Vec::new(),
            };
            link.outbox.send_burst(frames(&state, member, id, stored, now));
            if told_listening {
                link.outbox.send(ServerMessage::Listening { listening: true });
            }
            if first {
                state.tell_watchers(ServerMessage::ParticipantJoined {
                    participant: member.info.clone(),
                });
            } else {
                state.tell_updated(participant);
            }
            if let Some(entry) = joined {
                state.tell_timeline(entry);
            }
            state.update_listening();
            state.assignments.touch();
            state.note_peak();
        }
        link.room = Some(Arc::clone(&room));
        self.note_delivered(&room, undelivered).await;
        for (_, broadcast) in broadcasts {
            self.note_reached(&room, broadcast, vec![participant]).await;
        }
        Ok(())
    }

    async fn join_watcher(self: &Arc<Self>, link: &mut Link, id: Option<u32>, exam: ExamId) -> Result<(), ErrorBody> {
        let info = self.exam_for(&link.identity, exam).await?;
        let room = self.open_room(info).await?;
        let timeline = self.store.timeline(exam, MAX_TIMELINE_BACKLOG).await?;
        let (identity, now) = (link.identity, clock::now_us());
        {
            let mut state = room.state.lock();
            policy::room_open(&state.exam, state.last_end() - policy::GRACE_US, now)?;
            let fresh = !state.members.contains_key(&identity.participant);
            if fresh && state.members.len() >= MAX_PARTICIPANTS {
                return Err(ErrorCode::RoomFull.into());
            }
            let member = state.members.entry(identity.participant).or_insert_with(|| {
                let watcher = Part::Watcher(Watcher::default());
                member(
                    identity.participant,
                    identity.role,
                    link.name.clone(),
                    None,
                    now,
                    watcher,
                )
            });
            let weight = Weight::of_role(identity.role);
            self.move_in(identity.participant, exam, weight)?;
            // A new connection counts its wish lists anew.
            if let Some(watcher) = member.watcher_mut() {
                watcher.revision = 0;
                if let Person::User(user) = identity.person {
                    watcher.holder = Some((user, identity.generation));
                    let (name, connection) = (link.name.as_str(), identity.participant);
                    state.assignments.came(user, (name, identity.role), connection, now);
                }
            }
            let Some(member) = state.members.get_mut(&identity.participant) else {
                return Err(ErrorCode::Internal.into());
            };
            member.client = Some(link.outbox.clone());
            member.set_presence(Presence::Online, now);
            let Some(member) = state.members.get(&identity.participant) else {
                return Err(ErrorCode::Internal.into());
            };
            // First of all: it can make no transport before it knows.
            self.tell_ice(link, state.exam.policy.relay_only);
            let stored = FromStore {
                timeline: state.with_recent(timeline),
                ..FromStore::default()
            };
            link.outbox.send_burst(frames(&state, member, id, stored, now));
            link.outbox.send(state.assignments_message(now));
            if fresh {
                let joined = ServerMessage::ParticipantJoined {
                    participant: member.info.clone(),
                };
                state.tell_watchers_but(Some(identity.participant), joined);
            }
        }
        link.room = Some(room);
        Ok(())
    }

    pub(super) fn leave(self: &Arc<Self>, link: &mut Link) -> Answer {
        if let Some(room) = link.room.take() {
            self.client_left(&room, link.identity.participant, link.outbox.connection());
        }
        OK
    }
}
