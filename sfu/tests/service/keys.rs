//! The key that signs tokens is changed while the server runs: two verify, one signs, and one that was given away is void at once.

use crate::common::{World, device, text, within};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_sfu::auth::identity::Person;
use invigil_sfu::auth::keys::{KeyError, SECRET_KEY_FILE, TOKEN_KEY_FILE, rotate};
use invigil_sfu::auth::{ServerKeys, Tokens};
use invigil_sfu::clock::{fresh, now_s};
use invigil_sfu::config::AuthConfig;
use invigil_sfu::server::{ServeError, Server};
use invigil_shared::id::ParticipantId;
use invigil_shared::role::Role;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn kid(token: &str) -> String {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    text(&head["kid"]).to_owned()
}

fn data(world: &World) -> PathBuf {
    world.directory.path().join("data")
}

fn retired(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("token-key-retired-")).collect()
}

/// A fresh token for a good one.
async fn refreshed(world: &World, token: &str) -> String {
    let (status, body) = world.rest("POST", "/api/v1/refresh", Some(token), &json!({})).await;
    assert_eq!(status, 200, "{body}");
    text(&body["access_token"]).to_owned()
}

async fn code(world: &World, token: &str) -> String {
    let (_, body) = world.rest("GET", "/api/v1/ice-config", Some(token), &Value::Null).await;
    body["code"].as_str().unwrap_or("ok").to_owned()
}

#[tokio::test]
async fn a_running_server_signs_with_the_new_key_and_takes_both() {
    let world = World::start().await;
    let old = world.user_token("p@x.org", Role::Proctor).await;
    let mut client = world.client(&old).await;
    rotate(&data(&world), now_s(), false).unwrap();
    let another = async {
        loop {
            let new = refreshed(&world, &old).await;
            if kid(&new) != kid(&old) {
                return new;
            }
        }
    };
    let new = within("the new key", another).await;
    assert_eq!(
        (code(&world, &old).await, code(&world, &new).await),
        ("ok".into(), "ok".into())
    );
    assert_eq!(client.settled().await, &[] as &[Value], "nobody notices");
    world.client(&old).await;
    world.client(&new).await;
    assert_eq!(retired(&data(&world)).len(), 1);
    let again = rotate(&data(&world), now_s() + 60, false);
    assert!(matches!(again, Err(KeyError::Rotating { .. })), "{again:?}");
    let keys = ServerKeys::open(&data(&world)).unwrap();
    assert_eq!(keys.retired.len(), 1, "two verify, never more");
}

#[tokio::test]
async fn a_key_that_was_given_away_is_void_at_once() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let old = text(&joined["access_token"]).to_owned();
    let (mut client, _) = world.in_room(&old, exam.id).await;
    rotate(&data(&world), now_s(), true).unwrap();
    assert_eq!(client.closed().await, "token_invalid");
    assert_eq!(code(&world, &old).await, "token_invalid");
    assert_eq!(
        text(&world.bare().await.authenticate(&old).await["code"]),
        "token_invalid"
    );
    assert!(retired(&data(&world)).is_empty(), "nothing of it is left");
    let again = world.join("EXAM-1", &secret, &device(1)).await;
    assert_eq!(again["session"], joined["session"]);
    assert_eq!(code(&world, text(&again["access_token"])).await, "ok");
    // The same after a start.
    world.restart().await;
    assert_eq!(code(&world, &old).await, "token_invalid");
}

#[tokio::test]
async fn a_retired_key_verifies_only_as_long_as_its_tokens_can_live() {
    let mut world = World::start().await;
    let user = world.user("p@x.org", Role::Proctor, None).await;
    world.stop().await;
    // A token of the key of now that lives far longer than any of ours.
    let long = AuthConfig {
        access_token_s: 100_000,
        ..AuthConfig::default()
    };
    let keys = ServerKeys::open(&data(&world)).unwrap();
    let token = Tokens::new(&keys, &long)
        .issue(
            fresh(ParticipantId::from_parts),
            Role::Proctor,
            Person::User(user.id),
            0,
        )
        .unwrap()
        .text;
    let lifetime = AuthConfig::default().access_token_s;
    rotate(&data(&world), now_s() - lifetime / 2, false).unwrap();
    world.restart().await;
    assert_eq!(code(&world, &token).await, "ok");
    world.stop().await;
    let name = &retired(&data(&world))[0];
    let earlier = format!("token-key-retired-{}.p8", now_s() - 2 * lifetime);
    std::fs::rename(data(&world).join(name), data(&world).join(earlier)).unwrap();
    world.restart().await;
    assert_eq!(code(&world, &token).await, "token_invalid");
    within("the end of its file", async {
        while !retired(&data(&world)).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[cfg(unix)]
#[test]
fn keys_stay_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    ServerKeys::open(directory.path()).unwrap();
    rotate(directory.path(), now_s(), false).unwrap();
    let [name] = &retired(directory.path())[..] else {
        panic!("one")
    };
    for file in [TOKEN_KEY_FILE, name] {
        let mode = std::fs::metadata(directory.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_server_with_another_secret_key_than_its_database_does_not_start() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let old = world.entry(&exam, "Ada").await;
    world.stop().await;
    let file = data(&world).join(SECRET_KEY_FILE);
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let refused = Server::start(world.config.clone()).await.err().unwrap();
    assert!(
        matches!(&refused, ServeError::Keys(KeyError::OtherSecretKey(path)) if *path == file),
        "{refused}"
    );
    let made = std::fs::read(&file).unwrap();
    let directory = data(&world);
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_invigil-sfu"));
        command.args(arguments).arg("--data-dir").arg(&directory);
        command.output().unwrap()
    };
    let list = run(&["exam", "list"]);
    assert!(!list.status.success(), "no command makes anything under the wrong key");
    let words = String::from_utf8_lossy(&list.stderr);
    assert!(words.contains("invigil-sfu key adopt"), "{words}");
    let verified = run(&["audit", "verify"]);
    let words = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "evidence is read without it: {words}");

    // Found again.
    std::fs::write(&file, kept).unwrap();
    world.restart().await;
    world.join("EXAM-1", &old, &device(1)).await;
    world.stop().await;

    // Lost for good.
    std::fs::write(&file, made).unwrap();
    let adopted = run(&["key", "adopt"]);
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    world.restart().await;
    let (status, body) = world.try_join("EXAM-1", &old, &device(1)).await;
    assert_eq!((status, text(&body["code"])), (401, "secret_wrong"));
}
