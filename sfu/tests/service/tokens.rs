//! Tokens that are not quite ours: a table of forgeries, each refused on every door with the same code (RFC 8725).

use crate::common::{World, device, text};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use invigil_sfu::auth::ServerKeys;
use invigil_sfu::clock::{fresh, now_s};
use invigil_shared::id::{ExamId, ParticipantId, SessionId, UserId};
use invigil_shared::role::Role;
use invigil_shared::token::{ACCESS_TYP, AUDIENCE};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Signs any header and any claims, however wrong they are.
struct Forger {
    key: EncodingKey,
    /// Of nobody we know.
    stranger: EncodingKey,
    public: Vec<u8>,
    /// How our key is called.
    kid: String,
}

/// The first bytes of a public key's SHA-256.
fn kid(public: &[u8]) -> String {
    invigil_shared::chain::hex(&Sha256::digest(public)[..8])
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn with(mut value: Value, changes: &[(&str, Value)]) -> Value {
    for (name, change) in changes {
        value[*name] = change.clone();
    }
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

impl Forger {
    fn new(keys: &ServerKeys) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let other = ServerKeys::open(directory.path()).unwrap();
        Self {
            key: EncodingKey::from_ed_der(&keys.token_key),
            stranger: EncodingKey::from_ed_der(&other.token_key),
            public: keys.token_public.clone(),
            kid: kid(&keys.token_public),
        }
    }

    fn head(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": ACCESS_TYP, "kid": self.kid })
    }

    fn sign_with(key: &EncodingKey, alg: Algorithm, head: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(head), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
        format!("{message}.{signature}")
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        Self::sign_with(&self.key, Algorithm::EdDSA, head, claims)
    }
}

/// What is wrong, the token, and the code that says so.
type Case = (String, String, &'static str);

const INVALID: &str = "token_invalid";

/// Forgeries that need no account: header, signature and spelling.
fn spellings(forger: &Forger, good: &Value) -> Vec<Case> {
    let case = |what: &str, token: String| (what.to_owned(), token, INVALID);
    let token = forger.sign(&forger.head(), good);
    let parts: Vec<&str> = token.split('.').collect();
    let (h, c, s) = (parts[0], parts[1], parts[2]);
    let mut cases = Vec::new();
    // The algorithm (RFC 8725 sections 2.1 and 3.1).
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "EdDSA2",
        "Ed448",
    ] {
        let head = part(&with(forger.head(), &[("alg", json!(alg))]));
        cases.push(case(
            &format!("alg {alg:?} without a signature"),
            format!("{head}.{c}."),
        ));
        cases.push(case(
            &format!("alg {alg:?} with a good signature of another header"),
            format!("{head}.{c}.{s}"),
        ));
    }
    for (alg, name) in [
        (Algorithm::HS256, "HS256"),
        (Algorithm::HS384, "HS384"),
        (Algorithm::HS512, "HS512"),
    ] {
        let head = with(forger.head(), &[("alg", json!(name))]);
        let confusions = [
            ("the public key", forger.public.clone()),
            ("the public key in base64", STANDARD.encode(&forger.public).into_bytes()),
            ("nothing", Vec::new()),
        ];
        for (what, secret) in confusions {
            let token = Forger::sign_with(&EncodingKey::from_secret(&secret), alg, &head, good);
            cases.push(case(&format!("{name} with {what} as its secret"), token));
        }
    }
    cases.push(case(
        "another server's key",
        Forger::sign_with(&forger.stranger, Algorithm::EdDSA, &forger.head(), good),
    ));
    // Keys that the token brings along (RFC 8725 section 3.10).
    for (name, value) in [
        (
            "jwk",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32]) }),
        ),
        ("jku", json!("https://evil.example.org/keys")),
        ("x5u", json!("https://evil.example.org/certificate")),
        ("kid", json!("../../../dev/null")),
    ] {
        let head = with(forger.head(), &[(name, value)]);
        cases.push(case(
            &format!("{name} of a stranger"),
            Forger::sign_with(&forger.stranger, Algorithm::EdDSA, &head, good),
        ));
    }
    // The name of the key (RFC 7515 section 4.1.4), under a good signature of our own.
    for (what, name) in [
        ("no such key", json!("0011223344556677")),
        ("a name in other letters", json!(forger.kid.to_uppercase())),
        ("a longer name", json!(format!("{}00", forger.kid))),
        ("an empty name", json!("")),
        ("a name that is none", json!(7)),
        ("no name", Value::Null),
    ] {
        let head = with(forger.head(), &[("kid", name)]);
        cases.push(case(what, forger.sign(&head, good)));
    }
    cases.push(case("without kid", forger.sign(&without(forger.head(), "kid"), good)));
    // The type (RFC 8725 section 3.11), and extensions that nobody understands (RFC 7515 section 4.1.11).
    for typ in [
        json!("JWT"),
        json!("at+jwt"),
        json!(""),
        json!("INVIGIL-ACCESS+JWT "),
        Value::Null,
    ] {
        cases.push(case(
            &format!("typ {typ}"),
            forger.sign(&with(forger.head(), &[("typ", typ)]), good),
        ));
    }
    cases.push(case("no typ", forger.sign(&without(forger.head(), "typ"), good)));
    cases.push(case(
        "crit",
        forger.sign(&with(forger.head(), &[("crit", json!(["exp"]))]), good),
    ));
    // The spelling.
    cases.push(case("a cut signature", token[..token.len() - 1].to_owned()));
    cases.push(case("no signature", format!("{h}.{c}.")));
    cases.push(case("two parts", format!("{h}.{c}")));
    cases.push(case("four parts", format!("{token}.{s}")));
    cases.push(case("parts swapped", format!("{c}.{h}.{s}")));
    cases.push(case("padded", format!("{h}.{c}.{s}==")));
    cases.push(case(
        "claims of somebody else's",
        format!("{h}.{}.{s}", part(&with(good.clone(), &[("role", json!("admin"))]))),
    ));
    cases.push(case(
        "claims that are no object",
        forger.sign(&forger.head(), &json!(["admin"])),
    ));
    cases.push(case("not base64", "!!!.???.***".to_owned()));
    cases.push(case("only dots", "..".to_owned()));
    cases.push(case("long", "x".repeat(5_000)));
    cases.push(case(
        "right, and long",
        forger.sign(
            &forger.head(),
            &with(good.clone(), &[("jti", json!("x".repeat(3_000)))]),
        ),
    ));
    cases
}

/// Claims of someone with an account that are wrong in one place.
fn claims(forger: &Forger, good: &Value) -> Vec<Case> {
    let case = |what: &str, claims: Value| (what.to_owned(), forger.sign(&forger.head(), &claims), INVALID);
    let change = |what: &str, name: &str, value: Value| case(what, with(good.clone(), &[(name, value)]));
    let mut cases = vec![
        change("another audience", "aud", json!("other")),
        change("our audience as a prefix", "aud", json!(format!("{AUDIENCE}-admin"))),
        change("another issuer", "iss", json!("other")),
        change("no expiry to speak of", "exp", json!("never")),
        change("a negative expiry", "exp", json!(-1)),
        change("a role of a later version", "role", json!("principal")),
        change("a role in other letters", "role", json!("Proctor")),
        change("a role that is a list", "role", json!(["proctor", "admin"])),
        change("a candidate's role for an account", "role", json!("candidate")),
        change("a higher role than the account's", "role", json!("admin")),
        change("another role than the account's", "role", json!("lead")),
        change("no such account", "user", json!(fresh(UserId::from_parts))),
        change("an account that is no id", "user", json!("1 OR 1=1")),
        change("a participant that is no id", "participant", json!("p")),
        change(
            "an account with a session",
            "session",
            json!(fresh(SessionId::from_parts)),
        ),
        change("an account with an exam", "exam", json!(fresh(ExamId::from_parts))),
        change("a generation that the account has not reached", "gen", json!(1)),
        change("a negative generation", "gen", json!(-1)),
        change("a generation that is no number", "gen", json!("0")),
    ];
    for name in ["aud", "iss", "exp", "iat", "jti", "role", "participant", "user"] {
        cases.push(case(&format!("without {name}"), without(good.clone(), name)));
    }
    for (what, exp) in [("a minute ago", now_s() - 60), ("in 1970", 0)] {
        let token = forger.sign(&forger.head(), &with(good.clone(), &[("exp", json!(exp))]));
        cases.push((format!("expired {what}"), token, "token_expired"));
    }
    cases
}

/// A candidate's claims that are wrong in one place.
fn sittings(forger: &Forger, good: &Value, other: &Value) -> Vec<Case> {
    let case = |what: &str, claims: Value| (what.to_owned(), forger.sign(&forger.head(), &claims), INVALID);
    let change = |what: &str, names: &[&str]| {
        let changes: Vec<(&str, Value)> = names.iter().map(|name| (*name, other[*name].clone())).collect();
        case(what, with(good.clone(), &changes))
    };
    vec![
        change("another candidate's session", &["session"]),
        change("another candidate's participant", &["participant"]),
        change("another exam", &["exam"]),
        change("another candidate's session and exam", &["session", "exam"]),
        case(
            "a generation that the sitting has not reached",
            with(good.clone(), &[("gen", json!(1))]),
        ),
        case("a candidate without a session", without(good.clone(), "session")),
        case("a candidate without an exam", without(good.clone(), "exam")),
        case(
            "a session as a proctor",
            with(good.clone(), &[("role", json!("proctor"))]),
        ),
        case(
            "no such session",
            with(good.clone(), &[("session", json!(fresh(SessionId::from_parts)))]),
        ),
        case(
            "a candidate with an account",
            with(good.clone(), &[("user", json!(fresh(UserId::from_parts)))]),
        ),
    ]
}

#[tokio::test]
async fn tokens_that_are_not_quite_ours_are_refused() {
    let world = World::start().await;
    let forger = Forger::new(&world.keys);
    let user = world.user("p@x.org", Role::Proctor, None).await;
    let common = json!({ "iss": "invigil-sfu", "aud": AUDIENCE, "iat": now_s(), "exp": now_s() + 600, "jti": "x" });
    let proctor = with(
        common.clone(),
        &[
            ("role", json!("proctor")),
            ("participant", json!(fresh(ParticipantId::from_parts))),
            ("user", json!(user.id)),
        ],
    );
    let mut sitting = Vec::new();
    for n in [1, 2] {
        let exam = world.exam(&format!("EXAM-{n}")).await;
        let secret = world.entry(&exam, "Candidate").await;
        let joined = world.join(&exam.code, &secret, &device(n)).await;
        let claims = [
            ("role", json!("candidate")),
            ("participant", joined["participant"].clone()),
            ("session", joined["session"].clone()),
            ("exam", json!(exam.id)),
        ];
        sitting.push(with(common.clone(), &claims));
    }
    let [candidate, other] = sitting.try_into().unwrap();
    // The forger's own tokens are good before anything is changed: the table shows what the changes do.
    let mut client = world.bare().await;
    for good in [&proctor, &candidate] {
        client = world.client(&forger.sign(&forger.head(), good)).await;
    }
    drop(client);

    let mut cases = spellings(&forger, &proctor);
    cases.extend(claims(&forger, &proctor));
    cases.extend(sittings(&forger, &candidate, &other));
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for (what, token, code) in &cases {
        let (status, body) = world.rest("GET", "/api/v1/exams", Some(token), &Value::Null).await;
        assert_eq!((status, text(&body["code"])), (401, *code), "{what}: HTTP");
        let answer = world.bare().await.authenticate(token).await;
        assert_eq!(text(&answer["code"]), *code, "{what}: WebSocket");
    }
    for (what, header) in [("no header", None), ("an empty token", Some(""))] {
        let (status, body) = world.rest("GET", "/api/v1/exams", header, &Value::Null).await;
        assert_eq!((status, text(&body["code"])), (401, "not_authenticated"), "{what}");
    }
}
