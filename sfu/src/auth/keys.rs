//! The server's own keys, each in a file of mode 0600 of the data directory, made at first start. The key that signs tokens is changed
//! by [`rotate`]: the one before goes on verifying until its tokens have ended.

use crate::clock;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// File of the Ed25519 key (PKCS#8) that signs access tokens.
pub const TOKEN_KEY_FILE: &str = "token-key.p8";
/// The one before, with the second of the rotation: `token-key-retired-1764133200.p8`.
const RETIRED_PREFIX: &str = "token-key-retired-";
const RETIRED_SUFFIX: &str = ".p8";
/// File of the key under which roster secrets and setup codes are hashed.
pub const SECRET_KEY_FILE: &str = "secret-key.bin";
const SECRET_KEY_BYTES: usize = 32;
/// No setting makes tokens last longer (`config/auth.rs`), and clocks differ a little.
const LONGEST_TOKEN_S: i64 = 3_600 + 60;

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
    #[error(
        "the key before was retired {ago_s} s ago, and its tokens may still be in use. Wait, or void them with --now"
    )]
    Rotating { ago_s: i64 },
    #[error(
        "the database was made with another secret key than {0}. Servers of one database share that file: copy it here from the other server's \
         data directory. When it is lost, `invigil-sfu key adopt` goes on with this one"
    )]
    OtherSecretKey(PathBuf),
}

/// The server's keys. Checkpoints of the audit log have one of their own ([`crate::audit::checkpoint::key`]).
pub struct ServerKeys {
    /// PKCS#8 of the Ed25519 key.
    pub token_key: Zeroizing<Vec<u8>>,
    /// Its public half, 32 bytes.
    pub token_public: Vec<u8>,
    /// Those before it, newest first; [`rotate`] keeps one.
    pub retired: Vec<RetiredKey>,
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
        let token_public = public_of(&token_key, &token_path)?;
        let mut retired = Vec::new();
        for (path, since_s) in retired_files(directory)? {
            match fs::read(&path).map(Zeroizing::new) {
                Ok(key) => retired.push(RetiredKey {
                    public: public_of(&key, &path)?,
                    since_s,
                }),
                // Another process has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(KeyError::File { path, source }),
            }
        }
        let secret_path = directory.join(SECRET_KEY_FILE);
        let secret_key = read_or_create(&secret_path, || Ok(clock::random::<SECRET_KEY_BYTES>().to_vec()))?;
        if secret_key.len() != SECRET_KEY_BYTES {
            return Err(KeyError::Malformed { path: secret_path });
        }
        Ok(Self {
            token_key,
            token_public,
            retired,
            secret_key,
        })
    }
}

/// A key that signs no more. Its private half is on the disk only as long as its tokens can be in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    pub public: Vec<u8>,
    /// When it was retired, seconds since the Unix epoch.
    pub since_s: i64,
}

fn public_of(key: &[u8], path: &Path) -> Result<Vec<u8>, KeyError> {
    let malformed = || KeyError::Malformed { path: path.to_owned() };
    let pair = Ed25519KeyPair::from_pkcs8(key).map_err(|_| malformed())?;
    Ok(pair.public_key().as_ref().to_vec())
}

/// The files of retired keys and when they were, newest first.
fn retired_files(directory: &Path) -> Result<Vec<(PathBuf, i64)>, KeyError> {
    let wrap = |source| KeyError::File {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let name = entry.file_name();
        let since = name.to_str().and_then(|name| {
            name.strip_prefix(RETIRED_PREFIX)?
                .strip_suffix(RETIRED_SUFFIX)?
                .parse()
                .ok()
        });
        files.extend(since.map(|since| (entry.path(), since)));
    }
    files.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
    Ok(files)
}

/// What tells whether the token keys of a directory have changed: cheap enough to be asked every second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Option<SystemTime>, Vec<(PathBuf, i64)>);

impl Stamp {
    pub fn of(directory: &Path) -> Result<Self, KeyError> {
        let path = directory.join(TOKEN_KEY_FILE);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let modified = modified.map_err(|source| KeyError::File { path, source })?;
        Ok(Self(Some(modified), retired_files(directory)?))
    }
}

/// Makes a new token key. The one before is retired, or with `void` gone at once, and its tokens with it. Running servers follow by
/// themselves.
///
/// # Errors
/// [`KeyError::Rotating`] while tokens of the key before the last may be in use: two keys verify, never more.
pub fn rotate(directory: &Path, now_s: i64, void: bool) -> Result<(), KeyError> {
    let path = directory.join(TOKEN_KEY_FILE);
    let wrap = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { path, source }
    };
    let current = ServerKeys::open(directory)?;
    if let Some(last) = current.retired.first().filter(|_| !void) {
        let ago_s = now_s.saturating_sub(last.since_s);
        if ago_s < LONGEST_TOKEN_S {
            return Err(KeyError::Rotating { ago_s });
        }
    }
    remove_retired(directory, i64::MAX)?;
    if !void {
        let retired = directory.join(format!("{RETIRED_PREFIX}{now_s}{RETIRED_SUFFIX}"));
        write_private(&retired, &current.token_key).map_err(wrap(&retired))?;
    }
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| KeyError::Randomness)?;
    let fresh = directory.join(format!("{TOKEN_KEY_FILE}.new"));
    let _ = fs::remove_file(&fresh);
    write_private(&fresh, document.as_ref()).map_err(wrap(&fresh))?;
    // Readers see the old key or the new one.
    fs::rename(&fresh, &path).map_err(wrap(&path))?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(wrap(directory))
}

/// Removes keys that were retired before a second.
pub fn remove_retired(directory: &Path, before_s: i64) -> Result<(), KeyError> {
    for (path, since) in retired_files(directory)? {
        if since < before_s
            && let Err(source) = fs::remove_file(&path)
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(KeyError::File { path, source });
        }
    }
    Ok(())
}

/// Whether a file of the data directory is a token key, of now or before.
pub fn is_token_key(name: &str) -> bool {
    name == TOKEN_KEY_FILE || name.starts_with(RETIRED_PREFIX)
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
