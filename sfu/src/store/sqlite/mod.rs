//! The embedded default: SQLite in the data directory. One connection writes (WAL, `synchronous=FULL`, group commit); a few
//! others read. Other processes (the command line) may write beside it.

mod api_keys;
mod audit;
mod devices;
mod erasure;
mod events;
mod exams;
mod join_links;
mod messages;
mod oidc;
mod once;
mod participations;
mod people;
mod roster;
mod second_factors;
mod secret_key;
mod sessions;
pub mod snapshot;
mod timeline;
mod users;
mod webhooks;

use crate::store::audit::Actor;
use crate::store::migrations::{Embedded, bring_up_to_date, embedded};
use crate::store::rows::{Columns, plain_columns};
use crate::store::writer::{Writer, WritingConnection};
use crate::store::{HealthStore, Store, StoreError, Stored};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::types::Uuid;
use sqlx::{ConnectOptions, Connection, Executor, Row, SqliteConnection};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "invigil.sqlite";
/// Held while the schema is brought up to date, so that two processes don't do it at once.
const MIGRATION_LOCK_FILE: &str = "migration.lock";
/// Reading connections.
const READERS: u32 = 4;
/// How long a connection waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);

static MIGRATIONS: &[Embedded] = embedded!("sqlite");

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer<SqliteConnection>,
    readers: SqlitePool,
    /// For whom it acts, in the audit log.
    actor: Arc<Actor>,
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
            // What was erased is overwritten in the file too.
            .pragma("secure_delete", "ON")
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
        bring_up_to_date(MIGRATIONS, &mut connection).await?;
        drop(lock);
        let again = options.clone().create_if_missing(false);
        let connect = Box::new(move || -> BoxFuture<'static, Stored<SqliteConnection>> {
            let again = again.clone();
            Box::pin(async move { Ok(again.connect().await?) })
        });
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self {
            writer: Writer::start(connection, connect),
            readers,
            actor: Arc::new(Actor::server()),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn close(&self) {
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

impl WritingConnection for SqliteConnection {
    // Taking the write lock at once: a reader that became a writer half way would fail where waiting helps.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const GROUP: usize = 128;
    // A disk that is this slow has failed.
    const DEADLINE: Duration = Duration::from_secs(60);

    fn run(&mut self, sql: &'static str) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(async move { self.execute(sql).await.map(drop) })
    }

    fn end(self) -> BoxFuture<'static, Result<(), sqlx::Error>> {
        self.close()
    }
}

impl Columns for SqliteRow {
    fn uuid(&self, column: &str) -> Stored<Uuid> {
        let text: &str = self.try_get(column)?;
        text.parse()
            .map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
    }

    fn maybe_uuid(&self, column: &str) -> Stored<Option<Uuid>> {
        match self.try_get::<Option<&str>, _>(column)? {
            Some(_) => self.uuid(column).map(Some),
            None => Ok(None),
        }
    }

    plain_columns!();
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
