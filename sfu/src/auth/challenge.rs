//! Challenges of `resume`: 32 random bytes, one use, 60 s, a bounded number of them.

use crate::clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::device;
use invigil_shared::id::SessionId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a challenge is good for.
const LIFETIME: Duration = Duration::from_secs(60);
/// Open challenges; anyone may ask for one, so the oldest give way.
const MAX_OPEN: usize = 10_000;

/// A device's challenge.
pub type Challenge = [u8; 32];

/// Makes a challenge for one connection.
pub fn fresh() -> Challenge {
    clock::random()
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding; none for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    (text.len() <= 128).then(|| URL_SAFE_NO_PAD.decode(text).ok())?
}

/// Whether `signature` (base64url) proves possession of the session's device key over `challenge`.
pub fn proves(device_key: &[u8], session: SessionId, challenge: &[u8], signature: &str) -> bool {
    decode(signature).is_some_and(|signature| device::verify_challenge(device_key, session, challenge, &signature))
}

/// The open challenges of `POST /api/v1/resume/challenge`.
#[derive(Default)]
pub struct Challenges(Mutex<HashMap<Challenge, (SessionId, Instant)>>);

impl Challenges {
    pub fn issue(&self, session: SessionId, now: Instant) -> Challenge {
        let challenge = fresh();
        let mut open = self.0.lock();
        if open.len() >= MAX_OPEN {
            open.retain(|_, (_, at)| now.duration_since(*at) < LIFETIME);
        }
        while open.len() >= MAX_OPEN {
            let Some(oldest) = open.iter().min_by_key(|(_, (_, at))| *at).map(|(c, _)| *c) else {
                break;
            };
            open.remove(&oldest);
        }
        open.insert(challenge, (session, now));
        challenge
    }

    /// Takes a challenge back, right or wrong: it is never good twice.
    pub fn redeem(&self, challenge: &[u8], session: SessionId, now: Instant) -> bool {
        let Ok(key) = Challenge::try_from(challenge) else {
            return false;
        };
        let taken = self.0.lock().remove(&key);
        taken.is_some_and(|(owner, at)| owner == session && now.duration_since(at) < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u8) -> SessionId {
        SessionId::from_parts(1, [n; 10])
    }

    #[test]
    fn a_challenge_is_good_once_for_its_session_and_minute() {
        let (challenges, now) = (Challenges::default(), Instant::now());
        let challenge = challenges.issue(session(1), now);
        assert!(challenges.redeem(&challenge, session(1), now));
        assert!(!challenges.redeem(&challenge, session(1), now));
        let challenge = challenges.issue(session(1), now);
        assert!(!challenges.redeem(&challenge, session(2), now));
        assert!(!challenges.redeem(&challenge, session(1), now));
        let challenge = challenges.issue(session(1), now);
        assert!(!challenges.redeem(&challenge, session(1), now + LIFETIME));
    }

    #[test]
    fn open_challenges_are_bounded() {
        let (challenges, now) = (Challenges::default(), Instant::now());
        for _ in 0..MAX_OPEN + 10 {
            let _ = challenges.issue(session(1), now);
        }
        assert_eq!(challenges.0.lock().len(), MAX_OPEN);
    }
}
