//! The device key: Ed25519, made at first use and kept in a file that only its owner can read.

use crate::error::ClientError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use invigil_shared::device::sign_challenge;
use invigil_shared::id::SessionId;
use rand::RngCore;
use std::io::{Read, Write};
use std::path::Path;

/// Proves that this device holds a session.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", self.public())
    }
}

impl DeviceKey {
    /// A new key in memory only: for bots and tests.
    pub fn generate() -> Self {
        let mut seed = [0u8; 32];
        rand::rng().fill_bytes(&mut seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// Loads the key of `path`, or makes one there with mode 0600.
    ///
    /// # Errors
    /// [`ClientError::DeviceKey`] when the file holds no key or can't be read or written. A broken file is never replaced:
    /// the session that it belongs to would be lost without a word.
    pub fn load_or_create(path: &Path) -> Result<Self, ClientError> {
        let failed = |e: std::io::Error| ClientError::DeviceKey(e.to_string());
        match std::fs::File::open(path) {
            Ok(file) => {
                let mut seed = Vec::with_capacity(33);
                file.take(33).read_to_end(&mut seed).map_err(failed)?;
                let seed =
                    <[u8; 32]>::try_from(seed).map_err(|_| ClientError::DeviceKey("not a key file".to_owned()))?;
                Ok(Self(SigningKey::from_bytes(&seed)))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(failed)?;
                }
                let key = Self::generate();
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut file = options.open(path).map_err(failed)?;
                file.write_all(key.0.as_bytes()).map_err(failed)?;
                file.sync_all().map_err(failed)?;
                Ok(key)
            }
            Err(e) => Err(failed(e)),
        }
    }

    /// The public half, base64url without padding, as `POST /api/v1/join` takes it.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }

    /// Signs the server's challenge (base64url without padding) for `session`; the same encoding comes back.
    pub fn sign(&self, session: SessionId, challenge: &str) -> Result<String, ClientError> {
        let challenge = URL_SAFE_NO_PAD
            .decode(challenge)
            .map_err(|_| ClientError::BadAnswer("challenge".to_owned()))?;
        Ok(URL_SAFE_NO_PAD.encode(sign_challenge(&self.0, session, &challenge)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_proves_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/device.key");
        let made = DeviceKey::load_or_create(&path).unwrap();
        let loaded = DeviceKey::load_or_create(&path).unwrap();
        assert_eq!(made.public(), loaded.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let session = SessionId::from_parts(1, [7; 10]);
        let signature = loaded.sign(session, &URL_SAFE_NO_PAD.encode([9u8; 32])).unwrap();
        let public = URL_SAFE_NO_PAD.decode(made.public()).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(invigil_shared::device::verify_challenge(
            &public, session, &[9u8; 32], &signature
        ));
        assert!(!invigil_shared::device::verify_challenge(
            &public, session, &[8u8; 32], &signature
        ));
    }

    #[test]
    fn a_broken_file_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(DeviceKey::load_or_create(&path).unwrap_err().code(), "device_key");
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
