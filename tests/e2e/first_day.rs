//! The first day of a server, in the proctor's real window under WebDriver: an admin makes the first account with the setup code, connects a
//! system, invites a lead; the lead chooses a password by the link, makes an exam, imports its roster and schedules it. What the windows
//! handed out is then used for real. Pictures stay in `out/e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::device::DeviceKey;
use invigil_shared::exam::ExamStatus;
use invigil_shared::rest::JoinLink;
use invigil_shared::role::Role;
use invigil_tests::screen::{Screen, picture_folder};
use invigil_tests::sfu::{Sfu, bin_dir};
use invigil_tests::webdriver::App;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const ADMIN: &str = "amara@tests.example";
const LEAD: &str = "jonas@tests.example";
const PASSWORD: &str = "a long and easy password";
const ROSTER: &str = "label,seat,extra_time_percent\nGrace Hopper,A1,25\nAda Lovelace,A2,\n";

struct Window {
    app: App,
    screen: Screen,
    pictures: PathBuf,
}

impl Window {
    async fn says(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({text:?})");
        let said = self.app.until(&script, LIMIT, text).await;
        if let Err(error) = said {
            panic!("{error:#}\nthe window says:\n{}", self.app.text().await.unwrap());
        }
    }

    /// Presses a button once it can be pressed.
    async fn press(&self, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll('button')].some((b) => !b.disabled && b.innerText.includes({text:?}))"
        );
        self.app.until(&script, LIMIT, text).await.unwrap();
        self.app.press_text(text).await.unwrap();
    }

    async fn fill(&self, css: &str, text: &str) {
        self.app.appears(css, LIMIT).await.unwrap();
        self.app.type_into(css, text).await.unwrap();
    }

    /// What a field holds that was handed out.
    async fn handed(&self, css: &str) -> String {
        self.app.appears(css, LIMIT).await.unwrap();
        let script = format!("return document.querySelector({css:?}).value");
        self.app.run(&script).await.unwrap().as_str().unwrap().to_owned()
    }

    fn keep(&self, name: &str) {
        let file = self.pictures.join(format!("first-day-{name}.png"));
        self.screen.picture(&file).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_made_ready_for_its_first_exam_without_a_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let sfu = Sfu::start(folder.path()).unwrap();
    let screen = Screen::virtual_screen("proctor", 1440, 900, &logs).unwrap();
    let display = screen.display.clone();
    let data = folder.path().join("proctor").to_string_lossy().into_owned();
    let arguments = ["--data-dir".to_owned(), data, "--fullscreen".to_owned()];
    let prepare = move |command: &mut std::process::Command| {
        command.env("DISPLAY", display);
    };
    let program = bin_dir().join("invigil-proctor");
    let app = App::start("proctor", &program, &arguments, prepare, &logs)
        .await
        .unwrap();
    let window = Window {
        app,
        screen,
        pictures: picture_folder().unwrap(),
    };

    // The first account, and the server's certificate looked at once.
    window.press("First start").await;
    window.fill("input[autocomplete=url]", &sfu.ready.https).await;
    window
        .fill("input.code", sfu.ready.setup_code.as_deref().unwrap())
        .await;
    window.fill("input[autocomplete=name]", "Amara Okafor").await;
    window.fill("input[type=email]", ADMIN).await;
    window.fill("input[type=password]", PASSWORD).await;
    window.app.press("button[type=submit]").await.unwrap();
    window.press("It is the same").await;
    window.says("Sign out").await;
    window.keep("1-exams");

    // A system gets a key, which opens what was ticked and nothing more.
    window.press("Systems").await;
    window.says("No system has a key yet").await;
    window.press("Make a key").await;
    window.fill("#key-name", "Timetable").await;
    window.app.press("input[value='exams:read']").await.unwrap();
    window.press("Make the key").await;
    let key = window.handed("#secret").await;
    window.keep("2-key");
    let api = sfu.api().unwrap();
    assert!(api.exams(&key).await.unwrap().is_empty());
    let people = api.users(&key, None).await.unwrap_err();
    assert!(people.code() == "forbidden", "{people}");
    window.press("Close").await;
    window.press("Refresh").await;
    window.says("Used").await;
    window.press("Revoke").await;
    window.press("Revoke now").await;
    window.says("Revoked").await;
    let revoked = api.exams(&key).await.unwrap_err();
    assert!(revoked.code() == "access_revoked", "{revoked}");
    window.press("Exams").await;

    // A lead is invited, and chooses a password by the link.
    window.press("People").await;
    window.press("Invite somebody").await;
    window.fill("#invite-name", "Jonas Weber").await;
    window.fill("#invite-email", LEAD).await;
    window.app.press("input[type=radio][value=lead]").await.unwrap();
    window.press("Make the link").await;
    let invitation = window.handed("#link").await;
    window.keep("3-invited");
    window.press("Close").await;
    window.press("Exams").await;
    window.press("Sign out").await;
    window.press("Invitation").await;
    window.fill("textarea.link", &invitation).await;
    window.app.press("button[type=submit]").await.unwrap();
    window.says("Welcome, Jonas Weber").await;
    window.keep("4-welcome");
    let passwords = "label:nth-of-type(1) input[type=password]";
    window.fill(passwords, PASSWORD).await;
    window.fill("input[aria-describedby=again-hint]", PASSWORD).await;
    window.press("Set password and sign in").await;

    // The exam: made, filled, scheduled.
    window.press("New exam").await;
    window
        .fill(".pair.wide label:first-child input", "Microbiology II")
        .await;
    window.fill("input.code", "MICRO-204").await;
    window.press("Make the exam").await;
    window.says("0 of 100 candidates").await;
    window.keep("5-draft");
    window.press("Roster").await;
    window.press("Import a list").await;
    window.app.appears("textarea", LIMIT).await.unwrap();
    window.app.paste_into("textarea", ROSTER).await.unwrap();
    window.press("Check the list").await;
    window.says("2 candidates can be imported").await;
    window.press("Import 2 candidates").await;
    window.says("Secrets of 2 candidates").await;
    window.keep("6-secrets");
    let link = "return [...document.querySelectorAll('td .link')].map((one) => one.innerText).find((text) => text.startsWith('invigil://'))";
    let link = window.app.run(link).await.unwrap();
    let link = JoinLink::parse(link.as_str().unwrap()).unwrap();
    window.app.press(".row.end .btn.p").await.unwrap();
    window.press("Schedule").await;
    window.says("Back to draft").await;
    window.keep("7-scheduled");

    // What the office handed out is known to the server: the exam is announced, its waiting room not open yet.
    let lead = api.sign_in(LEAD, PASSWORD).await.unwrap();
    assert_eq!(lead.role, Role::Lead);
    let exams = api.exams(&lead.access_token).await.unwrap();
    assert_eq!(
        exams
            .iter()
            .map(|exam| (exam.exam.code.as_str(), exam.exam.status, exam.roster))
            .collect::<Vec<_>>(),
        [("MICRO-204", ExamStatus::Scheduled, 2)]
    );
    assert_eq!(link.exam_code, "MICRO-204");
    let early = api
        .join(&link.exam_code, &link.secret, &DeviceKey::generate())
        .await
        .unwrap_err();
    assert!(early.code() == "exam_not_open", "{early}");
    window.app.end().await.unwrap();
}
