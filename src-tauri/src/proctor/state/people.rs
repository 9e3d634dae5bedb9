//! People with an account, as an admin lists and changes them.

use super::*;
use invigil_shared::id::UserId;
use invigil_shared::people::{AccountState, ChangeUserRequest, InviteRequest, UserInfo, UserLink};
use invigil_view::people::{HandedLink, PeopleCommand};

/// What is asked of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum PeopleCall {
    List,
    Invite(InviteRequest),
    NewLink(UserId),
    Change(UserId, ChangeUserRequest),
    TakeSecondFactor(UserId),
    Unlink(UserId),
}

/// What it answers.
#[derive(Clone)]
pub enum PeopleAnswer {
    Listed(Vec<UserInfo>),
    Link(Box<UserLink>),
    Changed(Box<UserInfo>),
}

impl std::fmt::Debug for PeopleAnswer {
    // A link is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listed(users) => write!(f, "Listed({})", users.len()),
            Self::Link(link) => write!(f, "Link({})", link.user.id),
            Self::Changed(user) => write!(f, "Changed({})", user.id),
        }
    }
}

impl ProctorState {
    pub(super) fn show_people(&mut self, effects: &mut Vec<Effect>) {
        if self.step == ProctorStep::Exams && self.role == Some(Role::Admin) && !self.busy {
            (self.step, self.notice) = (ProctorStep::People, None);
            self.ask_about_people(PeopleCall::List, effects);
        }
    }

    pub(super) fn leave_people(&mut self, effects: &mut Vec<Effect>) {
        if self.step == ProctorStep::People {
            (self.step, self.notice, self.people) = (ProctorStep::Exams, None, PeopleView::default());
            self.busy = true;
            effects.push(Effect::ListExams);
        }
    }

    fn ask_about_people(&mut self, call: PeopleCall, effects: &mut Vec<Effect>) {
        self.busy = true;
        effects.push(Effect::People(call));
    }

    pub(super) fn act_on_people(&mut self, command: PeopleCommand, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::People {
            return;
        }
        if command == PeopleCommand::PutLinkAway {
            self.people.link = None;
            return;
        }
        if self.busy {
            return;
        }
        self.notice = None;
        let call = match command {
            PeopleCommand::Refresh => PeopleCall::List,
            PeopleCommand::Invite { email, name, role } => {
                let (email, name) = (email.trim().to_owned(), name.trim().to_owned());
                for (field, text) in [("name", &name), ("email", &email)] {
                    if text.is_empty() {
                        self.notice = Some(Notice::new("field_missing").with("field", field));
                        return;
                    }
                }
                PeopleCall::Invite(InviteRequest { email, name, role })
            }
            PeopleCommand::NewLink { user } => PeopleCall::NewLink(user),
            PeopleCommand::ChangeRole { user, role } => {
                let role = Some(role);
                let change = ChangeUserRequest {
                    role,
                    ..ChangeUserRequest::default()
                };
                PeopleCall::Change(user, change)
            }
            PeopleCommand::SetActive { user, active } => {
                let active = Some(active);
                let change = ChangeUserRequest {
                    active,
                    ..ChangeUserRequest::default()
                };
                PeopleCall::Change(user, change)
            }
            PeopleCommand::TakeSecondFactor { user } => PeopleCall::TakeSecondFactor(user),
            PeopleCommand::Unlink { user } => PeopleCall::Unlink(user),
            PeopleCommand::PutLinkAway => return,
        };
        self.ask_about_people(call, effects);
    }

    pub(super) fn people_told(&mut self, result: Result<PeopleAnswer, CallFailure>) {
        if self.step != ProctorStep::People {
            return;
        }
        self.busy = false;
        match result {
            Ok(PeopleAnswer::Listed(users)) => self.people.users = users,
            Ok(PeopleAnswer::Changed(user)) => self.put(*user),
            Ok(PeopleAnswer::Link(told)) => {
                let UserLink {
                    user,
                    link,
                    expires_at,
                    mailed,
                } = *told;
                let known = self.people.users.iter().find(|known| known.id == user.id);
                self.people.link = Some(HandedLink {
                    email: user.email.clone(),
                    name: user.name.clone(),
                    link,
                    expires_at,
                    reset: known.is_some_and(|known| known.state == AccountState::Active),
                    mailed,
                });
                self.put(user);
            }
            Err(failure) => {
                if failure.ends_sign_in() {
                    (self.step, self.people) = (ProctorStep::SignIn, PeopleView::default());
                }
                self.notice = Some(failure.notice());
            }
        }
    }

    fn put(&mut self, user: UserInfo) {
        match self.people.users.iter_mut().find(|known| known.id == user.id) {
            Some(known) => *known = user,
            None => self.people.users.push(user),
        }
    }
}
