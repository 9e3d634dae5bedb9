//! Keeps who watches whom in line with who is there, and lets leads change it: stored first, then those who watch are told.

use super::assignment::{Assignments, Sitter};
use super::join::entry_now;
use super::room::{Member, Room};
use super::{Answer, Control, Link, OK, OpenRoom};
use crate::clock;
use crate::store::audit::Actor;
use crate::store::records::{AssignmentChange, AssignmentMove, SessionRecord};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::RosterEntry;
use invigil_shared::id::{ExamId, ParticipantId, UserId};
use invigil_shared::limits::MAX_REASSIGNED;
use invigil_shared::role::Role;
use invigil_shared::sitting::Admission;
use invigil_shared::timeline::{Presence, TimelineBody, TimelineEntry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Candidates of one change that get a line of the timeline each. More at once would push everything else off it; the audit log has
/// all of them.
pub(super) const TOLD_EACH: usize = 10;

impl Room {
    /// Candidates that somebody has to watch, in the order in which they came.
    pub(super) fn sitters(&self) -> Vec<Sitter> {
        let sitter = |member: &Member| {
            let sitting = &member.info.sitting;
            let rejected = sitting.admission == Admission::Rejected;
            let over = sitting.ended || rejected || member.info.presence == Presence::Finished;
            let candidate = member.candidate().filter(|_| !over)?;
            Some(Sitter {
                participant: member.info.id,
                session: candidate.session,
            })
        };
        self.members.values().filter_map(sitter).collect()
    }

    fn ratio(&self) -> u16 {
        self.exam.policy.candidates_per_proctor
    }

    /// How it stands, as those who watch are told.
    pub(super) fn assignments_message(&self, now: i64) -> invigil_shared::signal::ServerMessage {
        self.assignments.message(self.ratio(), now)
    }

    fn tell_assignments(&mut self, now: i64) {
        if self.assignments.take_untold() {
            self.tell_watchers(self.assignments_message(now));
        }
    }
}

impl Control {
    /// What the store says of who watches whom, for a room that is opened.
    pub(super) async fn stored_assignments(
        &self,
        sessions: &[(SessionRecord, RosterEntry)],
        now: i64,
    ) -> Result<Assignments, ErrorBody> {
        let of = assigned(sessions);
        let mut known = BTreeMap::new();
        for user in of.values() {
            if !known.contains_key(user)
                && let Some(record) = self.store.user(*user).await?
            {
                known.insert(*user, (record.name, record.role));
            }
        }
        Ok(Assignments::stored(of, &known, now))
    }

    /// Gives candidates to proctors as it is due, and tells those who watch what has changed.
    pub(super) async fn assign(&self, room: &OpenRoom) {
        let _one_at_a_time = room.changing.lock().await;
        let now = clock::now_us();
        let moves = {
            let state = room.state.lock();
            state.assignments.due(&state.sitters(), state.ratio(), now)
        };
        if let Err(error) = self.store_moves(room, Actor::server(), moves, Vec::new()).await {
            tracing::warn!(exam = %room.id, %error, "candidates were not given to proctors");
        }
        room.state.lock().tell_assignments(now);
    }

    /// A lead gives candidates to somebody who is there.
    pub(super) async fn reassign(
        &self,
        link: &Link,
        participants: &[ParticipantId],
        from: Option<UserId>,
        to: UserId,
    ) -> Answer {
        let room = Arc::clone(link.watching()?);
        if participants.len() > MAX_REASSIGNED {
            return Err(ErrorBody::from(ErrorCode::BadMessage)
                .with("field", "participants")
                .with("limit", MAX_REASSIGNED));
        }
        let _one_at_a_time = room.changing.lock().await;
        let (moves, entries) = {
            let state = room.state.lock();
            let name = state.assignments.name_here(to).ok_or(ErrorCode::NotFound)?;
            let sitters = state.sitters();
            let sits = |participant: &ParticipantId| sitters.iter().any(|sitter| sitter.participant == *participant);
            if !participants.iter().all(sits) {
                return Err(ErrorCode::NotFound.into());
            }
            let wanted = |sitter: &Sitter| {
                participants.contains(&sitter.participant)
                    || (from.is_some() && state.assignments.of(sitter.participant) == from)
            };
            let moves = state.assignments.given(sitters.iter().copied().filter(wanted), to);
            let entry = |change: &AssignmentMove| {
                let body = TimelineBody::Assigned {
                    to: name.to_owned(),
                    by: link.name.clone(),
                };
                entry_now(change.participant, body)
            };
            let told = if moves.len() > TOLD_EACH { &[][..] } else { &moves[..] };
            let entries: Vec<TimelineEntry> = told.iter().map(entry).collect();
            (moves, entries)
        };
        self.store_moves(&room, link.actor(), moves, entries).await?;
        room.state.lock().tell_assignments(clock::now_us());
        OK
    }

    /// Stores and takes over moves, with their timeline entries. `changing` is held. Where another server was faster, what it stored
    /// is taken over instead, and the caller's change is refused.
    async fn store_moves(
        &self,
        room: &OpenRoom,
        actor: Actor,
        moves: Vec<AssignmentMove>,
        mut entries: Vec<TimelineEntry>,
    ) -> Result<(), ErrorBody> {
        let store = self.store.acting(actor);
        for moves in moves.chunks(MAX_REASSIGNED) {
            let change = AssignmentChange {
                exam: room.id,
                moves: moves.to_vec(),
                entries: std::mem::take(&mut entries),
            };
            let told = change.entries.clone();
            if !store.assign(change).await? {
                let stored = self.reread_assignments(room.id).await?;
                room.state.lock().assignments.replace(stored);
                return Err(ErrorCode::EditConflict.into());
            }
            let mut state = room.state.lock();
            state.assignments.apply(moves);
            for entry in told {
                state.tell_timeline(entry);
            }
        }
        Ok(())
    }

    async fn reread_assignments(&self, exam: ExamId) -> Result<BTreeMap<ParticipantId, UserId>, ErrorBody> {
        Ok(assigned(&self.store.joined_sessions(exam).await?))
    }

    /// Whoever was let go of may never watch here again: what they had is given to others at once.
    pub(super) async fn for_good(&self, user: UserId) -> bool {
        match self.store.user(user).await {
            Ok(record) => !record
                .is_some_and(|user| user.active() && matches!(user.role, Role::Proctor | Role::Lead | Role::Admin)),
            // Then the time that they have to come back decides.
            Err(_) => false,
        }
    }
}

fn assigned(sessions: &[(SessionRecord, RosterEntry)]) -> BTreeMap<ParticipantId, UserId> {
    let of = |(record, _): &(SessionRecord, RosterEntry)| Some((record.participant, record.proctor?));
    sessions.iter().filter_map(of).collect()
}
