//! What keeps the audit log honest: signed checkpoints outside the database, and their comparison with it.

pub mod chains;
pub mod checkpoint;
mod refusals;
pub mod verify;

pub use checkpoint::{CHECKPOINT_FILE, Checkpoints};
pub use refusals::{Refusals, Refused};

use crate::auth::keys::KeyError;
use crate::shutdown::ShutdownSignal;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How much of the log's end can be cut before a checkpoint would tell.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot use {path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a checkpoint can't be signed")]
    Signature,
}

/// Writes down counted refusals and a checkpoint every minute, and once more when the server has stopped.
pub async fn keep(
    store: Arc<dyn Store>,
    checkpoints: Arc<Mutex<Checkpoints>>,
    refusals: Arc<Refusals>,
    mut stopped: ShutdownSignal,
) {
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            () = stopped.begun() => true,
        };
        if let Err(error) = write(&*store, &checkpoints, &refusals).await {
            tracing::error!(%error, "the audit log got no checkpoint");
        }
        if last {
            return;
        }
    }
}

/// Writes counted refusals and then where the log stands; on disk when this returns.
pub async fn write(
    store: &dyn Store,
    checkpoints: &Arc<Mutex<Checkpoints>>,
    refusals: &Refusals,
) -> Result<(), AuditError> {
    refusals.write(store).await?;
    let head = store.audit_head().await?;
    let checkpoints = Arc::clone(checkpoints);
    let written = tokio::task::spawn_blocking(move || checkpoints.lock().append(head)).await;
    written.map_err(|_| AuditError::Signature)?
}
