//! Passwords: Argon2id (RFC 9106), few at a time, because each costs 19 MiB and tens of milliseconds.

use crate::clock;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use invigil_shared::error::{ErrorBody, ErrorCode};
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Hashes at once: one per core of a small server.
const PARALLEL: usize = 2;
/// Waiting for a turn; more is an attack or a stampede, and is told to come back.
const MAX_WAITING: usize = 64;
/// Characters of a password, at least and at most (NIST SP 800-63B section 5.1.1).
pub const MIN_CHARS: usize = 8;
pub const MAX_BYTES: usize = 256;

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked when there is no such account, so that both answers take as long.
    decoy: Arc<str>,
}

/// Hashes a password; blocks for tens of milliseconds.
pub fn hash(password: &str) -> Result<String, ErrorBody> {
    let internal = |_| ErrorBody::from(ErrorCode::Internal);
    let salt = SaltString::encode_b64(&clock::random::<16>()).map_err(internal)?;
    Ok(Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map_err(internal)?
        .to_string())
}

fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Whether a password may be chosen.
pub fn acceptable(password: &str) -> bool {
    password.chars().count() >= MIN_CHARS && password.len() <= MAX_BYTES
}

impl Passwords {
    /// Blocks for tens of milliseconds.
    pub fn new() -> Result<Self, ErrorBody> {
        Ok(Self {
            turns: Arc::new(Semaphore::new(PARALLEL)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            decoy: hash("no such account")?.into(),
        })
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ErrorBody> {
        let busy = ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", 5);
        let _place = self.waiting.try_acquire().map_err(|_| busy)?;
        let internal = ErrorBody::from(ErrorCode::Internal);
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| internal.clone())?;
        // The turn moves into the work: a caller that goes away doesn't free it early.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|_| internal)
    }

    /// Hashes a password. `rate_limited` when too many wait.
    pub async fn hash(&self, password: &str) -> Result<String, ErrorBody> {
        let password = Zeroizing::new(password.to_owned());
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether `password` fits `stored`; none stands for an account that does not exist.
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool, ErrorBody> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let exists = stored.is_some();
        let stored = stored.unwrap_or(&self.decoy).to_owned();
        let password = Zeroizing::new(password.to_owned());
        Ok(self.in_turn(move || verify(&stored, &password)).await? && exists)
    }
}
