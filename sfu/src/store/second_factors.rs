//! The second factors of accounts, as kept, and what their owners change of their own account.

use super::Stored;
use super::records::UserRecord;
use super::rows::{Columns, seq};
use async_trait::async_trait;
use invigil_shared::id::UserId;

/// A second factor as stored. Times are microseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Sealed ([`crate::auth::second_factor`]).
    pub secret: Vec<u8>,
    /// Since when it counts; none while it is only offered.
    pub confirmed_at: Option<i64>,
    /// The newest step whose code was used.
    pub used_step: u64,
    /// Recovery codes that were not used yet.
    pub codes_left: u32,
}

/// A second factor that counts from now on.
#[derive(Clone, Debug)]
pub struct Confirmed {
    pub account: UserId,
    /// As it was read: another one that was offered meanwhile is not meant.
    pub secret: Vec<u8>,
    /// The step of the code that confirms it; it is used.
    pub step: u64,
    /// Keyed hashes of the recovery codes.
    pub codes: Vec<Vec<u8>>,
    pub at: i64,
}

/// Why a second factor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// Its owner turned it off.
    Own,
    /// Somebody took it off an account; its tokens are void.
    Taken,
}

#[async_trait]
pub trait SecondFactorStore: Send + Sync {
    async fn second_factor(&self, account: UserId) -> Stored<Option<SecondFactor>>;
    /// Keeps a sealed secret to be confirmed, in place of one that was not. [`super::StoreError::Exists`] when one counts.
    async fn offer_second_factor(&self, account: UserId, secret: Vec<u8>, at: i64) -> Stored<()>;
    /// [`super::StoreError::Missing`] when that secret is not waiting to be confirmed.
    async fn confirm_second_factor(&self, confirmed: Confirmed) -> Stored<()>;
    /// Uses a step up; false when it, or a later one, was used before.
    async fn use_second_factor(&self, account: UserId, step: u64) -> Stored<bool>;
    /// Uses a recovery code up; false when there is no such code.
    async fn use_recovery_code(&self, account: UserId, code_hash: Vec<u8>) -> Stored<bool>;
    /// [`super::StoreError::Missing`] when none counts.
    async fn drop_second_factor(&self, account: UserId, off: Off) -> Stored<()>;
    /// Another password; tokens from before are void. [`super::StoreError::Missing`] when the account has another one than `before`.
    async fn change_password(&self, account: UserId, before: String, password_hash: String) -> Stored<UserRecord>;
}

/// A row with the number of its `codes_left`.
pub(super) fn second_factor(row: &impl Columns) -> Stored<SecondFactor> {
    Ok(SecondFactor {
        secret: row.bytes("secret")?,
        confirmed_at: row.maybe_integer("confirmed_at")?,
        used_step: seq(row, "used_step")?,
        codes_left: u32::try_from(row.integer("codes_left")?).unwrap_or(u32::MAX),
    })
}
