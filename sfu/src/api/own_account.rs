//! The own account: password and second factor. Whoever changes them proves the password first: a token that was left open somewhere
//! locks nobody out of their account.

use super::account::{Account, Bearer};
use super::problem::Body;
use super::sign_in::respond;
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::identity::Person;
use crate::auth::second_factor::{RECOVERY_CODES, TotpSecret, Typed};
use crate::auth::{password, secret};
use crate::clock;
use crate::control::office::invalid;
use crate::control::permission::{self, Act};
use crate::store::StoreError;
use crate::store::records::UserRecord;
use crate::store::second_factors::{Confirmed, Off, SecondFactor};
use axum::extract::State;
use axum::{Extension, Json};
use invigil_shared::account::{
    ChangePasswordRequest, ConfirmSecondFactorRequest, DropSecondFactorRequest, OfferSecondFactorRequest, OwnAccount,
    RecoveryCodes, SecondFactorOffer,
};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::rest::SignInResponse;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Guesses at one account's codes count together, from wherever they come: six digits are few, and whoever gets to guess knows the
/// password already.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Service {
    /// The second factor of an account, if it counts.
    pub(super) async fn counting_factor(&self, user: &UserRecord) -> Result<Option<SecondFactor>, ErrorBody> {
        let factor = self.store.second_factor(user.id).await?;
        Ok(factor.filter(|factor| factor.confirmed_at.is_some()))
    }

    /// Checks a code and uses it up. To be asked once the password is known to be right.
    ///
    /// # Errors
    /// `second_factor_wrong`, `secret_throttled`.
    pub(super) async fn check_code(
        &self,
        user: &UserRecord,
        factor: &SecondFactor,
        typed: &str,
        peer: SocketAddr,
    ) -> Result<(), ErrorBody> {
        let name = format!("second factor of {}", user.id);
        let attempt = self.throttle.begin(&name, ANYWHERE, Instant::now())?;
        let store = self.store.acting(super::sign_in::actor(user, peer));
        let right = match Typed::parse(typed) {
            Some(Typed::Code(code)) => match self.totp(user, factor)?.step_of(&code, clock::now_s()) {
                Some(step) => store.use_second_factor(user.id, step).await?,
                None => false,
            },
            Some(Typed::Recovery(code)) => {
                let hash = self.secrets.recovery(user.id, &code);
                store.use_recovery_code(user.id, hash).await?
            }
            None => false,
        };
        if right {
            attempt.succeeded();
            return Ok(());
        }
        self.refusals.count(Refused::SignIn, peer.ip());
        Err(attempt.failed(ErrorCode::SecondFactorWrong))
    }

    fn totp(&self, user: &UserRecord, factor: &SecondFactor) -> Result<TotpSecret, ErrorBody> {
        TotpSecret::open(&self.secrets, user.id, &factor.secret).ok_or_else(|| {
            tracing::error!(user = %user.id, "a second factor was not sealed under this server's key");
            ErrorCode::Internal.into()
        })
    }

    /// Whoever holds the token.
    async fn owner(&self, account: &Account) -> Result<UserRecord, ErrorBody> {
        permission::check(account.identity.role, Act::ManageOwnAccount)?;
        let Person::User(id) = account.identity.person else {
            return Err(ErrorCode::Forbidden.into());
        };
        Ok(self.store.user(id).await?.ok_or(ErrorCode::TokenInvalid)?)
    }

    /// The same, when they know the password: guesses count like those at signing in. With the hash that it fits.
    async fn proven(
        &self,
        account: &Account,
        typed: &str,
        peer: SocketAddr,
    ) -> Result<(UserRecord, String), ErrorBody> {
        let user = self.owner(account).await?;
        let attempt = self.throttle.begin(&user.email, peer.ip(), Instant::now())?;
        let stored = user.password_hash.clone();
        let right = self.passwords.verify(stored.as_deref(), typed).await?;
        match stored.filter(|_| right) {
            Some(hash) => {
                attempt.succeeded();
                Ok((user, hash))
            }
            None => {
                self.refusals.count(Refused::SignIn, peer.ip());
                Err(attempt.failed(ErrorCode::CredentialsWrong))
            }
        }
    }
}

/// `GET /api/v1/account`.
pub async fn read(State(service): State<Arc<Service>>, Bearer(account): Bearer) -> Result<Json<OwnAccount>, ApiError> {
    let user = service.owner(&account).await?;
    own(&service, user).await
}

async fn own(service: &Service, user: UserRecord) -> Result<Json<OwnAccount>, ApiError> {
    let factor = service.counting_factor(&user).await?;
    let oidc_linked = service.store.oidc_link(user.id).await?.is_some();
    Ok(Json(OwnAccount {
        email: user.email,
        name: user.name,
        role: user.role,
        second_factor: factor.is_some(),
        recovery_codes_left: factor.map_or(0, |factor| factor.codes_left),
        oidc_linked,
    }))
}

/// `POST /api/v1/account/password`: signs out every other device.
pub async fn change_password(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Bearer(account): Bearer,
    Body(request): Body<ChangePasswordRequest>,
) -> Result<Json<SignInResponse>, ApiError> {
    if !password::acceptable(&request.new_password) {
        return Err(invalid("new_password").into());
    }
    let (user, before) = service.proven(&account, &request.password, peer).await?;
    let hash = service.passwords.hash(&request.new_password).await?;
    let store = service.store_for(&account.identity, peer);
    let user = match store.change_password(user.id, before, hash).await {
        // Changed meanwhile, by somebody else with the same password.
        Err(StoreError::Missing) => return Err(ErrorCode::AccessRevoked.into()),
        changed => changed?,
    };
    service.revoked().await;
    respond(&service, &user, account.identity.participant)
}

/// `POST /api/v1/account/second-factor`.
pub async fn offer(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Bearer(account): Bearer,
    Body(request): Body<OfferSecondFactorRequest>,
) -> Result<Json<SecondFactorOffer>, ApiError> {
    let (user, _) = service.proven(&account, &request.password, peer).await?;
    let secret = TotpSecret::generate();
    let sealed = secret.seal(&service.secrets, user.id).ok_or(ErrorCode::Internal)?;
    let store = service.store_for(&account.identity, peer);
    match store.offer_second_factor(user.id, sealed, clock::now_us()).await {
        Err(StoreError::Exists) => return Err(ErrorCode::SecondFactorExists.into()),
        offered => offered?,
    }
    Ok(Json(SecondFactorOffer {
        secret: secret.base32(),
        uri: secret.uri(&user.email),
    }))
}

/// `POST /api/v1/account/second-factor/confirm`: from now on it counts.
pub async fn confirm(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Bearer(account): Bearer,
    Body(request): Body<ConfirmSecondFactorRequest>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let user = service.owner(&account).await?;
    let factor = service.store.second_factor(user.id).await?.ok_or(ErrorCode::NotFound)?;
    if factor.confirmed_at.is_some() {
        return Err(ErrorCode::SecondFactorExists.into());
    }
    let name = format!("second factor of {}", user.id);
    let attempt = service.throttle.begin(&name, ANYWHERE, Instant::now())?;
    let totp = service.totp(&user, &factor)?;
    let step = match Typed::parse(&request.code) {
        Some(Typed::Code(code)) => totp.step_of(&code, clock::now_s()),
        _ => None,
    };
    let Some(step) = step else {
        return Err(attempt.failed(ErrorCode::SecondFactorWrong).into());
    };
    attempt.succeeded();
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| secret::recovery_code()).collect();
    let hashed = codes.iter().filter_map(|code| secret::normalise(code));
    let confirmed = Confirmed {
        account: user.id,
        secret: factor.secret,
        step,
        codes: hashed.map(|code| service.secrets.recovery(user.id, &code)).collect(),
        at: clock::now_us(),
    };
    let store = service.store_for(&account.identity, peer);
    store.confirm_second_factor(confirmed).await?;
    Ok(Json(RecoveryCodes { codes }))
}

/// `POST /api/v1/account/second-factor/off`.
pub async fn turn_off(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Bearer(account): Bearer,
    Body(request): Body<DropSecondFactorRequest>,
) -> Result<Json<OwnAccount>, ApiError> {
    let (user, _) = service.proven(&account, &request.password, peer).await?;
    let factor = service.counting_factor(&user).await?.ok_or(ErrorCode::NotFound)?;
    service.check_code(&user, &factor, &request.code, peer).await?;
    let store = service.store_for(&account.identity, peer);
    store.drop_second_factor(user.id, Off::Own).await?;
    own(&service, user).await
}
