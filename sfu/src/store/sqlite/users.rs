//! People with an account, and the one-time setup code that makes the first.

use super::SqliteStore;
use crate::auth::secret;
use crate::store::audit::{self, Action};
use crate::store::people::said;
use crate::store::records::{SETUP_CODE, UserRecord};
use crate::store::rows::{Columns, one, unique, user};
use crate::store::{StoreError, Stored, UserStore};
use async_trait::async_trait;
use invigil_shared::id::UserId;
use sqlx::SqliteConnection;
use std::sync::Arc;

const ANY_ADMIN: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin') AS found";

pub(super) async fn insert(connection: &mut SqliteConnection, user: UserRecord) -> Stored<()> {
    sqlx::query("INSERT INTO users (id, email, name, role, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(user.id.to_string())
        .bind(user.email)
        .bind(user.name)
        .bind(user.role.as_str())
        .bind(user.password_hash)
        .bind(user.created_at)
        .execute(connection)
        .await
        .map_err(unique)?;
    Ok(())
}

#[async_trait]
impl UserStore for SqliteStore {
    async fn add_user(&self, user: UserRecord) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let (id, said) = (user.id, said(&user));
                    insert(connection, user).await?;
                    audit::record(connection, &actor, Action::AddUser, id, &said).await
                })
            })
            .await
    }

    async fn user(&self, wanted: UserId) -> Stored<Option<UserRecord>> {
        let query = sqlx::query("SELECT * FROM users WHERE id = ?").bind(wanted.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), user)
    }

    async fn user_by_email(&self, email: &str) -> Stored<Option<UserRecord>> {
        let query = sqlx::query("SELECT * FROM users WHERE email = ?").bind(email);
        one(query.fetch_optional(&self.readers).await?.as_ref(), user)
    }

    async fn has_admin(&self) -> Stored<bool> {
        sqlx::query(ANY_ADMIN).fetch_one(&self.readers).await?.truth("found")
    }

    async fn offer_setup(&self, code_hash: Vec<u8>) -> Stored<bool> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let any = sqlx::query(ANY_ADMIN).fetch_one(&mut *connection).await?;
                    if any.truth("found")? {
                        return Ok(false);
                    }
                    let query = sqlx::query("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)");
                    query.bind(SETUP_CODE).bind(code_hash).execute(connection).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn set_up(&self, code_hash: Vec<u8>, admin: UserRecord) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("SELECT value FROM settings WHERE name = ?").bind(SETUP_CODE);
                    let row = query
                        .fetch_optional(&mut *connection)
                        .await?
                        .ok_or(StoreError::Missing)?;
                    let any = sqlx::query(ANY_ADMIN).fetch_one(&mut *connection).await?;
                    if any.truth("found")? || !secret::equal(&row.bytes("value")?, &code_hash) {
                        return Err(StoreError::Missing);
                    }
                    let query = sqlx::query("DELETE FROM settings WHERE name = ?").bind(SETUP_CODE);
                    query.execute(&mut *connection).await?;
                    let (id, said) = (admin.id, said(&admin));
                    insert(connection, admin).await?;
                    audit::record(connection, &actor, Action::SetUp, id, &said).await
                })
            })
            .await
    }
}
