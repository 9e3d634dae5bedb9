//! What a link that an admin handed out does: whoever has it chooses the account's password, once.

use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::identity::Person;
use crate::auth::password;
use crate::auth::secret::SecretHasher;
use crate::clock;
use crate::config::ServerFile;
use crate::control::office::invalid;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::people::NewInvitation;
use crate::store::records::UserRecord;
use axum::extract::State;
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::UserId;
use invigil_shared::people::{AcceptRequest, InvitationInfo, InvitationRequest, InviteLink};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// How long a link is good for: over a weekend, microseconds.
const LIFETIME_US: i64 = 72 * 3_600 * 1_000_000;

/// Makes a link for an account out of a salt, and what the store keeps of it: the same salt makes the same link.
pub fn new_link(server: &ServerFile, secrets: &SecretHasher, account: UserId, salt: &[u8]) -> (String, NewInvitation) {
    let token = URL_SAFE_NO_PAD.encode(secrets.invitation_of_salt(salt, account));
    let created_at = clock::now_us();
    let invitation = NewInvitation {
        account,
        token_hash: secrets.invitation(&token),
        created_at,
        expires_at: created_at + LIFETIME_US,
    };
    let link = InviteLink {
        authority: server.authority.clone(),
        token,
        certificate_sha256: server.certificate_sha256.clone(),
    };
    (link.to_text(), invitation)
}

/// A wrong token is counted like a wrong password. Right ones, of 256 random bits, are not: nobody behind the same address keeps them out.
fn refused(service: &Service, peer: SocketAddr) -> ApiError {
    match service.throttle.begin("invitation", peer.ip(), Instant::now()) {
        Ok(attempt) => {
            service.refusals.count(Refused::SignIn, peer.ip());
            attempt.failed(ErrorCode::InvitationInvalid).into()
        }
        Err(throttled) => throttled.into(),
    }
}

fn info(user: &UserRecord) -> InvitationInfo {
    InvitationInfo {
        email: user.email.clone(),
        name: user.name.clone(),
        role: user.role,
        reset: user.password_hash.is_some(),
    }
}

/// `POST /api/v1/invitations/look`. The token stands in the body: addresses are logged by what lies between.
pub async fn look(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<InvitationRequest>,
) -> Result<Json<InvitationInfo>, ApiError> {
    let hash = service.secrets.invitation(&request.token);
    let user = service.store.invited(&hash, clock::now_us()).await?;
    let user = user.ok_or_else(|| refused(&service, peer))?;
    Ok(Json(info(&user)))
}

/// `POST /api/v1/invitations/accept`. Signing in is the next step: a second factor is asked for there.
pub async fn accept(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<AcceptRequest>,
) -> Result<Json<InvitationInfo>, ApiError> {
    if !password::acceptable(&request.password) {
        return Err(invalid("password").into());
    }
    let hash = service.secrets.invitation(&request.token);
    // Before the costly hash of a password: strangers don't get one.
    let user = service.store.invited(&hash, clock::now_us()).await?;
    let user = user.ok_or_else(|| refused(&service, peer))?;
    let password = service.passwords.hash(&request.password).await?;
    let actor = Actor::person(Person::User(user.id), user.role, Some(peer.ip()));
    let accepted = service
        .store
        .acting(actor)
        .accept(hash, password, clock::now_us())
        .await;
    match accepted {
        Ok(_) => {}
        // Somebody with the same link was faster.
        Err(StoreError::Missing) => return Err(refused(&service, peer)),
        Err(error) => return Err(error.into()),
    }
    service.revoked().await;
    Ok(Json(info(&user)))
}
