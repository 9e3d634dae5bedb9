//! API keys, for admins: make, list, revoke. A key is told when it is made, and never again.

use super::account::Bearer;
use super::caller::Caller;
use super::keyed::{Keyed, settled};
use super::page::{Ids, Page};
use super::sign_in::normalise_name;
use super::{ApiError, Peer, Service};
use crate::auth::api_key;
use crate::auth::secret::SecretHasher;
use crate::clock;
use crate::control::office::invalid;
use crate::control::permission::{self, Act};
use crate::store::api_keys::ApiKeyRecord;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, NewApiKey};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::ApiKeyId;
use std::sync::Arc;

/// A key as admins see it.
pub fn info(key: ApiKeyRecord) -> ApiKeyInfo {
    ApiKeyInfo {
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        created_by: key.created_by,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        last_used_at: key.last_used_at,
    }
}

/// A key of what was asked for, made from a salt, and what its owner gets. `created_by` is how the audit log will name whoever asks.
///
/// # Errors
/// `field_invalid`.
pub fn new_key(
    secrets: &SecretHasher,
    asked: ApiKeyRequest,
    salt: &[u8],
    created_by: String,
) -> Result<(ApiKeyRecord, String), ErrorBody> {
    let created_at = clock::now_us();
    let mut scopes = asked.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(invalid("scopes"));
    }
    if asked.expires_at.is_some_and(|at| at <= created_at) {
        return Err(invalid("expires_at"));
    }
    let id = clock::fresh(ApiKeyId::from_parts);
    let (secret, secret_hash) = secrets.new_api_key(salt, id);
    let key = ApiKeyRecord {
        id,
        name: normalise_name(&asked.name).ok_or_else(|| invalid("name"))?,
        scopes,
        secret_hash,
        created_by,
        created_at,
        expires_at: asked.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    Ok((key, api_key::token(id, &secret)))
}

/// `GET /api/v1/api-keys?limit=50&cursor=ID`.
pub async fn list(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
    page: Page<ApiKeyId>,
) -> Result<Response, ApiError> {
    permission::check(account.identity.role, Act::ManageApiKeys)?;
    let keys = service.store.api_keys(page.cursor, page.wanted()).await?;
    let keys: Vec<ApiKeyInfo> = keys.into_iter().map(info).collect();
    Ok(page.answer(keys, |key| key.id))
}

/// `POST /api/v1/api-keys`.
pub async fn create(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
    request: Keyed,
) -> Result<Response, ApiError> {
    permission::check(account.identity.role, Act::ManageApiKeys)?;
    let caller = Caller::Person(account);
    let actor = request.actor(&caller);
    let (key, _) = new_key(&service.secrets, request.json()?, &request.salt, actor.name.clone())?;
    let answer = serde_json::to_string(&info(key.clone())).map_err(|_| ErrorCode::Internal)?;
    let once = request.once(&caller, answer.clone());
    let made = service.store.acting(actor).add_api_key(key, once).await?;
    let (salt, answer) = settled(made, request.salt, answer)?;
    let key: ApiKeyInfo = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal)?;
    let (secret, _) = service.secrets.new_api_key(&salt, key.id);
    let token = api_key::token(key.id, &secret);
    Ok((StatusCode::CREATED, Json(NewApiKey { key, token })).into_response())
}

/// `POST /api/v1/api-keys/{key}/revoke`: refused from now on, on every server. Asking twice is no mistake.
pub async fn revoke(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(key): Ids<ApiKeyId>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::ManageApiKeys)?;
    let store = service.store_for(&account.identity, peer);
    store.revoke_api_key(key, clock::now_us()).await?;
    Ok(StatusCode::NO_CONTENT)
}
