//! ID tokens (OpenID Connect Core section 3.1.3.7), held against the provider's keys (RFC 7517) as RFC 8725 asks: the algorithm is one of a short
//! list and fits the key, and the key is the provider's, never one that the token brings along.

use super::OidcError;
use crate::auth::secret;
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_shared::oidc::SIGN_IN_S;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

/// Two institutions' clocks, seconds.
const LEEWAY_S: i64 = 30;
/// ID tokens have one to three KiB; those with hundreds of groups are larger.
const MAX_TOKEN: usize = 32 * 1024;
/// Keys of a provider that are looked at: it has two to a handful.
const MAX_KEYS: usize = 64;
/// OpenID Connect Core section 2, `sub`.
const MAX_SUBJECT: usize = 255;

/// What a key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Which keys an algorithm is for. None: it is not taken. Those with a shared secret are not, nor is `none`.
fn kind(algorithm: Algorithm) -> Option<Kind> {
    use Algorithm as A;
    match algorithm {
        A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512 => Some(Kind::Rsa),
        A::ES256 => Some(Kind::P256),
        A::ES384 => Some(Kind::P384),
        A::EdDSA => Some(Kind::Ed25519),
        _ => None,
    }
}

struct IdentityKey {
    kid: Option<String>,
    /// The one algorithm that it is for, if it says so.
    alg: Option<String>,
    kind: Kind,
    key: DecodingKey,
}

/// A provider's keys (`jwks_uri`), as far as they verify signatures that are taken.
pub struct IdentityKeys(Vec<IdentityKey>);

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// None for what verifies nothing that is taken.
    fn key(self) -> Option<IdentityKey> {
        let verifies = self.key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !verifies || self.usage.is_some_and(|usage| usage != "sig") {
            return None;
        }
        let (kind, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Kind::Rsa, DecodingKey::from_rsa_components(&self.n?, &self.e?)),
            ("EC", Some("P-256")) => (Kind::P256, DecodingKey::from_ec_components(&self.x?, &self.y?)),
            ("EC", Some("P-384")) => (Kind::P384, DecodingKey::from_ec_components(&self.x?, &self.y?)),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, DecodingKey::from_ed_components(&self.x?)),
            _ => return None,
        };
        Some(IdentityKey {
            kid: self.kid,
            alg: self.alg,
            kind,
            key: key.ok()?,
        })
    }
}

impl IdentityKeys {
    /// Reads a set (RFC 7517 section 5). Keys of other kinds are passed over, as it asks.
    pub fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json).ok()?;
        let known = set.keys.into_iter().take(MAX_KEYS);
        let known = known.filter_map(|key| serde_json::from_value::<Jwk>(key).ok()?.key());
        Some(Self(known.collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a header names. Without a name there has to be one alone that fits (OpenID Connect Core section 10.1).
    fn find(&self, kid: Option<&str>, algorithm: Algorithm, kind: Kind) -> Option<&DecodingKey> {
        let alg = format!("{algorithm:?}");
        let mut fit = self.0.iter().filter(|key| {
            let named = kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
            named && key.kind == kind && key.alg.as_ref().is_none_or(|own| *own == alg)
        });
        let found = fit.next()?;
        let alone = kid.is_some() || fit.next().is_none();
        alone.then_some(&found.key)
    }
}

/// What a token has to say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// What came with it.
    pub access_token: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub now_s: i64,
}

/// Who somebody is at the provider, as far as we ask.
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    iss: String,
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    #[serde(flatten)]
    pub profile: Profile,
}

/// What an ID token or the UserInfo endpoint says of a person (OpenID Connect Core section 5.1).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    pub email: Option<String>,
    email_verified: Option<Truth>,
    pub name: Option<String>,
}

impl Profile {
    /// The e-mail that the provider vouches for.
    pub fn verified_email(&self) -> Option<&str> {
        let verified = match &self.email_verified {
            Some(Truth::Plain(verified)) => *verified,
            Some(Truth::Text(text)) => text == "true",
            None => false,
        };
        self.email.as_deref().filter(|_| verified)
    }
}

/// Some providers write it as text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Truth {
    Plain(bool),
    Text(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// For us, and for nobody whom we don't know.
    fn is(&self, client_id: &str) -> bool {
        match self {
            Self::One(one) => one == client_id,
            Self::Many(many) => !many.is_empty() && many.iter().all(|one| one == client_id),
        }
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// Its key is not among those that we know: it may be new.
    UnknownKey,
    Bad(&'static str),
}

impl From<BadToken> for OidcError {
    fn from(bad: BadToken) -> Self {
        match bad {
            BadToken::UnknownKey => Self::Refused("the ID token was signed by a key that the provider does not have"),
            BadToken::Bad(reason) => Self::Refused(reason),
        }
    }
}

/// Checks everything that a token says before it is believed.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(token: &str, keys: &IdentityKeys, expected: &Expected<'_>) -> Result<Claims, BadToken> {
    let bad = BadToken::Bad;
    if token.len() > MAX_TOKEN {
        return Err(bad("the ID token is too long"));
    }
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| bad("the ID token is none, or of an algorithm that is not taken"))?;
    let kind = kind(header.alg).ok_or(bad("the ID token is of an algorithm that is not taken"))?;
    if header.crit.is_some() {
        return Err(bad("the ID token asks for what is not understood"));
    }
    if header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
        return Err(bad("the ID token is another kind of token"));
    }
    let key = keys
        .find(header.kid.as_deref(), header.alg, kind)
        .ok_or(BadToken::UnknownKey)?;
    // Signature and form alone: what it says is checked below, against a time that is given.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
        .map_err(|_| bad("the ID token is not signed by its key, or does not say what it has to"))?
        .claims;
    check(&claims, header.alg, expected).map_err(bad)?;
    Ok(claims)
}

fn check(claims: &Claims, algorithm: Algorithm, expected: &Expected<'_>) -> Result<(), &'static str> {
    let (now, leeway) = (expected.now_s as f64, LEEWAY_S as f64);
    if claims.iss != expected.issuer {
        return Err("the ID token is of another issuer");
    }
    if !claims.aud.is(expected.client_id) {
        return Err("the ID token is for another client");
    }
    if claims.azp.as_ref().is_some_and(|azp| azp != expected.client_id) {
        return Err("the ID token was asked for by another client");
    }
    if claims.exp <= now - leeway {
        return Err("the ID token has expired");
    }
    if claims.iat > now + leeway || claims.nbf.is_some_and(|nbf| nbf > now + leeway) {
        return Err("the ID token is of the future");
    }
    if claims.iat < now - leeway - SIGN_IN_S as f64 {
        return Err("the ID token is older than the sign-in");
    }
    let nonce = claims.nonce.as_deref().unwrap_or_default();
    if !secret::equal(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err("the ID token is of another sign-in");
    }
    if let Some(at_hash) = &claims.at_hash {
        let hash = expected.access_token.map(|token| half_hash(algorithm, token));
        if hash.as_ref() != Some(at_hash) {
            return Err("the ID token came with another access token");
        }
    }
    let sane = (1..=MAX_SUBJECT).contains(&claims.sub.len()) && !claims.sub.chars().any(char::is_control);
    if !sane {
        return Err("the ID token says nothing of whom it is");
    }
    Ok(())
}

/// `at_hash`: the left half of the hash that belongs to the signature's algorithm (OpenID Connect Core section 3.1.3.6).
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    use Algorithm as A;
    let hash = match algorithm {
        A::RS384 | A::PS384 | A::ES384 => &SHA384,
        A::RS512 | A::PS512 | A::EdDSA => &SHA512,
        _ => &SHA256,
    };
    let digest = digest::digest(hash, token.as_bytes());
    let bytes = digest.as_ref();
    URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 2])
}

#[cfg(test)]
mod tests;
