//! The device key: Ed25519 (RFC 8032), made at first join, registered to the session, proved on `resume`.

use crate::id::SessionId;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};

/// Separates this signature from every other use of the key.
const DOMAIN: &[u8] = b"invigil.resume.v1\0";

fn statement(session: SessionId, challenge: &[u8]) -> Vec<u8> {
    [DOMAIN, session.0.as_bytes(), challenge].concat()
}

/// Proves possession of the device key of `session` over the server's challenge. Both are base64url without padding on the wire.
pub fn sign_challenge(key: &SigningKey, session: SessionId, challenge: &[u8]) -> [u8; 64] {
    key.sign(&statement(session, challenge)).to_bytes()
}

/// Checks [`sign_challenge`]'s result. Wrong lengths and weak keys are refused like a wrong signature.
pub fn verify_challenge(public_key: &[u8], session: SessionId, challenge: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = <[u8; 32]>::try_from(public_key)
        .map_err(drop)
        .and_then(|k| VerifyingKey::from_bytes(&k).map_err(drop))
    else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    !key.is_weak() && key.verify(&statement(session, challenge), &signature).is_ok()
}
