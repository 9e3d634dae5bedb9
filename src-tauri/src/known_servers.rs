//! Certificates that a person confirmed once, by server: kept in the app's data directory, asked about again when they change.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Servers remembered: a proctor who works for many institutions stays far below it.
const MAX_SERVERS: usize = 256;

/// SHA-256 pins by `host:port`.
#[derive(Debug)]
pub struct KnownServers {
    path: PathBuf,
    pins: BTreeMap<String, String>,
}

impl KnownServers {
    /// Reads `known-servers.json` of the data directory. A missing file is an empty list; so is one that can't be read: the
    /// person is asked again, which is safe.
    pub fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("known-servers.json");
        let pins = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { path, pins }
    }

    /// The SHA-256 that was confirmed for the server, 64 hexadecimal digits.
    pub fn pin(&self, authority: &str) -> Option<&str> {
        self.pins.get(authority).map(String::as_str)
    }

    /// Remembers a confirmed certificate, on disk.
    ///
    /// # Errors
    /// When the file can't be written; the pin holds for this run all the same.
    pub fn remember(&mut self, authority: &str, sha256: &str) -> io::Result<()> {
        if self.pins.len() >= MAX_SERVERS && !self.pins.contains_key(authority) {
            self.pins.pop_first();
        }
        self.pins.insert(authority.to_owned(), sha256.to_owned());
        write_private(&self.path, &serde_json::to_vec_pretty(&self.pins)?)
    }
}

/// Writes a file that only its owner reads, whole or not at all.
///
/// # Errors
/// When the directory can't be made or the disk refuses the write.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let partial = path.with_extension("partial");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::KnownServers;

    #[test]
    fn a_pin_survives_a_restart_and_a_broken_file_asks_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut servers = KnownServers::open(dir.path());
        assert_eq!(servers.pin("exam:443"), None);
        servers.remember("exam:443", "ab").unwrap();
        assert_eq!(KnownServers::open(dir.path()).pin("exam:443"), Some("ab"));
        std::fs::write(dir.path().join("known-servers.json"), "{").unwrap();
        assert_eq!(KnownServers::open(dir.path()).pin("exam:443"), None);
    }
}
