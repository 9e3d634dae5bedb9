//! People with an account, for admins: list, invite, change, deactivate.

use super::account::Bearer;
use super::caller::Caller;
use super::invitations::new_link;
use super::keyed::{Keyed, settled};
use super::page::{Ids, Page};
use super::problem::Body;
use super::sign_in::{normalise_email, normalise_name};
use super::{ApiError, Peer, Service};
use crate::auth::Identity;
use crate::clock;
use crate::control::office::invalid;
use crate::control::permission::{self, Act};
use crate::mail::{Mailer, Words};
use crate::store::audit::Actor;
use crate::store::people::{ListedUser, UserChange};
use crate::store::records::UserRecord;
use crate::store::second_factors::Off;
use crate::store::{Store, StoreError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::UserId;
use invigil_shared::people::{AccountState, ChangeUserRequest, InviteRequest, UserInfo, UserLink};
use invigil_shared::role::Role;
use std::net::SocketAddr;
use std::sync::Arc;

/// An account as admins see it.
pub fn info(listed: ListedUser) -> UserInfo {
    let ListedUser {
        user,
        link_expires_at,
        second_factor,
        oidc_linked,
    } = listed;
    let state = match (user.active(), user.password_hash.is_some() || oidc_linked) {
        (false, _) => AccountState::Deactivated,
        (true, false) => AccountState::Invited,
        (true, true) => AccountState::Active,
    };
    UserInfo {
        id: user.id,
        email: user.email,
        name: user.name,
        role: user.role,
        state,
        created_at: user.created_at,
        link_expires_at,
        second_factor,
        oidc_linked,
    }
}

/// What people call a server, of `host:port`.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Roles that an account may have.
fn account_role(role: Role) -> Result<Role, ApiError> {
    match role {
        Role::Proctor | Role::Lead | Role::Reviewer | Role::Admin => Ok(role),
        Role::Candidate | Role::Unknown => Err(invalid("role").into()),
    }
}

impl Service {
    /// The store, acting for whoever holds the token.
    pub(super) fn store_for(&self, identity: &Identity, peer: SocketAddr) -> Arc<dyn Store> {
        self.store.acting(Actor::of(identity, Some(peer.ip())))
    }

    /// An account as admins see it, without a link.
    pub(super) async fn listed(&self, user: UserRecord) -> Result<UserInfo, ErrorBody> {
        let second_factor = self.counting_factor(&user).await?.is_some();
        let oidc_linked = self.store.oidc_link(user.id).await?.is_some();
        Ok(info(ListedUser {
            user,
            link_expires_at: None,
            second_factor,
            oidc_linked,
        }))
    }

    /// What an admin is told of a link, after it went to its owner's mailbox where there is a mail server.
    async fn told(&self, user: UserInfo, link: String, expires_at: i64) -> UserLink {
        let mailed = match &self.mailer {
            Some(mailer) => Some(self.mail(mailer, &user, &link, expires_at).await),
            None => None,
        };
        UserLink {
            user,
            link,
            expires_at,
            mailed,
        }
    }

    async fn mail(&self, mailer: &Mailer, user: &UserInfo, link: &str, until: i64) -> bool {
        let server = self.address.read().authority.clone();
        let words = Words {
            name: &user.name,
            email: &user.email,
            role: user.role,
            server: host(&server),
            link,
            until,
        };
        match mailer.send(&words).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(user = %user.id, server = mailer.server, error, "an invitation was not mailed");
                false
            }
        }
    }

    /// Lets what was revoked take effect here at once. It is committed: if this fails, the server does it by itself soon after.
    pub(super) async fn revoked(&self) {
        if let Err(error) = self.control.follow_revocations().await {
            tracing::error!(%error, "a revocation takes effect later");
        }
    }
}

/// `GET /api/v1/users?limit=50&cursor=ID`.
pub async fn list(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
    page: Page<UserId>,
) -> Result<Response, ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    let users = service.store.users(page.cursor, page.wanted()).await?;
    let users: Vec<UserInfo> = users.into_iter().map(info).collect();
    Ok(page.answer(users, |user| user.id))
}

/// `POST /api/v1/users`: an account without a password, and the link with which its owner chooses one. With an `Idempotency-Key` once.
pub async fn invite(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
    request: Keyed,
) -> Result<(StatusCode, Json<UserLink>), ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    let caller = Caller::Person(account);
    let asked: InviteRequest = request.json()?;
    let user = UserRecord {
        id: clock::fresh(UserId::from_parts),
        email: normalise_email(&asked.email).ok_or_else(|| ApiError::from(invalid("email")))?,
        name: normalise_name(&asked.name).ok_or_else(|| ApiError::from(invalid("name")))?,
        role: account_role(asked.role)?,
        password_hash: None,
        created_at: clock::now_us(),
        deactivated_at: None,
        generation: 0,
    };
    let link = |account, salt: &[u8]| new_link(&service.address.read(), &service.secrets, account, salt);
    let (_, invitation) = link(user.id, &request.salt);
    let answer = info(ListedUser {
        user: user.clone(),
        link_expires_at: Some(invitation.expires_at),
        second_factor: false,
        oidc_linked: false,
    });
    let answer = serde_json::to_string(&answer).map_err(|_| ErrorCode::Internal)?;
    let once = request.once(&caller, answer.clone());
    let store = service.store.acting(request.actor(&caller));
    let invited = match store.invite(user, invitation, once).await {
        Err(StoreError::Exists) => return Err(ErrorCode::EmailTaken.into()),
        invited => invited?,
    };
    let (salt, answer) = settled(invited, request.salt, answer)?;
    let user: UserInfo = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal)?;
    let expires_at = user.link_expires_at.unwrap_or_default();
    let (link, _) = link(user.id, &salt);
    // Whoever did not hear the answer sends the same again: the same link goes out twice then.
    let told = service.told(user, link, expires_at).await;
    Ok((StatusCode::CREATED, Json(told)))
}

/// `POST /api/v1/users/{user}/link`: for somebody who lost the link before, or the password.
pub async fn renew_link(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(user): Ids<UserId>,
    Bearer(account): Bearer,
) -> Result<Json<UserLink>, ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    let user = service.store.user(user).await?.ok_or(ErrorCode::NotFound)?;
    if !user.active() {
        return Err(ErrorCode::AccountDeactivated.into());
    }
    let salt = clock::random::<32>();
    let (link, invitation) = new_link(&service.address.read(), &service.secrets, user.id, &salt);
    let expires_at = invitation.expires_at;
    service
        .store_for(&account.identity, peer)
        .renew_link(invitation)
        .await?;
    let user = UserInfo {
        link_expires_at: Some(expires_at),
        ..service.listed(user).await?
    };
    Ok(Json(service.told(user, link, expires_at).await))
}

/// `PATCH /api/v1/users/{user}`: name, role, active.
pub async fn change(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(user): Ids<UserId>,
    Bearer(account): Bearer,
    Body(request): Body<ChangeUserRequest>,
) -> Result<Json<UserInfo>, ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    let named = |name: String| normalise_name(&name).ok_or_else(|| ApiError::from(invalid("name")));
    let change = UserChange {
        name: request.name.map(named).transpose()?,
        role: request.role.map(account_role).transpose()?,
        active: request.active,
    };
    let store = service.store_for(&account.identity, peer);
    let user = store.change_user(user, change, clock::now_us()).await?;
    service.revoked().await;
    Ok(Json(service.listed(user).await?))
}

/// `POST /api/v1/users/{user}/second-factor/off`: for somebody who has lost it. They are signed out, and sign in with the password alone.
pub async fn take_second_factor(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(user): Ids<UserId>,
    Bearer(account): Bearer,
) -> Result<Json<UserInfo>, ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    let store = service.store_for(&account.identity, peer);
    store.drop_second_factor(user, Off::Taken).await?;
    service.revoked().await;
    let user = service.store.user(user).await?.ok_or(ErrorCode::NotFound)?;
    Ok(Json(service.listed(user).await?))
}
