//! How people come to be lost, come back, finish, and how rooms end.

use super::join::entry_now;
use super::room::{Member, Part};
use super::{Answer, Control, Link, OK, OpenRoom};
use crate::clock;
use crate::shutdown::ShutdownSignal;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::ParticipantId;
use invigil_shared::limits::{MEDIA_RESUME_S, PRESENCE_GRACE_S};
use invigil_shared::participation::Departure;
use invigil_shared::publication::{PublicationRef, SourceState};
use invigil_shared::signal::ServerMessage;
use invigil_shared::timeline::{Presence, TimelineBody};
use std::sync::Arc;
use std::time::Duration;

/// How often rooms are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// Sweeps from one look at the schedules of exams that nobody is in to the next.
const SCHEDULE_SWEEPS: u32 = 10;

impl Control {
    /// The connection of a member ended; unless it comes back, it is lost after the grace.
    pub(super) fn client_gone(self: &Arc<Self>, room: &Arc<OpenRoom>, participant: ParticipantId, connection: u64) {
        if take_client(room, participant, connection) {
            self.settle_later(Arc::clone(room), participant);
        }
    }

    /// A member left on purpose.
    pub(super) fn client_left(self: &Arc<Self>, room: &Arc<OpenRoom>, participant: ParticipantId, connection: u64) {
        if take_client(room, participant, connection)
            && let Settled::Lost = self.settle_member(room, participant, true)
        {
            let (control, room) = (Arc::clone(self), Arc::clone(room));
            tokio::spawn(async move { control.note_lost(&room, participant).await });
        }
    }

    pub(super) fn settle_later(self: &Arc<Self>, room: Arc<OpenRoom>, participant: ParticipantId) {
        let control = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(PRESENCE_GRACE_S)).await;
            control.settle(&room, participant).await;
        });
    }

    /// Brings a member's presence in line with its connection and transports.
    pub(super) async fn settle(&self, room: &OpenRoom, participant: ParticipantId) {
        match self.settle_member(room, participant, false) {
            Settled::Same => {}
            Settled::Lost => self.note_lost(room, participant).await,
        }
    }

    async fn note_lost(&self, room: &OpenRoom, participant: ParticipantId) {
        let body = TimelineBody::Presence {
            presence: Presence::Lost,
        };
        self.note(room, participant, body).await;
    }

    /// `for_good`: whoever watches left on purpose.
    fn settle_member(&self, room: &OpenRoom, participant: ParticipantId, for_good: bool) -> Settled {
        let mut state = room.state.lock();
        let Some(member) = state.members.get_mut(&participant) else {
            return Settled::Same;
        };
        if let Part::Watcher(_) = member.part {
            if member.client.is_some() {
                return Settled::Same;
            }
            if let Some(mut member) = state.members.remove(&participant) {
                let departure = if for_good { Departure::Left } else { Departure::Lost };
                member.stays.end(departure, clock::now_us());
                self.keep_ended(room.id, member.stays.take_ended());
            }
            state.assignments.went(participant, for_good, clock::now_us());
            state.update_listening();
            state.tell_watchers(ServerMessage::ParticipantLeft { participant });
            // Under the room's lock: whatever comes back into the room afterwards comes to a shard afterwards too.
            self.displace_from(participant, room.id);
            return Settled::Same;
        }
        let (before, presence) = (member.info.presence, member.presence());
        if for_good && presence == Presence::Lost {
            member.stays.end(Departure::Left, clock::now_us());
        }
        if member.set_presence(presence, clock::now_us()) {
            state.tell_updated(participant);
        }
        if presence == Presence::Lost && before != Presence::Lost {
            Settled::Lost
        } else {
            Settled::Same
        }
    }

    /// Writes a timeline entry and tells those who watch. A failing store is logged: there is nobody to answer.
    pub(super) async fn note(&self, room: &OpenRoom, participant: ParticipantId, body: TimelineBody) {
        let entry = entry_now(participant, body);
        match self.store.add_timeline(room.id, entry.clone()).await {
            Ok(()) => room.state.lock().tell_timeline(entry),
            Err(error) => tracing::error!(%error, "a timeline entry was not stored"),
        }
    }

    /// `session:finish`: the candidate hands in.
    pub(super) async fn finish(&self, link: &mut Link) -> Answer {
        let (room, session) = link.sitting()?;
        let (room, participant) = (Arc::clone(room), link.identity.participant);
        let entry = entry_now(
            participant,
            TimelineBody::Presence {
                presence: Presence::Finished,
            },
        );
        let store = self.store.acting(link.actor());
        let first = store.finish(session, room.id, entry.clone()).await?;
        if first {
            let mut state = room.state.lock();
            let mut removed = Vec::new();
            if let Some(member) = state.members.get_mut(&participant) {
                member.transports.clear();
                if let Some(candidate) = member.candidate_mut() {
                    removed.extend(std::mem::take(&mut candidate.publications).into_keys());
                }
                member.set_presence(Presence::Finished, entry.at);
            }
            for publication in removed {
                let source = PublicationRef {
                    participant,
                    publication,
                };
                state.tell_watchers(ServerMessage::PublicationRemoved { source });
            }
            state.tell_updated(participant);
            state.tell_timeline(entry);
            state.assignments.touch();
            self.displace_from(participant, room.id);
            drop(state);
            self.show_viewers(room.id);
        }
        OK
    }

    /// Looks after the rooms until the server stops.
    pub async fn look_after(self: Arc<Self>, mut shutdown: ShutdownSignal) {
        let mut sweeps = 0_u32;
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = ticks.tick() => self.sweep().await,
            }
            sweeps = sweeps.wrapping_add(1);
            if sweeps.is_multiple_of(SCHEDULE_SWEEPS) {
                self.follow_clock_elsewhere().await;
            }
        }
    }

    async fn sweep(&self) {
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        for room in rooms {
            refresh_browsers(&room, clock::now_us());
            self.forget_lost(&room, clock::now_us());
            self.follow_clock(&room).await;
            self.assign(&room).await;
            self.follow_broadcasts(&room).await;
        }
    }

    /// Candidates who have been lost for longer than media wait for them: the media plane forgets what it kept of them, and those who
    /// watch see nothing of them any more but that they are away. Their session goes on when they come back, with media made anew.
    pub(super) fn forget_lost(&self, room: &OpenRoom, now: i64) {
        let mut state = room.state.lock();
        let gone = |member: &&mut Member| {
            let waited = now.saturating_sub(member.info.presence_since);
            member.info.presence == Presence::Lost && waited >= MEDIA_RESUME_S * 1_000_000
        };
        let mut removed = Vec::new();
        let mut forgotten = false;
        for member in state.members.values_mut().filter(gone) {
            let participant = member.info.id;
            let Some(candidate) = member.candidate_mut() else {
                continue;
            };
            let published = std::mem::take(&mut candidate.publications).into_keys();
            removed.extend(published.map(|publication| PublicationRef {
                participant,
                publication,
            }));
            member.transports.clear();
            forgotten |= self.displace_from(participant, room.id);
        }
        for source in removed {
            state.tell_watchers(ServerMessage::PublicationRemoved { source });
        }
        drop(state);
        if forgotten {
            self.show_viewers(room.id);
        }
    }

    /// The exam is closed: everybody is told and let go.
    pub(super) fn end_room(&self, room: &OpenRoom) {
        self.rooms.lock().remove(&room.id);
        let members = {
            let mut state = room.state.lock();
            if state.peak > state.peak_stored {
                self.keep_peak(room.id, state.peak);
            }
            std::mem::take(&mut state.members)
        };
        for (participant, mut member) in members {
            member.stays.end(Departure::Closed, clock::now_us());
            self.keep_ended(room.id, member.stays.take_ended());
            if let Some(client) = member.client {
                client.close(ErrorBody::from(ErrorCode::ExamClosed));
            }
            self.displace_from(participant, room.id);
        }
        self.end_viewers(room.id);
    }
}

/// What became of a member when it was looked at again.
enum Settled {
    Same,
    /// A candidate can't be reached any more.
    Lost,
}

fn take_client(room: &OpenRoom, participant: ParticipantId, connection: u64) -> bool {
    let mut state = room.state.lock();
    let Some(member) = state.members.get_mut(&participant) else {
        return false;
    };
    let own = member
        .client
        .as_ref()
        .is_some_and(|client| client.connection() == connection);
    if own {
        member.client = None;
    }
    own
}

/// A browser's page reports no freshness: while its packets arrive, it counts as captured now.
fn refresh_browsers(room: &OpenRoom, now: i64) {
    let mut state = room.state.lock();
    let mut updates = Vec::new();
    for member in state.members.values_mut() {
        let participant = member.info.id;
        let Some(candidate) = member.candidate_mut() else {
            continue;
        };
        let mut fresh = Vec::new();
        for published in candidate
            .publications
            .values_mut()
            .filter(|p| p.browser && !p.flowing.is_empty())
        {
            let freshness = &mut published.info.freshness;
            (freshness.state, freshness.captured_at, freshness.changed_at) = (SourceState::Live, now, now);
            fresh.push(*freshness);
        }
        if !fresh.is_empty() {
            updates.push((participant, fresh));
        }
    }
    for (participant, freshness) in updates {
        state.tell_watchers(ServerMessage::PublicationUpdated { participant, freshness });
    }
}
