//! An exam's status, changed by a lead or by the clock: stored first, then everybody in the room is told.

use super::exam_status::{self, Step};
use super::{Answer, Control, Link, OK, OpenRoom, policy};
use crate::clock;
use crate::store::audit::Actor;
use crate::store::records::ExamChange;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, ExamStatus};
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
        let ends_at = exam.ends_at.saturating_add(paused_for);
        let to = self.store_step(&exam, step, (ends_at, now), actor).await?;
        {
            let mut state = room.state.lock();
            (state.exam.status, state.exam.ends_at) = (to, ends_at);
            state.paused_at = (to == ExamStatus::Paused).then_some(now);
            state.update_ends();
            state.tell_exam(now);
        }
        if to == ExamStatus::Closed {
            self.end_room(room);
        }
        Ok(())
    }

    async fn store_step(
        &self,
        exam: &ExamInfo,
        step: Step,
        (ends_at, at): (i64, i64),
        actor: Actor,
    ) -> Result<ExamStatus, ErrorBody> {
        let to = exam_status::after(exam.status, step)?;
        let change = ExamChange {
            exam: exam.id,
            from: exam.status,
            to,
            ends_at,
            at,
        };
        if !self.store.acting(actor).change_exam(change).await? {
            // Another server or the command line was first.
            return Err(ErrorBody::from(ErrorCode::ExamTransition).with("status", exam.status.as_str()));
        }
        tracing::info!(exam = %exam.id, from = exam.status.as_str(), to = to.as_str(), "an exam's status has changed");
        Ok(to)
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
            if let Err(error) = self.store_step(exam, step, (exam.ends_at, now), Actor::server()).await {
                tracing::warn!(exam = %exam.id, ?step, %error, "an exam did not take the step that is due");
            }
        }
    }
}
