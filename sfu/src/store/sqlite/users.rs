//! People with an account, and the one-time setup code that makes the first.

use super::SqliteStore;
use super::rows::{id, unique};
use crate::auth::secret;
use crate::store::records::UserRecord;
use crate::store::{StoreError, Stored, UserStore};
use async_trait::async_trait;
use invigil_shared::id::UserId;
use invigil_shared::role::Role;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

const SETUP_CODE: &str = "setup_code_hash";
const ANY_ADMIN: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin') AS found";

fn user(row: &SqliteRow) -> Stored<UserRecord> {
    Ok(UserRecord {
        id: id(row, "id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        role: Role::parse(row.try_get("role")?),
        password_hash: row.try_get("password_hash")?,
        created_at: row.try_get("created_at")?,
    })
}

async fn insert(connection: &mut SqliteConnection, user: UserRecord) -> Stored<()> {
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
        self.writer
            .write(move |connection| Box::pin(insert(connection, user)))
            .await
    }

    async fn user(&self, wanted: UserId) -> Stored<Option<UserRecord>> {
        let query = sqlx::query("SELECT * FROM users WHERE id = ?").bind(wanted.to_string());
        query
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(user)
            .transpose()
    }

    async fn user_by_email(&self, email: &str) -> Stored<Option<UserRecord>> {
        let query = sqlx::query("SELECT * FROM users WHERE email = ?").bind(email);
        query
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(user)
            .transpose()
    }

    async fn has_admin(&self) -> Stored<bool> {
        Ok(sqlx::query(ANY_ADMIN)
            .fetch_one(&self.readers)
            .await?
            .try_get("found")?)
    }

    async fn offer_setup(&self, code_hash: Vec<u8>) -> Stored<bool> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if sqlx::query(ANY_ADMIN)
                        .fetch_one(&mut *connection)
                        .await?
                        .try_get("found")?
                    {
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
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("SELECT value FROM settings WHERE name = ?").bind(SETUP_CODE);
                    let row = query
                        .fetch_optional(&mut *connection)
                        .await?
                        .ok_or(StoreError::Missing)?;
                    let stored: Vec<u8> = row.try_get("value")?;
                    let taken: bool = sqlx::query(ANY_ADMIN)
                        .fetch_one(&mut *connection)
                        .await?
                        .try_get("found")?;
                    if taken || !secret::equal(&stored, &code_hash) {
                        return Err(StoreError::Missing);
                    }
                    let query = sqlx::query("DELETE FROM settings WHERE name = ?").bind(SETUP_CODE);
                    query.execute(&mut *connection).await?;
                    insert(connection, admin).await
                })
            })
            .await
    }
}
