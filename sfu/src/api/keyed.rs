//! Creates that are done once for their `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a client that did not hear the
//! answer sends the same request again and gets the same answer, for a day. The store keeps the key with the create
//! (`store/once.rs`). The answer is kept without its secrets: those are made from a salt and the server's key, and are made again
//! from the kept salt when the answer is repeated.

use super::caller::Caller;
use super::problem::bytes;
use super::{ApiError, Peer};
use crate::clock;
use crate::shutdown::ShutdownSignal;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::once::{KEPT_US, Once, Outcome};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderName;
use invigil_shared::error::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A UUID has 36 characters; twice that and more is no key.
const MAX_KEY: usize = 128;
/// A day's keys may be kept an hour longer.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
const SALT: usize = 32;

/// The body of a create, with the key that came with it.
pub struct Keyed {
    pub bytes: Bytes,
    key: Option<String>,
    request: Vec<u8>,
    /// What the answer's secrets are made from.
    pub salt: Vec<u8>,
    address: Option<std::net::IpAddr>,
}

impl<S: Send + Sync> FromRequest<S> for Keyed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let mut given = request.headers().get_all(IDEMPOTENCY_KEY).iter();
        let wrong = || ApiError::from(ErrorBody::from(ErrorCode::FieldInvalid).with("field", IDEMPOTENCY_KEY));
        let key = match given.next() {
            Some(value) => {
                let text = value.to_str().ok().filter(|text| is_key(text)).ok_or_else(wrong)?;
                Some(text.to_owned())
            }
            None => None,
        };
        if given.next().is_some() {
            return Err(wrong());
        }
        let address = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
        let mut hasher = Sha256::new()
            .chain_update(request.method().as_str())
            .chain_update([0])
            .chain_update(request.uri().to_string())
            .chain_update([0]);
        let bytes = bytes(request, state).await?;
        hasher.update(&bytes);
        Ok(Self {
            bytes,
            key,
            request: hasher.finalize().to_vec(),
            salt: clock::random::<SALT>().to_vec(),
            address,
        })
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

impl Keyed {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.bytes).map_err(|_| ErrorCode::BadMessage.into())
    }

    /// Who acts, in the audit log.
    pub fn actor(&self, caller: &Caller) -> Actor {
        caller.actor(self.address)
    }

    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// What the store keeps with the create; none without a key. `answer` holds no secret.
    pub fn once(&self, caller: &Caller, answer: String) -> Option<Once> {
        self.key.clone().map(|key| Once {
            actor: self.actor(caller).name,
            key,
            request: self.request.clone(),
            salt: self.salt.clone(),
            answer,
            at: clock::now_us(),
        })
    }
}

/// The salt and answer that count: those of now, or those of the first time.
pub fn settled(outcome: Outcome, salt: Vec<u8>, answer: String) -> Result<(Vec<u8>, String), ApiError> {
    match outcome {
        Outcome::Done => Ok((salt, answer)),
        Outcome::Repeated { salt, answer } => Ok((salt, answer)),
        Outcome::Mismatch => Err(ErrorCode::IdempotencyMismatch.into()),
    }
}

/// Drops keys that are older than a day, until the server stops: a server on which nothing is made forgets too.
pub async fn forget_keys(store: Arc<dyn Store>, mut shutdown: ShutdownSignal) {
    let mut ticks = tokio::time::interval(FORGET_EVERY);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            _ = ticks.tick() => {
                if let Err(error) = store.forget_keys(clock::now_us().saturating_sub(KEPT_US)).await {
                    tracing::warn!(%error, "idempotency keys were not forgotten");
                }
            }
        }
    }
}
