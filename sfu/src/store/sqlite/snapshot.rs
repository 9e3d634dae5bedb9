//! A copy of the embedded database as of one moment, taken beside whoever writes.

use super::{BUSY, DATABASE_FILE, MIGRATIONS, keep_private};
use crate::store::migrations::newest;
use crate::store::{StoreError, Stored};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// How often progress is told.
const TELL: Duration = Duration::from_millis(500);

/// The newest migration that this version knows.
pub fn newest_schema() -> i64 {
    newest(MIGRATIONS)
}

/// Copies the database of a data directory to a new file, flushed to disk and checked, and returns the number of its newest
/// migration. `progress` hears how many bytes there are, and of how many.
pub async fn take(directory: &Path, to: &Path, progress: impl Fn(u64, u64) + Send + 'static) -> Stored<i64> {
    let from = directory.join(DATABASE_FILE);
    let options = SqliteConnectOptions::new()
        .filename(&from)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let pages: i64 = pragma(&mut connection, "PRAGMA page_count").await?;
    let size: i64 = pragma(&mut connection, "PRAGMA page_size").await?;
    let total = u64::try_from(pages.saturating_mul(size)).unwrap_or(0);
    let target = to.to_owned();
    let telling = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TELL).await;
            let there = std::fs::metadata(&target).map_or(0, |file| file.len());
            progress(there.min(total), total);
        }
    });
    let text = to.to_str().ok_or_else(|| StoreError::Open {
        path: to.to_owned(),
        source: std::io::Error::other("its name is not Unicode"),
    })?;
    // One read transaction: what is committed meanwhile is not in it, and nobody waits for it.
    let copied = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut connection).await;
    telling.abort();
    copied?;
    connection.close().await?;
    keep_private(to)?;
    let open = |source| StoreError::Open {
        path: to.to_owned(),
        source,
    };
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(open)?;
    check(to).await
}

/// Reads every page of a copy, and says its newest migration.
async fn check(path: &Path) -> Stored<i64> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .immutable(true)
        .journal_mode(SqliteJournalMode::Off)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let found: String = pragma(&mut connection, "PRAGMA integrity_check(1)").await?;
    if found != "ok" {
        return Err(StoreError::Corrupt(format!("the copy of the database: {found}")));
    }
    let schema: i64 = pragma(&mut connection, "SELECT max(version) FROM _sqlx_migrations").await?;
    connection.close().await?;
    Ok(schema)
}

async fn pragma<T>(connection: &mut SqliteConnection, text: &'static str) -> Stored<T>
where
    T: for<'a> sqlx::Decode<'a, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let row = sqlx::query(text).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}
