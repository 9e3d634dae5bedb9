//! Who people with an account are at the identity provider.

use super::SqliteStore;
use super::people::by_id;
use super::second_factors::new_generation;
use super::users::insert;
use crate::store::audit::{self, Action};
use crate::store::oidc::{OidcStore, OidcSubject, linked, subject};
use crate::store::people::said;
use crate::store::records::UserRecord;
use crate::store::rows::{one, unique, user};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::UserId;
use sqlx::SqliteConnection;
use std::sync::Arc;

async fn put(connection: &mut SqliteConnection, account: UserId, subject: &OidcSubject, at: i64) -> Stored<()> {
    sqlx::query("INSERT INTO oidc_links (account, issuer, subject, linked_at) VALUES (?, ?, ?, ?)")
        .bind(account.to_string())
        .bind(&subject.issuer)
        .bind(&subject.subject)
        .bind(at)
        .execute(connection)
        .await
        .map_err(unique)?;
    Ok(())
}

#[async_trait]
impl OidcStore for SqliteStore {
    async fn oidc_link(&self, account: UserId) -> Stored<Option<OidcSubject>> {
        let query = sqlx::query("SELECT * FROM oidc_links WHERE account = ?").bind(account.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), subject)
    }

    async fn user_by_oidc(&self, wanted: &OidcSubject) -> Stored<Option<UserRecord>> {
        let query = sqlx::query(
            "SELECT users.* FROM oidc_links JOIN users ON users.id = account WHERE issuer = ? AND subject = ?",
        );
        let query = query.bind(&wanted.issuer).bind(&wanted.subject);
        one(query.fetch_optional(&self.readers).await?.as_ref(), user)
    }

    async fn link_oidc(&self, account: UserId, subject: OidcSubject, at: i64) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let user = by_id(connection, account).await?;
                    if !user.active() {
                        return Err(StoreError::Missing);
                    }
                    put(connection, account, &subject, at).await?;
                    audit::record(connection, &actor, Action::LinkOidc, account, &linked(&user, &subject)).await
                })
            })
            .await
    }

    async fn provision_oidc(&self, user: UserRecord, subject: OidcSubject) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    insert(connection, user.clone()).await?;
                    put(connection, user.id, &subject, user.created_at).await?;
                    audit::record(connection, &actor, Action::AddUser, user.id, &said(&user)).await?;
                    audit::record(connection, &actor, Action::LinkOidc, user.id, &linked(&user, &subject)).await
                })
            })
            .await
    }

    async fn unlink_oidc(&self, account: UserId) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("DELETE FROM oidc_links WHERE account = ?").bind(account.to_string());
                    if query.execute(&mut *connection).await?.rows_affected() == 0 {
                        return Err(StoreError::Missing);
                    }
                    let mut user = by_id(connection, account).await?;
                    new_generation(connection, &mut user).await?;
                    audit::record(connection, &actor, Action::UnlinkOidc, account, &said(&user)).await
                })
            })
            .await
    }
}
