//! Putting a backup into a new data directory.

use super::{BackupError, Manifest, at, copy, entry, private_directory, sync_directory};
use crate::audit::checkpoint::public_key;
use crate::audit::verify::{self, Finding, Verdict};
use crate::audit::{AuditError, CHECKPOINT_FILE};
use crate::store::Store;
use crate::store::sqlite::{DATABASE_FILE, SqliteStore, snapshot};
use std::fs;
use std::path::Path;

/// What was put back.
#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// The audit log of the restored database against its checkpoints.
    pub audit: Verdict,
}

/// Puts a backup into `directory`, which has to be missing or empty. Everything is compared with the manifest before anything is
/// written. The schema is brought up to date, as at a start.
///
/// # Errors
/// When the backup is not whole, was changed, or is of a newer version; when the directory is not empty.
pub async fn restore(from: &Path, directory: &Path) -> Result<Restored, BackupError> {
    if fs::read_dir(directory).is_ok_and(|mut files| files.next().is_some()) {
        return Err(BackupError::NotEmpty(directory.to_owned()));
    }
    let manifest = Manifest::read(from)?;
    for expected in &manifest.files {
        if entry(from, &expected.name)? != *expected {
            return Err(BackupError::Damaged(from.join(&expected.name)));
        }
    }
    if !manifest.files.iter().any(|file| file.name == DATABASE_FILE) {
        return Err(BackupError::NoDatabase(from.to_owned()));
    }
    let known = snapshot::newest_schema();
    if manifest.schema > known {
        return Err(BackupError::Newer {
            found: manifest.schema,
            known,
        });
    }
    if !directory.exists() {
        private_directory(directory)?;
    }
    for file in &manifest.files {
        copy(&from.join(&file.name), &directory.join(&file.name))?;
    }
    sync_directory(directory)?;
    let store = SqliteStore::open(directory).await?;
    let checkpoints = fs::read_to_string(directory.join(CHECKPOINT_FILE)).unwrap_or_default();
    let public = match public_key(directory) {
        Ok(public) => public,
        Err(error) => return Err(unreadable(directory, error)),
    };
    let audit = verify::verify(&store, &checkpoints, &public).await;
    store.close().await;
    let mut audit = audit?;
    if !manifest.files.iter().any(|file| file.name == CHECKPOINT_FILE) {
        // The server had not run for a minute when the backup was made.
        audit.findings.retain(|finding| *finding != Finding::NoCheckpoints);
    }
    Ok(Restored { manifest, audit })
}

fn unreadable(directory: &Path, error: impl Into<AuditError>) -> BackupError {
    at(directory)(std::io::Error::other(error.into().to_string()))
}
