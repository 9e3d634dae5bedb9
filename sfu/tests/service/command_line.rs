//! The real binary: `serve` beside the other commands on one data directory.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"));
    command.args(arguments).arg("--data-dir").arg(directory);
    command
}

fn run(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = command(directory, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let (ok, out, err) = run(directory, arguments);
    assert!(ok, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments:?}: {out}"))
}

struct Serving(Child, Value);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(directory: &Path) -> Serving {
    let arguments = [
        "serve",
        "--development",
        "--listen",
        "127.0.0.1:0",
        "--media",
        "127.0.0.1:0",
    ];
    let mut child = command(directory, &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Serving(
        child,
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}")),
    )
}

#[test]
fn the_commands_work_beside_a_running_server() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = &temporary.path().join("data");
    let serving = serve(directory);
    assert_eq!(serving.1["ready"], true);
    assert!(serving.1["setup_code"].is_string());
    let exam = json(
        directory,
        &["exam", "create", "--title", "Mathematics", "--code", "math-1", "--json"],
    );
    assert_eq!(
        (exam["code"].as_str(), exam["status"].as_str()),
        (Some("MATH-1"), Some("active"))
    );
    let entry = json(
        directory,
        &[
            "roster",
            "add",
            "--exam",
            "MATH-1",
            "--label",
            "Candidate 1",
            "--seat",
            "A3",
            "--json",
        ],
    );
    let link = invigil_shared::rest::JoinLink::parse(entry["link"].as_str().unwrap()).unwrap();
    assert_eq!(link.authority, serving.1["https"].as_str().unwrap());
    assert_eq!(
        link.certificate_sha256.as_deref(),
        serving.1["certificate_sha256"].as_str()
    );
    assert_eq!(link.secret, entry["secret"].as_str().unwrap());
    let once = json(
        directory,
        &["roster", "link", "--exam", "MATH-1", "--label", "Candidate 1", "--json"],
    );
    let once = invigil_shared::rest::JoinLink::parse(once["link"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&once.authority, &once.certificate_sha256),
        (&link.authority, &link.certificate_sha256)
    );
    assert_ne!(once.secret, link.secret);
    let candidate = json(
        directory,
        &[
            "token",
            "--role",
            "candidate",
            "--exam",
            "MATH-1",
            "--entry",
            "Candidate 1",
            "--json",
        ],
    );
    assert!(candidate["access_token"].as_str().unwrap().matches('.').count() == 2);
    let arguments = [
        "user",
        "add",
        "--email",
        "p@x.org",
        "--name",
        "Pat",
        "--role",
        "proctor",
        "--password-stdin",
    ];
    let mut child = command(directory, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
    assert!(child.wait().unwrap().success());
    let (ok, token, _) = run(directory, &["token", "--role", "proctor", "--user", "P@x.org"]);
    assert!(ok && token.trim().matches('.').count() == 2);
    let list = json(directory, &["exam", "list", "--json"]);
    assert_eq!(
        (list[0]["code"].as_str(), list[0]["roster"].as_u64()),
        (Some("MATH-1"), Some(1))
    );

    for (arguments, words) in [
        (vec!["exam", "create", "--title", "x", "--code", "MATH-1"], "already"),
        (vec!["exam", "create", "--title", "x", "--code", "m"], "4 to 16"),
        (vec!["roster", "add", "--exam", "NONE-1", "--label", "x"], "no exam"),
        (
            vec!["roster", "link", "--exam", "MATH-1", "--label", "Nobody"],
            "no Nobody on its roster",
        ),
        (
            vec!["roster", "add", "--exam", "MATH-1", "--label", "Candidate 1"],
            "already",
        ),
        (
            vec!["user", "add", "--email", "nobody", "--name", "x", "--role", "lead"],
            "e-mail",
        ),
        (
            vec![
                "user",
                "add",
                "--email",
                "c@x.org",
                "--name",
                "x",
                "--role",
                "candidate",
            ],
            "proctor, lead, admin",
        ),
        (vec!["token", "--role", "admin", "--user", "p@x.org"], "is proctor"),
        (vec!["token", "--role", "proctor", "--user", "q@x.org"], "no account"),
    ] {
        let (ok, _, err) = run(directory, &arguments);
        assert!(!ok && err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn people_are_invited_and_deactivated_by_commands() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = &temporary.path().join("data");
    let invite = |email| {
        [
            "user", "invite", "--email", email, "--name", "Pat", "--role", "admin", "--json",
        ]
    };
    let (ok, _, err) = run(directory, &invite("p@x.org"));
    assert!(!ok && err.contains("start `serve` once"), "{err}");
    let serving = serve(directory);
    let invited = json(directory, &invite("p@x.org"));
    let link = invigil_shared::people::InviteLink::parse(invited["link"].as_str().unwrap()).unwrap();
    assert_eq!(link.authority, serving.1["https"].as_str().unwrap());
    assert_eq!(
        link.certificate_sha256.as_deref(),
        serving.1["certificate_sha256"].as_str()
    );
    let whom = |what| ["user", what, "--email", "P@x.org", "--json"];
    let again = json(directory, &whom("link"));
    assert_ne!(again["link"], invited["link"]);
    json(directory, &invite("q@x.org"));
    let state = |user: &Value| (user["email"].to_string(), user["state"].to_string());
    let list = json(directory, &["user", "list", "--json"]);
    assert_eq!(state(&list[1]), ("\"q@x.org\"".into(), "\"invited\"".into()));
    // Nobody else could administer: neither has chosen a password yet.
    for arguments in [
        whom("deactivate").to_vec(),
        vec!["user", "role", "--email", "p@x.org", "--role", "lead"],
    ] {
        let (ok, _, err) = run(directory, &arguments);
        assert!(!ok && err.contains("nobody else could administer"), "{err}");
    }
    let arguments = ["user", "invite", "--email", "r@x.org", "--name", "R", "--role", "lead"];
    assert!(run(directory, &arguments).0);
    let role = ["user", "role", "--email", "r@x.org", "--role", "proctor", "--json"];
    assert_eq!(json(directory, &role)["role"], "proctor");
    let other = |what| ["user", what, "--email", "r@x.org", "--json"];
    assert_eq!(json(directory, &other("deactivate"))["state"], "deactivated");
    let (ok, _, err) = run(directory, &other("link"));
    assert!(!ok && err.contains("is deactivated"), "{err}");
    let (ok, _, err) = run(directory, &["token", "--role", "proctor", "--user", "r@x.org"]);
    assert!(!ok && err.contains("is deactivated"), "{err}");
    assert_eq!(json(directory, &other("activate"))["state"], "active");
}

#[test]
fn api_keys_are_made_and_revoked_by_commands() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = &temporary.path().join("data");
    let create = ["api-key", "create", "--name", "Timetable", "--scope", "exams:write"];
    let (ok, out, err) = run(directory, &create);
    assert!(ok && out.contains("ivk_"), "{err}");
    let more = ["--scope", "rosters:read", "--expires-days", "30", "--json"];
    let made = json(directory, &[&create[..], &more].concat());
    assert_eq!(
        made["key"]["scopes"],
        serde_json::json!(["exams:write", "rosters:read"])
    );
    assert!(made["key"]["created_by"].as_str().unwrap().starts_with("operator:"));
    assert!(made["key"]["expires_at"].is_i64() && made["token"].as_str().unwrap().starts_with("ivk_"));
    let (ok, _, err) = run(
        directory,
        &["api-key", "create", "--name", "x", "--scope", "people:read"],
    );
    assert!(!ok && err.contains("exams:read"), "{err}");
    let id = made["key"]["id"].as_str().unwrap();
    assert!(run(directory, &["api-key", "revoke", "--id", id]).0);
    let list = json(directory, &["api-key", "list", "--json"]);
    assert!(
        list[0]["revoked_at"].is_null() && list[1]["revoked_at"].is_i64(),
        "{list}"
    );
    let (_, out, _) = run(directory, &["api-key", "list"]);
    let second = out.lines().nth(1).unwrap();
    assert!(second.contains("revoked") && second.contains("never used"), "{out}");
    let nobody = "0198b2c4-0000-7000-8000-000000000000";
    let (ok, _, err) = run(directory, &["api-key", "revoke", "--id", nobody]);
    assert!(!ok && err.contains("there is no key"), "{err}");
}

#[cfg(unix)]
#[test]
fn the_data_directory_is_private_and_a_killed_server_starts_again() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = tempfile::tempdir().unwrap();
    let directory = &temporary.path().join("data");
    let first = serve(directory);
    let pin = first.1["certificate_sha256"].clone();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory), 0o700);
    for file in [
        "token-key.p8",
        "secret-key.bin",
        "certificate-key.pem",
        "invigil.sqlite",
    ] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    drop(first); // SIGKILL
    let second = serve(directory);
    assert_eq!(second.1["certificate_sha256"], pin, "clients' pins stay good");
    let pid = second.0.id().to_string();
    let mut second = second;
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(second.0.wait().unwrap().success(), "SIGTERM ends it cleanly");
}

#[test]
fn a_certificate_that_is_none_is_a_clear_error() {
    let temporary = tempfile::tempdir().unwrap();
    let bad = temporary.path().join("bad.pem");
    std::fs::write(&bad, "not a certificate").unwrap();
    let bad = bad.to_str().unwrap();
    let directory = temporary.path().join("data");
    let (ok, _, err) = run(&directory, &["serve", "--cert", bad, "--key", bad]);
    assert!(!ok && err.contains("bad.pem"), "{err}");
    let (ok, _, err) = run(&directory, &["serve", "--cert", bad]);
    assert!(!ok && err.contains("--key"), "{err}");
}

#[test]
fn settings_are_checked_without_starting_anything() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("data");
    let file = temporary.path().join("invigil-sfu.toml");
    let check = |text: &str, shards: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = command(
            &directory,
            &["serve", "--check-config", "--config", file.to_str().unwrap()],
        );
        let output = command.env("INVIGIL_SHARDS", shards).output().unwrap();
        assert!(!directory.exists(), "something was made");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = check("[http]\nlistne = 1\n[media]\nannounce = [\"127.0.0.1\"]\n", "99");
    assert_eq!(code, Some(1));
    for place in [
        "invigil-sfu.toml:2:1: http.listne: ",
        "invigil-sfu.toml:4:1: media.announce: ",
        "environment INVIGIL_SHARDS: media.shards: ",
    ] {
        assert!(words.contains(place), "{words}");
    }
    let (code, words) = check("[http]\nlisten = \"127.0.0.1:0\"\n", "2");
    assert_eq!(code, Some(0), "{words}");
}

#[test]
fn media_that_nobody_else_reaches_are_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--media", "127.0.0.1:0"];
    let (ok, _, words) = run(&directory, &arguments);
    assert!(
        !ok && words.contains("flag --media: media.listen: ") && words.contains("--development"),
        "{words}"
    );
    assert!(!directory.exists());
}

#[test]
fn the_schema_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_invigil-sfu"))
        .args(["config", "schema"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["properties"]["development"]["type"], "boolean");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_databases_password_is_never_shown() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("data");
    for (url, arguments) in [
        ("postgres://someone:hidden@127.0.0.1:9/nothing", &["exam", "list"][..]),
        ("postgres://someone:hidden@127.0.0.1:port/nothing", &["exam", "list"]),
        ("mysql://someone:hidden@127.0.0.1/nothing", &["serve"]),
        (
            "postgres://someone:hidden@127.0.0.1/nothing",
            &["serve", "--no-such-flag"],
        ),
        ("postgres://someone:hidden@127.0.0.1/nothing", &["serve", "--help"]),
    ] {
        let in_environment = command(&directory, arguments).env("INVIGIL_DATABASE", url).output();
        let as_flag = command(&directory, arguments).args(["--database", url]).output();
        for output in [in_environment, as_flag] {
            let output = output.unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(!said.is_empty());
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("hidden"), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_changed_audit_log_is_told_with_its_place() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = &temporary.path().join("data");
    let add = |email: &str| {
        let (ok, _, words) = run(
            directory,
            &["user", "add", "--email", email, "--name", "N", "--role", "lead"],
        );
        assert!(ok, "{words}");
    };
    add("a@x.example");
    let (ok, _, words) = run(directory, &["audit", "verify"]);
    assert!(!ok && words.contains("no checkpoint"), "{words}");
    drop(serve(directory));
    add("b@x.example");
    let (ok, out, words) = run(directory, &["audit", "verify"]);
    assert!(ok && out.starts_with("2 records"), "{out}{words}");
    let (ok, out, _) = run(directory, &["audit", "list", "--json"]);
    let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(ok && records.len() == 2, "{out}");
    let actor = records[1]["actor"].as_str().unwrap();
    assert!(actor.starts_with("operator:"), "{actor}");
    assert_eq!(records[1]["action"], "add_user");

    let tamper = |sql: &str| {
        let file = directory.join("invigil.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            use sqlx::{Connection, Executor};
            let mut database = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
            database.execute(sql).await.unwrap();
            database.close().await.unwrap();
        });
    };
    tamper("UPDATE audit SET actor = 'operator:nobody' WHERE seq = 2");
    let verify = |arguments: &[&str]| {
        let output = command(directory, arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = verify(&["audit", "verify"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("record 2 was edited"), "{words}");
    // Only a copy of the checkpoints knows better than whoever empties both the log and the file beside it.
    let kept = temporary.path().join("kept.jsonl");
    std::fs::rename(directory.join("audit-checkpoints.jsonl"), &kept).unwrap();
    tamper("DELETE FROM audit");
    drop(serve(directory));
    let (code, words) = verify(&["audit", "verify"]);
    assert_eq!(code, Some(0), "{words}");
    let (code, words) = verify(&["audit", "verify", "--checkpoint", kept.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(words.contains("the end was cut off"), "{words}");
}
