//! A second device of a session: it waits, takes over, or is refused, in the transaction of its sitting's step.

use super::participations::{register, supersede};
use super::people::revoke;
use crate::auth::identity::Subject;
use crate::store::records::DeviceChange;
use crate::store::rows::Columns;
use crate::store::{StoreError, Stored};
use invigil_shared::id::SessionId;
use sqlx::PgConnection;

pub(super) async fn change_device(
    connection: &mut PgConnection,
    session: SessionId,
    change: DeviceChange,
    at: i64,
) -> Stored<()> {
    match change {
        DeviceChange::Ask(key) => {
            sqlx::query(
                "INSERT INTO device_moves (session, device_key, asked_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (session) DO UPDATE SET device_key = excluded.device_key, \
                 asked_at = excluded.asked_at, refused_at = NULL",
            )
            .bind(session.0)
            .bind(key)
            .bind(at)
            .execute(connection)
            .await?;
        }
        DeviceChange::Take => take(connection, session, at).await?,
        DeviceChange::Refuse => {
            let query = sqlx::query("UPDATE device_moves SET refused_at = $1 WHERE session = $2");
            query.bind(at).bind(session.0).execute(connection).await?;
        }
    }
    Ok(())
}

async fn take(connection: &mut PgConnection, session: SessionId, at: i64) -> Stored<()> {
    let query = sqlx::query("DELETE FROM device_moves WHERE session = $1 AND refused_at IS NULL RETURNING device_key");
    let row = query.bind(session.0).fetch_optional(&mut *connection).await?;
    let key = row.ok_or(StoreError::Missing)?.bytes("device_key")?;
    supersede(connection, session, at).await?;
    register(connection, session, &key, at).await?;
    let query = sqlx::query(
        "UPDATE sessions SET device_key = $1, generation = generation + 1 WHERE id = $2 RETURNING generation",
    );
    let row = query.bind(key).bind(session.0).fetch_one(&mut *connection).await?;
    let generation = row.integer("generation")?;
    let generation = u64::try_from(generation).map_err(|_| StoreError::Corrupt("generation: negative".to_owned()))?;
    revoke(connection, Subject::Session(session), generation).await
}
