//! What is asked for with an idempotency key is done once: a create over REST, or what a client says on its connection. The key is looked
//! up and written in the transaction that does it, so that of two at once the second one sees the first. What stands there for a day
//! holds no secret in clear: secrets that the answer held are derived again from the salt and the server's key
//! ([`crate::auth::secret::SecretHasher::derive`]). Once the row is gone, nobody can.

use crate::store::Stored;
use async_trait::async_trait;

/// How long a key is remembered, microseconds: a day.
pub const KEPT_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A create with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Whose key it is: keys of two people never meet.
    pub actor: String,
    pub key: String,
    /// SHA-256 of the request: a key that comes with another one is a mistake.
    pub request: Vec<u8>,
    pub salt: Vec<u8>,
    /// What is answered, without secrets.
    pub answer: String,
    pub at: i64,
}

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was done before, with this answer.
    Repeated {
        salt: Vec<u8>,
        answer: String,
    },
    /// The key was used for something else.
    Mismatch,
}

/// What this asks of a database, inside the transaction of the create.
#[async_trait]
pub trait OnceTable: Send {
    async fn kept(&mut self, actor: &str, key: &str) -> Stored<Option<Once>>;
    async fn keep(&mut self, once: &Once) -> Stored<()>;
    /// Drops what is older.
    async fn forget(&mut self, before: i64) -> Stored<()>;
}

/// Takes the key; none when the create has to be done now.
pub async fn begin(table: &mut impl OnceTable, once: Option<&Once>) -> Stored<Option<Outcome>> {
    let Some(once) = once else { return Ok(None) };
    table.forget(once.at.saturating_sub(KEPT_US)).await?;
    let before = before(table, once).await?;
    if before.is_none() {
        table.keep(once).await?;
    }
    Ok(before)
}

/// What became of it before; none when it was not done yet.
pub async fn before(table: &mut impl OnceTable, once: &Once) -> Stored<Option<Outcome>> {
    let kept = table.kept(&once.actor, &once.key).await?;
    Ok(kept.map(|kept| {
        if kept.request == once.request {
            Outcome::Repeated {
                salt: kept.salt,
                answer: kept.answer,
            }
        } else {
            Outcome::Mismatch
        }
    }))
}
