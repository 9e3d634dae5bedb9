//! Reading rows: what the database gives is checked like what a peer sends.

use crate::store::{StoreError, Stored};
use invigil_shared::chain::Hash;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::fmt::Display;
use std::str::FromStr;

/// The timeline's and the lists' limits as SQL takes them.
pub fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub fn id<T: FromStr>(row: &SqliteRow, column: &str) -> Stored<T>
where
    T::Err: Display,
{
    let text: String = row.try_get(column)?;
    text.parse()
        .map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

pub fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Stored<T> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

pub fn hash(row: &SqliteRow, column: &str) -> Stored<Hash> {
    let bytes: Vec<u8> = row.try_get(column)?;
    <[u8; 32]>::try_from(bytes)
        .map(Hash)
        .map_err(|_| StoreError::Corrupt(format!("{column}: not 32 bytes")))
}

pub fn seq(row: &SqliteRow, column: &str) -> Stored<u64> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column}: negative")))
}

pub fn to_json<T: serde::Serialize>(value: &T) -> Stored<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Turns a violated uniqueness into [`StoreError::Exists`].
pub fn unique(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreError::Exists,
        _ => error.into(),
    }
}
