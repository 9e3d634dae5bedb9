//! A backup that is taken while the server works, and put back: by the commands, as an operator does it.

use crate::common::{World, device, text, within};
use invigil_sfu::backup::{MANIFEST_FILE, Manifest};
use invigil_sfu::store::sqlite::DATABASE_FILE;
use invigil_shared::role::Role;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::process::Command;

async fn sfu(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"));
    command.args(arguments).env_remove("INVIGIL_DATABASE");
    within("the command", command.output()).await.unwrap()
}

async fn backup(data: &Path, to: &Path) -> Output {
    sfu(&["backup", "--data-dir", path(data), "--to", path(to)]).await
}

async fn restore(from: &Path, data: &Path) -> Output {
    sfu(&["restore", "--from", path(from), "--data-dir", path(data)]).await
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

fn chat(n: u32) -> Value {
    json!({ "type": "message:send", "to": null, "kind": "chat", "text": format!("line {n}") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_in_it_and_the_restored_server_goes_on_with_it() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (mut candidate, state) = world.in_room(&token, exam.id).await;
    let who = state["you"]["id"].clone();
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        acknowledged.push(candidate.request(chat(n)).await["message"].clone());
    }
    // Somebody writes all the time.
    let done = Arc::new(AtomicBool::new(false));
    let (stop, store) = (Arc::clone(&done), Arc::clone(&world.store));
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            store.check_writable().await.unwrap();
            written += 1;
        }
        written
    });
    let data = world.directory.path().join("data");
    let to = world.directory.path().join("backup");
    let output = backup(&data, &to).await;
    done.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
    for file in std::fs::read_dir(&to).unwrap() {
        let file = file.unwrap();
        let others = file.metadata().unwrap().permissions().mode() & 0o077;
        assert!(
            others == 0 || file.file_name() == MANIFEST_FILE,
            "{:?}",
            file.file_name()
        );
    }
    let output = backup(&data, &to).await;
    assert!(
        !output.status.success() && said(&output).contains("nothing is ever overwritten"),
        "{}",
        said(&output)
    );

    // What comes after it is not in it.
    candidate.request(chat(100)).await;
    world.stop().await;
    let again = world.directory.path().join("again");
    let output = restore(&to, &again).await;
    assert!(output.status.success(), "{}", said(&output));
    let output = restore(&to, &again).await;
    assert!(
        !output.status.success() && said(&output).contains("not empty"),
        "{}",
        said(&output)
    );
    world.move_to(&again).await;
    let (_, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["you"]["id"], who, "the token and the session are good here too");
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let (_, state) = world.in_room(&lead, exam.id).await;
    let told: Vec<&Value> = state["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["body"]["what"] == "message")
        .map(|entry| &entry["body"]["message"])
        .collect();
    assert_eq!(told, acknowledged.iter().collect::<Vec<_>>());
    let records = world.store.audit_records(0, 1_000).await.unwrap();
    assert!(
        records
            .iter()
            .any(|record| record.action == "backup" && record.target.ends_with("backup"))
    );
    let output = sfu(&["audit", "verify", "--data-dir", path(&again)]).await;
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn a_backup_that_was_changed_or_is_none_is_refused_before_anything_is_written() {
    let mut world = World::start().await;
    world.exam("EXAM-1").await;
    world.stop().await;
    let data = world.directory.path().join("data");
    let to = world.directory.path().join("backup");
    assert!(backup(&data, &to).await.status.success());
    let target = world.directory.path().join("again");
    let refused = async |words: &str| {
        let output = restore(&to, &target).await;
        assert!(
            !output.status.success() && said(&output).contains(words),
            "{}",
            said(&output)
        );
        assert!(!target.exists());
    };
    let database = std::fs::read(to.join(DATABASE_FILE)).unwrap();
    let mut changed = database.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(to.join(DATABASE_FILE), changed).unwrap();
    refused("changed since").await;
    std::fs::write(to.join(DATABASE_FILE), database).unwrap();

    let path = to.join(MANIFEST_FILE);
    let whole: Manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = whole.clone();
        change(&mut manifest);
        std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    };
    with(&|manifest| manifest.format = 2);
    refused("its format is 2").await;
    with(&|manifest| manifest.files[0].name = "../elsewhere".into());
    refused("no name of a file").await;
    with(&|manifest| manifest.schema = 9_999);
    refused("newer version").await;
    with(&|manifest| manifest.files.retain(|file| file.name != DATABASE_FILE));
    refused("no database").await;
    std::fs::remove_file(&path).unwrap();
    refused("not a backup").await;

    let nothing = world.directory.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let output = sfu(&[
        "backup",
        "--data-dir",
        self::path(&data),
        "--database",
        "postgres://x@localhost/x",
        "--to",
        "/nowhere",
    ])
    .await;
    assert!(
        !output.status.success() && said(&output).contains("pg_dump"),
        "{}",
        said(&output)
    );
    let output = backup(&nothing, &world.directory.path().join("of-nothing")).await;
    assert!(
        !output.status.success() && said(&output).contains("no database"),
        "{}",
        said(&output)
    );
    assert_eq!(
        std::fs::read_dir(&nothing).unwrap().count(),
        0,
        "nothing was made there"
    );
    let inside = world.directory.path().join("missing/backup");
    let output = backup(&data, &inside).await;
    assert!(!output.status.success(), "{}", said(&output));
    let left: Vec<_> = std::fs::read_dir(world.directory.path())
        .unwrap()
        .map(|found| found.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
