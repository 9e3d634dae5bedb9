//! People with an account: the first admin's setup, sign-in, fresh tokens.

use super::account::{Account, Bearer};
use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::identity::Person;
use crate::auth::{password, secret};
use crate::clock;
use crate::store::StoreError;
use crate::store::audit::{Action, Actor};
use crate::store::records::UserRecord;
use axum::extract::State;
use axum::{Extension, Json};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ParticipantId, UserId};
use invigil_shared::rest::{SetupRequest, SignInRequest, SignInResponse};
use invigil_shared::role::Role;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Longest e-mail address (RFC 5321 section 4.5.3.1) and name that are kept.
const MAX_EMAIL: usize = 254;
const MAX_NAME: usize = 200;

/// An e-mail address as the store knows it; none when it can't be one.
pub fn normalise_email(typed: &str) -> Option<String> {
    let email = typed.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let sane = !local.is_empty() && !domain.is_empty() && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    (sane && email.len() <= MAX_EMAIL).then_some(email)
}

/// A name as the store knows it; none when it is empty or too long.
pub fn normalise_name(typed: &str) -> Option<String> {
    let name = typed.trim();
    let sane = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    sane.then(|| name.to_owned())
}

fn field(name: &str) -> ApiError {
    ApiError::from(ErrorCode::FieldInvalid).with("field", name)
}

/// Every sign-in acts in rooms under a participant of its own: two windows of one person don't end each other.
pub(super) fn respond(
    service: &Service,
    user: &UserRecord,
    participant: ParticipantId,
) -> Result<Json<SignInResponse>, ApiError> {
    let person = Person::User(user.id);
    let token = service.tokens.issue(participant, user.role, person, user.generation)?;
    let (role, name) = (user.role, user.name.clone());
    Ok(Json(SignInResponse {
        access_token: token.text,
        expires_at: token.expires_at,
        participant,
        role,
        name,
    }))
}

pub(super) fn actor(user: &UserRecord, peer: SocketAddr) -> Actor {
    Actor::person(Person::User(user.id), user.role, Some(peer.ip()))
}

/// `POST /api/v1/setup`.
pub async fn setup(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<SetupRequest>,
) -> Result<Json<SignInResponse>, ApiError> {
    let email = normalise_email(&request.email).ok_or_else(|| field("email"))?;
    let name = normalise_name(&request.name).ok_or_else(|| field("name"))?;
    if !password::acceptable(&request.password) {
        return Err(field("password"));
    }
    let attempt = service.throttle.begin("setup", peer.ip(), Instant::now())?;
    let Some(code) = secret::normalise(&request.setup_code) else {
        service.refusals.count(Refused::SignIn, peer.ip());
        return Err(attempt.failed(ErrorCode::SetupCodeWrong).into());
    };
    let user = UserRecord {
        id: clock::fresh(UserId::from_parts),
        email,
        name,
        role: Role::Admin,
        password_hash: Some(service.passwords.hash(&request.password).await?),
        created_at: clock::now_us(),
        deactivated_at: None,
        generation: 0,
    };
    let store = service.store.acting(actor(&user, peer));
    match store.set_up(service.secrets.setup(&code), user.clone()).await {
        Ok(()) => attempt.succeeded(),
        Err(StoreError::Missing) => {
            service.refusals.count(Refused::SignIn, peer.ip());
            return Err(attempt.failed(ErrorCode::SetupCodeWrong).into());
        }
        Err(StoreError::Exists) => return Err(field("email")),
        Err(error) => return Err(error.into()),
    }
    tracing::info!("the first admin was made");
    respond(&service, &user, clock::fresh(ParticipantId::from_parts))
}

/// `POST /api/v1/sign-in`. Who has a second factor comes twice: with the password, and with the password and a code. Nothing is kept
/// in between.
pub async fn sign_in(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<SignInRequest>,
) -> Result<Json<SignInResponse>, ApiError> {
    let email = normalise_email(&request.email);
    let key = email.as_deref().unwrap_or("@");
    let attempt = service.throttle.begin(key, peer.ip(), Instant::now())?;
    let user = match &email {
        Some(email) => service.store.user_by_email(email).await?,
        None => None,
    };
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let right = service.passwords.verify(stored, &request.password).await?;
    let Some(user) = user.filter(|_| right) else {
        service.refusals.count(Refused::SignIn, peer.ip());
        return Err(attempt.failed(ErrorCode::CredentialsWrong).into());
    };
    attempt.succeeded();
    // Only to whoever knows the password: others can't tell that there is such an account.
    if !user.active() {
        return Err(ErrorCode::AccountDeactivated.into());
    }
    if let Some(factor) = service.counting_factor(&user).await? {
        let code = request.code.as_deref().map(str::trim).filter(|code| !code.is_empty());
        let code = code.ok_or(ErrorCode::SecondFactorRequired)?;
        service.check_code(&user, &factor, code, peer).await?;
    }
    let participant = clock::fresh(ParticipantId::from_parts);
    let store = service.store.acting(actor(&user, peer));
    let said = json!({ "participant": participant });
    store.note(Action::SignIn, user.id.to_string(), said).await?;
    respond(&service, &user, participant)
}

/// `POST /api/v1/refresh`.
pub async fn refresh(
    State(service): State<Arc<Service>>,
    Bearer(Account { identity, name }): Bearer,
) -> Result<Json<SignInResponse>, ApiError> {
    let token = service.tokens.issue(
        identity.participant,
        identity.role,
        identity.person,
        identity.generation,
    )?;
    Ok(Json(SignInResponse {
        access_token: token.text,
        expires_at: token.expires_at,
        participant: identity.participant,
        role: identity.role,
        name,
    }))
}
