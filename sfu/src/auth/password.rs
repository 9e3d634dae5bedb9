//! Passwords: Argon2id (RFC 9106), few at a time, because each costs 19 MiB and tens of milliseconds. Those 19 MiB are kept for the
//! next one: taken anew by ever other threads, the allocator keeps them once for each of its arenas.

use crate::clock;
use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::{PASSWORD_LANES, PASSWORD_MEMORY_KIB, PASSWORD_PASSES};
use parking_lot::Mutex;
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
    /// What hashes that are over have left, at most [`PARALLEL`].
    memory: Arc<Mutex<Vec<Memory>>>,
    /// Checked when there is no such account, so that both answers take as long.
    decoy: Arc<str>,
}

/// The working memory of one hash.
type Memory = Vec<Block>;

/// Hashes a password; blocks for tens of milliseconds.
pub fn hash(password: &str) -> Result<String, ErrorBody> {
    hash_in(&mut Memory::new(), password)
}

/// Argon2id of a password, in memory that may be used again.
fn derive(memory: &mut Memory, params: Params, password: &str, salt: &[u8]) -> argon2::password_hash::Result<Output> {
    let size = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    memory.resize(argon.params().block_count(), Block::default());
    let derived = Output::init_with(size, |out| {
        argon.hash_password_into_with_memory(password.as_bytes(), salt, out, memory.as_mut_slice())?;
        Ok(())
    });
    // Nothing of a password waits there for the next one.
    memory.fill(Block::default());
    derived
}

fn hash_in(memory: &mut Memory, password: &str) -> Result<String, ErrorBody> {
    let internal = || ErrorBody::from(ErrorCode::Internal);
    let params = Params::new(PASSWORD_MEMORY_KIB, PASSWORD_PASSES, PASSWORD_LANES, None).map_err(|_| internal())?;
    let bytes = clock::random::<16>();
    let salt = SaltString::encode_b64(&bytes).map_err(|_| internal())?;
    let derived = derive(memory, params.clone(), password, &bytes).map_err(|_| internal())?;
    let whole = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| internal())?,
        salt: Some(salt.as_salt()),
        hash: Some(derived),
    };
    Ok(whole.to_string())
}

/// None for what is no hash of ours.
fn verify_in(memory: &mut Memory, stored: &str, password: &str) -> Option<bool> {
    let parsed = PasswordHash::new(stored).ok()?;
    let ours = parsed.algorithm == Algorithm::Argon2id.ident() && parsed.version == Some(Version::V0x13.into());
    let params = Params::try_from(&parsed).ok().filter(|_| ours)?;
    let mut buffer = [0; 64];
    let salt = parsed.salt?.decode_b64(&mut buffer).ok()?;
    // Outputs are compared in constant time.
    Some(derive(memory, params, password, salt).ok()? == parsed.hash?)
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
            memory: Arc::default(),
            decoy: hash("no such account")?.into(),
        })
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, ErrorBody> {
        let busy = ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", 5);
        let _place = self.waiting.try_acquire().map_err(|_| busy)?;
        let internal = ErrorBody::from(ErrorCode::Internal);
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| internal.clone())?;
        let kept = Arc::clone(&self.memory);
        // The turn moves into the work: a caller that goes away doesn't free it early.
        tokio::task::spawn_blocking(move || {
            let mut memory = kept.lock().pop().unwrap_or_default();
            let result = work(&mut memory);
            kept.lock().push(memory);
            drop(turn);
            result
        })
        .await
        .map_err(|_| internal)
    }

    /// Hashes a password. `rate_limited` when too many wait.
    pub async fn hash(&self, password: &str) -> Result<String, ErrorBody> {
        let password = Zeroizing::new(password.to_owned());
        self.in_turn(move |memory| hash_in(memory, &password)).await?
    }

    /// Whether `password` fits `stored`; none stands for an account that does not exist.
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool, ErrorBody> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let exists = stored.is_some();
        let stored = stored.unwrap_or(&self.decoy).to_owned();
        let password = Zeroizing::new(password.to_owned());
        Ok(self
            .in_turn(move |memory| verify_in(memory, &stored, &password) == Some(true))
            .await?
            && exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    /// What others make of the same bytes (the PHC string format) is the oracle.
    #[test]
    fn hashes_are_those_of_everybody() {
        let ours = hash("correct horse").unwrap();
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        let parsed = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"correct house", &parsed).is_err());
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let theirs = Argon2::default().hash_password(b"battery", &salt).unwrap().to_string();
        let mut memory = Memory::new();
        let mut verify = |stored: &str, password: &str| verify_in(&mut memory, stored, password);
        assert_eq!(verify(&theirs, "battery"), Some(true));
        assert_eq!(verify(&theirs, "staple"), Some(false));
        assert_eq!(verify(&theirs.replace("argon2id", "argon2i"), "battery"), None);
        assert_eq!(verify("plain text", "plain text"), None);
        assert_eq!(verify("", ""), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_share_the_memory_of_few() {
        let passwords = Passwords::new().unwrap();
        let stored: Arc<str> = hash("one of many").unwrap().into();
        let tries = (0..12).map(|n| {
            let (passwords, stored) = (passwords.clone(), Arc::clone(&stored));
            let typed = if n % 3 == 0 { "another" } else { "one of many" };
            tokio::spawn(async move { passwords.verify(Some(&stored), typed).await.unwrap() })
        });
        let tries: Vec<_> = tries.collect();
        let mut right = 0;
        for one in tries {
            right += usize::from(one.await.unwrap());
        }
        assert_eq!(right, 8);
        let kept = passwords.memory.lock();
        assert!((1..=PARALLEL).contains(&kept.len()), "{}", kept.len());
        let blank = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
        assert!(kept.iter().flatten().all(blank), "nothing of a password is kept");
    }
}
