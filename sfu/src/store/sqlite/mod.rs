//! The embedded default: SQLite in the data directory. One connection writes (WAL, `synchronous=FULL`, group commit); a few
//! others read. Other processes (the command line) may write beside it.

mod events;
mod exams;
mod messages;
mod roster;
mod rows;
mod sessions;
mod timeline;
mod users;
mod writer;

use crate::store::{HealthStore, StoreError, Stored};
use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use writer::Writer;

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "invigil.sqlite";
/// Held while the schema is brought up to date, so that two processes don't do it at once.
const MIGRATION_LOCK_FILE: &str = "migration.lock";
/// Reading connections.
const READERS: u32 = 4;
/// How long a connection waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database of a data directory and brings its schema up to date. A newer schema is refused.
    pub async fn open(directory: &Path) -> Stored<Self> {
        let path = directory.join(DATABASE_FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let lock_path = directory.join(MIGRATION_LOCK_FILE);
        let lock = tokio::task::spawn_blocking(move || {
            let open = |source| StoreError::Open {
                path: lock_path.clone(),
                source,
            };
            let file = File::create(&lock_path).map_err(open)?;
            file.lock().map_err(open)?;
            Ok::<_, StoreError>(file)
        })
        .await
        .map_err(|_| StoreError::Closed)??;
        let mut connection = options.connect().await?;
        keep_private(&path)?;
        migrate(&mut connection).await?;
        drop(lock);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self {
            writer: Writer::start(connection),
            readers,
        })
    }

    /// Ends the connections after what was queued; further calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

#[async_trait]
impl HealthStore for SqliteStore {
    async fn check_writable(&self) -> Stored<()> {
        // An empty job: its group takes the write lock and commits.
        self.writer.write(|_| Box::pin(async { Ok(()) })).await
    }

    fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }
}

/// The database holds names and messages: only its owner reads it.
fn keep_private(path: &Path) -> Stored<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection) -> Stored<()> {
    MIGRATIONS.run_direct(connection).await.map_err(|error| {
        let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
        match error {
            MigrateError::VersionMissing(found) if found > known => StoreError::NewerSchema { found, known },
            MigrateError::VersionMismatch(version) => StoreError::ChangedMigration(version),
            other => StoreError::Migration(other.to_string()),
        }
    })?;
    connection.ping().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
