//! Sign-ins that were begun and have not come back: each is good once, for ten minutes, a bounded number of them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::oidc::{REDIRECT_PATH, SIGN_IN_S};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::auth::secret;
use crate::auth::throttle::network;
use crate::clock;

const LIFETIME: Duration = Duration::from_secs(SIGN_IN_S);
/// Anyone may begin; 300 bytes each.
const MAX_OPEN: usize = 10_000;
/// Of one address: a room full of proctors behind one of a firewall, and no more, so that nobody takes everybody's place.
const MAX_OPEN_OF_ONE: usize = 200;
/// Characters of 32 bytes in base64url.
const CHALLENGE: usize = 43;
/// RFC 7636 section 4.1.
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;
const SCHEME: &str = "http://";

/// A sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What the ID token has to say.
    pub nonce: String,
    pub challenge: String,
    pub redirect_uri: String,
    begun: Instant,
    network: IpAddr,
}

/// Those that may still come back, by their state.
#[derive(Default)]
pub struct OpenSignIns(Mutex<HashMap<String, Open>>);

impl OpenSignIns {
    /// Remembers a new one and tells its state.
    ///
    /// # Errors
    /// `field_invalid` for a challenge or redirect that can't be; `rate_limited` when the address has begun too many.
    pub fn begin(
        &self,
        challenge: &str,
        redirect_uri: &str,
        address: IpAddr,
        now: Instant,
    ) -> Result<(String, Open), ErrorBody> {
        let invalid = |field: &str| ErrorBody::from(ErrorCode::FieldInvalid).with("field", field);
        if challenge.len() != CHALLENGE || URL_SAFE_NO_PAD.decode(challenge).is_err() {
            return Err(invalid("challenge"));
        }
        if !is_ours(redirect_uri) {
            return Err(invalid("redirect_uri"));
        }
        let one = Open {
            nonce: URL_SAFE_NO_PAD.encode(clock::random::<32>()),
            challenge: challenge.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            begun: now,
            network: network(address),
        };
        let state = URL_SAFE_NO_PAD.encode(clock::random::<32>());
        let mut open = self.0.lock();
        open.retain(|_, one| now.duration_since(one.begun) < LIFETIME);
        let theirs = open.values().filter(|other| other.network == one.network);
        let oldest = theirs.clone().map(|other| other.begun).min();
        if theirs.count() >= MAX_OPEN_OF_ONE || open.len() >= MAX_OPEN {
            let rest = oldest.map_or(LIFETIME, |at| LIFETIME.saturating_sub(now.duration_since(at)));
            return Err(ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", rest.as_secs() + 1));
        }
        open.insert(state.clone(), one.clone());
        Ok((state, one))
    }

    /// Takes one back, right or wrong: it is never good twice.
    pub fn take(&self, state: &str, now: Instant) -> Option<Open> {
        let taken = self.0.lock().remove(state)?;
        (now.duration_since(taken.begun) < LIFETIME).then_some(taken)
    }
}

impl Open {
    /// Whether it was begun by whoever knows `verifier` (RFC 7636 section 4.6).
    pub fn was_begun_with(&self, verifier: &str) -> bool {
        let sane = VERIFIER.contains(&verifier.len())
            && verifier
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"-._~".contains(&c));
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        sane && secret::equal(challenge.as_bytes(), self.challenge.as_bytes())
    }
}

/// A redirect to the person's own machine, by number and not by a name that could mean another one (RFC 8252 section 8.3).
fn is_ours(redirect_uri: &str) -> bool {
    let port = |host: &str| {
        let rest = redirect_uri.strip_prefix(SCHEME)?.strip_prefix(host)?;
        rest.strip_prefix(':')?.strip_suffix(REDIRECT_PATH)
    };
    let port = port("127.0.0.1").or_else(|| port("[::1]"));
    port.is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIRECT: &str = "http://127.0.0.1:4711/oidc";
    /// RFC 7636 appendix B.
    const RFC_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const RFC_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_state_is_good_once_and_for_ten_minutes() {
        let (open, now) = (OpenSignIns::default(), Instant::now());
        let (state, begun) = open.begin(RFC_CHALLENGE, REDIRECT, address(1), now).unwrap();
        assert_eq!(open.take("another", now), None);
        assert_eq!(open.take(&state, now), Some(begun));
        assert_eq!(open.take(&state, now), None);
        let (late, _) = open.begin(RFC_CHALLENGE, REDIRECT, address(1), now).unwrap();
        assert_eq!(open.take(&late, now + LIFETIME), None);
        let (a, b) = (
            open.begin(RFC_CHALLENGE, REDIRECT, address(1), now).unwrap(),
            open.begin(RFC_CHALLENGE, REDIRECT, address(1), now).unwrap(),
        );
        assert!(a.0 != b.0 && a.1.nonce != b.1.nonce);
    }

    #[test]
    fn only_who_began_finishes() {
        let (open, now) = (OpenSignIns::default(), Instant::now());
        let (_, begun) = open.begin(RFC_CHALLENGE, REDIRECT, address(1), now).unwrap();
        assert!(begun.was_begun_with(RFC_VERIFIER));
        for wrong in [
            "",
            RFC_CHALLENGE,
            &RFC_VERIFIER.to_lowercase(),
            &format!("{RFC_VERIFIER}="),
        ] {
            assert!(!begun.was_begun_with(wrong), "{wrong}");
        }
        // Too short to be one (RFC 7636 section 4.1), though its hash fits.
        let short = "a".repeat(42);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, short.as_bytes()));
        let (_, begun) = open.begin(&challenge, REDIRECT, address(1), now).unwrap();
        assert!(!begun.was_begun_with(&short));
    }

    #[test]
    fn the_browser_goes_back_to_the_own_machine_alone() {
        for good in [REDIRECT, "http://[::1]:1/oidc", "http://127.0.0.1:65535/oidc"] {
            assert!(is_ours(good), "{good}");
        }
        for bad in [
            "",
            "http://127.0.0.1/oidc",
            "http://127.0.0.1:/oidc",
            "http://127.0.0.1:0/oidc",
            "http://127.0.0.1:65536/oidc",
            "http://127.0.0.1:+80/oidc",
            "http://127.0.0.1:80/other",
            "http://127.0.0.1:80/oidc?x=1",
            "http://127.0.0.1:80/oidc#x",
            "http://127.0.0.1:80@evil.example.org:80/oidc",
            "http://127.0.0.1.evil.example.org:80/oidc",
            "http://localhost:80/oidc",
            "http://evil.example.org:80/oidc",
            "http://127.0.0.2:80/oidc",
            "http://0x7f000001:80/oidc",
            "https://127.0.0.1:80/oidc",
            "invigil://127.0.0.1:80/oidc",
            " http://127.0.0.1:80/oidc",
        ] {
            assert!(!is_ours(bad), "{bad}");
        }
    }

    #[test]
    fn nobody_takes_everybodys_place() {
        let (open, now) = (OpenSignIns::default(), Instant::now());
        let begin = |n: u32, now: Instant| open.begin(RFC_CHALLENGE, REDIRECT, address(n), now);
        let states: Vec<_> = (0..MAX_OPEN_OF_ONE).map(|_| begin(1, now).unwrap().0).collect();
        let refused = begin(1, now + LIFETIME / 2).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(refused.params["retry_after_s"], (SIGN_IN_S / 2 + 1).to_string());
        assert!(begin(2, now).is_ok());
        open.take(&states[0], now).unwrap();
        assert!(begin(1, now).is_ok());
        assert!(begin(1, now + LIFETIME).is_ok(), "those of before are over");
        for n in 0..2 * MAX_OPEN as u32 {
            let _ = begin(1_000 + n, now + LIFETIME);
        }
        assert_eq!(open.0.lock().len(), MAX_OPEN);
    }
}
