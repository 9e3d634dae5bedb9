//! From a link or codes to the device check: joining, the certificate question, consent.

use super::*;
use invigil_shared::error::ErrorCode;

impl CandidateState {
    pub(super) fn join(&mut self, authority: String, pin: Option<String>, secret: &str, effects: &mut Vec<Effect>) {
        if self.step != CandidateStep::Join || self.busy || self.moving.is_some() {
            return;
        }
        let secret = secret.trim().to_uppercase();
        let missing = if self.exam_code.is_empty() {
            Some("exam_code")
        } else {
            secret.is_empty().then_some("secret")
        };
        if let Some(field) = missing {
            self.notice = Some(Notice::new(FIELD_MISSING).with("field", field));
            return;
        }
        (self.busy, self.notice, self.certificate) = (true, None, None);
        let pending = PendingJoin {
            authority,
            pin,
            exam_code: self.exam_code.clone(),
            secret,
        };
        effects.push(pending.effect());
        self.pending = Some(pending);
    }

    pub(super) fn joined(&mut self, result: Result<Box<JoinResponse>, CallFailure>, effects: &mut Vec<Effect>) {
        match (result, &self.pending) {
            (Ok(joined), Some(_)) => {
                (self.busy, self.pending, self.notice, self.moving) = (false, None, None, None);
                (self.exam, self.label, self.seat) = (Some(joined.exam), joined.candidate_label, joined.seat);
                self.step = CandidateStep::Consent;
            }
            (Err(CallFailure::Untrusted), Some(pending)) => effects.push(Effect::Probe {
                authority: pending.authority.clone(),
            }),
            (Err(CallFailure::Refused(error)), Some(_)) if error.code == ErrorCode::DeviceWaits => {
                (self.busy, self.moving) = (false, Some(Moving::Resting(None)));
            }
            // The network is away: whoever was asked still is.
            (Err(CallFailure::Unreachable), Some(_)) if self.moving.is_some() => {
                self.moving = Some(Moving::Resting(None));
            }
            (Err(failure), Some(_)) => {
                (self.busy, self.pending, self.moving) = (false, None, None);
                self.notice = Some(failure.notice());
            }
            (_, None) => {}
        }
    }

    /// Asks the server again whether a proctor has moved the session here.
    pub(super) fn ask_again(&mut self, now: i64, effects: &mut Vec<Effect>) {
        let (Some(Moving::Resting(due)), Some(pending)) = (&mut self.moving, &self.pending) else {
            return;
        };
        if now >= *due.get_or_insert(now + ASK_AGAIN_US) {
            effects.push(pending.effect());
            self.moving = Some(Moving::Asked);
        }
    }

    pub(super) fn stop_moving(&mut self) {
        if self.moving.take().is_some() {
            self.pending = None;
        }
    }

    pub(super) fn probed(&mut self, result: Result<String, CallFailure>) {
        let Some(pending) = &self.pending else { return };
        self.busy = false;
        match result {
            Ok(sha256) => self.certificate = Some(question(&pending.authority, sha256, pending.pin.as_deref())),
            Err(failure) => {
                self.notice = Some(failure.notice());
                self.pending = None;
            }
        }
    }

    pub(super) fn trust(&mut self, accept: bool, effects: &mut Vec<Effect>) {
        let Some(question) = self.certificate.take() else {
            return;
        };
        let Some(pending) = self.pending.as_mut().filter(|_| accept) else {
            self.pending = None;
            return;
        };
        pending.pin = Some(question.sha256.clone());
        self.busy = true;
        effects.push(Effect::Remember {
            authority: question.authority,
            sha256: question.sha256,
        });
        effects.push(pending.effect());
    }

    pub(super) fn allows_test_picture(&self) -> bool {
        self.exam.as_ref().is_some_and(|exam| exam.policy.allow_test_picture)
    }

    pub(super) fn consent(&mut self, agree: bool, effects: &mut Vec<Effect>) {
        let (CandidateStep::Consent, Some(exam)) = (self.step, &self.exam) else {
            return;
        };
        if !agree {
            self.step = CandidateStep::Declined;
            return;
        }
        self.step = CandidateStep::Check;
        let policy = &exam.policy;
        let rules = [
            (PublicationKey::CAMERA, policy.camera),
            (PublicationKey::MICROPHONE, policy.microphone),
            (PublicationKey::SCREEN, policy.screen),
        ];
        let test_picture = self.start.test_picture && policy.allow_test_picture;
        self.sources = rules
            .into_iter()
            .filter(|(_, rule)| *rule != SourceRule::Off)
            .map(|(key, rule)| Source::new(key, rule))
            .collect();
        for source in &mut self.sources {
            source.view.test_picture = test_picture && source.view.publication == PublicationKey::CAMERA;
            effects.push(source.open_again());
        }
    }

    pub(super) fn start_over(&mut self, effects: &mut Vec<Effect>) {
        if !matches!(self.step, CandidateStep::Declined | CandidateStep::Finished) {
            return;
        }
        effects.extend([Effect::CloseSources, Effect::Disconnect]);
        let server = std::mem::take(&mut self.server);
        *self = Self {
            server,
            ..Self::new(self.start.clone())
        };
        self.start.auto = false;
    }
}
