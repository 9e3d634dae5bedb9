//! Credentials for TURN servers that share a secret with us (draft-uberti-behave-turn-rest-00): the name says until when it is
//! good and for whom, the password is a MAC of it. A TURN server needs no list of users, and nothing has to be taken back.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Display;

/// Makes credentials.
pub struct RelayCredentials {
    key: hmac::Key,
    good_for_s: i64,
}

impl RelayCredentials {
    pub fn new(secret: &[u8], good_for_s: i64) -> Self {
        Self {
            // The draft knows SHA-1 only, which is sound in an HMAC (RFC 6151 says why for MD5; RFC 2104).
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
            good_for_s,
        }
    }

    /// User name and password for `whom`, from `now` (seconds since the Unix epoch).
    pub fn issue(&self, whom: impl Display, now: i64) -> (String, String) {
        let name = format!("{}:{whom}", now + self.good_for_s);
        let password = STANDARD.encode(hmac::sign(&self.key, name.as_bytes()));
        (name, password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector is `printf 1700003600:ada | openssl dgst -sha1 -hmac 0123456789abcdef -binary | base64`.
    #[test]
    fn a_password_is_the_mac_of_the_name() {
        let credentials = RelayCredentials::new(b"0123456789abcdef", 3_600);
        let (name, password) = credentials.issue("ada", 1_700_000_000);
        assert_eq!(name, "1700003600:ada");
        assert_eq!(password, "9mxXSmkQo/h1BLTNQrBeWz8rTss=");
        assert_ne!(credentials.issue("ada", 1_700_000_001).1, password);
    }
}
