//! An empty database that can be opened more than once, and what the tests put into it.

use invigil_sfu::clock::fresh;
use invigil_sfu::store::postgres::DatabaseUrl;
use invigil_sfu::store::records::{NewRosterEntry, SessionRecord, UserRecord};
use invigil_sfu::store::sqlite::DATABASE_FILE;
use invigil_sfu::store::{self, Store, Stored};
use invigil_shared::chain::ChainHead;
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy, RosterEntry};
use invigil_shared::id::{ExamId, ParticipantId, RosterEntryId, SessionId, TimelineEntryId, UserId};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;
use invigil_shared::timeline::{Presence, TimelineBody, TimelineEntry};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use std::sync::Arc;
use tempfile::TempDir;

pub struct Place {
    pub directory: TempDir,
    postgres: Option<String>,
}

impl Place {
    pub fn sqlite() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    pub fn postgres() -> Self {
        Self {
            postgres: Some(invigil_postgres::shared().database().unwrap()),
            ..Self::sqlite()
        }
    }

    pub async fn try_open(&self) -> Stored<Arc<dyn Store>> {
        let url = self.postgres.as_deref().map(DatabaseUrl::from);
        store::open(self.directory.path(), url.as_ref()).await
    }

    /// As one more process has it.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }

    /// Another empty database of the same kind.
    pub fn another(&self) -> Self {
        match self.postgres {
            Some(_) => Self::postgres(),
            None => Self::sqlite(),
        }
    }

    /// The name of the folder of what is this database's own.
    pub fn database(&self) -> &'static str {
        match self.postgres {
            Some(_) => "postgres",
            None => "sqlite",
        }
    }

    /// The table in which migrations are noted, as sqlx makes it.
    pub fn migrations_table(&self) -> &'static str {
        match self.postgres {
            Some(_) => {
                "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                 installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
                 execution_time BIGINT NOT NULL);\n"
            }
            None => {
                "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                 installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
                 execution_time BIGINT NOT NULL);\n"
            }
        }
    }

    /// Every column as `table.column`.
    pub async fn columns(&self) -> Vec<String> {
        self.texts(match self.postgres {
            Some(_) => {
                "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
            }
            None => "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        })
        .await
    }

    /// A table's rows as values of SQL, in the order of their keys.
    pub async fn rows(&self, table: &str, columns: &[&str], only: &str) -> Vec<String> {
        let value = |column: &&str| match self.postgres {
            Some(_) => format!("quote_nullable({column}::text)"),
            None => format!("quote({column})"),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let query = format!(
            "SELECT {} AS row FROM {table} {only} ORDER BY 1",
            values.join(" || ', ' || ")
        );
        self.texts(&query).await
    }

    /// The first column of what a query gives.
    async fn texts(&self, query: &str) -> Vec<String> {
        let rows: Vec<(String,)> = match &self.postgres {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query_as(query).fetch_all(&mut connection).await.unwrap()
            }
            None => {
                let file = self.directory.path().join(DATABASE_FILE);
                let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
                sqlx::query_as(query).fetch_all(&mut connection).await.unwrap()
            }
        };
        rows.into_iter().map(|(text,)| text).collect()
    }

    /// A value of bytes in SQL.
    pub fn blob(&self, hex: &str) -> String {
        match self.postgres {
            Some(_) => format!("'\\x{hex}'::bytea"),
            None => format!("x'{hex}'"),
        }
    }

    /// Changes the database behind the store's back.
    pub async fn tamper(&self, sql: &str) {
        match &self.postgres {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
            None => {
                let file = self.directory.path().join(DATABASE_FILE);
                let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
                let mut connection = options.connect().await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

impl Place {
    /// Everything that every table holds, as text; bytes in hexadecimal, lower case.
    pub async fn dump(&self) -> String {
        let mut rows = String::new();
        match &self.postgres {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
                let tables: Vec<(String,)> = sqlx::query_as(tables).fetch_all(&mut connection).await.unwrap();
                for (table,) in tables {
                    let query = format!("SELECT row_to_json(t)::text FROM \"{table}\" t");
                    let found: Vec<(String,)> = sqlx::query_as(&query).fetch_all(&mut connection).await.unwrap();
                    rows.extend(found.into_iter().map(|(row,)| format!("{table}: {row}\n")));
                }
            }
            None => {
                let file = self.directory.path().join(DATABASE_FILE);
                let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
                let columns =
                    "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'";
                let columns: Vec<(String, String)> = sqlx::query_as(columns).fetch_all(&mut connection).await.unwrap();
                for (table, column) in columns {
                    let query = format!("SELECT quote(\"{column}\") FROM \"{table}\"");
                    let found: Vec<(String,)> = sqlx::query_as(&query).fetch_all(&mut connection).await.unwrap();
                    rows.extend(found.into_iter().map(|(value,)| format!("{table}.{column}: {value}\n")));
                }
            }
        }
        rows.to_lowercase()
    }
}

pub fn exam(code: &str) -> ExamInfo {
    ExamInfo {
        id: fresh(ExamId::from_parts),
        title: format!("The exam {code}, ä and 試験"),
        code: code.into(),
        status: ExamStatus::Active,
        starts_at: 1_700_000_000_000_001,
        ends_at: 1_700_000_003_600_001,
        policy: Policy {
            allow_test_picture: true,
            ..Policy::default()
        },
    }
}

pub fn entry(exam: ExamId, label: &str) -> NewRosterEntry {
    NewRosterEntry {
        entry: RosterEntry {
            id: fresh(RosterEntryId::from_parts),
            exam,
            label: label.into(),
            seat: Some("A 3".into()),
            allowances: Allowances {
                extra_time_percent: 25,
                ..Allowances::default()
            },
        },
        secret_hash: label.bytes().rev().cycle().take(32).collect(),
        created_at: 7,
    }
}

pub fn session(entry: &RosterEntry) -> SessionRecord {
    let id = fresh(SessionId::from_parts);
    SessionRecord {
        id,
        exam: entry.exam,
        entry: entry.id,
        participant: fresh(ParticipantId::from_parts),
        device_key: None,
        created_at: 8,
        joined_at: None,
        finished_at: None,
        looked_at: 0,
        revoked_at: None,
        generation: 0,
        chain: ChainHead::new(id),
        sitting: Sitting::default(),
        sitting_revision: 0,
        proctor: None,
    }
}

pub fn user(email: &str, role: Role) -> UserRecord {
    UserRecord {
        id: fresh(UserId::from_parts),
        email: email.into(),
        name: "Ünal".into(),
        role,
        password_hash: Some("$argon2id$…".into()),
        created_at: 1,
        deactivated_at: None,
        generation: 0,
    }
}

pub fn presence(participant: ParticipantId, at: i64) -> TimelineEntry {
    TimelineEntry {
        id: fresh(TimelineEntryId::from_parts),
        participant,
        at,
        received_at: at + 1,
        body: TimelineBody::Presence {
            presence: Presence::Lost,
        },
    }
}

/// A session of a new candidate of a new exam.
pub async fn seated(store: &dyn Store, code: &str) -> SessionRecord {
    let exam = exam(code);
    store.create_exam(exam.clone()).await.unwrap();
    let new = entry(exam.id, "Candidate 1");
    store.add_entry(new.clone()).await.unwrap();
    store.open_session(session(&new.entry)).await.unwrap()
}
