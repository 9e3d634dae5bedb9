//! Which secret key the database belongs to.

use super::SqliteStore;
use crate::store::Stored;
use crate::store::audit::{self, Action};
use crate::store::rows::Columns;
use crate::store::secret_key::{SECRET_KEY, SecretKeyStore};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;

const CLAIM: &str = "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
const REPLACE: &str =
    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const OWNER: &str = "SELECT value FROM settings WHERE name = ?";

#[async_trait]
impl SecretKeyStore for SqliteStore {
    async fn claim_secret_key(&self, fingerprint: Vec<u8>, anew: bool) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(if anew { REPLACE } else { CLAIM });
                    let claimed = query.bind(SECRET_KEY).bind(&fingerprint).execute(&mut *connection);
                    claimed.await?;
                    if anew {
                        audit::record(connection, &actor, Action::AdoptSecretKey, "", &json!({})).await?;
                        return Ok(true);
                    }
                    let owner = sqlx::query(OWNER).bind(SECRET_KEY).fetch_one(connection).await?;
                    Ok(owner.bytes("value")? == fingerprint)
                })
            })
            .await
    }
}
