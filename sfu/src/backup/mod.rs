//! A copy of a data directory that can be taken while the server runs, and put back.
//!
//! A backup is a directory: the files of the data directory, a copy of the database as of one moment, and `backup.json`, which
//! says what each of them has to be. It holds every key of the server: who has it can be anyone.

mod make;
mod restore;

pub use make::make;
pub use restore::{Restored, restore};

use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The file that describes the others.
pub const MANIFEST_FILE: &str = "backup.json";
/// The shape of a backup. One of another number is refused.
const FORMAT: u32 = 1;
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// Why a backup was not taken or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} is there already, and nothing is ever overwritten: choose another name")]
    Exists(PathBuf),
    #[error("{0} is not empty: restore into a new directory, then give that to `serve`")]
    NotEmpty(PathBuf),
    #[error("{0} holds no database: nothing was ever kept there")]
    NoDatabase(PathBuf),
    #[error("{path} is not a backup: {reason}")]
    NotABackup { path: PathBuf, reason: String },
    #[error("{0} is not what was backed up: its content has changed since")]
    Damaged(PathBuf),
    #[error("the backup was made by a newer version (migration {found}); this one knows up to {known}")]
    Newer { found: i64, known: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// What a backup is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Of the program that made it.
    pub version: String,
    /// The newest migration of its database.
    pub schema: i64,
    /// Microseconds since the Unix epoch, UTC.
    pub made_at: i64,
    pub files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Beside the manifest.
    pub name: String,
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub fn total(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    fn read(directory: &Path) -> Result<Self, BackupError> {
        let path = directory.join(MANIFEST_FILE);
        let bad = |reason: String| BackupError::NotABackup {
            path: path.clone(),
            reason,
        };
        let bytes = fs::read(&path).map_err(|error| bad(error.to_string()))?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(bad(format!(
                "its format is {}, this version knows {FORMAT}",
                manifest.format
            )));
        }
        // A name leads nowhere else.
        let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if let Some(entry) = manifest.files.iter().find(|entry| !plain(&entry.name)) {
            return Err(bad(format!("{:?} is no name of a file", entry.name)));
        }
        Ok(manifest)
    }
}

/// Makes a directory that only its owner can look into.
fn private_directory(path: &Path) -> Result<(), BackupError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).map_err(at(path))
}

/// Copies a file to a new one of mode 0600, flushed to disk.
fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(at(from))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut target = options.open(to).map_err(at(to))?;
    io::copy(&mut source, &mut target).map_err(at(to))?;
    target.sync_all().map_err(at(to))
}

/// What a file is now.
fn entry(directory: &Path, name: &str) -> Result<Entry, BackupError> {
    let path = directory.join(name);
    let mut file = File::open(&path).map_err(at(&path))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut chunk).map_err(at(&path))?;
        let Some(read) = chunk.get(..n).filter(|read| !read.is_empty()) else {
            break;
        };
        hasher.update(read);
        bytes += read.len() as u64;
    }
    Ok(Entry {
        name: name.to_owned(),
        bytes,
        sha256: invigil_shared::chain::hex(&hasher.finalize()),
    })
}

/// Flushes what a directory lists.
fn sync_directory(path: &Path) -> Result<(), BackupError> {
    #[cfg(unix)]
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at(path))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = directory.join(MANIFEST_FILE);
    let text = serde_json::to_string_pretty(manifest).map_err(|error| at(&path)(io::Error::other(error)))?;
    let write = || {
        let mut file = File::create_new(&path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(at(&path))
}
