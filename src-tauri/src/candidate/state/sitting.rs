//! How the sitting stands: what covers the exam page, what is left, and how it ended.

use super::{CandidateState, CandidateStep};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::ExamStatus;
use invigil_shared::sitting::{Admission, Sitting};
use invigil_view::candidate::{Cover, EndedView};

impl CandidateState {
    /// Why the exam page is covered now. The exam stands before what concerns one candidate: nobody can do anything before it.
    pub(super) fn cover(&self) -> Option<Cover> {
        let exam = self.exam.as_ref().filter(|_| self.step == CandidateStep::Exam)?;
        let reason = || self.sitting.reason.clone();
        match (exam.status, self.sitting.admission) {
            (_, Admission::Waiting) => Some(Cover::Waiting {
                late: self.sitting.late,
            }),
            (_, Admission::AskedAgain) => Some(Cover::AskedAgain { reason: reason() }),
            (ExamStatus::Waiting | ExamStatus::Scheduled, _) => Some(Cover::NotBegun {
                starts_at: exam.starts_at,
            }),
            (ExamStatus::Paused, _) => Some(Cover::ExamPaused),
            _ if self.sitting.pause.is_some() => Some(Cover::Paused { reason: reason() }),
            _ if self.sitting.locked => Some(Cover::Locked { reason: reason() }),
            _ => None,
        }
    }

    /// Takes over how the sitting stands. `ends_at`, `time_left`: as the server says.
    pub(super) fn sat(&mut self, sitting: Sitting, ends_at: i64, time_left: i64) {
        if sitting.ended || sitting.admission == Admission::Rejected {
            self.ended = Some(EndedView {
                rejected: !sitting.ended,
                reason: sitting.reason.clone(),
            });
        }
        self.sitting = sitting;
        self.timed(ends_at, time_left);
    }

    /// What is left, and whether it stands.
    pub(super) fn timed(&mut self, ends_at: i64, time_left: i64) {
        self.ends_at = Some(ends_at);
        self.left_us = match self.exam.as_ref().map(|exam| (exam.status, exam.starts_at)) {
            // The whole of it is left: waiting takes nothing.
            Some((ExamStatus::Waiting | ExamStatus::Scheduled, starts_at)) => Some(ends_at.saturating_sub(starts_at)),
            Some((ExamStatus::Paused, _)) => Some(time_left),
            _ => self.sitting.pause.is_some().then_some(time_left),
        };
    }

    /// The server has said why the sitting is over, to somebody who was not there when it was ended.
    pub(super) fn told_out(&mut self, error: &ErrorBody) {
        self.ended = Some(EndedView {
            rejected: error.code == ErrorCode::NotAdmitted,
            reason: error.params.get("reason").cloned().unwrap_or_default(),
        });
    }
}
