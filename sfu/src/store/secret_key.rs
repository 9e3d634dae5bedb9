//! Which secret key the database belongs to: hashes of secrets, second factors and signatures in it are of no use under another one, and a
//! server with another one would make more of them.

use crate::store::Stored;
use async_trait::async_trait;

/// The setting that names the key.
pub(super) const SECRET_KEY: &str = "secret_key";

#[async_trait]
pub trait SecretKeyStore: Send + Sync {
    /// Binds a database that belongs to no key yet to the key of this fingerprint, and any with `anew`; false when it belongs to another.
    async fn claim_secret_key(&self, fingerprint: Vec<u8>, anew: bool) -> Stored<bool>;
}
