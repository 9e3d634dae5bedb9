//! Accounts over their life: what a change is and what it brings about, whichever database keeps it.

use super::{StoreError, Stored};
use crate::auth::identity::Subject;
use crate::store::once::{Once, Outcome};
use crate::store::records::UserRecord;
use async_trait::async_trait;
use invigil_shared::id::UserId;
use invigil_shared::role::Role;
use serde_json::{Value, json};

/// An account and its link, if one was made and not used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    pub user: UserRecord,
    /// Microseconds since the Unix epoch, UTC.
    pub link_expires_at: Option<i64>,
    pub second_factor: bool,
    pub oidc_linked: bool,
}

/// A one-time link for an account.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub account: UserId,
    pub token_hash: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// What is to be changed of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    pub name: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
}

/// What a change brings about.
pub struct Changed {
    pub before: UserRecord,
    pub user: UserRecord,
}

impl UserChange {
    /// None when everything is so already. `at`: microseconds since the Unix epoch, UTC.
    pub(super) fn of(self, before: UserRecord, at: i64) -> Option<Changed> {
        let mut user = before.clone();
        user.name = self.name.unwrap_or(user.name);
        user.role = self.role.unwrap_or(user.role);
        match self.active {
            Some(true) => user.deactivated_at = None,
            Some(false) => user.deactivated_at = user.deactivated_at.or(Some(at)),
            None => {}
        }
        let taken_away = before.active() && !user.active();
        user.generation += u64::from(taken_away || before.role != user.role);
        (before != user).then_some(Changed { before, user })
    }
}

impl Changed {
    /// Tokens that were issued before are refused from now on.
    pub fn revokes(&self) -> bool {
        self.before.generation != self.user.generation
    }

    /// An admin is lost: there has to be another one.
    pub(super) fn takes_an_admin(&self) -> bool {
        let administers = |user: &UserRecord| user.active() && user.role == Role::Admin;
        administers(&self.before) && !administers(&self.user)
    }

    /// What the audit log says.
    pub(super) fn said(&self) -> Value {
        let (before, user) = (&self.before, &self.user);
        let mut said = json!({ "email": user.email });
        if before.role != user.role {
            said["role"] = json!({ "from": before.role.as_str(), "to": user.role.as_str() });
        }
        if before.active() != user.active() {
            said["active"] = user.active().into();
        }
        if before.name != user.name {
            said["renamed"] = true.into();
        }
        said
    }
}

/// What the audit log says of a new person.
pub(super) fn said(user: &UserRecord) -> Value {
    json!({ "email": user.email, "role": user.role.as_str() })
}

/// People with an account, once there are some.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// Those whose ids come after one, in the order of their ids.
    async fn users(&self, after: Option<UserId>, count: usize) -> Stored<Vec<ListedUser>>;
    /// Adds an account that has no password yet, with its link. [`StoreError::Exists`] when the e-mail is taken.
    async fn invite(&self, user: UserRecord, invitation: NewInvitation, once: Option<Once>) -> Stored<Outcome>;
    /// Makes a link, which takes the place of the one before. [`StoreError::Missing`] when there is no such account or it is
    /// deactivated.
    async fn renew_link(&self, invitation: NewInvitation) -> Stored<()>;
    /// Whose link this is, unless it is over at `now`.
    async fn invited(&self, token_hash: &[u8], now: i64) -> Stored<Option<UserRecord>>;
    /// Uses a link up: its account has this password, and tokens from before are refused. [`StoreError::Missing`] when it is none, or is
    /// over at `now`.
    async fn accept(&self, token_hash: Vec<u8>, password_hash: String, now: i64) -> Stored<UserRecord>;
    /// Changes an account, and returns it as it then is. [`StoreError::Missing`] when there is none; [`StoreError::LastAdmin`] when
    /// nobody else could administer the server.
    async fn change_user(&self, id: UserId, change: UserChange, at: i64) -> Stored<UserRecord>;
}

/// Somebody's tokens that are older than a generation are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub subject: Subject,
    pub generation: u64,
    /// Rises with each.
    pub seq: u64,
}

/// Who was revoked.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// At most `count` after a number, in order.
    async fn revocations(&self, after: u64, count: usize) -> Stored<Vec<Revocation>>;
    /// Revokes a sitting, or lets it go on (tokens from before stay refused); false when it is so already. [`StoreError::Missing`] when
    /// there is none.
    async fn set_session_revoked(&self, session: invigil_shared::id::SessionId, revoked: bool, at: i64)
    -> Stored<bool>;
}

pub(super) const USER: &str = "user";
pub(super) const SESSION: &str = "session";

pub(super) fn kind(subject: Subject) -> &'static str {
    match subject {
        Subject::User(_) => USER,
        Subject::Session(_) => SESSION,
    }
}

/// Nobody: comes before every id.
pub(super) fn first() -> UserId {
    UserId(sqlx::types::Uuid::nil())
}

/// Turns "nobody else" into its error.
pub(super) fn keep_an_admin(others: bool) -> Stored<()> {
    if others { Ok(()) } else { Err(StoreError::LastAdmin) }
}
