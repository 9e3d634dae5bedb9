//! API keys: `ivk_KEYID_SECRET`, the id as 32 hexadecimal digits and the secret as 43 characters of base64url. The prefix is what
//! scanners of leaked secrets look for, and by the id a key is found without a search.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::ApiKeyId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

pub const PREFIX: &str = "ivk_";
const ID_DIGITS: usize = 32;
/// 32 bytes as base64url without padding.
const SECRET_CHARS: usize = 43;

/// Requests of one key in [`WINDOW`], on one server: ten a second, so that a nightly import of every roster is done in minutes and a loop
/// that has run wild leaves the server to people.
pub const REQUESTS_PER_WINDOW: u32 = 600;
const WINDOW: Duration = Duration::from_secs(60);
/// How often the last use is written.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Keys that are counted at once; only real ones are, and an institution has a handful.
const MAX_TRACKED: usize = 1_000;

/// Whether a bearer's text means to be a key.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The key as its owner has it.
pub fn token(id: ApiKeyId, secret: &str) -> String {
    format!("{PREFIX}{}_{secret}", id.0.simple())
}

/// Id and secret; none for what can't be a key.
pub fn parse(text: &str) -> Option<(ApiKeyId, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != ID_DIGITS || !id.bytes().all(hex) || secret.len() != SECRET_CHARS {
        return None;
    }
    Some((id.parse().ok()?, secret))
}

struct Use {
    since: Instant,
    requests: u32,
    noted: Option<Instant>,
}

/// How much each key is used, on this server.
#[derive(Default)]
pub struct ApiKeyUses(Mutex<HashMap<ApiKeyId, Use>>);

impl ApiKeyUses {
    /// Counts a request of a key that was checked; true when its use is to be noted in the store.
    ///
    /// # Errors
    /// `rate_limited` with `retry_after_s`.
    pub fn admit(&self, key: ApiKeyId, now: Instant) -> Result<bool, ErrorBody> {
        let mut uses = self.0.lock();
        if uses.len() >= MAX_TRACKED && !uses.contains_key(&key) {
            uses.retain(|_, used| now.duration_since(used.since) < WINDOW);
            let oldest = uses.iter().min_by_key(|(_, used)| used.since).map(|(id, _)| *id);
            if let Some(oldest) = oldest.filter(|_| uses.len() >= MAX_TRACKED) {
                uses.remove(&oldest);
            }
        }
        let used = uses.entry(key).or_insert(Use {
            since: now,
            requests: 0,
            noted: None,
        });
        let passed = now.duration_since(used.since);
        if passed >= WINDOW {
            (used.since, used.requests) = (now, 0);
        } else if used.requests >= REQUESTS_PER_WINDOW {
            let rest = WINDOW.saturating_sub(passed).as_secs() + 1;
            return Err(ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", rest));
        }
        used.requests += 1;
        let note = used.noted.is_none_or(|at| now.duration_since(at) >= NOTE_EVERY);
        if note {
            used.noted = Some(now);
        }
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ApiKeyId {
        ApiKeyId::from_parts(u64::from(n), [n; 10])
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is_one() {
        let secret = "a_-".repeat(15)[..SECRET_CHARS].to_owned();
        let text = token(id(0xab), &secret);
        assert_eq!(parse(&text), Some((id(0xab), secret.as_str())));
        assert!(is_meant(&text) && text.len() == PREFIX.len() + ID_DIGITS + 1 + SECRET_CHARS);
        let digits = id(0xab).0.simple().to_string();
        for bad in [
            text[1..].to_owned(),
            text.to_uppercase(),
            format!("{text}A"),
            text[..text.len() - 1].to_owned(),
            format!("ivk_{}_{secret}", id(0xab)),
            format!("ivk_{}_{secret}", digits.to_uppercase()),
            format!("ivk_{digits}{secret}"),
            "ivk_".to_owned(),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_that_asks_too_much_waits_and_others_do_not() {
        let (uses, start) = (ApiKeyUses::default(), Instant::now());
        for n in 0..REQUESTS_PER_WINDOW {
            assert_eq!(uses.admit(id(1), start).unwrap(), n == 0, "noted once");
        }
        let later = start + WINDOW / 2;
        let error = uses.admit(id(1), later).unwrap_err();
        assert_eq!(error.code, ErrorCode::RateLimited);
        assert_eq!(error.params["retry_after_s"], (WINDOW.as_secs() / 2 + 1).to_string());
        assert!(uses.admit(id(2), later).unwrap());
        assert!(
            uses.admit(id(1), start + WINDOW).unwrap(),
            "a window later, and noted again"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let (uses, now) = (ApiKeyUses::default(), Instant::now());
        for n in 0..2 * MAX_TRACKED as u64 {
            uses.admit(ApiKeyId::from_parts(n, [0; 10]), now).unwrap();
        }
        assert_eq!(uses.0.lock().len(), MAX_TRACKED);
    }
}
