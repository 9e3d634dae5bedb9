//! The second factors of accounts, and what their owners change of their own account.

use super::SqliteStore;
use super::people::{by_id, revoke};
use crate::auth::identity::Subject;
use crate::store::audit::{self, Action};
use crate::store::people::said;
use crate::store::records::UserRecord;
use crate::store::rows::{one, sql_seq};
use crate::store::second_factors::{Confirmed, Off, SecondFactor, SecondFactorStore, second_factor};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::UserId;
use serde_json::json;
use sqlx::SqliteConnection;
use std::sync::Arc;

/// Tokens of before are void.
pub(super) async fn new_generation(connection: &mut SqliteConnection, user: &mut UserRecord) -> Stored<()> {
    user.generation += 1;
    let query = sqlx::query("UPDATE users SET generation = ? WHERE id = ?");
    let query = query.bind(sql_seq(user.generation)?).bind(user.id.to_string());
    query.execute(&mut *connection).await?;
    revoke(connection, Subject::User(user.id), user.generation).await
}

#[async_trait]
impl SecondFactorStore for SqliteStore {
    async fn second_factor(&self, account: UserId) -> Stored<Option<SecondFactor>> {
        let query = sqlx::query(
            "SELECT *, (SELECT count(*) FROM recovery_codes AS codes WHERE codes.account = second_factors.account) \
             AS codes_left FROM second_factors WHERE account = ?",
        );
        let row = query.bind(account.to_string()).fetch_optional(&self.readers).await?;
        one(row.as_ref(), second_factor)
    }

    async fn offer_second_factor(&self, account: UserId, secret: Vec<u8>, at: i64) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let kept = sqlx::query(
                        "INSERT INTO second_factors (account, secret, created_at) VALUES (?, ?, ?) \
                         ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at \
                         WHERE confirmed_at IS NULL",
                    )
                    .bind(account.to_string())
                    .bind(secret)
                    .bind(at)
                    .execute(&mut *connection)
                    .await?;
                    if kept.rows_affected() == 0 {
                        return Err(StoreError::Exists);
                    }
                    audit::record(connection, &actor, Action::OfferSecondFactor, account, &json!({})).await
                })
            })
            .await
    }

    async fn confirm_second_factor(&self, confirmed: Confirmed) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let Confirmed {
                        account,
                        secret,
                        step,
                        codes,
                        at,
                    } = confirmed;
                    let kept = sqlx::query(
                        "UPDATE second_factors SET confirmed_at = ?, used_step = ? \
                         WHERE account = ? AND confirmed_at IS NULL AND secret = ?",
                    )
                    .bind(at)
                    .bind(sql_seq(step)?)
                    .bind(account.to_string())
                    .bind(secret)
                    .execute(&mut *connection)
                    .await?;
                    if kept.rows_affected() == 0 {
                        return Err(StoreError::Missing);
                    }
                    for code in codes {
                        let query = sqlx::query("INSERT INTO recovery_codes (account, code_hash) VALUES (?, ?)");
                        let query = query.bind(account.to_string()).bind(code);
                        query.execute(&mut *connection).await?;
                    }
                    audit::record(connection, &actor, Action::ConfirmSecondFactor, account, &json!({})).await
                })
            })
            .await
    }

    async fn use_second_factor(&self, account: UserId, step: u64) -> Stored<bool> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE second_factors SET used_step = ? \
                               WHERE account = ? AND confirmed_at IS NOT NULL AND used_step < ?";
                    let step = sql_seq(step)?;
                    let query = sqlx::query(sql).bind(step).bind(account.to_string()).bind(step);
                    Ok(query.execute(connection).await?.rows_affected() > 0)
                })
            })
            .await
    }

    async fn use_recovery_code(&self, account: UserId, code_hash: Vec<u8>) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("DELETE FROM recovery_codes WHERE account = ? AND code_hash = ?");
                    let query = query.bind(account.to_string()).bind(code_hash);
                    let used = query.execute(&mut *connection).await?.rows_affected() > 0;
                    if used {
                        audit::record(connection, &actor, Action::UseRecoveryCode, account, &json!({})).await?;
                    }
                    Ok(used)
                })
            })
            .await
    }

    async fn drop_second_factor(&self, account: UserId, off: Off) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query =
                        sqlx::query("DELETE FROM second_factors WHERE account = ? AND confirmed_at IS NOT NULL");
                    let gone = query.bind(account.to_string()).execute(&mut *connection).await?;
                    if gone.rows_affected() == 0 {
                        return Err(StoreError::Missing);
                    }
                    let mut user = by_id(connection, account).await?;
                    let action = match off {
                        Off::Own => Action::DropSecondFactor,
                        Off::Taken => {
                            new_generation(connection, &mut user).await?;
                            Action::TakeSecondFactor
                        }
                    };
                    audit::record(connection, &actor, action, account, &said(&user)).await
                })
            })
            .await
    }

    async fn change_password(&self, account: UserId, before: String, password_hash: String) -> Stored<UserRecord> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let mut user = by_id(connection, account).await?;
                    if user.password_hash.as_deref() != Some(&*before) {
                        return Err(StoreError::Missing);
                    }
                    let query = sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?");
                    let query = query.bind(&password_hash).bind(account.to_string());
                    query.execute(&mut *connection).await?;
                    user.password_hash = Some(password_hash);
                    new_generation(connection, &mut user).await?;
                    audit::record(connection, &actor, Action::ChangePassword, account, &said(&user)).await?;
                    Ok(user)
                })
            })
            .await
    }
}
