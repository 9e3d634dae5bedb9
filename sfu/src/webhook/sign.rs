//! Signatures as <https://www.standardwebhooks.com> has them: HMAC-SHA256 over id, time and body, so that a receiver can tell that it is ours,
//! that nothing was changed, and that it is not an old one sent again.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a key begins with where people see it.
const PREFIX: &str = "whsec_";

/// The key as receivers take it.
pub fn shown(key: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(key))
}

/// `webhook-signature`. `at`: seconds since the Unix epoch, as in `webhook-timestamp`.
pub fn signature(key: &[u8], id: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signed = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(shown(&key), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
}
