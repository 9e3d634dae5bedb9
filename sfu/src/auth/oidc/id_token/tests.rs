//! ID tokens that no right provider makes, one wrong thing at a time, with keys of our own. What a right one makes is in `tests/service/oidc.rs`.

use super::*;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use serde_json::json;
use std::sync::LazyLock;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://login.example.org";
const CLIENT: &str = "invigil";
const NONCE: &str = "n-0S6_WzA2Mj";
const ACCESS: &str = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What signs tokens here.
enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Shared(Vec<u8>),
    Nobody,
}

impl Signer {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = match alg {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Shared(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Nobody => Vec::new(),
        }
    }

    /// PKCS#1, or the point.
    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ec(pair) => pair.public_key().as_ref(),
            Self::Ed(pair) => pair.public_key().as_ref(),
            Self::Shared(_) | Self::Nobody => &[],
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let public = self.public();
        match self {
            Self::Rsa(_) => {
                let (_, key) = RSAPublicKey::from_der(public).unwrap();
                let n = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
                json!({ "kty": "RSA", "kid": kid, "n": b64(n), "e": b64(key.exponent) })
            }
            Self::Ec(_) => {
                let (x, y) = public[1..].split_at(public.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "kid": kid, "crv": crv, "x": b64(x), "y": b64(y) })
            }
            Self::Ed(_) => json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(public) }),
            Self::Shared(secret) => json!({ "kty": "oct", "kid": kid, "k": b64(secret) }),
            Self::Nobody => Value::Null,
        }
    }
}

/// The provider's keys.
struct Keyring {
    rsa: Signer,
    p256: Signer,
    p384: Signer,
    ed: Signer,
    set: Vec<Value>,
}

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let rsa = Signer::rsa();
    let p256 = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let p384 = Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let ed = Signer::Ed(Ed25519KeyPair::generate().unwrap());
    let set = vec![
        json!("not a key"),
        json!({ "kty": "later", "kid": "later" }),
        json!({ "kty": "oct", "kid": "shared", "k": b64("a shared secret of some length..") }),
        rsa.jwk("rsa"),
        p256.jwk("p256"),
        p384.jwk("p384"),
        ed.jwk("ed"),
    ];
    Keyring {
        rsa,
        p256,
        p384,
        ed,
        set,
    }
});

fn keys(set: &[Value]) -> IdentityKeys {
    IdentityKeys::parse(json!({ "keys": set }).to_string().as_bytes()).unwrap()
}

fn good() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": NOW + 300, "iat": NOW - 5, "nonce": NONCE,
        "email": "pat@x.org", "email_verified": true, "name": "Pat",
    })
}

fn token(signer: &Signer, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let alg = header["alg"].as_str().unwrap_or_default();
    let signature = signer.sign(alg, message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: NONCE,
        access_token: Some(ACCESS),
        now_s: NOW,
    }
}

fn verified(token: &str) -> Result<Claims, BadToken> {
    verify(token, &keys(&KEYRING.set), &expected())
}

#[track_caller]
fn refused(what: &str, token: &str, words: &str) {
    match verified(token) {
        Err(BadToken::Bad(reason)) => assert!(reason.contains(words), "{what}: {reason}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn each_algorithm_of_the_list_is_taken() {
    let ring = &*KEYRING;
    for (alg, kid, signer) in [
        ("RS256", "rsa", &ring.rsa),
        ("PS256", "rsa", &ring.rsa),
        ("ES256", "p256", &ring.p256),
        ("ES384", "p384", &ring.p384),
        ("EdDSA", "ed", &ring.ed),
    ] {
        for header in [
            json!({ "alg": alg, "kid": kid }),
            json!({ "alg": alg, "kid": kid, "typ": "JWT" }),
            json!({ "alg": alg }),
        ] {
            let claims = verified(&token(signer, &header, &good())).unwrap_or_else(|bad| panic!("{header}: {bad:?}"));
            assert_eq!(claims.sub, "248289761001");
            assert_eq!(claims.profile.verified_email(), Some("pat@x.org"));
        }
        let mut changed = token(signer, &json!({ "alg": alg, "kid": kid }), &good());
        let other = token(signer, &json!({ "alg": alg, "kid": kid }), &json!({ "sub": "other" }));
        let signature = other.rsplit('.').next().unwrap();
        changed.truncate(changed.rfind('.').unwrap() + 1);
        refused(alg, &(changed + signature), "not signed by its key");
    }
}

#[test]
fn no_other_algorithm_and_no_key_but_the_providers_is_taken() {
    let ring = &*KEYRING;
    let (claims, stranger) = (good(), Signer::rsa());
    let unsigned = token(&Signer::Nobody, &json!({ "alg": "none" }), &claims);
    let public = Signer::Shared(ring.rsa.public().to_vec());
    let shown = Signer::Shared(ring.rsa.jwk("rsa")["n"].as_str().unwrap().as_bytes().to_vec());
    let listed = Signer::Shared(b"a shared secret of some length..".to_vec());
    let with = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    for (what, token, words) in [
        ("none", unsigned.clone(), "not taken"),
        (
            "None",
            token(&Signer::Nobody, &with("None", "rsa"), &claims),
            "not taken",
        ),
        (
            "no signature",
            token(&Signer::Nobody, &with("RS256", "rsa"), &claims),
            "not signed",
        ),
        (
            "HS256 with the public key",
            token(&public, &with("HS256", "rsa"), &claims),
            "not taken",
        ),
        (
            "HS256 with the modulus",
            token(&shown, &with("HS256", "rsa"), &claims),
            "not taken",
        ),
        (
            "HS256 with a key of the set",
            token(&listed, &with("HS256", "shared"), &claims),
            "not taken",
        ),
        (
            "a stranger's key",
            token(&stranger, &with("RS256", "rsa"), &claims),
            "not signed",
        ),
        (
            "a key that it brings along",
            token(
                &stranger,
                &json!({ "alg": "RS256", "kid": "rsa", "jwk": stranger.jwk("rsa") }),
                &claims,
            ),
            "not signed",
        ),
        (
            "an access token",
            token(
                &ring.rsa,
                &json!({ "alg": "RS256", "kid": "rsa", "typ": "at+jwt" }),
                &claims,
            ),
            "another kind",
        ),
        (
            "crit",
            token(
                &ring.rsa,
                &json!({ "alg": "RS256", "kid": "rsa", "crit": ["x"], "x": "1" }),
                &claims,
            ),
            "not understood",
        ),
        (
            "no algorithm",
            token(&ring.rsa, &json!({ "kid": "rsa" }), &claims),
            "none",
        ),
        ("nothing", String::new(), "none"),
        ("two parts", unsigned.trim_end_matches('.').to_owned(), "none"),
        ("too long", "a".repeat(MAX_TOKEN + 1), "too long"),
    ] {
        refused(what, &token, words);
    }
    for (what, header, signer) in [
        ("an unknown name", with("RS256", "other"), &stranger),
        ("an algorithm of another key", with("ES256", "rsa"), &ring.p256),
        ("another curve", with("ES256", "p384"), &ring.p384),
        ("a key that is none", with("RS256", "later"), &ring.rsa),
    ] {
        let found = verified(&token(signer, &header, &claims));
        assert!(matches!(found, Err(BadToken::UnknownKey)), "{what}: {found:?}");
    }
}

#[test]
fn keys_are_used_for_what_they_are_for() {
    let ring = &*KEYRING;
    let with = |extra: Value| {
        let mut key = ring.rsa.jwk("rsa");
        key.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        keys(&[key])
    };
    let signed = token(&ring.rsa, &json!({ "alg": "RS256", "kid": "rsa" }), &good());
    for (extra, taken) in [
        (json!({}), true),
        (json!({ "use": "sig", "alg": "RS256", "key_ops": ["verify"] }), true),
        (json!({ "use": "enc" }), false),
        (json!({ "alg": "PS256" }), false),
        (json!({ "key_ops": ["encrypt"] }), false),
    ] {
        let found = verify(&signed, &with(extra.clone()), &expected());
        assert_eq!(found.is_ok(), taken, "{extra}: {found:?}");
    }
    // Two that fit, and no name: which one is not for us to guess.
    let unnamed = token(&ring.rsa, &json!({ "alg": "RS256" }), &good());
    let two = keys(&[ring.rsa.jwk("a"), Signer::rsa().jwk("b")]);
    assert!(matches!(verify(&unnamed, &two, &expected()), Err(BadToken::UnknownKey)));
    assert!(verify(&unnamed, &keys(&[ring.rsa.jwk("a"), ring.p256.jwk("b")]), &expected()).is_ok());
    let many: Vec<_> = (0..2 * MAX_KEYS).map(|n| ring.ed.jwk(&n.to_string())).collect();
    assert_eq!(keys(&many).0.len(), MAX_KEYS);
    for none in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(IdentityKeys::parse(none.as_bytes()).is_none(), "{none}");
    }
}

/// The good claims with others in their place; null takes one away.
fn with(changes: &Value) -> String {
    let mut claims = good();
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
    token(&KEYRING.ed, &json!({ "alg": "EdDSA", "kid": "ed" }), &claims)
}

#[test]
fn each_claim_is_for_this_sign_in() {
    for (changes, words) in [
        (json!({ "iss": "https://login.example.org/" }), "another issuer"),
        (json!({ "iss": "https://evil.example.org" }), "another issuer"),
        (json!({ "iss": null }), "does not say"),
        (json!({ "iss": [ISSUER] }), "does not say"),
        (json!({ "aud": "other" }), "another client"),
        (json!({ "aud": ["other"] }), "another client"),
        (json!({ "aud": [CLIENT, "other"] }), "another client"),
        (json!({ "aud": [] }), "another client"),
        (json!({ "aud": "invigil-2" }), "another client"),
        (json!({ "aud": null }), "does not say"),
        (json!({ "aud": 7 }), "does not say"),
        (json!({ "azp": "other" }), "asked for by another"),
        (json!({ "exp": NOW - LEEWAY_S }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": null }), "does not say"),
        (json!({ "exp": "tomorrow" }), "does not say"),
        (json!({ "iat": NOW + LEEWAY_S + 1 }), "future"),
        (json!({ "iat": null }), "does not say"),
        (json!({ "nbf": NOW + LEEWAY_S + 1 }), "future"),
        (json!({ "iat": NOW - 700 }), "older than the sign-in"),
        (json!({ "nonce": "other" }), "another sign-in"),
        (json!({ "nonce": null }), "another sign-in"),
        (json!({ "nonce": "" }), "another sign-in"),
        (
            json!({ "at_hash": half_hash(Algorithm::EdDSA, "another") }),
            "another access token",
        ),
        (json!({ "at_hash": "" }), "another access token"),
        (json!({ "sub": "" }), "whom"),
        (json!({ "sub": "a\nb" }), "whom"),
        (json!({ "sub": "a".repeat(256) }), "whom"),
        (json!({ "sub": null }), "does not say"),
    ] {
        refused(&changes.to_string(), &with(&changes), words);
    }
    for changes in [
        json!({ "aud": [CLIENT] }),
        json!({ "azp": CLIENT }),
        json!({ "exp": NOW - LEEWAY_S + 1 }),
        json!({ "exp": (NOW + 5) as f64 + 0.5 }),
        json!({ "iat": NOW + LEEWAY_S, "nbf": NOW }),
        json!({ "at_hash": half_hash(Algorithm::EdDSA, ACCESS) }),
        json!({ "email": null, "email_verified": null, "name": null }),
        json!({ "sub": "a".repeat(255), "later": { "a": 1 } }),
    ] {
        verified(&with(&changes)).unwrap_or_else(|bad| panic!("{changes}: {bad:?}"));
    }
    let bound = with(&json!({ "at_hash": half_hash(Algorithm::EdDSA, ACCESS) }));
    let alone = Expected {
        access_token: None,
        ..expected()
    };
    assert!(verify(&bound, &keys(&KEYRING.set), &alone).is_err());
}

#[test]
fn only_an_email_that_the_provider_vouches_for_counts() {
    for (changes, email) in [
        (json!({}), Some("pat@x.org")),
        (json!({ "email_verified": "true" }), Some("pat@x.org")),
        (json!({ "email_verified": false }), None),
        (json!({ "email_verified": "false" }), None),
        (json!({ "email_verified": "1" }), None),
        (json!({ "email_verified": null }), None),
        (json!({ "email": null }), None),
    ] {
        let claims = verified(&with(&changes)).unwrap();
        assert_eq!(claims.profile.verified_email(), email, "{changes}");
    }
}

/// OpenID Connect Core, the example of appendix A.3 (RS256).
#[test]
fn the_hash_of_an_access_token_is_that_of_the_specification() {
    assert_eq!(
        half_hash(Algorithm::RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
}
