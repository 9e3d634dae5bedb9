//! Follows the rotation of the key that signs tokens, which the command line does.

use crate::api::Service;
use crate::auth::ServerKeys;
use crate::auth::keys::{KeyError, Stamp, remove_retired};
use crate::clock;
use crate::shutdown::ShutdownSignal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// Follows until the server stops.
pub async fn follow(service: Arc<Service>, directory: PathBuf, mut shutdown: ShutdownSignal) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut known, mut well) = (Stamp::default(), true);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            _ = ticks.tick() => {}
        }
        let (directory, before) = (directory.clone(), known.clone());
        let over = service.tokens.over_before(clock::now_s());
        // The data directory may be on a slow disk.
        let looked = tokio::task::spawn_blocking(move || look(&directory, &before, over)).await;
        match looked {
            Ok(Ok(None)) => well = true,
            Ok(Ok(Some((stamp, keys)))) => {
                (known, well) = (stamp, true);
                if service.tokens.follow(&keys) {
                    tracing::warn!("the key of all tokens was voided");
                    service.control.cut_everybody();
                }
            }
            Ok(Err(error)) if std::mem::take(&mut well) => tracing::error!(%error, "token keys are not followed now"),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// The keys, when they have changed.
fn look(directory: &Path, known: &Stamp, over: i64) -> Result<Option<(Stamp, ServerKeys)>, KeyError> {
    remove_retired(directory, over)?;
    let stamp = Stamp::of(directory)?;
    if stamp == *known {
        return Ok(None);
    }
    // What changes from here on changes the stamp again.
    Ok(Some((stamp, ServerKeys::open(directory)?)))
}
