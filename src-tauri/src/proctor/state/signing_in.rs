//! From a password or an invitation to the list of exams: signing in, the certificate question.

use super::*;
use invigil_shared::people::InviteLink;

/// What was asked of a server that may have to be believed first.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    authority: String,
    pin: Option<String>,
    what: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    SignIn {
        email: String,
        password: String,
        /// Of the second factor, once it was asked for.
        code: Option<String>,
    },
    SetUp {
        setup_code: String,
        name: String,
        email: String,
        password: String,
    },
    Look {
        token: String,
    },
    /// Through the identity provider.
    Browser,
}

/// An invitation that is open.
#[derive(Clone, Debug)]
pub(super) struct Invitation {
    authority: String,
    pin: Option<String>,
    token: String,
    pub(super) who: InvitationInfo,
    /// Chosen, and on its way.
    password: String,
}

impl Pending {
    fn effect(&self) -> Effect {
        let Self { authority, pin, what } = self.clone();
        match what {
            Wanted::SignIn { email, password, code } => Effect::SignIn {
                authority,
                pin,
                email,
                password,
                code,
            },
            Wanted::SetUp {
                setup_code,
                name,
                email,
                password,
            } => Effect::SetUp {
                authority,
                pin,
                setup_code,
                name,
                email,
                password,
            },
            Wanted::Look { token } => Effect::LookAtInvitation { authority, pin, token },
            Wanted::Browser => Effect::SignInBrowser { authority, pin },
        }
    }
}

impl Pending {
    /// The password was right, and what is missing is a code.
    fn goes_on_by_code(&self, code: ErrorCode) -> bool {
        match (&self.what, code) {
            (Wanted::SignIn { .. }, ErrorCode::SecondFactorRequired | ErrorCode::SecondFactorWrong) => true,
            // Too many codes: the password stays right.
            (Wanted::SignIn { code: Some(_), .. }, ErrorCode::SecretThrottled) => true,
            _ => false,
        }
    }
}

impl ProctorState {
    pub(super) fn give_code(&mut self, typed: &str, effects: &mut Vec<Effect>) {
        if !self.asks_code || self.busy {
            return;
        }
        let Some(mut pending) = self.pending.take() else { return };
        if let Wanted::SignIn { code, .. } = &mut pending.what {
            *code = Some(typed.trim().to_owned());
        }
        self.notice = None;
        self.ask(pending, effects);
    }

    pub(super) fn leave_code(&mut self) {
        if self.asks_code && !self.busy {
            (self.asks_code, self.pending, self.notice) = (false, None, None);
        }
    }

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
        let email = self.email.clone();
        let what = match set_up {
            Some((setup_code, name)) => Wanted::SetUp {
                setup_code,
                name,
                email,
                password,
            },
            None => Wanted::SignIn {
                email,
                password,
                code: None,
            },
        };
        let pin = None;
        self.ask(Pending { authority, pin, what }, effects);
    }

    pub(super) fn ask_for(&mut self, authority: String, what: Wanted, effects: &mut Vec<Effect>) {
        let pin = None;
        self.ask(Pending { authority, pin, what }, effects);
    }

    pub(super) fn pending_wants(&self, what: &Wanted) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.what == *what)
    }

    fn ask(&mut self, pending: Pending, effects: &mut Vec<Effect>) {
        self.busy = true;
        effects.push(pending.effect());
        self.pending = Some(pending);
    }

    /// Why a server was not asked, or did not answer well: believed first, when that is all.
    fn asked_in_vain(&mut self, failure: &CallFailure, effects: &mut Vec<Effect>) {
        match (&self.pending, failure) {
            (Some(pending), CallFailure::Untrusted) => effects.push(Effect::Probe {
                authority: pending.authority.clone(),
            }),
            (Some(pending), CallFailure::Refused(error)) if pending.goes_on_by_code(error.code) => {
                (self.busy, self.asks_code) = (false, true);
                self.notice = (error.code != ErrorCode::SecondFactorRequired).then(|| failure.notice());
            }
            _ => {
                self.notice = Some(match (failure, self.pending_wants(&Wanted::Browser)) {
                    // That is what a server without a provider answers.
                    (CallFailure::Refused(error), true) if error.code == ErrorCode::NotFound => {
                        Notice::new("provider_none")
                    }
                    _ => failure.notice(),
                });
                (self.busy, self.pending, self.asks_code) = (false, None, false);
                self.provider.waiting = None;
            }
        }
    }

    pub(super) fn open_invitation(&mut self, link: &str, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::SignIn || self.busy {
            return;
        }
        (self.notice, self.certificate) = (None, None);
        match InviteLink::parse(link) {
            Ok(link) => {
                let what = Wanted::Look { token: link.token };
                let (authority, pin) = (link.authority, link.certificate_sha256);
                self.ask(Pending { authority, pin, what }, effects);
            }
            Err(_) => self.notice = Some(Notice::new("invitation_link")),
        }
    }

    pub(super) fn invited(&mut self, result: Result<InvitationInfo, CallFailure>, effects: &mut Vec<Effect>) {
        match (result, self.pending.take()) {
            (
                Ok(who),
                Some(Pending {
                    authority,
                    pin,
                    what: Wanted::Look { token },
                }),
            ) => {
                (self.server, self.email) = (authority.clone(), who.email.clone());
                let password = String::new();
                self.invitation = Some(Invitation {
                    authority,
                    pin,
                    token,
                    who,
                    password,
                });
                (self.busy, self.step) = (false, ProctorStep::Invitation);
            }
            (Err(failure), pending) => {
                self.pending = pending;
                self.asked_in_vain(&failure, effects);
            }
            (Ok(_), pending) => self.pending = pending,
        }
    }

    pub(super) fn accept_invitation(&mut self, password: String, effects: &mut Vec<Effect>) {
        let Some(invitation) = self.invitation.as_mut().filter(|_| !self.busy) else {
            return;
        };
        self.notice = None;
        if password.is_empty() {
            self.notice = Some(Notice::new("field_missing").with("field", "password"));
            return;
        }
        self.busy = true;
        invitation.password = password;
        effects.push(Effect::AcceptInvitation {
            authority: invitation.authority.clone(),
            pin: invitation.pin.clone(),
            token: invitation.token.clone(),
            password: invitation.password.clone(),
        });
    }

    /// The password holds: it signs in at once.
    pub(super) fn accepted(&mut self, result: Result<InvitationInfo, CallFailure>, effects: &mut Vec<Effect>) {
        let Some(invitation) = self.invitation.take() else {
            return;
        };
        match result {
            Ok(who) => {
                if let Some(sha256) = &invitation.pin {
                    // Whoever made the link vouches for the server.
                    effects.push(Effect::Remember {
                        authority: invitation.authority.clone(),
                        sha256: sha256.clone(),
                    });
                }
                self.step = ProctorStep::SignIn;
                let (authority, pin) = (invitation.authority, invitation.pin);
                let what = Wanted::SignIn {
                    email: who.email,
                    password: invitation.password,
                    code: None,
                };
                self.ask(Pending { authority, pin, what }, effects);
            }
            Err(failure) => {
                (self.busy, self.notice) = (false, Some(failure.notice()));
                if failure.ends_invitation() {
                    self.step = ProctorStep::SignIn;
                } else {
                    self.invitation = Some(invitation);
                }
            }
        }
    }

    pub(super) fn leave_invitation(&mut self) {
        if self.step == ProctorStep::Invitation && !self.busy {
            (self.invitation, self.notice, self.step) = (None, None, ProctorStep::SignIn);
        }
    }

    pub(super) fn signed_in(&mut self, result: Result<Box<SignInResponse>, CallFailure>, effects: &mut Vec<Effect>) {
        if self.pending.is_none() {
            return;
        }
        match result {
            Ok(signed_in) => {
                (self.name, self.pending, self.step) = (signed_in.name, None, ProctorStep::Exams);
                (self.asks_code, self.provider.waiting) = (false, None);
                (self.role, self.leads) = (Some(signed_in.role), matches!(signed_in.role, Role::Lead | Role::Admin));
                effects.push(Effect::ListExams);
            }
            Err(failure) => self.asked_in_vain(&failure, effects),
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
