//! Keys of institutions' systems, as kept: never the key itself.

use super::Stored;
use super::once::{Once, Outcome};
use super::rows::Columns;
use async_trait::async_trait;
use invigil_shared::api_key::ApiScope;
use invigil_shared::id::ApiKeyId;
use serde_json::{Value, json};
use sqlx::types::Uuid;

/// How exactly the last use is known, microseconds: a minute, so that use does not make a write of every read.
pub const USE_KNOWN_US: i64 = 60 * 1_000_000;

/// A key as stored. Times are microseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<ApiScope>,
    pub secret_hash: Vec<u8>,
    /// As the audit log names whoever made it.
    pub created_by: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key, once for its idempotency key. `created_by` is whoever the store acts for, not what the record says.
    async fn add_api_key(&self, key: ApiKeyRecord, once: Option<Once>) -> Stored<Outcome>;
    async fn api_key(&self, id: ApiKeyId) -> Stored<Option<ApiKeyRecord>>;
    /// Those whose ids come after one, in the order of their ids, revoked ones too.
    async fn api_keys(&self, after: Option<ApiKeyId>, count: usize) -> Stored<Vec<ApiKeyRecord>>;
    /// False when it was revoked before. [`super::StoreError::Missing`] when there is none.
    async fn revoke_api_key(&self, id: ApiKeyId, at: i64) -> Stored<bool>;
    /// Notes a use, unless one within [`USE_KNOWN_US`] is noted already.
    async fn note_api_key_use(&self, id: ApiKeyId, at: i64) -> Stored<()>;
}

/// Before every key.
pub(super) const FIRST: ApiKeyId = ApiKeyId(Uuid::nil());

pub(super) fn scopes_text(scopes: &[ApiScope]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    names.join(" ")
}

/// A scope of a later version opens nothing here.
pub(super) fn api_key(row: &impl Columns) -> Stored<ApiKeyRecord> {
    let scopes = row.text("scopes")?;
    Ok(ApiKeyRecord {
        id: ApiKeyId(row.uuid("id")?),
        name: row.text("name")?,
        scopes: scopes.split_whitespace().filter_map(ApiScope::parse).collect(),
        secret_hash: row.bytes("secret_hash")?,
        created_by: row.text("created_by")?,
        created_at: row.integer("created_at")?,
        expires_at: row.maybe_integer("expires_at")?,
        revoked_at: row.maybe_integer("revoked_at")?,
        last_used_at: row.maybe_integer("last_used_at")?,
    })
}

/// What the audit log says of a key.
pub(super) fn said(key: &ApiKeyRecord) -> Value {
    json!({ "name": key.name, "scopes": scopes_text(&key.scopes), "expires_at": key.expires_at })
}
