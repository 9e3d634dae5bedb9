//! The hash chain of a session's integrity events, from version 1 on.
//!
//! hash = SHA-256(domain, session, seq, prev, H(salt, payload bytes as sent)). The inner hash stands for the payload, so
//! that erasure can drop payload and salt and leave the chain verifiable.

use crate::id::SessionId;
use crate::integrity::IntegrityEvent;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;
use ts_rs::TS;

/// Separates our hashes from every other use of SHA-256.
const DOMAIN: &[u8] = b"invigil.integrity.v1\0";
const GENESIS_DOMAIN: &[u8] = b"invigil.integrity.genesis.v1\0";
const PAYLOAD_DOMAIN: &[u8] = b"invigil.integrity.payload.v1\0";

/// A SHA-256 value; 64 lower-case hexadecimal digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TS)]
#[ts(export, type = "string")]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let bytes = unhex(&text).and_then(|b| <[u8; 32]>::try_from(b).ok());
        bytes
            .map(Hash)
            .ok_or_else(|| de::Error::custom("not 64 hexadecimal digits"))
    }
}

/// Decodes lower-case hexadecimal; none for anything else, so that one value has one spelling.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let raw = text.as_bytes();
    if !raw.len().is_multiple_of(2) {
        return None;
    }
    raw.chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// Encodes lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The `prev` of a session's first event.
pub fn genesis(session: SessionId) -> Hash {
    Hash(
        Sha256::new()
            .chain_update(GENESIS_DOMAIN)
            .chain_update(session.0.as_bytes())
            .finalize()
            .into(),
    )
}

/// H(salt, payload). The salt's length is written first: no two (salt, payload) pairs share their bytes.
pub fn payload_hash(salt: &[u8], payload: &[u8]) -> Hash {
    let length = (salt.len() as u64).to_be_bytes();
    Hash(
        Sha256::new()
            .chain_update(PAYLOAD_DOMAIN)
            .chain_update(length)
            .chain_update(salt)
            .chain_update(payload)
            .finalize()
            .into(),
    )
}

/// The hash of one link.
pub fn link_hash(session: SessionId, seq: u64, prev: Hash, payload: Hash) -> Hash {
    let hasher = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(session.0.as_bytes())
        .chain_update(seq.to_be_bytes());
    Hash(hasher.chain_update(prev.0).chain_update(payload.0).finalize().into())
}

/// Where a chain stands: what its next event must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ChainHead {
    /// Sequence number of the last event; 0 before the first.
    #[ts(type = "number")]
    pub seq: u64,
    pub hash: Hash,
}

/// Why an event does not continue a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    #[error("event {got} where {wanted} was next: a gap")]
    Gap { wanted: u64, got: u64 },
    #[error("event {0} was stored before")]
    Duplicate(u64),
    #[error("event {0} does not carry the hash of the one before")]
    Fork(u64),
    #[error("event {0} has a salt that is not 32 hexadecimal digits")]
    BadSalt(u64),
}

impl ChainHead {
    pub fn new(session: SessionId) -> Self {
        Self {
            seq: 0,
            hash: genesis(session),
        }
    }

    /// Checks that `event` continues this head and moves on to it.
    pub fn advance(&mut self, session: SessionId, event: &IntegrityEvent) -> Result<(), ChainBreak> {
        let wanted = self.seq + 1;
        if event.seq < wanted {
            return Err(ChainBreak::Duplicate(event.seq));
        }
        if event.seq > wanted {
            return Err(ChainBreak::Gap { wanted, got: event.seq });
        }
        if event.prev != self.hash {
            return Err(ChainBreak::Fork(event.seq));
        }
        let salt = unhex(&event.salt)
            .filter(|s| s.len() == 16)
            .ok_or(ChainBreak::BadSalt(event.seq))?;
        let inner = payload_hash(&salt, event.payload.as_bytes());
        *self = Self {
            seq: event.seq,
            hash: link_hash(session, event.seq, event.prev, inner),
        };
        Ok(())
    }

    /// Makes the event that continues this head, and moves on to it.
    pub fn append(&mut self, session: SessionId, salt: [u8; 16], payload: String) -> IntegrityEvent {
        let (seq, prev) = (self.seq + 1, self.hash);
        let inner = payload_hash(&salt, payload.as_bytes());
        *self = Self {
            seq,
            hash: link_hash(session, seq, prev, inner),
        };
        IntegrityEvent {
            seq,
            prev,
            salt: hex(&salt),
            payload,
        }
    }
}
