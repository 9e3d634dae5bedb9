//! Signed checkpoints: where the log stood at a time, one JSON line each in a file outside the database. Who can change only the
//! database can't change them; who can change this machine can't change the copies that an institution keeps elsewhere.

use super::AuditError;
use crate::auth::keys::{KeyError, read_or_create};
use crate::clock;
use crate::store::audit::AuditHead;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use invigil_shared::chain::{Hash, hex, unhex};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// File of the Ed25519 key (PKCS#8) that signs checkpoints.
pub const AUDIT_KEY_FILE: &str = "audit-key.p8";
/// File that checkpoints are appended to.
pub const CHECKPOINT_FILE: &str = "audit-checkpoints.jsonl";
const DOMAIN: &[u8] = b"invigil.audit.checkpoint.v1\0";

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub seq: u64,
    pub hash: Hash,
    /// Microseconds since the Unix epoch, UTC.
    pub at: i64,
    /// Ed25519 (RFC 8032) over domain, seq, hash and at; hexadecimal.
    pub signature: String,
}

fn signed(head: AuditHead, at: i64) -> Vec<u8> {
    [DOMAIN, &head.seq.to_be_bytes(), &head.hash.0, &at.to_be_bytes()].concat()
}

impl Checkpoint {
    pub fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq,
            hash: self.hash,
        }
    }

    /// Whether the key of `public` signed it.
    pub fn is_signed_by(&self, public: &[u8]) -> bool {
        let signature = unhex(&self.signature).unwrap_or_default();
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(&signed(self.head(), self.at), &signature).is_ok()
    }
}

/// The key that signs checkpoints, made when there is none.
pub fn key(directory: &Path) -> Result<Ed25519KeyPair, KeyError> {
    let path = directory.join(AUDIT_KEY_FILE);
    let bytes = read_or_create(&path, || {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| KeyError::Randomness)?;
        Ok(document.as_ref().to_vec())
    })?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyError::Malformed { path })
}

/// The file, open for appending.
pub struct Checkpoints {
    path: PathBuf,
    file: File,
    key: Ed25519KeyPair,
    last: Option<AuditHead>,
}

impl Checkpoints {
    pub fn open(directory: &Path) -> Result<Self, AuditError> {
        let key = key(directory)?;
        let path = directory.join(CHECKPOINT_FILE);
        let file = open_whole(&path).map_err(|source| AuditError::File {
            path: path.clone(),
            source,
        })?;
        let last = None;
        Ok(Self { path, file, key, last })
    }

    /// Appends a checkpoint, on disk when this returns. Nothing when the log has not grown.
    pub fn append(&mut self, head: AuditHead) -> Result<(), AuditError> {
        if self.last == Some(head) {
            return Ok(());
        }
        let at = clock::now_us();
        let signature = hex(self.key.sign(&signed(head, at)).as_ref());
        let AuditHead { seq, hash } = head;
        let checkpoint = Checkpoint {
            seq,
            hash,
            at,
            signature,
        };
        let mut line = serde_json::to_vec(&checkpoint).map_err(|_| AuditError::Signature)?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_all());
        written.map_err(|source| AuditError::File {
            path: self.path.clone(),
            source,
        })?;
        self.last = Some(head);
        Ok(())
    }
}

/// Opens for appending, behind the last whole line: a power cut can leave a part of one.
fn open_whole(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let whole = content.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// The public half of the key of a data directory.
pub fn public_key(directory: &Path) -> Result<Vec<u8>, KeyError> {
    Ok(key(directory)?.public_key().as_ref().to_vec())
}
