//! Taking a backup beside a running server.

use super::{
    BackupError, FORMAT, MANIFEST_FILE, Manifest, at, copy, entry, private_directory, sync_directory, write_manifest,
};
use crate::clock;
use crate::store::sqlite::{DATABASE_FILE, snapshot};
use std::fs;
use std::path::{Path, PathBuf};

/// Backs the data directory up to `to`, which must not exist: it is there when it is whole, and not before. `progress` hears how
/// many bytes of the database are copied, and of how many.
///
/// What was committed before the call is in it. The server may write meanwhile.
///
/// # Errors
/// When `to` exists, the directory has no embedded database, or a disk fails; nothing is left at `to` then.
pub async fn make(
    directory: &Path,
    to: &Path,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Manifest, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    if !directory.join(DATABASE_FILE).is_file() {
        return Err(BackupError::NoDatabase(directory.to_owned()));
    }
    let partial = beside(to);
    let made = fill(directory, &partial, progress).await;
    let done = made.and_then(|manifest| {
        fs::rename(&partial, to).map_err(at(to))?;
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        Ok(manifest)
    });
    if done.is_err() {
        // Ours alone: its name is random.
        let _ = fs::remove_dir_all(&partial);
    }
    done
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{:016x}.partial", u64::from_be_bytes(clock::random())));
    PathBuf::from(name)
}

async fn fill(
    directory: &Path,
    partial: &Path,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Manifest, BackupError> {
    private_directory(partial)?;
    // Checkpoints before the database: those that are copied have been seen by every later state of it, and never the other way.
    let mut names = plain_files(directory)?;
    for name in &names {
        copy(&directory.join(name), &partial.join(name))?;
    }
    let schema = snapshot::take(directory, &partial.join(DATABASE_FILE), progress).await?;
    names.push(DATABASE_FILE.to_owned());
    let files = names
        .iter()
        .map(|name| entry(partial, name))
        .collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema,
        made_at: clock::now_us(),
        files,
    };
    write_manifest(partial, &manifest)?;
    sync_directory(partial)?;
    Ok(manifest)
}

/// The files of a data directory that are copied as they are: not the database, not what is being written.
fn plain_files(directory: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for found in fs::read_dir(directory).map_err(at(directory))? {
        let found = found.map_err(at(directory))?;
        let kind = found.file_type().map_err(at(directory))?;
        let Ok(name) = found.file_name().into_string() else {
            continue;
        };
        let database = name.starts_with(DATABASE_FILE);
        let passing = name == "migration.lock" || name == MANIFEST_FILE || name.ends_with(".new");
        if kind.is_file() && !database && !passing && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
