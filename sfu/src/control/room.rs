//! The live side of an exam: who is there and what they publish. Changes are made under one short lock that is never held
//! across I/O; queuing to clients happens under it too, so that everybody sees one order.

use super::assignment::Assignments;
use super::broadcast::Broadcasts;
use super::levels::RoomLevels;
use super::outbox::{Outbox, frame};
use super::policy;
use super::stay::{Stays, Whose};
use crate::auth::identity::Subject;
use axum::extract::ws::Utf8Bytes;
use invigil_shared::binding::Binding;
use invigil_shared::exam::{Allowances, ExamInfo};
use invigil_shared::id::{MessageId, ParticipantId, RosterEntryId, SessionId, TransportId, UserId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::MAX_TIMELINE_BACKLOG;
use invigil_shared::participation::Departure;
use invigil_shared::publication::{Kind, PublicationInfo, PublicationKey, PublicationRef};
use invigil_shared::signal::{Direction, ParticipantInfo, ServerMessage};
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::{Presence, Reach, TimelineBody, TimelineEntry};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What a transport is to its participant.
pub struct Transport {
    pub direction: Direction,
    /// Made by WHIP: a browser has no signalling connection, its transport is its presence.
    pub browser: bool,
    pub connected: watch::Sender<bool>,
}

/// A candidate in the room.
pub struct Candidate {
    pub session: SessionId,
    pub entry: RosterEntryId,
    /// When the exam ends for this candidate.
    pub ends_at: i64,
    pub allowances: Allowances,
    pub publications: BTreeMap<PublicationKey, Published>,
    /// Whether the candidate was told that someone listens.
    pub listening: bool,
    /// Serialises storing and delivering messages with joining, so that each arrives once and in order.
    pub delivery: Arc<tokio::sync::Mutex<()>>,
}

/// A publication as the room holds it.
pub struct Published {
    pub info: PublicationInfo,
    /// Layers whose packets arrive.
    pub flowing: BTreeSet<invigil_shared::publication::Layer>,
    pub browser: bool,
}

/// Someone who watches.
#[derive(Default)]
pub struct Watcher {
    /// The client's newest wish list; its numbering starts anew with each connection.
    pub revision: u64,
    /// The same for the shard, which outlives connections.
    pub shard_revision: u64,
    pub intents: Vec<Intent>,
    pub bindings: Vec<Binding>,
    /// Whose account it is, and of which generation.
    pub holder: Option<(UserId, u64)>,
}

pub enum Part {
    Candidate(Candidate),
    Watcher(Watcher),
}

/// Someone in the room.
pub struct Member {
    pub info: ParticipantInfo,
    pub client: Option<Outbox>,
    /// When it came into the room, until its media are connected.
    pub joining: Option<Instant>,
    pub transports: BTreeMap<TransportId, Transport>,
    /// What the last statistics said, apart from a lost link.
    pub quality: ConnectionLevel,
    pub stays: Stays,
    pub part: Part,
}

impl Member {
    pub fn candidate(&self) -> Option<&Candidate> {
        match &self.part {
            Part::Candidate(candidate) => Some(candidate),
            Part::Watcher(_) => None,
        }
    }
    pub fn candidate_mut(&mut self) -> Option<&mut Candidate> {
        match &mut self.part {
            Part::Candidate(candidate) => Some(candidate),
            Part::Watcher(_) => None,
        }
    }
    pub fn watcher_mut(&mut self) -> Option<&mut Watcher> {
        match &mut self.part {
            Part::Watcher(watcher) => Some(watcher),
            Part::Candidate(_) => None,
        }
    }

    /// What the facts say of a member's presence.
    pub fn presence(&self) -> Presence {
        let connected = |t: &Transport| *t.connected.borrow();
        if self.info.presence == Presence::Finished {
            Presence::Finished
        } else if self.client.is_some() || self.transports.values().any(|t| t.browser && connected(t)) {
            if self.stays.is_poor() {
                Presence::Degraded
            } else {
                Presence::Online
            }
        } else if self.transports.values().any(connected) {
            Presence::Degraded
        } else {
            Presence::Lost
        }
    }

    /// Whose stays those of this member are.
    fn whose(&self) -> Whose {
        let (entry, account) = match &self.part {
            Part::Candidate(candidate) => (Some(candidate.entry), None),
            Part::Watcher(watcher) => (None, watcher.holder.map(|(user, _)| user)),
        };
        Whose {
            participant: self.info.id,
            role: self.info.role,
            entry,
            account,
        }
    }

    /// Sets presence and connection level, and begins or ends a stay with them; whether either changed.
    pub fn set_presence(&mut self, presence: Presence, now: i64) -> bool {
        let before = (self.info.presence, self.info.connection);
        if self.info.presence != presence {
            self.info.presence = presence;
            self.info.presence_since = now;
        }
        self.info.connection = match presence {
            Presence::Lost => ConnectionLevel::Lost,
            Presence::Degraded => ConnectionLevel::Weak,
            _ => self.quality,
        };
        match presence {
            Presence::Online | Presence::Degraded => self.stays.begin(self.whose(), now),
            Presence::Lost => self.stays.end(Departure::Lost, now),
            Presence::Finished => self.stays.end(Departure::Finished, now),
            Presence::Unknown => {}
        }
        before != (self.info.presence, self.info.connection)
    }
}

/// A room's state.
pub struct Room {
    pub exam: ExamInfo,
    /// Since when the exam is paused: its clock stands there.
    pub paused_at: Option<i64>,
    pub members: BTreeMap<ParticipantId, Member>,
    /// The newest entries that were told, so that none is lost between reading the store and joining.
    recent: VecDeque<TimelineEntry>,
    pub levels: RoomLevels,
    /// Who watches whom.
    pub assignments: Assignments,
    pub broadcasts: Broadcasts,
    /// The most candidates who were there at once, and how many of them are stored.
    pub peak: u32,
    pub peak_stored: u32,
}

impl Room {
    pub fn new(exam: ExamInfo) -> Self {
        Self {
            exam,
            paused_at: None,
            members: BTreeMap::new(),
            recent: VecDeque::new(),
            levels: RoomLevels::default(),
            assignments: Assignments::default(),
            broadcasts: Broadcasts::default(),
            peak: 0,
            peak_stored: 0,
        }
    }

    /// Sends to everyone who watches, but for `except`. The frame is encoded once.
    pub fn tell_watchers_but(&self, except: Option<ParticipantId>, message: ServerMessage) {
        let mut text: Option<Utf8Bytes> = None;
        let mut message = Some(message);
        for member in self.members.values() {
            let (Part::Watcher(_), Some(client)) = (&member.part, &member.client) else {
                continue;
            };
            if Some(member.info.id) == except {
                continue;
            }
            if let Some(message) = message.take() {
                text = frame(None, message);
            }
            if let Some(text) = &text {
                client.send_frame(text);
            }
        }
    }

    pub fn tell_watchers(&self, message: ServerMessage) {
        self.tell_watchers_but(None, message);
    }

    pub fn tell_timeline(&mut self, entry: TimelineEntry) {
        if self.recent.len() >= MAX_TIMELINE_BACKLOG {
            self.recent.pop_front();
        }
        self.recent.push_back(entry.clone());
        self.tell_watchers(ServerMessage::TimelineEntry { entry });
    }

    /// What the store knew of the timeline, and what was told since, in the order of the ids.
    pub fn with_recent(&self, mut stored: Vec<TimelineEntry>) -> Vec<TimelineEntry> {
        let known: HashSet<_> = stored.iter().map(|entry| entry.id).collect();
        stored.extend(self.recent.iter().filter(|entry| !known.contains(&entry.id)).cloned());
        stored.sort_by_key(|entry| entry.id);
        stored.drain(..stored.len().saturating_sub(MAX_TIMELINE_BACKLOG));
        stored
    }

    /// How far a broadcast has come, for those who come and find its line among the newest.
    pub fn note_reach(&mut self, broadcast: MessageId, now: Reach) {
        for entry in &mut self.recent {
            if let TimelineBody::Broadcast { message, reach, .. } = &mut entry.body
                && *message == broadcast
            {
                *reach = now;
            }
        }
    }

    /// Tells those who watch how a member stands now.
    pub fn tell_updated(&self, id: ParticipantId) {
        if let Some(member) = self.members.get(&id) {
            self.tell_watchers_but(
                Some(id),
                ServerMessage::ParticipantUpdated {
                    participant: member.info.clone(),
                },
            );
        }
    }

    /// Sends to one member; false when nobody is connected.
    pub fn tell(&self, id: ParticipantId, message: ServerMessage) -> bool {
        self.members
            .get(&id)
            .and_then(|m| m.client.as_ref())
            .is_some_and(|client| client.send(message))
    }

    pub fn candidate(&self, id: ParticipantId) -> Option<&Candidate> {
        self.members.get(&id).and_then(Member::candidate)
    }

    pub fn candidate_mut(&mut self, id: ParticipantId) -> Option<&mut Candidate> {
        self.members.get_mut(&id).and_then(Member::candidate_mut)
    }

    /// A browser's publications end with its transport; whoever watches is told.
    pub fn remove_browser_publications(&mut self, participant: ParticipantId) -> Vec<PublicationKey> {
        let mut removed = Vec::new();
        if let Some(candidate) = self.candidate_mut(participant) {
            candidate.publications.retain(|key, published| {
                if published.browser {
                    removed.push(*key);
                }
                !published.browser
            });
        }
        for publication in &removed {
            let source = PublicationRef {
                participant,
                publication: *publication,
            };
            self.tell_watchers(ServerMessage::PublicationRemoved { source });
        }
        removed
    }

    pub fn has_publication(&self, source: PublicationRef) -> bool {
        self.candidate(source.participant)
            .is_some_and(|c| c.publications.contains_key(&source.publication))
    }

    /// Everything that is published, cameras before screens before microphones.
    pub fn publications(&self) -> Vec<PublicationRef> {
        let of_member = |(&participant, member): (&ParticipantId, &Member)| {
            let keys = member
                .candidate()
                .map(|candidate| candidate.publications.keys().copied().collect::<Vec<_>>());
            keys.unwrap_or_default()
                .into_iter()
                .map(move |publication| PublicationRef {
                    participant,
                    publication,
                })
        };
        let mut all: Vec<PublicationRef> = self.members.iter().flat_map(of_member).collect();
        all.sort_by_key(|source| (source.publication.kind, source.participant));
        all
    }

    /// Members whose access was revoked up to a generation. A candidate holds one session: its newest token counts.
    pub fn held_by(&self, subject: Subject, generation: u64) -> Vec<ParticipantId> {
        let held = |member: &&Member| match (&member.part, subject) {
            (Part::Candidate(candidate), Subject::Session(session)) => candidate.session == session,
            (Part::Watcher(watcher), Subject::User(user)) => {
                watcher.holder.is_some_and(|(own, of)| own == user && of < generation)
            }
            _ => false,
        };
        self.members
            .values()
            .filter(held)
            .map(|member| member.info.id)
            .collect()
    }

    /// Whether anybody who watches is connected.
    pub fn watched(&self) -> bool {
        self.members
            .values()
            .any(|m| matches!(m.part, Part::Watcher(_)) && m.client.is_some())
    }

    /// Candidates that are there now.
    pub fn online(&self) -> u32 {
        let there =
            |m: &&Member| m.candidate().is_some() && matches!(m.info.presence, Presence::Online | Presence::Degraded);
        u32::try_from(self.members.values().filter(there).count()).unwrap_or(u32::MAX)
    }

    /// Takes note of how many candidates are there now.
    pub fn note_peak(&mut self) {
        self.peak = self.peak.max(self.online());
    }

    /// Tells candidates whose microphone began or ceased to be heard, where policy says so.
    pub fn update_listening(&mut self) {
        if !self.exam.policy.tell_when_listening {
            return;
        }
        let heard: BTreeSet<ParticipantId> = self
            .members
            .values()
            .filter_map(|m| match &m.part {
                Part::Watcher(watcher) => Some(&watcher.intents),
                Part::Candidate(_) => None,
            })
            .flatten()
            .filter(|intent| intent.wanted.publication.kind == Kind::Microphone)
            .map(|intent| intent.wanted.participant)
            .collect();
        for member in self.members.values_mut() {
            let now = heard.contains(&member.info.id);
            if let Part::Candidate(candidate) = &mut member.part
                && candidate.listening != now
            {
                candidate.listening = now;
                if let Some(client) = &member.client {
                    client.send(ServerMessage::Listening { listening: now });
                }
            }
        }
    }

    /// When the exam ends for a member, as its clock stands.
    pub fn end_for(&self, member: &Member) -> i64 {
        member.candidate().map_or(self.exam.ends_at, |c| c.ends_at)
    }

    /// Microseconds left for a member; they stand still during a pause.
    pub fn time_left(&self, member: &Member, now: i64) -> i64 {
        let left = match member.info.sitting.pause {
            Some(pause) => pause.left_us,
            None => self.end_for(member) - self.paused_at.unwrap_or(now),
        };
        left.max(0)
    }

    /// Every candidate's end, after that of the exam has moved.
    pub fn update_ends(&mut self) {
        for member in self.members.values_mut() {
            if let Part::Candidate(candidate) = &mut member.part {
                candidate.ends_at = policy::sitting_end(&self.exam, &candidate.allowances, &member.info.sitting);
            }
        }
    }

    /// Tells everybody how the exam stands, each their own time.
    pub fn tell_exam(&self, now: i64) {
        for member in self.members.values() {
            if let Some(client) = &member.client {
                client.send(ServerMessage::ExamUpdated {
                    exam: self.exam.id,
                    status: self.exam.status,
                    ends_at: self.end_for(member),
                    time_left: self.time_left(member, now),
                });
            }
        }
    }

    /// When the room may be forgotten: with the last candidate's end and grace; never as long as the exam, or the sitting of
    /// anybody who has not handed in, is paused.
    pub fn last_end(&self) -> i64 {
        let stands = |m: &Member| m.info.sitting.pause.is_some() && m.info.presence != Presence::Finished;
        if self.paused_at.is_some() || self.members.values().any(stands) {
            return i64::MAX;
        }
        let ends = self.members.values().filter_map(|m| m.candidate()).map(|c| c.ends_at);
        ends.fold(self.exam.ends_at, i64::max).saturating_add(policy::GRACE_US)
    }
}
