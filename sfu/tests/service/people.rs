//! People with an account, over REST: invited, changed, deactivated. What is taken from somebody is taken at once, everywhere.

use crate::common::{Client, World, device, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_sfu::clock;
use invigil_sfu::store::people::UserChange;
use invigil_shared::people::InviteLink;
use invigil_shared::role::Role;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

async fn admin(world: &World) -> String {
    world.user("root@x.org", Role::Admin, Some(PASSWORD)).await;
    world.user_token("root@x.org", Role::Admin).await
}

async fn sign_in(world: &World, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": password });
    world.rest("POST", "/api/v1/sign-in", None, &body).await
}

/// The access token of somebody who may sign in.
async fn token(world: &World, email: &str) -> String {
    let (status, body) = sign_in(world, email, PASSWORD).await;
    assert_eq!(status, 200, "{body}");
    text(&body["access_token"]).to_owned()
}

fn token_of(link: &Value) -> String {
    InviteLink::parse(text(link)).unwrap().token
}

async fn accept(world: &World, token: &str, password: &str) -> (u16, Value) {
    let body = json!({ "token": token, "password": password });
    world.rest("POST", "/api/v1/invitations/accept", None, &body).await
}

/// Every door answers the same.
async fn refused_everywhere(world: &World, token: &str, code: &str) {
    for (method, path) in [
        ("POST", "/api/v1/refresh"),
        ("GET", "/api/v1/exams"),
        ("GET", "/api/v1/ice-config"),
        ("GET", "/api/v1/users"),
    ] {
        let (_, body) = world.rest(method, path, Some(token), &json!({})).await;
        assert_eq!(body["code"], code, "{method} {path}: {body}");
    }
    let answer = world.bare().await.authenticate(token).await;
    assert_eq!(answer["code"], code, "{answer}");
}

async fn patch(world: &World, admin: &str, id: &Value, body: Value) -> (u16, Value) {
    let path = format!("/api/v1/users/{}", text(id));
    world.rest("PATCH", &path, Some(admin), &body).await
}

async fn closed_with(client: &mut Client, code: &str) {
    assert_eq!(client.closed().await, code);
}

#[tokio::test]
async fn an_invited_person_chooses_a_password_once() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let body = json!({ "email": " Pat@X.org", "name": "Pat", "role": "lead" });
    let (status, invited) = world.rest("POST", "/api/v1/users", Some(&admin), &body).await;
    assert_eq!(status, 201, "{invited}");
    let user = &invited["user"];
    assert_eq!(
        (text(&user["email"]), text(&user["role"]), text(&user["state"])),
        ("pat@x.org", "lead", "invited")
    );
    let link = InviteLink::parse(text(&invited["link"])).unwrap();
    assert_eq!(
        link.certificate_sha256.as_ref(),
        Some(&world.server.as_ref().unwrap().certificate_sha256)
    );
    let left = invited["expires_at"].as_i64().unwrap() - clock::now_us();
    assert!((71 * 3_600_000_000..=72 * 3_600_000_000).contains(&left), "{left}");
    let (status, taken) = world.rest("POST", "/api/v1/users", Some(&admin), &body).await;
    assert_eq!((status, text(&taken["code"])), (409, "email_taken"));

    let look = json!({ "token": link.token });
    let (status, who) = world.rest("POST", "/api/v1/invitations/look", None, &look).await;
    assert_eq!(status, 200);
    assert_eq!(
        who,
        json!({ "email": "pat@x.org", "name": "Pat", "role": "lead", "reset": false })
    );
    assert_eq!(
        sign_in(&world, "pat@x.org", "").await.0,
        401,
        "no password is no empty password"
    );
    let (status, short) = accept(&world, &link.token, "short").await;
    assert_eq!((status, text(&short["params"]["field"])), (422, "password"));
    let (status, accepted) = accept(&world, &link.token, PASSWORD).await;
    assert_eq!((status, text(&accepted["email"])), (200, "pat@x.org"));
    let token = token(&world, "pat@x.org").await;
    assert_eq!(
        world.rest("GET", "/api/v1/exams", Some(&token), &Value::Null).await.0,
        200
    );
    let (status, again) = accept(&world, &link.token, "another one, longer").await;
    assert_eq!((status, text(&again["code"])), (401, "invitation_invalid"));
    let (status, look) = world.rest("POST", "/api/v1/invitations/look", None, &look).await;
    assert_eq!((status, text(&look["code"])), (401, "invitation_invalid"));
}

#[tokio::test]
async fn somebody_is_invited_once_for_a_key_and_the_link_is_told_again() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", admin(&world).await);
    let invite = async |key: &str, email: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = json!({ "email": email, "name": "Pat", "role": "lead" }).to_string();
        let (status, _, text) = world.http("POST", "/api/v1/users", &headers, body.as_bytes()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, told) = invite("one", "pat@x.org").await;
    assert_eq!(status, 201, "{told}");
    assert_eq!(invite("one", "pat@x.org").await, (201, told.clone()));
    let (status, other) = invite("one", "sam@x.org").await;
    assert_eq!((status, text(&other["code"])), (422, "idempotency_mismatch"));
    let (status, taken) = invite("two", "pat@x.org").await;
    assert_eq!((status, text(&taken["code"])), (409, "email_taken"));
    assert_eq!(accept(&world, &token_of(&told["link"]), PASSWORD).await.0, 200);
    token(&world, "pat@x.org").await;
}

#[tokio::test]
async fn wrong_links_run_out_and_a_right_one_is_never_kept_out() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let body = json!({ "email": "pat@x.org", "name": "Pat", "role": "proctor" });
    let (_, invited) = world.rest("POST", "/api/v1/users", Some(&admin), &body).await;
    for _ in 0..5 {
        let (status, body) = accept(&world, "no such token", PASSWORD).await;
        assert_eq!((status, text(&body["code"])), (401, "invitation_invalid"));
    }
    let (status, body) = accept(&world, "no such token", PASSWORD).await;
    assert_eq!((status, text(&body["code"])), (429, "secret_throttled"));
    let (status, body) = accept(&world, &token_of(&invited["link"]), PASSWORD).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_new_link_voids_the_password_and_the_tokens_when_it_is_used() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let user = world.user("pat@x.org", Role::Proctor, Some(PASSWORD)).await;
    let old = token(&world, "pat@x.org").await;
    let mut client = world.client(&old).await;
    let path = format!("/api/v1/users/{}/link", user.id);
    let (status, first) = world.rest("POST", &path, Some(&admin), &json!({})).await;
    assert_eq!(status, 200, "{first}");
    let (_, second) = world.rest("POST", &path, Some(&admin), &json!({})).await;
    let (status, body) = accept(&world, &token_of(&first["link"]), "a new password").await;
    assert_eq!((status, text(&body["code"])), (401, "invitation_invalid"), "replaced");
    assert_eq!(client.settled().await, &[] as &[Value], "a link alone changes nothing");
    token(&world, "pat@x.org").await;
    let (status, body) = accept(&world, &token_of(&second["link"]), "a new password").await;
    assert_eq!((status, &body["reset"]), (200, &json!(true)));
    closed_with(&mut client, "access_revoked").await;
    refused_everywhere(&world, &old, "access_revoked").await;
    let (status, body) = sign_in(&world, "pat@x.org", PASSWORD).await;
    assert_eq!((status, text(&body["code"])), (401, "credentials_wrong"));
    assert_eq!(sign_in(&world, "pat@x.org", "a new password").await.0, 200);
}

#[tokio::test]
async fn a_deactivated_person_is_refused_at_once() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let exam = world.exam("EXAM-1").await;
    let user = world.user("pat@x.org", Role::Proctor, Some(PASSWORD)).await;
    let other = world.user_token("other@x.org", Role::Proctor).await;
    let old = token(&world, "pat@x.org").await;
    let (mut watcher, _) = world.in_room(&other, exam.id).await;
    let (mut client, state) = world.in_room(&old, exam.id).await;
    let mut idle = world.client(&token(&world, "pat@x.org").await).await;
    let (status, body) = patch(&world, &admin, &json!(user.id), json!({ "active": false })).await;
    assert_eq!((status, text(&body["state"])), (200, "deactivated"));
    // No other server has to be asked: it is so when the call is answered.
    refused_everywhere(&world, &old, "access_revoked").await;
    closed_with(&mut client, "access_revoked").await;
    closed_with(&mut idle, "access_revoked").await;
    let left = watcher.until_type("participant:left").await;
    assert_eq!(left["participant"], state["you"]["id"]);
    let (status, body) = sign_in(&world, "pat@x.org", PASSWORD).await;
    assert_eq!((status, text(&body["code"])), (403, "account_deactivated"));
    let (status, body) = sign_in(&world, "pat@x.org", "a wrong guess").await;
    assert_eq!((status, text(&body["code"])), (401, "credentials_wrong"));

    let (status, body) = patch(&world, &admin, &json!(user.id), json!({ "active": true })).await;
    assert_eq!((status, text(&body["state"])), (200, "active"));
    refused_everywhere(&world, &old, "access_revoked").await;
    let new = token(&world, "pat@x.org").await;
    world.in_room(&new, exam.id).await;
    assert_eq!(
        watcher
            .settled()
            .await
            .iter()
            .filter(|f| f["type"] == "participant:joined")
            .count(),
        2
    );
}

#[tokio::test]
async fn what_another_process_changes_takes_effect_here() {
    let world = World::start().await;
    let user = world.user("pat@x.org", Role::Lead, Some(PASSWORD)).await;
    let old = token(&world, "pat@x.org").await;
    let mut client = world.client(&old).await;
    let change = UserChange {
        role: Some(Role::Proctor),
        ..UserChange::default()
    };
    // As the command line does it, or another server on the same database.
    world.store.change_user(user.id, change, clock::now_us()).await.unwrap();
    closed_with(&mut client, "access_revoked").await;
    refused_everywhere(&world, &old, "access_revoked").await;
    let (_, body) = sign_in(&world, "pat@x.org", PASSWORD).await;
    assert_eq!(body["role"], "proctor");
}

#[tokio::test]
async fn what_was_revoked_before_a_start_is_known_after_it() {
    let mut world = World::start().await;
    let user = world.user("pat@x.org", Role::Lead, Some(PASSWORD)).await;
    let old = token(&world, "pat@x.org").await;
    world.stop().await;
    let off = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    world.store.change_user(user.id, off, clock::now_us()).await.unwrap();
    world.restart().await;
    refused_everywhere(&world, &old, "access_revoked").await;
}

#[tokio::test]
async fn another_role_begins_with_a_new_sign_in() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let user = world.user("pat@x.org", Role::Proctor, Some(PASSWORD)).await;
    let old = token(&world, "pat@x.org").await;
    let mut client = world.client(&old).await;
    let body = json!({ "role": "lead", "name": "Patricia" });
    let (status, changed) = patch(&world, &admin, &json!(user.id), body).await;
    assert_eq!(
        (status, text(&changed["role"]), text(&changed["name"])),
        (200, "lead", "Patricia")
    );
    closed_with(&mut client, "access_revoked").await;
    let (_, body) = sign_in(&world, "pat@x.org", PASSWORD).await;
    assert_eq!((text(&body["role"]), text(&body["name"])), ("lead", "Patricia"));
    let token = text(&body["access_token"]).to_owned();
    let mut client = world.client(&token).await;
    let (status, _) = patch(&world, &admin, &json!(user.id), json!({ "name": "Pat" })).await;
    assert_eq!(status, 200);
    assert_eq!(client.settled().await, &[] as &[Value], "a name takes nothing away");
    for role in ["candidate", "principal", "Lead"] {
        let (status, body) = patch(&world, &admin, &json!(user.id), json!({ "role": role })).await;
        assert_eq!((status, text(&body["params"]["field"])), (422, "role"), "{role}");
    }
}

#[tokio::test]
async fn somebody_can_always_administer() {
    let world = World::start().await;
    let token = admin(&world).await;
    let (_, page) = world.rest("GET", "/api/v1/users", Some(&token), &Value::Null).await;
    let own = &page[0]["id"];
    for change in [json!({ "role": "lead" }), json!({ "active": false })] {
        let (status, body) = patch(&world, &token, own, change).await;
        assert_eq!((status, text(&body["code"])), (409, "last_admin"));
    }
    world.user("second@x.org", Role::Admin, Some(PASSWORD)).await;
    let (status, _) = patch(&world, &token, own, json!({ "active": false })).await;
    assert_eq!(status, 200);
    refused_everywhere(&world, &token, "access_revoked").await;
}

#[tokio::test]
async fn people_are_listed_in_pages() {
    let world = World::start().await;
    let admin = admin(&world).await;
    for n in 0..6 {
        world.user(&format!("{n}@x.org"), Role::Proctor, None).await;
    }
    let bearer = format!("Bearer {admin}");
    let (mut path, mut seen, mut pages) = ("/api/v1/users?limit=3".to_owned(), Vec::new(), 0);
    loop {
        let (status, head, body) = world.http("GET", &path, &[("authorization", &bearer)], b"").await;
        assert_eq!(status, 200, "{body}");
        let users: Vec<Value> = serde_json::from_str(&body).unwrap();
        seen.extend(users.iter().map(|user| text(&user["email"]).to_owned()));
        pages += 1;
        let Some((_, link)) = head.split_once("\r\nlink: <") else {
            break;
        };
        path = link.split_once(">; rel=\"next\"").unwrap().0.to_owned();
    }
    let expected: Vec<_> = std::iter::once("root@x.org".to_owned())
        .chain((0..6).map(|n| format!("{n}@x.org")))
        .collect();
    assert_eq!((seen, pages), (expected, 3));
    for query in ["limit=0", "limit=100000", "limit=x", "cursor=x"] {
        let (status, body) = world
            .rest("GET", &format!("/api/v1/users?{query}"), Some(&admin), &Value::Null)
            .await;
        assert_eq!((status, text(&body["code"])), (422, "field_invalid"), "{query}");
    }
}

#[tokio::test]
async fn only_admins_manage_people() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let user = world.user("pat@x.org", Role::Proctor, None).await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let mut tokens = vec![text(&joined["access_token"]).to_owned()];
    for (email, role) in [
        ("p@x.org", Role::Proctor),
        ("l@x.org", Role::Lead),
        ("r@x.org", Role::Reviewer),
    ] {
        tokens.push(world.user_token(email, role).await);
    }
    let one = format!("/api/v1/users/{}", user.id);
    let calls = [
        ("GET", "/api/v1/users".to_owned(), Value::Null),
        (
            "POST",
            "/api/v1/users".to_owned(),
            json!({ "email": "new@x.org", "name": "New", "role": "admin" }),
        ),
        ("PATCH", one.clone(), json!({ "role": "admin" })),
        ("POST", format!("{one}/link"), json!({})),
    ];
    for token in &tokens {
        for (method, path, body) in &calls {
            let (status, body) = world.rest(method, path, Some(token), body).await;
            assert_eq!((status, text(&body["code"])), (403, "forbidden"), "{method} {path}");
        }
    }
    for (method, path, body) in &calls {
        let (status, _) = world.rest(method, path, None, body).await;
        assert_eq!(status, 401, "{method} {path}");
    }
    assert_eq!(world.store.user(user.id).await.unwrap(), Some(user));
    let admin = admin(&world).await;
    for id in ["x", "00000000-0000-7000-8000-000000000000"] {
        let (status, _) = patch(&world, &admin, &json!(id), json!({ "active": false })).await;
        assert_eq!(status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_lead_takes_a_candidates_access_away_and_gives_it_back() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let other = world.entry(&exam, "Candidate 2").await;
    let entry = world
        .store
        .entry_by_label(exam.id, "Candidate 1")
        .await
        .unwrap()
        .unwrap();
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let old = text(&joined["access_token"]).to_owned();
    let (mut candidate, _) = world.in_room(&old, exam.id).await;
    let beside = world.join("EXAM-1", &other, &device(2)).await;
    let (mut beside, _) = world.in_room(text(&beside["access_token"]), exam.id).await;
    beside.forget();
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let (mut watcher, _) = world.in_room(&proctor, exam.id).await;
    let session = text(&joined["session"]).to_owned();
    let by_session = |what: &str| format!("/api/v1/sessions/{session}/{what}");
    let by_entry = |what: &str| format!("/api/v1/exams/{}/roster/{}/{what}", exam.id, entry.id);
    for path in [
        by_session("revoke"),
        by_entry("revoke"),
        by_entry("reinstate"),
        by_session("reinstate"),
    ] {
        for token in [&proctor, &old] {
            let (status, body) = world.rest("POST", &path, Some(token), &json!({})).await;
            assert_eq!((status, text(&body["code"])), (403, "forbidden"), "{path}");
        }
    }
    let (status, _) = world.rest("POST", &by_entry("revoke"), Some(&lead), &json!({})).await;
    assert_eq!(status, 204);
    closed_with(&mut candidate, "session_revoked").await;
    let lost = watcher
        .until(|f| f["type"] == "participant:updated" && f["participant"]["presence"] == "lost")
        .await;
    assert_eq!(lost["participant"]["id"], joined["participant"]);
    let (_, body) = world.rest("GET", "/api/v1/ice-config", Some(&old), &Value::Null).await;
    assert_eq!(text(&body["code"]), "session_revoked");
    assert_eq!(
        text(&world.bare().await.authenticate(&old).await["code"]),
        "session_revoked"
    );
    let (status, body) = world.try_join("EXAM-1", &secret, &device(1)).await;
    assert_eq!((status, text(&body["code"])), (403, "session_revoked"), "the secret");
    let (status, body) = resume(&world, &session).await;
    assert_eq!(
        (status, text(&body["code"])),
        (403, "session_revoked"),
        "the device key"
    );
    assert_eq!(
        beside
            .settled()
            .await
            .iter()
            .filter(|f| f["type"] != "listening")
            .count(),
        0
    );

    let (status, _) = world
        .rest("POST", &by_session("reinstate"), Some(&lead), &json!({}))
        .await;
    assert_eq!(status, 204);
    assert_eq!(
        text(&world.bare().await.authenticate(&old).await["code"]),
        "session_revoked"
    );
    let (status, body) = resume(&world, &session).await;
    assert_eq!(status, 200, "{body}");
    let (_candidate, _) = world.in_room(text(&body["access_token"]), exam.id).await;
    let elsewhere = world.exam("EXAM-2").await;
    for path in [
        "/api/v1/sessions/00000000-0000-7000-8000-000000000000/revoke".to_owned(),
        "/api/v1/sessions/x/revoke".to_owned(),
        format!("/api/v1/exams/{}/roster/{}/revoke", elsewhere.id, entry.id),
    ] {
        assert_eq!(
            world.rest("POST", &path, Some(&lead), &json!({})).await.0,
            404,
            "{path}"
        );
    }
}

async fn resume(world: &World, session: &str) -> (u16, Value) {
    let body = json!({ "session": session });
    let (_, challenge) = world.rest("POST", "/api/v1/resume/challenge", None, &body).await;
    let challenge = text(&challenge["challenge"]);
    let signature = invigil_shared::device::sign_challenge(
        &device(1),
        session.parse().unwrap(),
        &URL_SAFE_NO_PAD.decode(challenge).unwrap(),
    );
    let body = json!({ "session": session, "challenge": challenge, "signature": URL_SAFE_NO_PAD.encode(signature) });
    world.rest("POST", "/api/v1/resume", None, &body).await
}

#[tokio::test]
async fn the_audit_log_says_who_let_whom_in_and_out() {
    let world = World::start().await;
    let token = admin(&world).await;
    let root = world
        .store
        .user_by_email("root@x.org")
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let body = json!({ "email": "pat@x.org", "name": "Pat", "role": "proctor" });
    let (_, invited) = world.rest("POST", "/api/v1/users", Some(&token), &body).await;
    let id = &invited["user"]["id"];
    assert_eq!(accept(&world, &token_of(&invited["link"]), PASSWORD).await.0, 200);
    assert_eq!(patch(&world, &token, id, json!({ "active": false })).await.0, 200);
    assert_eq!(patch(&world, &token, id, json!({ "active": false })).await.0, 200);
    let records = world.store.audit_records(0, 100).await.unwrap();
    let told: Vec<_> = records
        .iter()
        .filter(|record| record.target == text(id))
        .map(|record| (record.action.as_str(), record.actor.as_str(), record.address.as_deref()))
        .collect();
    let here = Some("127.0.0.1");
    let expected = [
        ("invite_user", root.as_str(), here),
        ("accept_invitation", text(id), here),
        ("change_user", root.as_str(), here),
    ];
    assert_eq!(told, expected, "what changed nothing is not among them");
    let secret = token_of(&invited["link"]);
    assert!(records.iter().all(|record| !record.metadata.contains(&secret)));
}
