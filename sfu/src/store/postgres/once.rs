//! Idempotency keys.

use crate::store::Stored;
use crate::store::once::{Once, OnceTable};
use crate::store::rows::{once, one};
use async_trait::async_trait;
use sqlx::PgConnection;

#[async_trait]
impl OnceTable for PgConnection {
    async fn kept(&mut self, actor: &str, key: &str) -> Stored<Option<Once>> {
        let query = sqlx::query("SELECT * FROM idempotency WHERE actor = $1 AND key = $2");
        let row = query.bind(actor).bind(key).fetch_optional(self).await?;
        one(row.as_ref(), once)
    }

    async fn keep(&mut self, once: &Once) -> Stored<()> {
        sqlx::query(
            "INSERT INTO idempotency (actor, key, request, salt, answer, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&once.actor)
        .bind(&once.key)
        .bind(&once.request)
        .bind(&once.salt)
        .bind(&once.answer)
        .bind(once.at)
        .execute(self)
        .await?;
        Ok(())
    }

    async fn forget(&mut self, before: i64) -> Stored<()> {
        let query = sqlx::query("DELETE FROM idempotency WHERE created_at < $1").bind(before);
        query.execute(self).await?;
        Ok(())
    }
}
