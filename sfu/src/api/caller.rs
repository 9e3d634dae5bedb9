//! Who calls the exam office: a person by their token, or an institution's system by its API key. Everywhere else a token is asked for
//! ([`super::account::Bearer`]), and a key opens nothing.

use super::account::{Account, bearer};
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::{api_key, secret};
use crate::clock;
use crate::control::permission::{self, Act};
use crate::store::Store;
use crate::store::api_keys::ApiKeyRecord;
use crate::store::audit::Actor;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use invigil_shared::error::{ErrorBody, ErrorCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// A person, or a system.
pub enum Caller {
    Person(Account),
    System(ApiKeyRecord),
}

impl Caller {
    pub fn may(&self, act: Act) -> bool {
        match self {
            Self::Person(account) => permission::may(account.identity.role, act),
            Self::System(key) => permission::opens(&key.scopes, act),
        }
    }

    /// # Errors
    /// `forbidden`.
    pub fn check(&self, act: Act) -> Result<(), ErrorBody> {
        if self.may(act) {
            return Ok(());
        }
        Err(ErrorCode::Forbidden.into())
    }

    /// As the audit log names them.
    pub fn actor(&self, address: Option<IpAddr>) -> Actor {
        match self {
            Self::Person(account) => Actor::of(&account.identity, address),
            Self::System(key) => Actor::api_key(key.id, address),
        }
    }

    /// The store, acting for them.
    pub fn store(&self, service: &Service, address: IpAddr) -> Arc<dyn Store> {
        service.store.acting(self.actor(Some(address)))
    }
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        if !api_key::is_meant(token) {
            return Ok(Self::Person(service.authenticate(token).await?));
        }
        let Peer(peer) = parts.extensions.get::<Peer>().ok_or(ErrorCode::Internal)?;
        Ok(Self::System(service.api_key(token, peer.ip()).await?))
    }
}

impl Service {
    /// The key of a bearer's text, if it is good now. It is read anew for every request, so that a revocation holds at once on every
    /// server of the database.
    async fn api_key(&self, token: &str, address: IpAddr) -> Result<ApiKeyRecord, ErrorBody> {
        let Some(key) = self.known_key(token).await? else {
            // As with invitations: guesses are counted, and a right key is never kept out by whoever guesses behind the same address.
            let attempt = self.throttle.begin("api-key", address, Instant::now())?;
            self.refusals.count(Refused::ApiKey, address);
            return Err(attempt.failed(ErrorCode::TokenInvalid));
        };
        let now = clock::now_us();
        if key.revoked_at.is_some() {
            return Err(ErrorCode::AccessRevoked.into());
        }
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(ErrorCode::TokenExpired.into());
        }
        if self.api_key_uses.admit(key.id, Instant::now())?
            && let Err(error) = self.store.note_api_key_use(key.id, now).await
        {
            tracing::warn!(%error, "the use of an API key was not noted");
        }
        Ok(key)
    }

    async fn known_key(&self, token: &str) -> Result<Option<ApiKeyRecord>, ErrorBody> {
        let Some((id, typed)) = api_key::parse(token) else {
            return Ok(None);
        };
        let key = self.store.api_key(id).await?;
        let hash = self.secrets.api_key(id, typed);
        Ok(key.filter(|key| secret::equal(&key.secret_hash, &hash)))
    }
}
