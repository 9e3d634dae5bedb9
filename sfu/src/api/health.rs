//! Whether this server should get new clients: asked by load balancers and supervisors, by anybody, so it costs little.

use super::Service;
use crate::config::LimitsConfig;
use crate::control::Control;
use crate::shard::{ShardFigures, ShardHandle, ShardId};
use crate::store::Store;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

/// A part that does not answer by then does not work.
const DEADLINE: Duration = Duration::from_secs(2);
/// Strangers may ask too: however many do, the database is asked once in this time.
const KEEP: Duration = Duration::from_millis(500);

/// What the monitoring looks at.
pub struct Monitor {
    store: Arc<dyn Store>,
    control: Arc<Control>,
    shards: Vec<(ShardId, ShardHandle)>,
    directory: PathBuf,
    limits: LimitsConfig,
    /// Places for connections to the HTTPS port; those that are taken are connections.
    places: Arc<Semaphore>,
    newest: Mutex<Option<(Instant, Readiness)>>,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Ok,
    Failed,
}

impl From<bool> for Check {
    fn from(good: bool) -> Self {
        if good { Self::Ok } else { Self::Failed }
    }
}

/// Every check by its name. Why one failed stands in the log: whoever asks may be anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// A write would be committed.
    pub database: Check,
    /// A shard takes its turns. When one of several has ended its participants are on the others, and new ones belong here still.
    pub shards: Check,
    /// The data directory has room.
    pub disk: Check,
    /// The server is not about to stop.
    pub serving: Check,
}

/// The answer of `GET /readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Checks,
}

impl Monitor {
    pub fn new(
        store: Arc<dyn Store>,
        control: Arc<Control>,
        shards: Vec<(ShardId, ShardHandle)>,
        directory: &Path,
        limits: &LimitsConfig,
        places: Arc<Semaphore>,
    ) -> Self {
        Self {
            store,
            control,
            shards,
            directory: directory.to_owned(),
            limits: limits.clone(),
            places,
            newest: Mutex::new(None),
        }
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Connections to the HTTPS port.
    pub fn connections(&self) -> usize {
        self.limits.connections.saturating_sub(self.places.available_permits())
    }

    /// What each shard has counted; none for one that does not answer.
    pub async fn figures(&self) -> Vec<(ShardId, &ShardHandle, Option<ShardFigures>)> {
        let ask = async |shard: ShardHandle| timeout(DEADLINE, shard.figures()).await.ok()?.ok();
        let answers = join_all(self.shards.iter().map(|(_, shard)| ask(shard.clone()))).await;
        let shards = self.shards.iter().zip(answers);
        shards.map(|((id, shard), figures)| (*id, shard, figures)).collect()
    }

    /// Checks everything, or says what was found a moment ago.
    pub async fn readiness(&self) -> Readiness {
        // One check at a time; whoever waited for it takes its answer.
        let mut newest = self.newest.lock().await;
        if let Some((at, readiness)) = *newest
            && at.elapsed() < KEEP
        {
            // Whoever drains wants to be seen at once.
            return with_serving(readiness, self.control.is_serving());
        }
        let (database, figures) = tokio::join!(timeout(DEADLINE, self.store.check_writable()), self.figures());
        let database = match database {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the database takes no write");
                false
            }
            Err(_) => {
                tracing::warn!("not ready: the database does not answer");
                false
            }
        };
        let shards = figures.iter().any(|(.., figures)| figures.is_some());
        if !shards {
            tracing::warn!("not ready: no shard answers");
        }
        let checks = Checks {
            database: database.into(),
            shards: shards.into(),
            disk: self.has_room().into(),
            serving: Check::Ok,
        };
        let ready = [checks.database, checks.shards, checks.disk]
            .iter()
            .all(|check| *check == Check::Ok);
        let readiness = Readiness { ready, checks };
        *newest = Some((Instant::now(), readiness));
        with_serving(readiness, self.control.is_serving())
    }

    fn has_room(&self) -> bool {
        let wanted = self.limits.free_disk_mib * 1024 * 1024;
        match free_bytes(&self.directory) {
            Ok(free) if free >= wanted => true,
            Ok(free) => {
                tracing::warn!(free, wanted, "not ready: the data directory is nearly full");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "not ready: the data directory can't be looked at");
                false
            }
        }
    }
}

fn with_serving(readiness: Readiness, serving: bool) -> Readiness {
    Readiness {
        ready: readiness.ready && serving,
        checks: Checks {
            serving: serving.into(),
            ..readiness.checks
        },
    }
}

/// Bytes that a service without privileges may still write there.
#[cfg(unix)]
pub fn free_bytes(directory: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Not known here: the check says nothing.
#[cfg(not(unix))]
pub fn free_bytes(_directory: &Path) -> std::io::Result<u64> {
    Ok(u64::MAX)
}

/// `GET /readyz`.
pub async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Readiness>) {
    let readiness = service.monitor.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::mailbox::unmanned;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn each_part_is_checked_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
        let control = Arc::new(Control::new(
            Arc::clone(&store),
            vec![],
            crate::control::ice::Ice::default(),
        ));
        let monitor = |free_disk_mib| {
            let limits = LimitsConfig {
                free_disk_mib,
                ..LimitsConfig::default()
            };
            let shards = vec![(ShardId(0), unmanned())];
            let places = Arc::new(Semaphore::new(1));
            Monitor::new(
                Arc::clone(&store),
                Arc::clone(&control),
                shards,
                folder.path(),
                &limits,
                places,
            )
        };
        let found = monitor(0).readiness().await;
        let (ok, failed) = (Check::Ok, Check::Failed);
        let mut expected = Checks {
            database: ok,
            shards: failed,
            disk: ok,
            serving: ok,
        };
        assert_eq!(
            (found.ready, found.checks),
            (false, expected),
            "its one shard has ended"
        );
        // More than any disk has.
        expected.disk = failed;
        assert_eq!(monitor(1 << 40).readiness().await.checks, expected);
        let again = monitor(0);
        assert_eq!(again.readiness().await.checks.serving, ok);
        control.drain(1);
        assert_eq!(
            again.readiness().await.checks.serving,
            failed,
            "at once, whatever is kept"
        );
    }
}
