//! An exam's status, changed by a lead or by the clock: stored first, then everybody in the room is told.

use super::exam_status::{self, Step};
use super::{Answer, Control, Link, OK, OpenRoom, policy};
use crate::clock;
use crate::store::audit::Actor;
use crate::store::records::ExamChange;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::ExamId;
use invigil_shared::signal::Action;
use std::sync::Arc;

impl Control {
    /// A lead pauses, continues or closes the exam of the room.
    pub(super) async fn act_on_exam(&self, link: &Link, action: &Action) -> Answer {
        let room = Arc::clone(link.watching()?);
        let step = match action {
            Action::Pause { participant: None, .. } => Step::Pause,
            Action::Continue { participant: None } => Step::Continue,
            Action::Close { .. } => Step::Close,
            _ => return Err(ErrorCode::Unsupported.into()),
        };
        self.step(&room, step, link.actor()).await?;
        OK
    }

    /// Takes a step with an open room. Whoever is there learns of it once it is stored; a closed one is left.
    async fn step(&self, room: &Arc<OpenRoom>, step: Step, actor: Actor) -> Result<(), ErrorBody> {
        let _one_at_a_time = room.changing.lock().await;
        let now = clock::now_us();
        let (exam, paused_at) = {
            let state = room.state.lock();
            (state.exam.clone(), state.paused_at)
        };
        let paused_for = paused_at.map_or(0, |since| now.saturating_sub(since).max(0));
        // A pause takes nothing from anybody, whether the exam goes on after it or is closed.
        let taken = self.store_step(&exam, step, (paused_for, now), actor).await;
        // Also when it was refused: another server, or the command line, may have taken a step that this room has not heard of.
        let told = self.reread(room).await;
        taken.and(told)
    }

    /// The office takes a step, whether or not the exam's room is open.
    ///
    /// # Errors
    /// `not_found`; `exam_transition` when the step is no legal one; `storage_failed`.
    pub async fn take_step(&self, exam: ExamId, step: Step, actor: Actor) -> Result<(), ErrorBody> {
        if let Some(room) = self.room_of_exam(exam) {
            return self.step(&room, step, actor).await;
        }
        let info = self.store.exam(exam).await?.ok_or(ErrorCode::NotFound)?;
        self.store_step(&info, step, (0, clock::now_us()), actor).await
    }

    /// The office has edited an exam: whoever is in its room learns of it.
    ///
    /// # Errors
    /// `storage_failed`; the edit is stored, and the room learns of it when somebody comes.
    pub async fn exam_edited(&self, exam: ExamId) -> Result<(), ErrorBody> {
        match self.room_of_exam(exam) {
            Some(room) => {
                let _one_at_a_time = room.changing.lock().await;
                self.reread(&room).await
            }
            None => Ok(()),
        }
    }

    /// Brings an open room in line with the store.
    ///
    /// # Errors
    /// `exam_closed` when the exam is closed; the room has ended then.
    pub(super) async fn refresh(&self, room: &OpenRoom) -> Result<(), ErrorBody> {
        let _one_at_a_time = room.changing.lock().await;
        self.reread(room).await?;
        if room.state.lock().exam.status.is_over() {
            return Err(ErrorCode::ExamClosed.into());
        }
        Ok(())
    }

    /// Whoever is there learns of what changed; a closed room is left. `changing` is held.
    async fn reread(&self, room: &OpenRoom) -> Result<(), ErrorBody> {
        let exam = self.store.exam(room.id).await?.ok_or(ErrorCode::NotFound)?;
        let times = self.store.exam_times(room.id).await?.unwrap_or_default();
        let over = exam.status.is_over();
        let mut state = room.state.lock();
        let times_of = |exam: &ExamInfo| (exam.status, exam.starts_at, exam.ends_at);
        let changed = times_of(&state.exam) != times_of(&exam);
        state.paused_at = times.paused_at.filter(|_| exam.status == ExamStatus::Paused);
        state.exam = exam;
        if changed {
            state.update_ends();
            state.tell_exam(clock::now_us());
        }
        drop(state);
        if over {
            self.end_room(room);
        }
        Ok(())
    }

    async fn store_step(
        &self,
        exam: &ExamInfo,
        step: Step,
        (longer_us, at): (i64, i64),
        actor: Actor,
    ) -> Result<(), ErrorBody> {
        let to = exam_status::after(exam.status, step)?;
        let change = ExamChange {
            exam: exam.id,
            from: exam.status,
            to,
            longer_us,
            at,
        };
        if !self.store.acting(actor).change_exam(change).await? {
            return Err(ErrorBody::from(ErrorCode::ExamTransition).with("status", exam.status.as_str()));
        }
        tracing::info!(exam = %exam.id, from = exam.status.as_str(), to = to.as_str(), "an exam's status has changed");
        Ok(())
    }

    /// What the clock does with the rooms that are open.
    pub(super) async fn follow_clock(&self, room: &Arc<OpenRoom>) {
        let due = {
            let state = room.state.lock();
            exam_status::due(&state.exam, state.last_end(), clock::now_us())
        };
        if let Some(step) = due
            && let Err(error) = self.step(room, step, Actor::server()).await
        {
            tracing::warn!(exam = %room.id, ?step, %error, "an exam did not take the step that is due");
        }
    }

    /// The same for exams that nobody is in.
    pub(super) async fn follow_clock_elsewhere(&self) {
        let exams = match self.store.live_exams().await {
            Ok(exams) => exams,
            Err(error) => return tracing::warn!(%error, "exams' schedules were not looked at"),
        };
        let now = clock::now_us();
        for exam in exams.iter().filter(|exam| self.room_of_exam(exam.id).is_none()) {
            // Nobody has come yet: whoever has most extra time may still.
            let longest = exam.ends_at.saturating_sub(exam.starts_at).max(0);
            let last_end = exam.ends_at.saturating_add(longest).saturating_add(policy::GRACE_US);
            let Some(step) = exam_status::due(exam, last_end, now) else {
                continue;
            };
            if step == Step::Close {
                // Somebody may have been given more time, or be paused: the room knows.
                match self.open_room(exam.clone()).await {
                    Ok(room) => self.follow_clock(&room).await,
                    Err(error) => tracing::warn!(exam = %exam.id, %error, "an exam that is over was not looked at"),
                }
                continue;
            }
            if let Err(error) = self.store_step(exam, step, (0, now), Actor::server()).await {
                tracing::warn!(exam = %exam.id, ?step, %error, "an exam did not take the step that is due");
            }
        }
    }
}
