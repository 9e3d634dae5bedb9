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

/// Our clocks are one machine's: this only covers rounding.
const LEEWAY_S: u64 = 2;
/// A token of ours has about 500 bytes.
const MAX_TOKEN: usize = 2_048;

/// Signs and checks access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    config: AuthConfig,
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
            encoding: EncodingKey::from_ed_der(&keys.token_key),
            decoding: DecodingKey::from_ed_der(&keys.token_public),
            validation,
            config: config.clone(),
        }
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
        let header = Header {
            typ: Some(ACCESS_TYP.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let text = jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(|error| {
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
        let data =
            jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|error| {
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
