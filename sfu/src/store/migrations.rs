//! Brings a schema up to date. Released migrations are frozen; both databases have the same numbers.

use crate::store::{StoreError, Stored};
use sqlx::migrate::{Migrate, MigrateError, Migrator};

/// Runs what is missing. A schema that is newer than this version is refused, as is one that was made by a migration that has
/// been changed since.
pub async fn bring_up_to_date(migrations: &Migrator, connection: &mut impl Migrate) -> Stored<()> {
    migrations.run_direct(connection).await.map_err(|error| {
        let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
        match error {
            MigrateError::VersionMissing(found) if found > known => StoreError::NewerSchema { found, known },
            MigrateError::VersionMismatch(version) => StoreError::ChangedMigration(version),
            other => StoreError::Migration(other.to_string()),
        }
    })
}
