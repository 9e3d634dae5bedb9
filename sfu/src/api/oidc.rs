//! Signing in through the identity provider. Its word counts for who somebody is, second factors with it; which account that is, and
//! whether it may come in, is decided here.

use super::account::Bearer;
use super::page::Ids;
use super::problem::Body;
use super::sign_in::{actor, normalise_email, normalise_name, respond};
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::oidc::{Claims, OidcError, Provider};
use crate::clock;
use crate::control::permission::{self, Act};
use crate::store::StoreError;
use crate::store::audit::Action;
use crate::store::oidc::OidcSubject;
use crate::store::records::UserRecord;
use axum::extract::State;
use axum::{Extension, Json};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ParticipantId, UserId};
use invigil_shared::oidc::{OidcBeginRequest, OidcBegun, OidcFinishRequest, OidcOffer, OidcProvider};
use invigil_shared::people::UserInfo;
use invigil_shared::rest::SignInResponse;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Longest code that is handed on; the specification names no limit, and providers stay far below.
const MAX_CODE: usize = 4_096;

impl Service {
    fn provider(&self) -> Result<&Provider, ErrorBody> {
        self.oidc.as_ref().ok_or_else(|| ErrorCode::NotFound.into())
    }
}

/// `GET /api/v1/oidc`: what the sign-in window offers.
pub async fn offer(State(service): State<Arc<Service>>) -> Json<OidcOffer> {
    let named = |provider: &Provider| OidcProvider {
        name: provider.name.clone(),
    };
    Json(OidcOffer {
        provider: service.oidc.as_ref().map(named),
    })
}

/// `POST /api/v1/oidc/begin`.
pub async fn begin(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<OidcBeginRequest>,
) -> Result<Json<OidcBegun>, ApiError> {
    let provider = service.provider()?;
    let (state, open) = provider
        .open
        .begin(&request.challenge, &request.redirect_uri, peer.ip(), Instant::now())?;
    match provider.authorization_url(&state, &open).await {
        Ok(url) => Ok(Json(OidcBegun { url, state })),
        Err(error) => {
            provider.open.take(&state, Instant::now());
            Err(ErrorBody::from(error).into())
        }
    }
}

/// `POST /api/v1/oidc/finish`.
pub async fn finish(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<OidcFinishRequest>,
) -> Result<Json<SignInResponse>, ApiError> {
    let provider = service.provider()?;
    // Guesses count by address: nobody has the provider asked for more of them than for passwords, and it takes this server for no attacker.
    let name = format!("oidc from {}", peer.ip().to_canonical());
    service.throttle.look(&name, peer.ip(), Instant::now())?;
    match signed_in(&service, provider, &request, peer).await {
        Ok(answer) => Ok(answer),
        Err(refused) => {
            // What is wrong at the provider or in the store is nobody's guess.
            if !refused.is_any(&[ErrorCode::OidcUnavailable, ErrorCode::StorageFailed]) {
                service.refusals.count(Refused::SignIn, peer.ip());
            }
            if refused.is_any(&[ErrorCode::OidcRefused]) {
                let _counted = service.throttle.begin(&name, peer.ip(), Instant::now());
            }
            Err(refused)
        }
    }
}

async fn signed_in(
    service: &Service,
    provider: &Provider,
    request: &OidcFinishRequest,
    peer: SocketAddr,
) -> Result<Json<SignInResponse>, ApiError> {
    let refused = |reason: &'static str| ErrorBody::from(OidcError::Refused(reason));
    let open = provider.open.take(&request.state, Instant::now());
    let open = open.ok_or_else(|| refused("its state is unknown, was used, or is too old"))?;
    if !open.was_begun_with(&request.verifier) {
        return Err(refused("somebody else began it").into());
    }
    if request.code.is_empty() || request.code.len() > MAX_CODE {
        return Err(refused("its code is none").into());
    }
    let claims = provider
        .redeem(
            &open,
            &request.code,
            &request.verifier,
            request.iss.as_deref(),
            clock::now_s(),
        )
        .await
        .map_err(ErrorBody::from)?;
    let user = account(service, provider, &claims, peer).await?;
    let participant = clock::fresh(ParticipantId::from_parts);
    let store = service.store.acting(actor(&user, peer));
    let said = json!({ "participant": participant, "oidc": true });
    store.note(Action::SignIn, user.id.to_string(), said).await?;
    respond(service, &user, participant)
}

/// Whose account it is: the one that is linked; or the one of the e-mail that the provider vouches for, which is linked from now on; or
/// a new one, where the operator wants that.
async fn account(
    service: &Service,
    provider: &Provider,
    claims: &Claims,
    peer: SocketAddr,
) -> Result<UserRecord, ErrorBody> {
    let subject = OidcSubject {
        issuer: provider.issuer.clone(),
        subject: claims.sub.clone(),
    };
    let active = |user: UserRecord| match user.active() {
        true => Ok(user),
        false => Err(ErrorBody::from(ErrorCode::AccountDeactivated)),
    };
    if let Some(user) = service.store.user_by_oidc(&subject).await? {
        return active(user);
    }
    let email = claims.profile.verified_email().and_then(normalise_email);
    let email = email.ok_or(ErrorCode::OidcEmailUnverified)?;
    let (user, linked) = match service.store.user_by_email(&email).await? {
        Some(user) => {
            let user = active(user)?;
            let store = service.store.acting(actor(&user, peer));
            let linked = store.link_oidc(user.id, subject.clone(), clock::now_us()).await;
            (user, linked)
        }
        None => {
            let none = || ErrorBody::from(ErrorCode::OidcNoAccount).with("email", &email);
            let role = provider.provisioned.ok_or_else(none)?;
            let name = claims.profile.name.as_deref().and_then(normalise_name);
            let user = UserRecord {
                id: clock::fresh(UserId::from_parts),
                name: name.unwrap_or_else(|| email.clone()),
                email,
                role,
                password_hash: None,
                created_at: clock::now_us(),
                deactivated_at: None,
                generation: 0,
            };
            let store = service.store.acting(actor(&user, peer));
            let made = store.provision_oidc(user.clone(), subject.clone()).await;
            (user, made)
        }
    };
    match linked {
        Ok(()) => Ok(user),
        // Linked a moment ago, by the same person at two windows; or to somebody else.
        Err(StoreError::Exists) => match service.store.user_by_oidc(&subject).await? {
            Some(user) => active(user),
            None => Err(ErrorCode::OidcLinkTaken.into()),
        },
        Err(StoreError::Missing) => Err(ErrorCode::AccountDeactivated.into()),
        Err(error) => Err(error.into()),
    }
}

/// `POST /api/v1/users/{user}/oidc/unlink`: whoever has the account's e-mail at the provider is linked at their next sign-in.
pub async fn unlink(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(user): Ids<UserId>,
    Bearer(account): Bearer,
) -> Result<Json<UserInfo>, ApiError> {
    permission::check(account.identity.role, Act::ManagePeople)?;
    service.store_for(&account.identity, peer).unlink_oidc(user).await?;
    service.revoked().await;
    let user = service.store.user(user).await?.ok_or(ErrorCode::NotFound)?;
    Ok(Json(service.listed(user).await?))
}
