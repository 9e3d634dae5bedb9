//! PostgreSQL, by URL: for institutions that have one already, and for several servers on one database. One connection of each
//! process writes, in groups ([`crate::store::writer`]); a few others read.

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
mod timeline;
mod url;
mod users;
mod webhooks;

pub use url::DatabaseUrl;

use crate::store::audit::Actor;
use crate::store::migrations::{Embedded, bring_up_to_date, embedded};
use crate::store::rows::{Columns, plain_columns};
use crate::store::writer::{Writer, WritingConnection};
use crate::store::{HealthStore, Store, StoreError, Stored};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::types::Uuid;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};
use std::sync::Arc;
use std::time::Duration;

/// Reading connections.
const READERS: u32 = 8;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// On every connection. A group waits as long for another process's group as with SQLite; a process that is gone in the middle
/// of one, without its connection, holds the others up no longer than the last.
const LIMITS: &str = "SET lock_timeout = '5s'; SET statement_timeout = '20s'; \
                      SET idle_in_transaction_session_timeout = '10s'";
const READ_ONLY: &str = "SET default_transaction_read_only = on";

static MIGRATIONS: &[Embedded] = embedded!("postgres");

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct PostgresStore {
    writer: Writer<PgConnection>,
    readers: PgPool,
    /// For whom it acts, in the audit log.
    actor: Arc<Actor>,
}

impl PostgresStore {
    /// Connects and brings the schema up to date. A newer schema is refused, as are settings under which what was acknowledged
    /// could be lost.
    pub async fn open(url: &DatabaseUrl) -> Stored<Self> {
        let options = url.options()?.disable_statement_logging();
        let mut connection = connect(&options).await?;
        // Under a lock of the database's own, without our limits: another process may be busy with the same for long.
        bring_up_to_date(MIGRATIONS, &mut connection).await?;
        connection.execute(LIMITS).await?;
        let again = options.clone();
        let reconnect = Box::new(move || -> BoxFuture<'static, Stored<PgConnection>> {
            let again = again.clone();
            Box::pin(async move {
                let mut connection = connect(&again).await?;
                connection.execute(LIMITS).await?;
                Ok(connection)
            })
        });
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(LIMITS).await?;
                    connection.execute(READ_ONLY).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            writer: Writer::start(connection, reconnect),
            readers,
            actor: Arc::new(Actor::server()),
        })
    }
}

/// A connection whose server keeps what it has committed.
async fn connect(options: &PgConnectOptions) -> Stored<PgConnection> {
    let connecting = tokio::time::timeout(CONNECT, options.connect());
    let mut connection = connecting.await.map_err(|_| StoreError::Silent)??;
    for (name, bad, reason) in [
        ("synchronous_commit", "off", "so what it commits may be lost"),
        ("fsync", "off", "so what it commits may be lost"),
        ("full_page_writes", "off", "so a power cut may damage it"),
    ] {
        let value = setting(&mut connection, name).await?;
        if value == bad {
            return Err(StoreError::Setting { name, value, reason });
        }
    }
    let name = "server_encoding";
    let value = setting(&mut connection, name).await?;
    if value != "UTF8" {
        let reason = "and names are UTF8";
        return Err(StoreError::Setting { name, value, reason });
    }
    Ok(connection)
}

async fn setting(connection: &mut PgConnection, name: &'static str) -> Stored<String> {
    let query = sqlx::query("SELECT current_setting($1) AS value").bind(name);
    query.fetch_one(connection).await?.text("value")
}

#[async_trait]
impl Store for PostgresStore {
    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

#[async_trait]
impl HealthStore for PostgresStore {
    async fn check_writable(&self) -> Stored<()> {
        // An empty job: its group takes the write lock and commits.
        self.writer.write(|_| Box::pin(async { Ok(()) })).await
    }

    fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }
}

impl WritingConnection for PgConnection {
    // Whatever the database's default: a later statement has to see what the writer before us committed. The number is
    // "invigil" in ASCII; it means nothing but this lock.
    const BEGIN: &'static str =
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(29676327408200044)";
    // A transaction with more than 64 savepoints that wrote makes every snapshot of every connection slow.
    const GROUP: usize = 60;
    // Longer than the server's own limit of a statement, for when nothing comes back at all.
    const DEADLINE: Duration = Duration::from_secs(30);

    fn run(&mut self, sql: &'static str) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(async move { self.execute(sql).await.map(drop) })
    }

    fn end(self) -> BoxFuture<'static, Result<(), sqlx::Error>> {
        self.close()
    }
}

impl Columns for PgRow {
    fn uuid(&self, column: &str) -> Stored<Uuid> {
        Ok(self.try_get(column)?)
    }
    fn maybe_uuid(&self, column: &str) -> Stored<Option<Uuid>> {
        Ok(self.try_get(column)?)
    }

    plain_columns!();
}
