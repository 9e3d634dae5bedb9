//! Access tokens: JWT (RFC 7519) signed by Ed25519 (RFC 8037), one algorithm, checked as RFC 8725 asks.

use crate::auth::identity::{Identity, Person};
use crate::auth::keys::ServerKeys;
use crate::clock;
use crate::config::AuthConfig;
use invigil_shared::chain::hex;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::ParticipantId;
use invigil_shared::role::Role;
use invigil_shared::token::{ACCESS_TYP, Claims};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Our clocks are one machine's: this only covers rounding.
const LEEWAY_S: u64 = 2;
/// A token of ours has about 500 bytes.
const MAX_TOKEN: usize = 2_048;
/// Bytes of a key's hash that name it: enough to tell a handful apart.
const KEY_NAME: usize = 8;

/// A token is signed before the server has heard of a rotation, and stays good for as long as it says.
const FOLLOWS_WITHIN_S: i64 = 5;

/// Signs and checks access tokens.
pub struct Tokens {
    ring: RwLock<Arc<Ring>>,
    validation: Validation,
    config: AuthConfig,
}

/// The key that signs, and those that verify. A token's header names its key (`kid`, RFC 7515 section 4.1.4).
struct Ring {
    encoding: EncodingKey,
    signs: Verifier,
    retired: Vec<(Verifier, i64)>,
}

struct Verifier {
    name: String,
    key: DecodingKey,
}

impl Verifier {
    fn new(public: &[u8]) -> Self {
        let digest = Sha256::digest(public);
        Self {
            name: hex(&digest[..KEY_NAME]),
            key: DecodingKey::from_ed_der(public),
        }
    }
}

impl Ring {
    fn new(keys: &ServerKeys) -> Self {
        let retired = keys.retired.iter();
        Self {
            encoding: EncodingKey::from_ed_der(&keys.token_key),
            signs: Verifier::new(&keys.token_public),
            retired: retired.map(|key| (Verifier::new(&key.public), key.since_s)).collect(),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let retired = self.retired.iter().map(|(verifier, _)| &verifier.name);
        std::iter::once(&self.signs.name).chain(retired)
    }
}

/// A signed token and when it ends, seconds since the Unix epoch.
pub struct AccessToken {
    pub text: String,
    pub expires_at: i64,
}

impl Tokens {
    pub fn new(keys: &ServerKeys, config: &AuthConfig) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.leeway = LEEWAY_S;
        Self {
            ring: RwLock::new(Arc::new(Ring::new(keys))),
            validation,
            config: config.clone(),
        }
    }

    /// Signs and checks with these from now on; whether tokens of before are void.
    pub fn follow(&self, keys: &ServerKeys) -> bool {
        let ring = Ring::new(keys);
        let mut current = self.ring.write();
        let void = ring.names().all(|name| *name != current.signs.name);
        *current = Arc::new(ring);
        void
    }

    /// Keys that were retired before this second have no token any more that is good.
    pub fn over_before(&self, now_s: i64) -> i64 {
        now_s - self.config.access_token_s - LEEWAY_S as i64 - FOLLOWS_WITHIN_S
    }

    /// Signs a token for `person`, of their newest generation.
    pub fn issue(
        &self,
        participant: ParticipantId,
        role: Role,
        person: Person,
        generation: u64,
    ) -> Result<AccessToken, ErrorBody> {
        let iat = clock::now_s();
        let (user, session, exam) = match person {
            Person::Candidate { session, exam } => (None, Some(session), Some(exam)),
            Person::User(user) => (Some(user), None, None),
        };
        let exp = iat + self.config.access_token_s;
        let jti = hex(&clock::random::<16>());
        let (iss, aud) = (self.config.issuer.clone(), self.config.audience.clone());
        let claims = Claims {
            iss,
            aud,
            iat,
            exp,
            jti,
            role,
            participant,
            user,
            session,
            exam,
            generation,
        };
        let ring = Arc::clone(&self.ring.read());
        let header = Header {
            typ: Some(ACCESS_TYP.to_owned()),
            kid: Some(ring.signs.name.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let text = jsonwebtoken::encode(&header, &claims, &ring.encoding).map_err(|error| {
            tracing::error!(%error, "cannot sign a token");
            ErrorBody::from(ErrorCode::Internal)
        })?;
        Ok(AccessToken { text, expires_at: exp })
    }

    /// Checks algorithm, type, signature, issuer, audience, expiry and that the claims make sense together.
    pub fn check(&self, token: &str) -> Result<Identity, ErrorBody> {
        if token.len() > MAX_TOKEN {
            return Err(ErrorCode::TokenInvalid.into());
        }
        let ring = Arc::clone(&self.ring.read());
        let header = jsonwebtoken::decode_header(token).map_err(|_| ErrorCode::TokenInvalid)?;
        let named = |verifier: &&Verifier| header.kid.as_ref() == Some(&verifier.name);
        let over = self.over_before(clock::now_s());
        let verifying = ring.retired.iter().filter(|(_, since)| *since >= over);
        let mut keys = std::iter::once(&ring.signs).chain(verifying.map(|(verifier, _)| verifier));
        let verifier = keys.find(named).ok_or(ErrorCode::TokenInvalid)?;
        let data =
            jsonwebtoken::decode::<Claims>(token, &verifier.key, &self.validation).map_err(|error| {
                match error.kind() {
                    ErrorKind::ExpiredSignature => ErrorBody::from(ErrorCode::TokenExpired),
                    _ => ErrorCode::TokenInvalid.into(),
                }
            })?;
        if data.header.typ.as_deref() != Some(ACCESS_TYP) || data.header.crit.is_some() {
            return Err(ErrorCode::TokenInvalid.into());
        }
        Identity::from_claims(&data.claims).ok_or_else(|| ErrorCode::TokenInvalid.into())
    }
}
