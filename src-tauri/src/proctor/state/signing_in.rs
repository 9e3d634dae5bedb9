//! From a password to the list of exams: signing in, the certificate question.

use super::*;

impl ProctorState {
    pub(super) fn sign_in(
        &mut self,
        server: &str,
        email: &str,
        password: String,
        set_up: Option<(String, String)>,
        effects: &mut Vec<Effect>,
    ) {
        if self.step != ProctorStep::SignIn || self.busy {
            return;
        }
        (self.server, self.email) = (server.trim().to_owned(), email.trim().to_owned());
        (self.notice, self.certificate) = (None, None);
        let (code_missing, name_missing) = set_up.as_ref().map_or((false, false), |(setup_code, name)| {
            (setup_code.is_empty(), name.is_empty())
        });
        let fields = [
            ("server", self.server.is_empty()),
            ("setup_code", code_missing),
            ("name", name_missing),
            ("email", self.email.is_empty()),
            ("password", password.is_empty()),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, missing)| *missing) {
            self.notice = Some(Notice::new("field_missing").with("field", field));
            return;
        }
        let Some(authority) = authority::parse(&self.server) else {
            self.notice = Some(Notice::new("unreachable").with("field", "server"));
            return;
        };
        let pending = PendingSignIn {
            authority,
            pin: None,
            email: self.email.clone(),
            password,
            set_up,
        };
        self.busy = true;
        effects.push(pending.effect());
        self.pending = Some(pending);
    }

    pub(super) fn signed_in(&mut self, result: Result<Box<SignInResponse>, CallFailure>, effects: &mut Vec<Effect>) {
        let Some(pending) = &self.pending else { return };
        match result {
            Ok(signed_in) => {
                (self.name, self.pending, self.step) = (signed_in.name, None, ProctorStep::Exams);
                self.leads = matches!(signed_in.role, Role::Lead | Role::Admin);
                effects.push(Effect::ListExams);
            }
            Err(CallFailure::Untrusted) => effects.push(Effect::Probe {
                authority: pending.authority.clone(),
            }),
            Err(failure) => {
                (self.busy, self.pending) = (false, None);
                self.notice = Some(failure.notice());
            }
        }
    }

    pub(super) fn probed(&mut self, result: Result<String, CallFailure>) {
        let Some(pending) = &self.pending else { return };
        self.busy = false;
        match result {
            Ok(sha256) => self.certificate = Some(question(&pending.authority, sha256, pending.pin.as_deref())),
            Err(failure) => (self.notice, self.pending) = (Some(failure.notice()), None),
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

    pub(super) fn listed(&mut self, result: Result<Vec<ExamListItem>, CallFailure>, effects: &mut Vec<Effect>) {
        self.busy = false;
        match result {
            Ok(exams) => {
                self.exams = exams;
                let code = self.start.exam_code.take();
                let wanted = code.and_then(|code| {
                    self.exams
                        .iter()
                        .find(|item| item.exam.code.eq_ignore_ascii_case(&code))
                });
                if let Some(exam) = wanted.map(|item| item.exam.id) {
                    self.open(exam, effects);
                }
            }
            Err(failure) => {
                if failure.ends_sign_in() {
                    self.step = ProctorStep::SignIn;
                }
                self.notice = Some(failure.notice());
            }
        }
    }
}
