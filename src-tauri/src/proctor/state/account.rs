//! The own account: another password, and the second factor on and off.

use super::*;
use invigil_shared::account::{OwnAccount, RecoveryCodes, SecondFactorOffer};
use invigil_view::account::{AccountCommand, AccountDone, AccountView, FactorOffer};

/// What is asked of the server.
#[derive(Clone, PartialEq)]
pub enum AccountCall {
    Read,
    ChangePassword { password: String, new_password: String },
    Offer { password: String },
    Confirm { code: String },
    TurnOff { password: String, code: String },
}

/// What it answers.
#[derive(Clone)]
pub enum AccountAnswer {
    Read(OwnAccount),
    /// With the token that is good from now on.
    PasswordChanged(Box<SignInResponse>),
    Offered(SecondFactorOffer),
    Confirmed(RecoveryCodes),
    Off(OwnAccount),
}

// Passwords, codes and secrets are in no log.
impl std::fmt::Debug for AccountCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "Read",
            Self::ChangePassword { .. } => "ChangePassword",
            Self::Offer { .. } => "Offer",
            Self::Confirm { .. } => "Confirm",
            Self::TurnOff { .. } => "TurnOff",
        })
    }
}
impl std::fmt::Debug for AccountAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "Read",
            Self::PasswordChanged(_) => "PasswordChanged",
            Self::Offered(_) => "Offered",
            Self::Confirmed(_) => "Confirmed",
            Self::Off(_) => "Off",
        })
    }
}

impl ProctorState {
    pub(super) fn show_account(&mut self, effects: &mut Vec<Effect>) {
        if self.step == ProctorStep::Exams && self.office.is_none() && !self.busy {
            (self.step, self.notice, self.account) = (ProctorStep::Account, None, AccountView::default());
            self.ask_about_account(AccountCall::Read, effects);
        }
    }

    pub(super) fn leave_account(&mut self, effects: &mut Vec<Effect>) {
        // Recovery codes are told once: they are put away before anything else.
        if self.step == ProctorStep::Account && self.account.recovery.is_empty() && !self.busy {
            (self.step, self.notice, self.account) = (ProctorStep::Exams, None, AccountView::default());
            self.busy = true;
            effects.push(Effect::ListExams);
        }
    }

    fn ask_about_account(&mut self, call: AccountCall, effects: &mut Vec<Effect>) {
        self.busy = true;
        effects.push(Effect::Account(call));
    }

    pub(super) fn act_on_account(&mut self, command: AccountCommand, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::Account || self.busy {
            return;
        }
        (self.notice, self.account.done) = (None, None);
        let missing = match &command {
            AccountCommand::ChangePassword { password, new_password } => {
                [("password", password), ("new_password", new_password)]
                    .into_iter()
                    .find(|(_, text)| text.is_empty())
                    .map(|(field, _)| field)
            }
            AccountCommand::Offer { password } => password.is_empty().then_some("password"),
            AccountCommand::Confirm { code } => code.trim().is_empty().then_some("code"),
            AccountCommand::TurnOff { password, code } => {
                let code = code.trim().is_empty().then_some("code");
                password.is_empty().then_some("password").or(code)
            }
            AccountCommand::PutOfferAway | AccountCommand::PutRecoveryAway => None,
        };
        if let Some(field) = missing {
            self.notice = Some(Notice::new("field_missing").with("field", field));
            return;
        }
        let call = match command {
            AccountCommand::ChangePassword { password, new_password } => {
                AccountCall::ChangePassword { password, new_password }
            }
            AccountCommand::Offer { password } => AccountCall::Offer { password },
            AccountCommand::Confirm { code } => AccountCall::Confirm { code },
            AccountCommand::TurnOff { password, code } => AccountCall::TurnOff { password, code },
            AccountCommand::PutOfferAway => {
                self.account.offer = None;
                return;
            }
            AccountCommand::PutRecoveryAway => {
                self.account.recovery.clear();
                self.account.done = Some(AccountDone::FactorOn);
                return;
            }
        };
        self.ask_about_account(call, effects);
    }

    pub(super) fn account_told(&mut self, result: Result<AccountAnswer, CallFailure>) {
        if self.step != ProctorStep::Account {
            return;
        }
        self.busy = false;
        match result {
            Ok(AccountAnswer::Read(own)) => self.account.own = Some(own),
            Ok(AccountAnswer::PasswordChanged(_)) => self.account.done = Some(AccountDone::PasswordChanged),
            Ok(AccountAnswer::Offered(SecondFactorOffer { secret, uri })) => {
                self.account.offer = Some(FactorOffer { secret, uri });
            }
            Ok(AccountAnswer::Confirmed(RecoveryCodes { codes })) => {
                if let Some(own) = &mut self.account.own {
                    own.second_factor = true;
                    own.recovery_codes_left = u32::try_from(codes.len()).unwrap_or(u32::MAX);
                }
                (self.account.offer, self.account.recovery) = (None, codes);
            }
            Ok(AccountAnswer::Off(own)) => {
                (self.account.own, self.account.done) = (Some(own), Some(AccountDone::FactorOff));
            }
            Err(failure) => {
                if failure.ends_sign_in() {
                    (self.step, self.account) = (ProctorStep::SignIn, AccountView::default());
                }
                let mut notice = failure.notice();
                // There is no e-mail here that could be the wrong one.
                if notice.code == ErrorCode::CredentialsWrong.as_str() {
                    notice.code = "password_wrong".into();
                }
                self.notice = Some(notice);
            }
        }
    }
}
