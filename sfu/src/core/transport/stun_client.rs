//! The asking side of ICE's connectivity checks, for peers in simulations and load tools. The server itself never asks.

use super::stun::{
    BINDING_REQUEST, BINDING_SUCCESS, FINGERPRINT, FINGERPRINT_XOR, HEADER_LEN, HMAC_LEN, MAGIC, MESSAGE_INTEGRITY,
    PRIORITY, StunKey, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, attributes, be16, crc32,
};
use std::net::{IpAddr, SocketAddr};

/// RFC 8445 section 16.1.
const ICE_CONTROLLING: u16 = 0x802A;

/// A Binding request of a controlling agent (RFC 8445 section 7.2).
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    pub transaction: [u8; 12],
    /// The user fragment of whoever is asked; its password signs the request.
    pub remote_ufrag: &'a str,
    pub local_ufrag: &'a str,
    pub priority: u32,
    pub tie_breaker: u64,
    /// Nominates the path that the request takes.
    pub use_candidate: bool,
}

impl Check<'_> {
    /// The request with MESSAGE-INTEGRITY under `key` and FINGERPRINT.
    pub fn write(&self, key: &StunKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&BINDING_REQUEST.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&self.transaction);
        let username = format!("{}:{}", self.remote_ufrag, self.local_ufrag);
        push(&mut out, USERNAME, username.as_bytes());
        push(&mut out, PRIORITY, &self.priority.to_be_bytes());
        push(&mut out, ICE_CONTROLLING, &self.tie_breaker.to_be_bytes());
        if self.use_candidate {
            push(&mut out, USE_CANDIDATE, &[]);
        }
        set_length(&mut out, 4 + HMAC_LEN);
        let tag = key.sign(&out);
        push(&mut out, MESSAGE_INTEGRITY, tag.as_ref());
        set_length(&mut out, 8);
        let sum = crc32(&out) ^ FINGERPRINT_XOR;
        push(&mut out, FINGERPRINT, &sum.to_be_bytes());
        out
    }

    /// Whether `packet` is the success response to this request, signed with the same password; the address that it says we
    /// come from (RFC 8489 section 14.2).
    pub fn answered_by(&self, packet: &[u8], key: &StunKey) -> Option<SocketAddr> {
        if be16(packet, 0)? != BINDING_SUCCESS || packet.get(8..HEADER_LEN)? != self.transaction {
            return None;
        }
        let (mut mapped, mut is_signed) = (None, false);
        for attribute in attributes(packet).ok()? {
            let (kind, value, at) = attribute.ok()?;
            match kind {
                XOR_MAPPED_ADDRESS if !is_signed => mapped = unmask(value, packet.get(4..HEADER_LEN)?),
                MESSAGE_INTEGRITY => is_signed = key.verifies(packet, at),
                _ => {}
            }
        }
        mapped.filter(|_| is_signed)
    }
}

fn push(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Writes the header's length as it will be after `more` bytes.
fn set_length(out: &mut [u8], more: usize) {
    let length = (out.len() - HEADER_LEN + more) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

fn unmask(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let port = be16(value, 2)? ^ (MAGIC >> 16) as u16;
    let plain: Vec<u8> = value
        .get(4..)?
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    let address: IpAddr = match (value.get(1)?, plain.len()) {
        (1, 4) => <[u8; 4]>::try_from(plain).ok()?.into(),
        (2, 16) => <[u8; 16]>::try_from(plain).ok()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}
