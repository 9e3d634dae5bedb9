//! One-time join links of roster entries.

use super::PostgresStore;
use crate::store::Stored;
use crate::store::audit::{self, Action};
use crate::store::join_links::{JoinLinkRecord, JoinLinkStore, NewJoinLink, join_link};
use crate::store::rows::one;
use async_trait::async_trait;
use invigil_shared::id::{ExamId, RosterEntryId};
use serde_json::json;
use std::sync::Arc;

#[async_trait]
impl JoinLinkStore for PostgresStore {
    async fn put_join_link(&self, link: NewJoinLink) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let known = sqlx::query("SELECT id FROM roster WHERE id = $1 AND exam = $2");
                    let known = known.bind(link.entry.0).bind(link.exam.0);
                    if known.fetch_optional(&mut *connection).await?.is_none() {
                        return Ok(false);
                    }
                    let said = json!({ "exam": link.exam, "expires_at": link.expires_at });
                    sqlx::query(
                        "INSERT INTO join_links (entry, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (entry) DO UPDATE SET token_hash = excluded.token_hash, \
                         created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL",
                    )
                    .bind(link.entry.0)
                    .bind(link.token_hash)
                    .bind(link.created_at)
                    .bind(link.expires_at)
                    .execute(&mut *connection)
                    .await?;
                    audit::record(connection, &actor, Action::MakeJoinLink, link.entry, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn join_link(&self, exam: ExamId, token_hash: &[u8]) -> Stored<Option<JoinLinkRecord>> {
        let query = sqlx::query(
            "SELECT join_links.* FROM join_links JOIN roster ON roster.id = entry WHERE exam = $1 AND token_hash = $2",
        );
        let query = query.bind(exam.0).bind(token_hash);
        one(query.fetch_optional(&self.readers).await?.as_ref(), join_link)
    }

    async fn use_join_link(&self, entry: RosterEntryId, token_hash: Vec<u8>, at: i64) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE join_links SET used_at = $1 WHERE entry = $2 AND token_hash = $3 AND used_at IS NULL",
                    );
                    let query = query.bind(at).bind(entry.0).bind(token_hash);
                    if query.execute(&mut *connection).await?.rows_affected() > 0 {
                        audit::record(connection, &actor, Action::UseJoinLink, entry, &json!({})).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}
