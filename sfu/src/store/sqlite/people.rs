//! Accounts over their life, their links, and who was revoked.

use super::SqliteStore;
use super::users::insert;
use crate::auth::identity::Subject;
use crate::store::audit::{self, Action};
use crate::store::once::{self, Once, Outcome};
use crate::store::people::{
    ListedUser, NewInvitation, PeopleStore, Revocation, RevocationStore, UserChange, first, keep_an_admin, kind, said,
};
use crate::store::records::UserRecord;
use crate::store::rows::{Columns, all, limit, listed_user, one, revocation, session, sql_seq, unique, user};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::{SessionId, UserId};
use serde_json::json;
use sqlx::SqliteConnection;
use std::sync::Arc;

/// An admin beside one, who can sign in.
const ANOTHER_ADMIN: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND deactivated_at IS NULL \
                             AND password_hash IS NOT NULL AND id <> ?) AS found";

pub(super) async fn revoke(connection: &mut SqliteConnection, subject: Subject, generation: u64) -> Stored<()> {
    sqlx::query(
        "INSERT INTO revocations (subject, kind, generation, seq) \
         VALUES (?, ?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM revocations)) \
         ON CONFLICT (subject) DO UPDATE SET generation = excluded.generation, seq = excluded.seq",
    )
    .bind(subject.id().to_string())
    .bind(kind(subject))
    .bind(sql_seq(generation)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_link(connection: &mut SqliteConnection, invitation: NewInvitation) -> Stored<()> {
    sqlx::query("INSERT OR REPLACE INTO invitations (account, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?)")
        .bind(invitation.account.to_string())
        .bind(invitation.token_hash)
        .bind(invitation.created_at)
        .bind(invitation.expires_at)
        .execute(connection)
        .await
        .map_err(unique)?;
    Ok(())
}

async fn drop_link(connection: &mut SqliteConnection, account: UserId) -> Stored<()> {
    let query = sqlx::query("DELETE FROM invitations WHERE account = ?").bind(account.to_string());
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn by_id(connection: &mut SqliteConnection, id: UserId) -> Stored<UserRecord> {
    let query = sqlx::query("SELECT * FROM users WHERE id = ?").bind(id.to_string());
    one(query.fetch_optional(connection).await?.as_ref(), user)?.ok_or(StoreError::Missing)
}

const BY_LINK: &str = "SELECT users.* FROM invitations JOIN users ON users.id = account \
                       WHERE token_hash = ? AND expires_at > ? AND deactivated_at IS NULL";

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn users(&self, after: Option<UserId>, count: usize) -> Stored<Vec<ListedUser>> {
        let query = sqlx::query(
            "SELECT users.*, expires_at, EXISTS (SELECT 1 FROM second_factors AS factors \
             WHERE factors.account = users.id AND confirmed_at IS NOT NULL) AS second_factor, \
             EXISTS (SELECT 1 FROM oidc_links AS links WHERE links.account = users.id) AS oidc_linked \
             FROM users LEFT JOIN invitations ON invitations.account = users.id \
             WHERE users.id > ? ORDER BY users.id LIMIT ?",
        );
        let query = query.bind(after.unwrap_or_else(first).to_string()).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, listed_user)
    }

    async fn invite(&self, user: UserRecord, invitation: NewInvitation, once: Option<Once>) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, once.as_ref()).await? {
                        return Ok(before);
                    }
                    let (id, said) = (user.id, said(&user));
                    insert(connection, user).await?;
                    put_link(connection, invitation).await?;
                    audit::record(connection, &actor, Action::InviteUser, id, &said).await?;
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn renew_link(&self, invitation: NewInvitation) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let user = by_id(connection, invitation.account).await?;
                    if !user.active() {
                        return Err(StoreError::Missing);
                    }
                    put_link(connection, invitation).await?;
                    audit::record(connection, &actor, Action::RenewLink, user.id, &said(&user)).await
                })
            })
            .await
    }

    async fn invited(&self, token_hash: &[u8], now: i64) -> Stored<Option<UserRecord>> {
        let query = sqlx::query(BY_LINK).bind(token_hash).bind(now);
        one(query.fetch_optional(&self.readers).await?.as_ref(), user)
    }

    async fn accept(&self, token_hash: Vec<u8>, password_hash: String, now: i64) -> Stored<UserRecord> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(BY_LINK).bind(token_hash).bind(now);
                    let row = query.fetch_optional(&mut *connection).await?;
                    let mut user = one(row.as_ref(), user)?.ok_or(StoreError::Missing)?;
                    let said = json!({ "email": user.email, "reset": user.password_hash.is_some() });
                    user.password_hash = Some(password_hash);
                    user.generation += 1;
                    drop_link(connection, user.id).await?;
                    sqlx::query("UPDATE users SET password_hash = ?, generation = ? WHERE id = ?")
                        .bind(&user.password_hash)
                        .bind(sql_seq(user.generation)?)
                        .bind(user.id.to_string())
                        .execute(&mut *connection)
                        .await?;
                    revoke(connection, Subject::User(user.id), user.generation).await?;
                    audit::record(connection, &actor, Action::AcceptInvitation, user.id, &said).await?;
                    Ok(user)
                })
            })
            .await
    }

    async fn change_user(&self, id: UserId, change: UserChange, at: i64) -> Stored<UserRecord> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let before = by_id(connection, id).await?;
                    let Some(changed) = change.of(before.clone(), at) else {
                        return Ok(before);
                    };
                    if changed.takes_an_admin() {
                        let query = sqlx::query(ANOTHER_ADMIN).bind(id.to_string());
                        keep_an_admin(query.fetch_one(&mut *connection).await?.truth("found")?)?;
                    }
                    let user = &changed.user;
                    sqlx::query("UPDATE users SET name = ?, role = ?, deactivated_at = ?, generation = ? WHERE id = ?")
                        .bind(&user.name)
                        .bind(user.role.as_str())
                        .bind(user.deactivated_at)
                        .bind(sql_seq(user.generation)?)
                        .bind(id.to_string())
                        .execute(&mut *connection)
                        .await?;
                    if !user.active() {
                        drop_link(connection, id).await?;
                    }
                    if changed.revokes() {
                        revoke(connection, Subject::User(id), user.generation).await?;
                    }
                    audit::record(connection, &actor, Action::ChangeUser, id, &changed.said()).await?;
                    Ok(changed.user)
                })
            })
            .await
    }
}

#[async_trait]
impl RevocationStore for SqliteStore {
    async fn revocations(&self, after: u64, count: usize) -> Stored<Vec<Revocation>> {
        let query = sqlx::query("SELECT * FROM revocations WHERE seq > ? ORDER BY seq LIMIT ?");
        let query = query.bind(sql_seq(after)?).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, revocation)
    }

    async fn set_session_revoked(&self, wanted: SessionId, revoked: bool, at: i64) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(wanted.to_string());
                    let row = query.fetch_optional(&mut *connection).await?;
                    let mut session = one(row.as_ref(), session)?.ok_or(StoreError::Missing)?;
                    if session.revoked_at.is_some() == revoked {
                        return Ok(false);
                    }
                    session.generation += u64::from(revoked);
                    sqlx::query("UPDATE sessions SET revoked_at = ?, generation = ? WHERE id = ?")
                        .bind(revoked.then_some(at))
                        .bind(sql_seq(session.generation)?)
                        .bind(wanted.to_string())
                        .execute(&mut *connection)
                        .await?;
                    let action = if revoked {
                        revoke(connection, Subject::Session(wanted), session.generation).await?;
                        Action::RevokeSession
                    } else {
                        Action::ReinstateSession
                    };
                    let said = json!({ "exam": session.exam, "entry": session.entry });
                    audit::record(connection, &actor, action, wanted, &said).await?;
                    Ok(true)
                })
            })
            .await
    }
}
