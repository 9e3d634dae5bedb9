//! The server's own keys, each in a file of mode 0600 of the data directory, made at first start.

use crate::clock;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// File of the Ed25519 key (PKCS#8) that signs access tokens.
pub const TOKEN_KEY_FILE: &str = "token-key.p8";
/// File of the key under which roster secrets and setup codes are hashed.
pub const SECRET_KEY_FILE: &str = "secret-key.bin";
const SECRET_KEY_BYTES: usize = 32;

/// A key file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read or write {path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold a key of ours")]
    Malformed { path: PathBuf },
    #[error("the system's randomness failed")]
    Randomness,
}

/// The server's keys. Checkpoints of the audit log have one of their own ([`crate::audit::checkpoint::key`]).
pub struct ServerKeys {
    /// PKCS#8 of the Ed25519 key.
    pub token_key: Zeroizing<Vec<u8>>,
    /// Its public half, 32 bytes.
    pub token_public: Vec<u8>,
    pub secret_key: Zeroizing<Vec<u8>>,
}

impl ServerKeys {
    /// Reads the keys of `directory`, and makes those that are missing.
    pub fn open(directory: &Path) -> Result<Self, KeyError> {
        let token_path = directory.join(TOKEN_KEY_FILE);
        let token_key = read_or_create(&token_path, || {
            let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| KeyError::Randomness)?;
            Ok(document.as_ref().to_vec())
        })?;
        let pair = Ed25519KeyPair::from_pkcs8(&token_key).map_err(|_| KeyError::Malformed { path: token_path })?;
        let token_public = pair.public_key().as_ref().to_vec();
        let secret_path = directory.join(SECRET_KEY_FILE);
        let secret_key = read_or_create(&secret_path, || Ok(clock::random::<SECRET_KEY_BYTES>().to_vec()))?;
        if secret_key.len() != SECRET_KEY_BYTES {
            return Err(KeyError::Malformed { path: secret_path });
        }
        Ok(Self {
            token_key,
            token_public,
            secret_key,
        })
    }
}

/// Reads a key file; one that is missing is made, with mode 0600.
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, KeyError>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrap = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    match fs::read(path) {
        Ok(bytes) => return Ok(Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrap(error)),
    }
    let bytes = Zeroizing::new(make()?);
    match write_private(path, &bytes) {
        Ok(()) => Ok(bytes),
        // Another process of ours (the command line beside `serve`) was first: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path).map(Zeroizing::new).map_err(wrap),
        Err(error) => Err(wrap(error)),
    }
}

/// Writes a new file of mode 0600 so that it is either absent or whole; `AlreadyExists` when there is one.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_be_bytes(clock::random())));
    let temporary = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    // A hard link fails when the name is taken, where a rename would replace what another process wrote.
    let linked = written.and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    linked
}
