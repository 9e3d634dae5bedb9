//! The own account: password and second factor. What an authenticator app would show is computed here, apart from the server's code.

use crate::common::{World, text};
use aws_lc_rs::hmac;
use invigil_sfu::auth::second_factor::TotpSecret;
use invigil_sfu::auth::secret::SecretHasher;
use invigil_sfu::clock;
use invigil_sfu::store::records::UserRecord;
use invigil_sfu::store::second_factors::Off;
use invigil_shared::role::Role;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// RFC 4648 section 6.
fn unbase32(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text
        .chars()
        .map(|c| format!("{:05b}", alphabet.find(c).unwrap()))
        .collect();
    let (bytes, _) = bits.as_bytes().as_chunks::<8>();
    bytes
        .iter()
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

/// RFC 6238, as the phone does it.
fn phone(secret: &str, step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &unbase32(secret));
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn step() -> u64 {
    clock::now_s() as u64 / 30
}

struct Person {
    world: World,
    user: UserRecord,
    token: String,
}

/// Where a second factor stands.
struct Enrolled {
    secret: String,
    recovery: Vec<String>,
    /// The step that confirmed it.
    used: u64,
}

impl Person {
    async fn with_password() -> Self {
        let world = World::start().await;
        let user = world.user("pat@x.org", Role::Reviewer, Some(PASSWORD)).await;
        let token = world.user_token("pat@x.org", Role::Reviewer).await;
        Self { world, user, token }
    }

    async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        let path = format!("/api/v1/account{path}");
        self.world.rest("POST", &path, Some(&self.token), &body).await
    }

    async fn account(&self, token: &str) -> (u16, Value) {
        self.world
            .rest("GET", "/api/v1/account", Some(token), &Value::Null)
            .await
    }

    async fn sign_in(&self, password: &str, code: Option<&str>) -> (u16, Value) {
        let mut body = json!({ "email": "pat@x.org", "password": password });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        self.world.rest("POST", "/api/v1/sign-in", None, &body).await
    }

    async fn offer(&self) -> Value {
        let (status, offer) = self.ask("/second-factor", json!({ "password": PASSWORD })).await;
        assert_eq!(status, 200, "{offer}");
        offer
    }

    /// The step behind the present one is good too, for a phone whose clock is ahead: it is left to be signed in with, and stays good for
    /// another half minute at least, whenever the present one ends.
    async fn enrol(&self) -> Enrolled {
        let secret = text(&self.offer().await["secret"]).to_owned();
        let used = step();
        let (status, body) = self
            .ask("/second-factor/confirm", json!({ "code": phone(&secret, used) }))
            .await;
        assert_eq!(status, 200, "{body}");
        let recovery = body["codes"].as_array().unwrap();
        let recovery = recovery.iter().map(|code| text(code).to_owned()).collect();
        Enrolled { secret, recovery, used }
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

#[tokio::test]
async fn a_second_factor_counts_once_it_was_confirmed() {
    let person = Person::with_password().await;
    refused(
        person.ask("/second-factor", json!({ "password": "wrong" })).await,
        401,
        "credentials_wrong",
    );
    let first = person.offer().await;
    let second = person.offer().await;
    let secret = text(&second["secret"]);
    assert_ne!(text(&first["secret"]), secret);
    let uri = format!("otpauth://totp/Invigil:pat@x.org?secret={secret}&issuer=Invigil");
    assert_eq!(text(&second["uri"]), uri);
    assert_eq!(person.sign_in(PASSWORD, None).await.0, 200, "only offered");
    refused(
        person
            .ask(
                "/second-factor/confirm",
                json!({ "code": phone(text(&first["secret"]), step()) }),
            )
            .await,
        401,
        "second_factor_wrong",
    );
    let used = step();
    let (status, codes) = person
        .ask("/second-factor/confirm", json!({ "code": phone(secret, used) }))
        .await;
    assert_eq!((status, codes["codes"].as_array().unwrap().len()), (200, 10));
    let (_, account) = person.account(&person.token).await;
    assert_eq!(
        account,
        json!({ "email": "pat@x.org", "name": "Name of pat@x.org", "role": "reviewer", "second_factor": true, "recovery_codes_left": 10, "oidc_linked": false })
    );
    for (path, body) in [
        ("/second-factor", json!({ "password": PASSWORD })),
        ("/second-factor/confirm", json!({ "code": phone(secret, step()) })),
    ] {
        refused(person.ask(path, body).await, 409, "second_factor_exists");
    }
    // Wrong password: nobody is told that there is a second factor.
    refused(person.sign_in("wrong", None).await, 401, "credentials_wrong");
    refused(person.sign_in("wrong", Some("123456")).await, 401, "credentials_wrong");
    refused(person.sign_in(PASSWORD, None).await, 401, "second_factor_required");
    refused(person.sign_in(PASSWORD, Some(" ")).await, 401, "second_factor_required");
    refused(
        person.sign_in(PASSWORD, Some(&phone(secret, used))).await,
        401,
        "second_factor_wrong",
    );
    let code = phone(secret, used + 1);
    let (status, body) = person
        .sign_in(PASSWORD, Some(&format!("{} {}", &code[..3], &code[3..])))
        .await;
    assert_eq!(status, 200, "{body}");
    refused(person.sign_in(PASSWORD, Some(&code)).await, 401, "second_factor_wrong");
    let actions = person.actions().await;
    for action in ["offer_second_factor", "confirm_second_factor", "sign_in"] {
        assert!(actions.iter().any(|one| one == action), "{action}");
    }
}

#[tokio::test]
async fn each_recovery_code_is_good_once() {
    let person = Person::with_password().await;
    let enrolled = person.enrol().await;
    let code = &enrolled.recovery[3];
    assert_eq!(
        person
            .sign_in(PASSWORD, Some(&code.to_lowercase().replace('-', " ")))
            .await
            .0,
        200
    );
    refused(person.sign_in(PASSWORD, Some(code)).await, 401, "second_factor_wrong");
    assert_eq!(person.account(&person.token).await.1["recovery_codes_left"], 9);
    assert_eq!(person.sign_in(PASSWORD, Some(&enrolled.recovery[4])).await.0, 200);
    assert!(person.actions().await.contains(&"use_recovery_code".to_owned()));
    // Nothing of them stands in the log.
    let log = person.world.store.audit_records(0, 1_000).await.unwrap();
    assert!(!format!("{log:?}").contains(&enrolled.recovery[3]));
}

#[tokio::test]
async fn guesses_at_codes_run_out_for_the_account_and_not_for_others() {
    let person = Person::with_password().await;
    let enrolled = person.enrol().await;
    let wrong = (0..).map(|n| format!("{n:06}"));
    let near: Vec<_> = (0..5).map(|n| phone(&enrolled.secret, enrolled.used - 1 + n)).collect();
    let mut wrong = wrong.filter(|code| !near.contains(code));
    for left in (0..5).rev() {
        let params = refused(
            person.sign_in(PASSWORD, Some(&wrong.next().unwrap())).await,
            401,
            "second_factor_wrong",
        );
        assert_eq!(params["tries_left"], left.to_string());
    }
    // Also a right one: whoever guesses knows the password.
    refused(
        person
            .sign_in(PASSWORD, Some(&phone(&enrolled.secret, enrolled.used + 1)))
            .await,
        429,
        "secret_throttled",
    );
    person.world.user("other@x.org", Role::Lead, Some(PASSWORD)).await;
    let body = json!({ "email": "other@x.org", "password": PASSWORD });
    assert_eq!(person.world.rest("POST", "/api/v1/sign-in", None, &body).await.0, 200);
}

#[tokio::test]
async fn it_is_turned_off_by_password_and_code_together() {
    let person = Person::with_password().await;
    let absent = json!({ "password": PASSWORD, "code": "123456" });
    refused(person.ask("/second-factor/off", absent).await, 404, "not_found");
    let enrolled = person.enrol().await;
    let code = phone(&enrolled.secret, enrolled.used + 1);
    let off = |password: &str, code: &str| json!({ "password": password, "code": code });
    refused(
        person.ask("/second-factor/off", off("wrong", &code)).await,
        401,
        "credentials_wrong",
    );
    refused(
        person.ask("/second-factor/off", off(PASSWORD, "")).await,
        401,
        "second_factor_wrong",
    );
    let (status, own) = person.ask("/second-factor/off", off(PASSWORD, &code)).await;
    assert_eq!((status, &own["second_factor"]), (200, &json!(false)), "{own}");
    assert_eq!(person.sign_in(PASSWORD, None).await.0, 200);
    let (_, account) = person.account(&person.token).await;
    assert_eq!(
        (&account["second_factor"], &account["recovery_codes_left"]),
        (&json!(false), &json!(0))
    );
    // And on again, with codes of its own.
    let again = person.enrol().await;
    assert_ne!(again.secret, enrolled.secret);
    refused(
        person.sign_in(PASSWORD, Some(&enrolled.recovery[0])).await,
        401,
        "second_factor_wrong",
    );
}

#[tokio::test]
async fn an_admin_takes_it_off_somebody_who_lost_it() {
    let person = Person::with_password().await;
    person.enrol().await;
    let admin = person.world.user_token("root@x.org", Role::Admin).await;
    let lead = person.world.user_token("l@x.org", Role::Lead).await;
    let path = format!("/api/v1/users/{}/second-factor/off", person.user.id);
    let ask = |token: String| {
        let (world, path) = (&person.world, &path);
        async move { world.rest("POST", path, Some(&token), &json!({})).await }
    };
    refused(ask(lead).await, 403, "forbidden");
    let (_, users) = person
        .world
        .rest("GET", "/api/v1/users", Some(&admin), &Value::Null)
        .await;
    let factor = |users: &Value, email: &str| {
        let users = users.as_array().unwrap();
        users.iter().find(|user| user["email"] == email).unwrap()["second_factor"].clone()
    };
    assert_eq!(factor(&users, "pat@x.org"), true);
    assert_eq!(factor(&users, "root@x.org"), false);
    let mut client = person.world.client(&person.token).await;
    let (status, user) = ask(admin.clone()).await;
    assert_eq!((status, &user["second_factor"]), (200, &json!(false)), "{user}");
    assert_eq!(client.closed().await, "access_revoked");
    refused(person.account(&person.token).await, 401, "access_revoked");
    assert_eq!(person.sign_in(PASSWORD, None).await.0, 200);
    refused(ask(admin).await, 404, "not_found");
    assert!(person.actions().await.contains(&"take_second_factor".to_owned()));
}

#[tokio::test]
async fn the_command_line_takes_it_off_a_running_server() {
    let person = Person::with_password().await;
    person.enrol().await;
    let mut client = person.world.client(&person.token).await;
    let store = &person.world.store;
    store.drop_second_factor(person.user.id, Off::Taken).await.unwrap();
    assert_eq!(client.closed().await, "access_revoked");
    assert_eq!(person.sign_in(PASSWORD, None).await.0, 200);
}

#[tokio::test]
async fn another_password_signs_out_every_other_device() {
    let person = Person::with_password().await;
    let new = "another one, longer";
    let change = |password: &str, new: &str| json!({ "password": password, "new_password": new });
    refused(
        person.ask("/password", change("wrong", new)).await,
        401,
        "credentials_wrong",
    );
    let params = refused(
        person.ask("/password", change(PASSWORD, "short")).await,
        422,
        "field_invalid",
    );
    assert_eq!(params["field"], "new_password");
    let elsewhere = person.world.user_token("pat@x.org", Role::Reviewer).await;
    let mut other = person.world.client(&elsewhere).await;
    let (status, answer) = person.ask("/password", change(PASSWORD, new)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(other.closed().await, "access_revoked");
    for token in [&elsewhere, &person.token] {
        refused(person.account(token).await, 401, "access_revoked");
    }
    assert_eq!(person.account(text(&answer["access_token"])).await.0, 200);
    refused(person.sign_in(PASSWORD, None).await, 401, "credentials_wrong");
    assert_eq!(person.sign_in(new, None).await.0, 200);
    assert!(person.actions().await.contains(&"change_password".to_owned()));
}

#[tokio::test]
async fn candidates_have_no_account_and_the_database_no_secret_in_clear() {
    let person = Person::with_password().await;
    let exam = person.world.exam("EXAM-1").await;
    let secret = person.world.entry(&exam, "Candidate 1").await;
    let joined = person.world.join("EXAM-1", &secret, &crate::common::device(1)).await;
    refused(person.account(text(&joined["access_token"])).await, 403, "forbidden");
    let enrolled = person.enrol().await;
    let kept = person.world.store.second_factor(person.user.id).await.unwrap().unwrap();
    let clear = unbase32(&enrolled.secret);
    assert!(!kept.secret.windows(clear.len()).any(|window| window == clear));
    let secrets = SecretHasher::new(&person.world.keys.secret_key);
    let opened = TotpSecret::open(&secrets, person.user.id, &kept.secret).unwrap();
    assert_eq!(opened.base32(), enrolled.secret);
}
