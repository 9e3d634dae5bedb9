//! Keys of institutions' systems.

use super::PostgresStore;
use crate::store::api_keys::{ApiKeyRecord, ApiKeyStore, FIRST, USE_KNOWN_US, api_key, said, scopes_text};
use crate::store::audit::{self, Action};
use crate::store::once::{self, Once, Outcome};
use crate::store::rows::{all, limit, one};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::ApiKeyId;
use std::sync::Arc;

const BY_ID: &str = "SELECT * FROM api_keys WHERE id = $1";

#[async_trait]
impl ApiKeyStore for PostgresStore {
    async fn add_api_key(&self, key: ApiKeyRecord, once: Option<Once>) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, once.as_ref()).await? {
                        return Ok(before);
                    }
                    sqlx::query(
                        "INSERT INTO api_keys (id, name, scopes, secret_hash, created_by, created_at, expires_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(key.id.0)
                    .bind(&key.name)
                    .bind(scopes_text(&key.scopes))
                    .bind(&key.secret_hash)
                    .bind(&actor.name)
                    .bind(key.created_at)
                    .bind(key.expires_at)
                    .execute(&mut *connection)
                    .await?;
                    audit::record(connection, &actor, Action::CreateApiKey, key.id, &said(&key)).await?;
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn api_key(&self, id: ApiKeyId) -> Stored<Option<ApiKeyRecord>> {
        let query = sqlx::query(BY_ID).bind(id.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), api_key)
    }

    async fn api_keys(&self, after: Option<ApiKeyId>, count: usize) -> Stored<Vec<ApiKeyRecord>> {
        let query = sqlx::query("SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2");
        let query = query.bind(after.unwrap_or(FIRST).0).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, api_key)
    }

    async fn revoke_api_key(&self, id: ApiKeyId, at: i64) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = sqlx::query(BY_ID).bind(id.0);
                    let row = row.fetch_optional(&mut *connection).await?;
                    let key = one(row.as_ref(), api_key)?.ok_or(StoreError::Missing)?;
                    if key.revoked_at.is_some() {
                        return Ok(false);
                    }
                    let query = sqlx::query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2");
                    query.bind(at).bind(id.0).execute(&mut *connection).await?;
                    audit::record(connection, &actor, Action::RevokeApiKey, id, &said(&key)).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn note_api_key_use(&self, id: ApiKeyId, at: i64) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND coalesce(last_used_at, 0) <= $3";
                    let query = sqlx::query(sql).bind(at).bind(id.0);
                    query.bind(at.saturating_sub(USE_KNOWN_US)).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}
