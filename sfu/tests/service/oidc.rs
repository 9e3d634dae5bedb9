//! Signing in through an identity provider that we did not write: its own pages, its own keys, over TLS. ID tokens that no right provider makes
//! are in `src/auth/oidc/id_token/tests.rs`.

use crate::common::{World, text, within};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_provider::{Browser, CLIENT, Client, Provider, Setup};
use invigil_sfu::clock;
use invigil_sfu::config::ServeConfig;
use invigil_sfu::doctor::{self, Level};
use invigil_sfu::store::people::UserChange;
use invigil_shared::role::Role;
use reqwest::Url;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const REDIRECT: &str = "http://127.0.0.1:4711/oidc";

/// A server that believes a provider, and somebody at the provider's pages.
struct Campus {
    world: World,
    provider: Provider,
    browser: Browser,
}

/// A sign-in that was begun, as the proctor's app holds it.
struct Begun {
    url: String,
    state: String,
    verifier: String,
}

fn people() -> Value {
    json!({
        "pat": { "email": "Pat@X.org", "email_verified": true, "name": "Pat" },
        "impostor": { "email": "pat@x.org", "email_verified": true, "name": "Pat" },
        "newcomer": { "email": "new@x.org", "email_verified": true, "name": " New  Comer" },
        "unverified": { "email": "pat@x.org", "email_verified": false },
        "nameless": {},
    })
}

impl Campus {
    async fn open() -> Self {
        Self::with(CLIENT, false, None).await
    }

    async fn with(client: Client, conform: bool, provision: Option<&str>) -> Self {
        let other = Client {
            id: "another",
            ..CLIENT
        };
        let setup = Setup {
            clients: vec![client, other],
            accounts: people(),
            conform,
        };
        let provider = within("the provider", Provider::start(setup)).await.unwrap();
        let world = World::start_set(|config| {
            let secret = (client.proves != "none").then(|| provider.secret_file().unwrap());
            config.oidc.issuer = Some(provider.issuer.clone());
            config.oidc.client_id = Some(client.id.to_owned());
            config.oidc.client_secret_file = secret;
            config.oidc.name = Some("Example University".into());
            config.oidc.ca_file = Some(provider.authority());
            config.oidc.provision_role = provision.map(str::to_owned);
        })
        .await;
        let browser = provider.browser().unwrap();
        Self {
            world,
            provider,
            browser,
        }
    }

    async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/api/v1/oidc/{path}");
        self.world.rest("POST", &path, None, body).await
    }

    async fn begin(&self) -> Begun {
        let verifier = URL_SAFE_NO_PAD.encode(clock::random::<32>());
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let (status, begun) = self
            .ask("begin", &json!({ "challenge": challenge, "redirect_uri": REDIRECT }))
            .await;
        assert_eq!(status, 200, "{begun}");
        Begun {
            url: text(&begun["url"]).to_owned(),
            state: text(&begun["state"]).to_owned(),
            verifier,
        }
    }

    /// What comes back with the browser.
    async fn visit(&mut self, url: &str, login: &str) -> BTreeMap<String, String> {
        let landed = within("the provider's pages", self.browser.sign_in(url, login)).await;
        let landed = landed.unwrap_or_else(|error| panic!("{error:#}\n{}", self.provider.log()));
        assert!(landed.as_str().starts_with(REDIRECT), "{landed}");
        landed.query_pairs().into_owned().collect()
    }

    async fn finish(&self, begun: &Begun, back: &BTreeMap<String, String>) -> (u16, Value) {
        let body = json!({
            "state": back["state"], "code": back["code"], "verifier": begun.verifier, "iss": back.get("iss"),
        });
        self.ask("finish", &body).await
    }

    async fn sign_in(&mut self, login: &str) -> (u16, Value) {
        self.browser = self.provider.browser().unwrap();
        let begun = self.begin().await;
        let back = self.visit(&begun.url, login).await;
        assert_eq!(back["state"], begun.state);
        self.finish(&begun, &back).await
    }

    async fn account(&self, token: &Value) -> (u16, Value) {
        self.world
            .rest("GET", "/api/v1/account", Some(text(token)), &Value::Null)
            .await
    }

    async fn actions(&self) -> Vec<String> {
        let log = self.world.store.audit_records(0, 1_000).await.unwrap();
        log.into_iter().map(|record| record.action).collect()
    }
}

#[track_caller]
fn refused((status, body): (u16, Value), expected: u16, code: &str) -> Value {
    assert_eq!((status, text(&body["code"])), (expected, code), "{body}");
    body["params"].clone()
}

/// The same with one parameter of its query changed.
fn changed(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(key, _)| key == name), "{url}");
    url.query_pairs_mut().clear().extend_pairs(
        pairs
            .iter()
            .map(|(key, old)| (key, if key == name { value } else { old })),
    );
    url.into()
}

#[tokio::test]
async fn who_is_known_at_the_provider_signs_in_and_is_linked_once() {
    let mut campus = Campus::open().await;
    let user = campus.world.user("pat@x.org", Role::Lead, None).await;
    let (_, offer) = campus.world.rest("GET", "/api/v1/oidc", None, &Value::Null).await;
    assert_eq!(offer, json!({ "provider": { "name": "Example University" } }));
    let (status, answer) = campus.sign_in("pat").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["role"], &answer["name"]),
        (&json!("lead"), &json!("Name of pat@x.org"))
    );
    let (_, account) = campus.account(&answer["access_token"]).await;
    assert_eq!(account["oidc_linked"], true, "{account}");
    let link = campus.world.store.oidc_link(user.id).await.unwrap().unwrap();
    assert_eq!(
        (link.issuer.as_str(), link.subject.as_str()),
        (&*campus.provider.issuer, "pat")
    );
    assert_eq!(campus.sign_in("pat").await.0, 200);
    let actions = campus.actions().await;
    let count = |wanted: &str| actions.iter().filter(|action| *action == wanted).count();
    assert_eq!((count("link_oidc"), count("sign_in")), (1, 2));
    // Somebody else there with the same address, which was given on: the account stays whose it is.
    refused(campus.sign_in("impostor").await, 409, "oidc_link_taken");
}

#[tokio::test]
async fn every_way_of_providers_is_spoken() {
    for (proves, algorithm, conform) in [
        ("client_secret_post", "PS256", false),
        ("none", "ES256", true),
        ("client_secret_basic", "EdDSA", true),
    ] {
        let client = Client {
            proves,
            algorithm,
            ..CLIENT
        };
        let mut campus = Campus::with(client, conform, None).await;
        campus.world.user("pat@x.org", Role::Proctor, None).await;
        let (status, answer) = campus.sign_in("pat").await;
        assert_eq!(status, 200, "{proves} {algorithm}: {answer}");
    }
}

/// A provider may sign with the client's secret; whoever knows that could then sign for anybody.
#[tokio::test]
async fn what_is_signed_with_a_shared_secret_is_refused() {
    let client = Client {
        algorithm: "HS256",
        ..CLIENT
    };
    let mut campus = Campus::with(client, false, None).await;
    campus.world.user("pat@x.org", Role::Admin, None).await;
    refused(campus.sign_in("pat").await, 401, "oidc_refused");
}

#[tokio::test]
async fn what_comes_back_is_good_once_and_for_who_began() {
    let mut campus = Campus::open().await;
    campus.world.user("pat@x.org", Role::Lead, None).await;
    let begun = campus.begin().await;
    let back = campus.visit(&begun.url, "pat").await;
    assert_eq!(campus.finish(&begun, &back).await.0, 200);
    refused(campus.finish(&begun, &back).await, 401, "oidc_refused");
    // The code in another sign-in: its verifier is another, and the provider knows that it was used.
    let other = campus.begin().await;
    let replayed = BTreeMap::from([
        ("state".to_owned(), other.state.clone()),
        ("code".to_owned(), back["code"].clone()),
        ("iss".to_owned(), back["iss"].clone()),
    ]);
    refused(campus.finish(&other, &replayed).await, 401, "oidc_refused");
    // Whoever sees it come back and did not begin.
    let mut stolen = campus.begin().await;
    let back = campus.visit(&stolen.url, "pat").await;
    stolen.verifier = URL_SAFE_NO_PAD.encode(clock::random::<32>());
    refused(campus.finish(&stolen, &back).await, 401, "oidc_refused");
}

#[tokio::test]
async fn what_was_exchanged_on_the_way_is_refused() {
    let mut campus = Campus::open().await;
    campus.world.user("pat@x.org", Role::Lead, None).await;
    let foreign = URL_SAFE_NO_PAD.encode(digest(&SHA256, b"of somebody else's verifier"));
    for (name, value) in [
        ("nonce", "another"),
        ("code_challenge", &foreign),
        ("client_id", "another"),
    ] {
        let begun = campus.begin().await;
        let back = campus.visit(&changed(&begun.url, name, value), "pat").await;
        refused(campus.finish(&begun, &back).await, 401, "oidc_refused");
    }
    // RFC 9207: the answer of another provider, or of one that does not say which it is.
    for iss in [Some("https://evil.example.org"), None] {
        let begun = campus.begin().await;
        let mut back = campus.visit(&begun.url, "pat").await;
        back.remove("iss");
        back.extend(iss.map(|iss| ("iss".to_owned(), iss.to_owned())));
        refused(campus.finish(&begun, &back).await, 401, "oidc_refused");
    }
    // Five of them: this address rests, with what is right too.
    let begun = campus.begin().await;
    let back = campus.visit(&begun.url, "pat").await;
    let params = refused(campus.finish(&begun, &back).await, 429, "secret_throttled");
    assert!(params["retry_after_s"].is_string(), "{params}");
    // Passwords are apart from it.
    let body = json!({ "email": "pat@x.org", "password": "wrong" });
    refused(
        campus.world.rest("POST", "/api/v1/sign-in", None, &body).await,
        401,
        "credentials_wrong",
    );
}

#[tokio::test]
async fn a_redirect_leads_to_the_own_machine_alone() {
    let campus = Campus::open().await;
    let challenge = URL_SAFE_NO_PAD.encode([7; 32]);
    for (challenge, redirect, field) in [
        (challenge.as_str(), "https://evil.example.org/oidc", "redirect_uri"),
        (&challenge, "http://127.0.0.1.evil.example.org:80/oidc", "redirect_uri"),
        (&challenge, "http://localhost:80/oidc", "redirect_uri"),
        ("short", REDIRECT, "challenge"),
        (&"!".repeat(43), REDIRECT, "challenge"),
    ] {
        let body = json!({ "challenge": challenge, "redirect_uri": redirect });
        assert_eq!(
            refused(campus.ask("begin", &body).await, 422, "field_invalid")["field"],
            field
        );
    }
}

#[tokio::test]
async fn who_has_no_account_gets_none() {
    let mut campus = Campus::open().await;
    let user = campus.world.user("pat@x.org", Role::Lead, None).await;
    assert_eq!(
        refused(campus.sign_in("newcomer").await, 403, "oidc_no_account")["email"],
        "new@x.org"
    );
    refused(campus.sign_in("unverified").await, 403, "oidc_email_unverified");
    refused(campus.sign_in("nameless").await, 403, "oidc_email_unverified");
    assert_eq!(campus.world.store.oidc_link(user.id).await.unwrap(), None);
    assert_eq!(campus.world.store.users(None, 9).await.unwrap().len(), 1);
    // Before the first sign-in and after it.
    for link in [false, true] {
        if link {
            assert_eq!(campus.sign_in("pat").await.0, 200);
        }
        let active = |active| UserChange {
            active: Some(active),
            ..UserChange::default()
        };
        campus.world.store.change_user(user.id, active(false), 1).await.unwrap();
        refused(campus.sign_in("pat").await, 403, "account_deactivated");
        campus.world.store.change_user(user.id, active(true), 2).await.unwrap();
    }
}

#[tokio::test]
async fn accounts_are_made_where_the_operator_wants_that() {
    let mut campus = Campus::with(CLIENT, false, Some("proctor")).await;
    let (status, answer) = campus.sign_in("newcomer").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["role"], &answer["name"]),
        (&json!("proctor"), &json!("New  Comer"))
    );
    let user = campus.world.store.user_by_email("new@x.org").await.unwrap().unwrap();
    assert_eq!((user.role, user.password_hash), (Role::Proctor, None));
    assert_eq!(campus.sign_in("newcomer").await.0, 200);
    assert_eq!(campus.world.store.users(None, 9).await.unwrap().len(), 1);
    refused(campus.sign_in("unverified").await, 403, "oidc_email_unverified");
}

#[tokio::test]
async fn an_admin_takes_a_link_off() {
    let mut campus = Campus::open().await;
    let user = campus.world.user("pat@x.org", Role::Lead, None).await;
    let (_, answer) = campus.sign_in("pat").await;
    let (admin, lead) = (
        campus.world.user_token("root@x.org", Role::Admin).await,
        campus.world.user_token("l@x.org", Role::Lead).await,
    );
    let path = format!("/api/v1/users/{}/oidc/unlink", user.id);
    refused(
        campus.world.rest("POST", &path, Some(&lead), &json!({})).await,
        403,
        "forbidden",
    );
    let (_, listed) = campus
        .world
        .rest("GET", "/api/v1/users", Some(&admin), &Value::Null)
        .await;
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["state"], &one["oidc_linked"]))
        .collect();
    assert_eq!(states[0], (&json!("active"), &json!(true)), "no password, and signs in");
    assert_eq!(states[1], (&json!("invited"), &json!(false)));
    let mut client = campus.world.client(text(&answer["access_token"])).await;
    let (status, unlinked) = campus.world.rest("POST", &path, Some(&admin), &json!({})).await;
    assert_eq!((status, &unlinked["oidc_linked"]), (200, &json!(false)), "{unlinked}");
    assert_eq!(client.closed().await, "access_revoked");
    refused(campus.account(&answer["access_token"]).await, 401, "access_revoked");
    refused(
        campus.world.rest("POST", &path, Some(&admin), &json!({})).await,
        404,
        "not_found",
    );
    // The address has gone to somebody else there, who takes the account over.
    assert_eq!(campus.sign_in("impostor").await.0, 200);
    assert!(campus.actions().await.contains(&"unlink_oidc".to_owned()));
}

#[tokio::test]
async fn a_provider_that_is_away_or_changes_its_keys_is_no_trouble_later() {
    let mut campus = Campus::open().await;
    campus.world.user("pat@x.org", Role::Lead, None).await;
    assert_eq!(campus.sign_in("pat").await.0, 200);
    let begun = campus.begin().await;
    let back = campus.visit(&begun.url, "pat").await;
    campus.provider.stop().await.unwrap();
    refused(campus.finish(&begun, &back).await, 502, "oidc_unavailable");
    within("the provider", campus.provider.restart()).await.unwrap();
    // With other keys, which this server has not seen.
    let (status, answer) = campus.sign_in("pat").await;
    assert_eq!(status, 200, "{answer}");
    // They are not asked for at each key that nobody knows.
    within("the provider", campus.provider.restart()).await.unwrap();
    refused(campus.sign_in("pat").await, 401, "oidc_refused");
}

#[tokio::test]
async fn doctor_tells_whether_the_provider_can_be_used() {
    let mut provider = within("the provider", Provider::start(Setup::default())).await.unwrap();
    let config = |issuer: &str, believed: bool| {
        let mut config = ServeConfig::default();
        config.oidc.issuer = Some(issuer.to_owned());
        config.oidc.client_id = Some("invigil".into());
        config.oidc.ca_file = believed.then(|| provider.authority());
        config
    };
    let found = async |config: ServeConfig| {
        let findings = doctor::examine(&config, clock::now_s()).await;
        let own = findings.into_iter().find(|finding| finding.check == "oidc").unwrap();
        (own.level, own.words)
    };
    let right = config(&provider.issuer, true);
    let (level, words) = found(right.clone()).await;
    assert!(level == Level::Ok && words.contains("metadata and keys"), "{words}");
    let (level, words) = found(config(&provider.issuer, false)).await;
    assert!(level == Level::Error && words.contains("certificate"), "{words}");
    let (level, words) = found(config(&format!("{}/", provider.issuer), true)).await;
    assert!(level == Level::Error && words.contains("of the issuer"), "{words}");
    provider.stop().await.unwrap();
    let (level, words) = found(right).await;
    assert!(level == Level::Error && words.contains("refused"), "{words}");
    let findings = doctor::examine(&ServeConfig::default(), clock::now_s()).await;
    assert!(findings.iter().all(|finding| finding.check != "oidc"));
}

#[tokio::test]
async fn a_server_starts_without_its_provider_and_says_so() {
    let mut provider = within("the provider", Provider::start(Setup::default())).await.unwrap();
    provider.stop().await.unwrap();
    let world = World::start_set(|config| {
        config.oidc.issuer = Some(provider.issuer.clone());
        config.oidc.client_id = Some("invigil".into());
        config.oidc.ca_file = Some(provider.authority());
    })
    .await;
    let body = json!({ "challenge": URL_SAFE_NO_PAD.encode([7; 32]), "redirect_uri": REDIRECT });
    let begin = || world.rest("POST", "/api/v1/oidc/begin", None, &body);
    refused(begin().await, 502, "oidc_unavailable");
    // Without a provider there is nothing to begin.
    let plain = World::start().await;
    let (_, offer) = plain.rest("GET", "/api/v1/oidc", None, &Value::Null).await;
    assert_eq!(offer, json!({ "provider": null }));
    refused(
        plain.rest("POST", "/api/v1/oidc/begin", None, &body).await,
        404,
        "not_found",
    );
    let finish = json!({ "state": "x", "code": "x", "verifier": "x" });
    refused(
        plain.rest("POST", "/api/v1/oidc/finish", None, &finish).await,
        404,
        "not_found",
    );
}
