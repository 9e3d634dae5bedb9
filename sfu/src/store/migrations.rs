//! Brings a schema up to date. Released migrations are frozen; both databases have the same numbers.

use crate::store::{StoreError, Stored};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationSource, MigrationType, Migrator};

/// A migration's name, `NUMBER_words`, and its SQL.
pub type Embedded = (&'static str, &'static str);

/// The migrations of a database, compiled in. Not by `sqlx::migrate!`: it has the compiler build both databases' drivers once more for
/// itself.
macro_rules! embedded {
    ($database:literal) => {
        embedded!($database:
            "0001_first_light" "0002_audit" "0003_exam_times" "0004_sittings" "0005_office" "0006_people" "0007_access"
            "0008_assignment" "0009_retention" "0010_webhooks" "0011_broadcasts" "0012_participations" "0013_oidc")
    };
    ($database:literal: $($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/", $database, "/migrations/", $name, ".sql")),
        )),*]
    };
}
pub(super) use embedded;

#[derive(Debug)]
struct Source(&'static [Embedded]);

impl MigrationSource<'static> for Source {
    fn resolve(self) -> BoxFuture<'static, Result<Vec<Migration>, BoxDynError>> {
        let migration = |&(name, sql): &Embedded| {
            let (number, words) = name.split_once('_').ok_or("a migration without a number")?;
            let (words, simple) = (words.replace('_', " "), MigrationType::Simple);
            Ok(Migration::new(number.parse()?, words.into(), simple, sql.into(), false))
        };
        let migrations = self.0.iter().map(migration).collect();
        std::future::ready(migrations).boxed()
    }
}

/// What [`bring_up_to_date`] runs.
fn migrator(embedded: &'static [Embedded]) -> Stored<Migrator> {
    // They are here already: nothing is waited for.
    let made = Migrator::new(Source(embedded)).now_or_never();
    let made = made.ok_or_else(|| StoreError::Migration("they are not read".into()))?;
    made.map_err(|error| StoreError::Migration(error.to_string()))
}

/// The number of the newest one: they are counted from 1 on.
pub fn newest(embedded: &[Embedded]) -> i64 {
    i64::try_from(embedded.len()).unwrap_or(i64::MAX)
}

/// Runs what is missing. A schema that is newer than this version is refused, as is one that was made by a migration that has
/// been changed since.
pub async fn bring_up_to_date(embedded: &'static [Embedded], connection: &mut impl Migrate) -> Stored<()> {
    let migrator = migrator(embedded)?;
    migrator.run_direct(connection).await.map_err(|error| {
        let known = newest(embedded);
        match error {
            MigrateError::VersionMissing(found) if found > known => StoreError::NewerSchema { found, known },
            MigrateError::VersionMismatch(version) => StoreError::ChangedMigration(version),
            other => StoreError::Migration(other.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_compiled_in() {
        let listed: [(&str, &[Embedded]); 2] = [("sqlite", embedded!("sqlite")), ("postgres", embedded!("postgres"))];
        for (database, embedded) in listed {
            let folder = format!("{}/src/store/{database}/migrations", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap();
            let mut files: Vec<_> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let names: Vec<_> = embedded.iter().map(|(name, _)| format!("{name}.sql")).collect();
            assert_eq!(files, names, "{database}");
            let migrator = migrator(embedded).unwrap();
            let numbers: Vec<_> = migrator.iter().map(|migration| migration.version).collect();
            assert_eq!(numbers, (1..=newest(embedded)).collect::<Vec<_>>());
        }
    }
}
