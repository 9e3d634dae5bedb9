//! One candidate's sitting, changed by a proctor or by its candidate: stored first, then those whom it concerns are told.

use super::assignment::Sitter;
use super::join::entry_now;
use super::once::{Key, before, once};
use super::sitting_step::{self, Moment};
use super::watching::TOLD_EACH;
use super::{Answer, Control, Link, OK, OpenRoom, policy};
use crate::clock;
use crate::shard::Command;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::once::Once;
use crate::store::records::{DeviceChange, SessionRecord, SittingChange};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ParticipantId, SessionId};
use invigil_shared::participation::Departure;
use invigil_shared::publication::PublicationRef;
use invigil_shared::signal::{Action, ServerMessage};
use invigil_shared::sitting::{Admission, Sitting, SittingStep};
use invigil_shared::timeline::{Presence, TimelineBody};
use std::sync::Arc;

/// Tries of a change when another server changes the same sitting.
const TRIES: usize = 3;

/// A step, with who takes it and why.
struct Wish<'a> {
    step: SittingStep,
    /// The proctor's name; empty for the candidate.
    by: &'a str,
    reason: &'a str,
    minutes: u16,
    /// What becomes of another device with it.
    device: Option<DeviceChange>,
    /// It is taken once for its key.
    once: Option<Once>,
}

impl Control {
    /// A proctor does something to one candidate.
    pub(super) async fn act_on_sitting(&self, link: &Link, key: Option<&Key>, action: &Action) -> Answer {
        let (participant, step, reason, minutes) = match action {
            Action::Admit { participant } => (participant, SittingStep::Admit, "", 0),
            Action::AskAgain { participant, reason } => (participant, SittingStep::AskAgain, reason.as_str(), 0),
            Action::Reject { participant, reason } => (participant, SittingStep::Reject, reason.as_str(), 0),
            Action::Pause {
                participant: Some(participant),
                reason,
            } => (participant, SittingStep::Pause, reason.as_str(), 0),
            Action::Continue {
                participant: Some(participant),
            } => (participant, SittingStep::Continue, "", 0),
            Action::Lock { participant, reason } => (participant, SittingStep::Lock, reason.as_str(), 0),
            Action::ExtraTime {
                participant,
                minutes,
                reason,
            } => (participant, SittingStep::ExtraTime, reason.as_str(), *minutes),
            Action::LowerHand { participant } => (participant, SittingStep::LowerHand, "", 0),
            Action::End { participant, reason } => (participant, SittingStep::End, reason.as_str(), 0),
            Action::Move { participant } => (participant, SittingStep::Move, "", 0),
            Action::RefuseMove { participant } => (participant, SittingStep::RefuseMove, "", 0),
            Action::Mute { participant } => (participant, SittingStep::Mute, "", 0),
            Action::Unmute { participant } => (participant, SittingStep::Unmute, "", 0),
            Action::Remove { participant, reason } => (participant, SittingStep::Remove, reason.as_str(), 0),
            _ => return Err(ErrorCode::Unsupported.into()),
        };
        let room = Arc::clone(link.watching()?);
        let by = link.name.as_str();
        let device = match step {
            SittingStep::Move => Some(DeviceChange::Take),
            SittingStep::RefuseMove => Some(DeviceChange::Refuse),
            _ => None,
        };
        let wish = Wish {
            step,
            by,
            reason,
            minutes,
            device,
            once: once(key, link, &ServerMessage::Ok)?,
        };
        let done = self.change_sitting(&room, link.actor(), *participant, &wish).await?;
        if step == SittingStep::Move {
            self.moved_on(*participant).await;
        }
        Ok(done)
    }

    /// The device that held the session until now is out, and told why.
    async fn moved_on(&self, participant: ParticipantId) {
        if let Some((outbox, _)) = self.connections.lock().get(&participant) {
            outbox.close(ErrorCode::SessionMoved.into());
        }
        // It is committed: if this fails, the server does it by itself soon after.
        if let Err(error) = self.follow_revocations().await {
            tracing::error!(%error, "a move takes effect later");
        }
    }

    /// Another device, with the right secret, waits to take a session over. Those who watch see it, also when its candidate was never in
    /// the room.
    ///
    /// # Errors
    /// `sitting_transition` when it is over.
    pub async fn ask_to_move(
        &self,
        record: SessionRecord,
        exam: ExamInfo,
        entry: &RosterEntry,
        device_key: Vec<u8>,
        actor: Actor,
    ) -> Result<(), ErrorBody> {
        let now = clock::now_us();
        let store = self.store.acting(actor.clone());
        let record = hold_at_door(store.as_ref(), record, policy::waits(&exam, now), now).await?;
        let room = self.open_room(exam).await?;
        self.show_in_room(&room, &record, entry, now)?;
        let wish = Wish {
            step: SittingStep::AskMove,
            by: "",
            reason: "",
            minutes: 0,
            device: Some(DeviceChange::Ask(device_key)),
            once: None,
        };
        self.change_sitting(&room, actor, record.participant, &wish)
            .await
            .map(drop)
    }

    /// The candidate raises a hand, or says that what was asked for is done.
    pub(super) async fn step_of_candidate(&self, link: &Link, step: SittingStep) -> Answer {
        let (room, _) = link.sitting()?;
        let wish = Wish {
            step,
            by: "",
            reason: "",
            minutes: 0,
            device: None,
            once: None,
        };
        self.change_sitting(&Arc::clone(room), link.actor(), link.identity.participant, &wish)
            .await
    }

    async fn change_sitting(
        &self,
        room: &Arc<OpenRoom>,
        actor: Actor,
        participant: ParticipantId,
        wish: &Wish<'_>,
    ) -> Answer {
        let _one_at_a_time = room.changing.lock().await;
        self.change_alone(room, actor, participant, wish, true).await
    }

    /// The same while `changing` is held. `told`: with a line of the timeline.
    async fn change_alone(
        &self,
        room: &OpenRoom,
        actor: Actor,
        participant: ParticipantId,
        wish: &Wish<'_>,
        told: bool,
    ) -> Answer {
        let session = room.state.lock().candidate(participant).map(|c| c.session);
        let session = session.ok_or(ErrorCode::NotFound)?;
        let store = self.store.acting(actor);
        for _ in 0..TRIES {
            // The first one may have been at work until now, here or on another server.
            if let Some(once) = &wish.once
                && let Some(answer) = store.done_before(once).await?.and_then(before)
            {
                return answer;
            }
            let record = store.session(session).await?.ok_or(ErrorCode::NotFound)?;
            let moment = moment(room, participant, &record)?;
            let sitting = sitting_step::after(&record.sitting, wish.step, wish.reason, wish.minutes, moment)?;
            if sitting == record.sitting {
                return OK;
            }
            let entry = entry_now(
                participant,
                TimelineBody::Sitting {
                    step: wish.step,
                    by: wish.by.to_owned(),
                    reason: wish.reason.trim().to_owned(),
                    minutes: wish.minutes,
                },
            );
            let change = SittingChange {
                session,
                exam: room.id,
                revision: record.sitting_revision,
                step: wish.step.as_str(),
                sitting: sitting.clone(),
                entry: told.then(|| entry.clone()),
                device: wish.device.clone(),
                at: moment.now,
                once: wish.once.clone(),
            };
            if store.change_sitting(change).await? {
                if told {
                    room.state.lock().tell_timeline(entry);
                }
                self.apply_sitting(room, participant, sitting);
                return OK;
            }
        }
        Err(ErrorBody::from(ErrorCode::SittingTransition).with("state", "changing"))
    }

    /// A lead mutes everybody who sits the exam now, or lets them be heard again. Those whose sitting does not stand so that it can be
    /// done are left as they are.
    pub(super) async fn mute_all(&self, link: &Link, muted: bool) -> Answer {
        let room = Arc::clone(link.watching()?);
        let step = if muted { SittingStep::Mute } else { SittingStep::Unmute };
        let wish = Wish {
            step,
            by: link.name.as_str(),
            reason: "",
            minutes: 0,
            device: None,
            once: None,
        };
        let _one_at_a_time = room.changing.lock().await;
        let everybody: Vec<ParticipantId> = {
            let state = room.state.lock();
            let other = |sitter: &Sitter| {
                let member = state.members.get(&sitter.participant);
                member.is_some_and(|member| member.info.sitting.muted != muted)
            };
            let sitters = state.sitters().into_iter().filter(other);
            sitters.map(|sitter| sitter.participant).collect()
        };
        let told = everybody.len() <= TOLD_EACH;
        // Side by side, so that one commit serves many.
        let changes = everybody
            .iter()
            .map(|participant| self.change_alone(&room, link.actor(), *participant, &wish, told));
        for changed in futures_util::future::join_all(changes).await {
            match changed {
                Err(error) if error.code != ErrorCode::SittingTransition => return Err(error),
                _ => {}
            }
        }
        OK
    }

    /// Tells the shard whether anything of a candidate's microphones goes to anybody. A shard that does not know the candidate is told
    /// with its next transport.
    pub(super) fn post_muted(&self, participant: ParticipantId, muted: bool) {
        self.post(participant, Command::SetMuted { participant, muted });
    }

    /// Brings the room in line with how a sitting is stored, and tells its candidate and those who watch. Who is out is let go.
    fn apply_sitting(&self, room: &OpenRoom, participant: ParticipantId, sitting: Sitting) {
        let mut state = room.state.lock();
        let now = clock::now_us();
        let (ended, out, muted) = (sitting.ended, is_out(&sitting), sitting.muted);
        let Some(member) = state.members.get_mut(&participant) else {
            return;
        };
        member.info.sitting = sitting.clone();
        state.update_ends();
        state.assignments.touch();
        // Under the room's lock: of two changes the shard hears the newer one last.
        self.post_muted(participant, muted);
        let Some(member) = state.members.get(&participant) else {
            return;
        };
        let message = ServerMessage::SittingUpdated {
            ends_at: state.end_for(member),
            time_left: state.time_left(member, now),
            sitting,
        };
        state.tell(participant, message);
        if out {
            self.let_go(room, &mut state, participant, ended, now);
        }
        state.tell_updated(participant);
        drop(state);
        if out {
            self.show_viewers(room.id);
        }
    }

    /// Ends what a candidate sends and its connection, under the room's lock.
    fn let_go(
        &self,
        room: &OpenRoom,
        state: &mut super::room::Room,
        participant: ParticipantId,
        ended: bool,
        now: i64,
    ) {
        let mut removed = Vec::new();
        if let Some(member) = state.members.get_mut(&participant) {
            member.transports.clear();
            let code = match (ended, member.info.sitting.admission) {
                (true, _) => ErrorCode::SittingEnded,
                (false, Admission::Removed) => ErrorCode::Removed,
                (false, _) => ErrorCode::NotAdmitted,
            };
            let reason = member.info.sitting.reason.clone();
            if let Some(client) = member.client.take() {
                client.close(ErrorBody::from(code).with("reason", reason));
            }
            if let Some(candidate) = member.candidate_mut() {
                removed.extend(std::mem::take(&mut candidate.publications).into_keys());
            }
            if !ended {
                member.stays.end(Departure::Removed, now);
            }
            member.set_presence(if ended { Presence::Finished } else { Presence::Lost }, now);
        }
        for publication in removed {
            let source = PublicationRef {
                participant,
                publication,
            };
            state.tell_watchers(ServerMessage::PublicationRemoved { source });
        }
        self.displace_from(participant, room.id);
    }
}

/// Whoever comes for the first time waits for a proctor where the exam's policy says so, and whoever was put out does. The record as
/// it is stored then.
pub(super) async fn hold_at_door(
    store: &dyn Store,
    record: SessionRecord,
    waits: Option<bool>,
    now: i64,
) -> Result<SessionRecord, ErrorBody> {
    let newcomer = waits.filter(|_| record.joined_at.is_none() && record.sitting_revision == 0);
    let removed = (record.sitting.admission == Admission::Removed).then_some(record.sitting.late);
    let Some(late) = newcomer.or(removed) else {
        return Ok(record);
    };
    let sitting = Sitting {
        admission: Admission::Waiting,
        late,
        ..record.sitting
    };
    let change = SittingChange {
        session: record.id,
        exam: record.exam,
        revision: record.sitting_revision,
        step: "wait",
        sitting,
        entry: None,
        device: None,
        at: now,
        once: None,
    };
    store.change_sitting(change).await?;
    // As it stands now, whoever changed it.
    stored(store, record.id).await
}

async fn stored(store: &dyn Store, session: SessionId) -> Result<SessionRecord, ErrorBody> {
    Ok(store.session(session).await?.ok_or(ErrorCode::NotFound)?)
}

fn is_out(sitting: &Sitting) -> bool {
    sitting.ended || matches!(sitting.admission, Admission::Rejected | Admission::Removed)
}

fn moment(room: &OpenRoom, participant: ParticipantId, record: &SessionRecord) -> Result<Moment, ErrorBody> {
    let now = clock::now_us();
    let state = room.state.lock();
    let candidate = state.candidate(participant).ok_or(ErrorCode::NotFound)?;
    let end = super::policy::sitting_end(&state.exam, &candidate.allowances, &record.sitting);
    Ok(Moment {
        now,
        left_us: end.saturating_sub(state.paused_at.unwrap_or(now)),
        finished: record.finished_at.is_some(),
    })
}
