//! Invitations by e-mail, taken by a real mail server: over TLS, with a password, and what an admin hears when it takes nothing.

use crate::common::{World, text, within};
use invigil_sfu::config::MailConfig;
use invigil_sfu::doctor::{self, Level};
use invigil_shared::people::InviteLink;
use invigil_shared::role::Role;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mail/receiver.py");
const PASSWORD: &str = "pass word: of tests";

/// A mail server of the test's own.
struct Receiver {
    folder: TempDir,
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Receiver {
    async fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(path("authority.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let own_key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&own_key, &Issuer::new(params, key)).unwrap();
        fs::write(path("certificate.pem"), own.pem()).unwrap();
        fs::write(path("key.pem"), own_key.serialize_pem()).unwrap();
        fs::write(path("password"), format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(path("password"), fs::Permissions::from_mode(0o600)).unwrap();
        // Debian's Python: another one on the path has no aiosmtpd.
        let mut process = Command::new("/usr/bin/python3")
            .args([RECEIVER, mode])
            .args([path("certificate.pem"), path("key.pem")])
            .args(["exams", PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's python3 and python3-aiosmtpd are needed");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = within("the mail server's start", lines.next_line()).await.unwrap();
        let port = port.expect("the mail server ended").parse().unwrap();
        Self {
            folder,
            port,
            lines,
            _process: process,
        }
    }

    fn settings(&self, server: &str) -> MailConfig {
        let file = |name: &str| Some(self.folder.path().join(name));
        MailConfig {
            server: Some(server.replace("PORT", &self.port.to_string())),
            from: Some("Prüfungsamt <exams@example.org>".into()),
            user: Some("exams".into()),
            password_file: file("password"),
            ca_file: file("authority.pem"),
            text_file: None,
        }
    }

    async fn next(&mut self) -> Value {
        let line = within("an e-mail", self.lines.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// A server with these settings, and an admin's token.
async fn world(mail: MailConfig) -> (World, String) {
    let world = World::start_set(|config| config.mail = mail).await;
    let admin = world.user_token("root@x.org", Role::Admin).await;
    (world, admin)
}

async fn invite(world: &World, admin: &str, email: &str) -> Value {
    let body = json!({ "email": email, "name": "Łucja Müller", "role": "lead" });
    let (status, told) = world.rest("POST", "/api/v1/users", Some(admin), &body).await;
    assert_eq!(status, 201, "{told}");
    told
}

async fn can_be_used(world: &World, link: &str) -> bool {
    let token = InviteLink::parse(link).unwrap().token;
    let body = json!({ "token": token });
    let (status, _) = world.rest("POST", "/api/v1/invitations/look", None, &body).await;
    status == 200
}

/// The line of an e-mail that is a link.
fn link_in(mail: &Value) -> &str {
    let found = text(&mail["text"]).lines().find(|line| line.starts_with("invigil://"));
    found.unwrap_or_else(|| panic!("no link: {mail}"))
}

async fn is_mailed_by(mode: &str, url: &str) {
    let mut receiver = Receiver::start(mode).await;
    let (world, admin) = world(receiver.settings(url)).await;
    let told = invite(&world, &admin, "lucja@example.org").await;
    assert_eq!(told["mailed"], true, "{told}");
    let mail = receiver.next().await;
    assert_eq!(mail["envelope"], json!(["exams@example.org", ["lucja@example.org"]]));
    assert_eq!((&mail["encrypted"], &mail["signed_in"]), (&json!(true), &json!(true)));
    let header = |name: &str| text(&mail["headers"][name]);
    assert_eq!(header("to"), "Łucja Müller <lucja@example.org>");
    assert_eq!(header("from"), "Prüfungsamt <exams@example.org>");
    assert_eq!(header("auto-submitted"), "auto-generated");
    assert!(header("message-id").ends_with("@example.org>") && !header("date").is_empty());
    assert!(!header("subject").contains("token"));
    assert!(text(&mail["text"]).contains("Łucja Müller"), "{mail}");
    // What arrives is what the admin was shown.
    assert_eq!(link_in(&mail), text(&told["link"]));
    assert!(can_be_used(&world, link_in(&mail)).await);

    let path = format!("/api/v1/users/{}/link", text(&told["user"]["id"]));
    let (status, renewed) = world.rest("POST", &path, Some(&admin), &json!({})).await;
    assert_eq!((status, &renewed["mailed"]), (200, &json!(true)));
    let second = receiver.next().await;
    assert_eq!(link_in(&second), text(&renewed["link"]));
    assert!(!can_be_used(&world, link_in(&mail)).await, "the one before is void");
}

#[tokio::test]
async fn an_invitation_is_mailed_after_starttls() {
    is_mailed_by("starttls", "smtp://localhost:PORT").await;
}

#[tokio::test]
async fn an_invitation_is_mailed_under_tls_from_the_first_byte() {
    is_mailed_by("implicit", "smtps://localhost:PORT").await;
}

#[tokio::test]
async fn a_mail_server_on_this_machine_needs_neither_tls_nor_password() {
    let mut receiver = Receiver::start("plain").await;
    let settings = MailConfig {
        user: None,
        password_file: None,
        ..receiver.settings("smtp://localhost:PORT?tls=none")
    };
    let (world, admin) = world(settings).await;
    assert_eq!(invite(&world, &admin, "a@example.org").await["mailed"], true);
    assert_eq!(receiver.next().await["encrypted"], false);
}

#[tokio::test]
async fn an_institution_writes_in_its_own_words() {
    let mut receiver = Receiver::start("starttls").await;
    let words = receiver.folder.path().join("words");
    fs::write(
        &words,
        "Subject: Zugang zu Prüfungen\n\nGuten Tag {name} ({email}),\n\n{link}\n",
    )
    .unwrap();
    let settings = MailConfig {
        text_file: Some(words),
        ..receiver.settings("smtp://localhost:PORT")
    };
    let (world, admin) = world(settings).await;
    let told = invite(&world, &admin, "lucja@example.org").await;
    let mail = receiver.next().await;
    assert_eq!(mail["headers"]["subject"], "Zugang zu Prüfungen");
    let expected = format!("Guten Tag Łucja Müller (lucja@example.org),\n\n{}", text(&told["link"]));
    assert_eq!(mail["text"], expected);
}

/// Nobody's link is lost because an e-mail is: the admin has it, and hears that nobody else does.
#[tokio::test]
async fn an_admin_hears_when_an_invitation_was_not_mailed() {
    let receiver = Receiver::start("starttls").await;
    let good = receiver.settings("smtp://localhost:PORT");
    let refused = invite_with(good.clone(), "nobody@refused.example.org").await;
    assert_eq!(refused["mailed"], false, "a recipient that the mail server refuses");
    let wrong = receiver.folder.path().join("wrong");
    fs::write(&wrong, "another password").unwrap();
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o600)).unwrap();
    for (why, settings) in [
        (
            "a password that the mail server refuses",
            MailConfig {
                password_file: Some(wrong),
                ..good.clone()
            },
        ),
        (
            "an authority that nobody believes",
            MailConfig {
                ca_file: None,
                ..good.clone()
            },
        ),
        (
            "STARTTLS that is needed and not there",
            Receiver::start("plain").await.settings("smtp://localhost:PORT"),
        ),
        (
            "nobody there",
            MailConfig {
                server: Some("smtp://localhost:1?tls=none".into()),
                ..good.clone()
            },
        ),
    ] {
        assert_eq!(invite_with(settings, "a@example.org").await["mailed"], false, "{why}");
    }
    let none = invite_with(MailConfig::default(), "a@example.org").await;
    assert_eq!(none["mailed"], Value::Null, "no mail server");
}

/// Invites with a server of its own; the link can be used whatever became of the e-mail.
async fn invite_with(settings: MailConfig, email: &str) -> Value {
    let (world, admin) = world(settings).await;
    let told = invite(&world, &admin, email).await;
    assert!(can_be_used(&world, text(&told["link"])).await);
    told
}

#[tokio::test]
async fn doctor_tries_the_mail_server() {
    let receiver = Receiver::start("implicit").await;
    let good = receiver.settings("smtps://localhost:PORT");
    let (world, _) = world(MailConfig::default()).await;
    let found = async |mail: MailConfig| {
        let mut config = world.config.clone();
        config.mail = mail;
        let mut findings = doctor::examine(&config, invigil_sfu::clock::now_us() / 1_000_000).await;
        findings.retain(|finding| finding.check == "mail");
        findings.pop()
    };
    let fine = found(good.clone()).await.unwrap();
    assert_eq!(fine.level, Level::Ok, "{fine:?}");
    let unbelieved = MailConfig { ca_file: None, ..good };
    let finding = found(unbelieved).await.unwrap();
    assert_eq!(finding.level, Level::Warning, "{finding:?}");
    assert!(
        finding.words.contains("certificate") && finding.fix.contains("mail.ca_file"),
        "{finding:?}"
    );
    assert!(found(MailConfig::default()).await.is_none());
}
