//! Binding requests read and answered by hand: they arrive from anybody, so they are judged before anything is stored.
//!
//! Only what ICE-lite needs of RFC 8489 and RFC 8445: short-term credentials with HMAC-SHA1, FINGERPRINT, and success
//! responses. Nothing here allocates, and nothing that fails authentication gets an answer.

use aws_lc_rs::hmac;
use std::net::{IpAddr, SocketAddr};

/// Bytes of a STUN header (RFC 8489 section 5).
pub const HEADER_LEN: usize = 20;
/// Longest request that we read: a Binding request of a browser is about 120 bytes.
pub const MAX_REQUEST: usize = 1_280;
pub(super) const MAGIC: u32 = 0x2112_A442;
pub(super) const BINDING_REQUEST: u16 = 0x0001;
pub(super) const BINDING_SUCCESS: u16 = 0x0101;
pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// Types below this must be understood (RFC 8489 section 14).
const OPTIONAL_FROM: u16 = 0x8000;
pub(super) const HMAC_LEN: usize = 20;
/// Attributes of one request; a browser sends 8.
const MAX_ATTRIBUTES: usize = 32;

/// Why a request was not believed. It is counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Not STUN, or not a Binding request, or its lengths don't fit.
    #[error("malformed")]
    Malformed,
    /// USERNAME names somebody else.
    #[error("wrong username")]
    WrongUsername,
    /// MESSAGE-INTEGRITY is missing or made with another password.
    #[error("wrong integrity")]
    WrongIntegrity,
    /// FINGERPRINT is missing or wrong (RFC 8445 section 7.1 makes it mandatory).
    #[error("wrong fingerprint")]
    WrongFingerprint,
    /// A comprehension-required attribute that we don't know.
    #[error("unknown attribute")]
    UnknownAttribute,
    /// The association takes no more addresses now.
    #[error("too many addresses")]
    TooManyAddresses,
    /// The association has failed or was closed.
    #[error("closed")]
    Closed,
}

/// A Binding request whose shape and fingerprint are right; its sender is not yet known.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    packet: &'a [u8],
    /// USERNAME's first part: the receiver's user fragment.
    pub local_ufrag: &'a str,
    /// USERNAME's second part: the sender's user fragment.
    pub remote_ufrag: &'a str,
    /// PRIORITY (RFC 8445 section 7.1.1).
    pub priority: Option<u32>,
    /// The sender nominates this path.
    pub use_candidate: bool,
    integrity_at: usize,
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// One attribute: type, value and where the attribute's header stands.
pub(super) struct Attributes<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8], usize), StunError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.packet.len() {
            return None;
        }
        let at = self.at;
        let read = || {
            let (kind, len) = (be16(self.packet, at)?, usize::from(be16(self.packet, at + 2)?));
            let value = self.packet.get(at + 4..at + 4 + len)?;
            Some((kind, value, at + 4 + len.next_multiple_of(4)))
        };
        match read() {
            Some((kind, value, next)) => {
                self.at = next;
                Some(Ok((kind, value, at)))
            }
            None => {
                self.at = usize::MAX;
                Some(Err(StunError::Malformed))
            }
        }
    }
}

pub(super) fn attributes(packet: &[u8]) -> Result<Attributes<'_>, StunError> {
    let len = be16(packet, 2).ok_or(StunError::Malformed)?;
    let whole = HEADER_LEN + usize::from(len) == packet.len() && len.is_multiple_of(4);
    if !whole || packet.len() > MAX_REQUEST || be32(packet, 4) != Some(MAGIC) {
        return Err(StunError::Malformed);
    }
    Ok(Attributes { packet, at: HEADER_LEN })
}

fn split_username(value: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(value).ok()?.split_once(':')
}

/// The local user fragment that a Binding request is addressed to, unverified: which association may judge it.
pub fn local_ufrag(packet: &[u8]) -> Option<&str> {
    if be16(packet, 0)? != BINDING_REQUEST {
        return None;
    }
    let found = attributes(packet)
        .ok()?
        .take(MAX_ATTRIBUTES)
        .map_while(Result::ok)
        .find(|(kind, ..)| *kind == USERNAME);
    split_username(found?.1).map(|(local, _)| local)
}

impl<'a> BindingRequest<'a> {
    /// Reads a request and checks FINGERPRINT. [`Self::authenticate`] has to follow before anything is believed.
    pub fn parse(packet: &'a [u8]) -> Result<Self, StunError> {
        if be16(packet, 0) != Some(BINDING_REQUEST) {
            return Err(StunError::Malformed);
        }
        let (mut username, mut priority, mut use_candidate, mut integrity_at) = (None, None, false, None);
        for (count, attribute) in attributes(packet)?.enumerate() {
            let (kind, value, at) = attribute?;
            if count >= MAX_ATTRIBUTES {
                return Err(StunError::Malformed);
            }
            // RFC 8489 section 14.5: what follows MESSAGE-INTEGRITY, other than FINGERPRINT, is ignored.
            match kind {
                FINGERPRINT => {
                    let wanted = crc32(&packet[..at]) ^ FINGERPRINT_XOR;
                    if be32(value, 0) != Some(wanted) || value.len() != 4 || at + 8 != packet.len() {
                        return Err(StunError::WrongFingerprint);
                    }
                    let (local_ufrag, remote_ufrag) = username.ok_or(StunError::WrongUsername)?;
                    let integrity_at = integrity_at.ok_or(StunError::WrongIntegrity)?;
                    return Ok(Self {
                        packet,
                        local_ufrag,
                        remote_ufrag,
                        priority,
                        use_candidate,
                        integrity_at,
                    });
                }
                _ if integrity_at.is_some() => {}
                MESSAGE_INTEGRITY if value.len() == HMAC_LEN => integrity_at = Some(at),
                MESSAGE_INTEGRITY => return Err(StunError::Malformed),
                USERNAME if username.is_none() => {
                    username = Some(split_username(value).ok_or(StunError::WrongUsername)?);
                }
                USERNAME => return Err(StunError::Malformed),
                PRIORITY => priority = Some(be32(value, 0).ok_or(StunError::Malformed)?),
                USE_CANDIDATE => use_candidate = true,
                _ if kind < OPTIONAL_FROM => return Err(StunError::UnknownAttribute),
                _ => {}
            }
        }
        Err(StunError::WrongFingerprint)
    }

    /// Checks MESSAGE-INTEGRITY under our password, in constant time (RFC 8489 section 9.1.3).
    pub fn authenticate(&self, key: &StunKey) -> Result<(), StunError> {
        if key.verifies(self.packet, self.integrity_at) {
            Ok(())
        } else {
            Err(StunError::WrongIntegrity)
        }
    }

    /// The success response to an authenticated request from `source` (RFC 8445 section 7.3).
    pub fn success(&self, source: SocketAddr, key: &StunKey) -> StunAnswer {
        let mut answer = StunAnswer {
            bytes: [0; StunAnswer::MAX_LEN],
            len: HEADER_LEN,
        };
        answer.bytes[..2].copy_from_slice(&BINDING_SUCCESS.to_be_bytes());
        answer.bytes[4..HEADER_LEN].copy_from_slice(&self.packet[4..HEADER_LEN]);
        answer.push_mapped_address(source);
        answer.set_length(4 + HMAC_LEN);
        let tag = key.sign(&answer.bytes[..answer.len]);
        answer.push(MESSAGE_INTEGRITY, tag.as_ref());
        answer.set_length(8);
        let sum = crc32(&answer.bytes[..answer.len]) ^ FINGERPRINT_XOR;
        answer.push(FINGERPRINT, &sum.to_be_bytes());
        answer
    }
}

/// A password made ready for HMAC-SHA1.
pub struct StunKey(hmac::Key);

impl StunKey {
    /// The short-term key of `pwd` (RFC 8489 section 9.1.1; our characters need no preparation).
    pub fn new(pwd: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, pwd.as_bytes()))
    }

    /// The HMAC of a message whose length field counts up to the end of MESSAGE-INTEGRITY.
    pub(super) fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, message)
    }

    /// Whether the MESSAGE-INTEGRITY that begins at `at` was made with this key.
    pub(super) fn verifies(&self, packet: &[u8], at: usize) -> bool {
        let (Some(head), Some(body), Some(tag)) = (
            packet.get(..2),
            packet.get(4..at),
            packet.get(at + 4..at + 4 + HMAC_LEN),
        ) else {
            return false;
        };
        // RFC 8489 section 14.5: the length field counts up to the end of MESSAGE-INTEGRITY.
        let len = (at + 4 + HMAC_LEN - HEADER_LEN) as u16;
        let mut context = hmac::Context::with_key(&self.0);
        context.update(head);
        context.update(&len.to_be_bytes());
        context.update(body);
        aws_lc_rs::constant_time::verify_slices_are_equal(context.sign().as_ref(), tag).is_ok()
    }
}

/// A response, to be sent to the address that the request came from.
#[derive(Clone, Copy)]
pub struct StunAnswer {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl StunAnswer {
    /// Header, XOR-MAPPED-ADDRESS for IPv6, MESSAGE-INTEGRITY, FINGERPRINT.
    pub const MAX_LEN: usize = HEADER_LEN + 24 + 24 + 8;

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        let at = self.len;
        self.bytes[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes[at + 4..at + 4 + value.len()].copy_from_slice(value);
        self.len += 4 + value.len();
    }

    /// RFC 8489 section 14.2.
    fn push_mapped_address(&mut self, source: SocketAddr) {
        let mut value = [0; 20];
        value[2..4].copy_from_slice(&(source.port() ^ (MAGIC >> 16) as u16).to_be_bytes());
        let address = match source.ip() {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
            v4 => v4,
        };
        let len = match address {
            IpAddr::V4(v4) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&v4.octets());
                8
            }
            IpAddr::V6(v6) => {
                value[1] = 2;
                value[4..20].copy_from_slice(&v6.octets());
                20
            }
        };
        // Magic cookie and transaction id are next to each other in the header.
        for (byte, mask) in value[4..len].iter_mut().zip(&self.bytes[4..HEADER_LEN]) {
            *byte ^= mask;
        }
        self.push(XOR_MAPPED_ADDRESS, &value[..len]);
    }

    /// Writes the header's length as it will be after `more` bytes.
    fn set_length(&mut self, more: usize) {
        let len = (self.len - HEADER_LEN + more) as u16;
        self.bytes[2..4].copy_from_slice(&len.to_be_bytes());
    }
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// CRC-32 of ITU V.42 (RFC 8489 section 14.7).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        crc >> 8 ^ CRC_TABLE[usize::from(crc as u8 ^ byte)]
    })
}
