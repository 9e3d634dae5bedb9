//! Both real apps in real windows on virtual screens, under WebDriver: join, see, message, warn, kill the server, kill the web
//! process, recover. Asserted on drawn pixels and decoded sound; pictures of the windows stay in `out/e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_tests::namespace::Namespace;
use invigil_tests::process::Process;
use invigil_tests::screen::{Screen, picture_folder};
use invigil_tests::sfu::{Sfu, bin_dir};
use invigil_tests::sound::{Sound, read_wav, strongest_tone};
use invigil_tests::watcher::PASSWORD;
use invigil_tests::webdriver::App;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// How long the cable to the server is out.
const CUT: Duration = Duration::from_secs(20);

struct Stage {
    sfu: Sfu,
    network: Namespace,
    candidate_screen: Screen,
    proctor_screen: Screen,
    _sound: Sound,
    candidate: App,
    proctor: App,
    _code: Process,
    pictures: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Both apps, nothing typed yet.
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let network = Namespace::create().unwrap();
        let sfu = Sfu::start_behind(&network, folder.path()).unwrap();
        let candidate_screen = Screen::virtual_screen("candidate", 1280, 800, &logs).unwrap();
        let proctor_screen = Screen::virtual_screen("proctor", 1440, 900, &logs).unwrap();
        let mut sound = Sound::start(folder.path(), &logs).unwrap();
        sound.tone(440, &logs).unwrap();
        let mut command = Command::new(bin_dir().join("invigil-timecode"));
        let code = Process::start("timecode", command.env("DISPLAY", &candidate_screen.display), &logs).unwrap();
        let data = |name: &str| {
            vec![
                "--data-dir".to_owned(),
                folder.path().join(name).to_string_lossy().into_owned(),
                "--fullscreen".to_owned(),
            ]
        };
        let environment = |screen: &Screen, measured: Option<&str>| {
            let (display, measured) = (screen.display.clone(), measured.map(|name| folder.path().join(name)));
            let sound = &sound;
            move |command: &mut Command| {
                command.env("DISPLAY", display);
                sound.environment(command);
                if let Some(directory) = measured {
                    command.env("INVIGIL_MEASURE_DIR", directory);
                }
            }
        };
        let (candidate_app, proctor_app) = (bin_dir().join("invigil-candidate"), bin_dir().join("invigil-proctor"));
        let arguments = [data("candidate"), vec!["--test-picture".into()]].concat();
        let prepare = environment(&candidate_screen, None);
        let candidate = App::start("candidate", &candidate_app, &arguments, prepare, &logs)
            .await
            .unwrap();
        let (arguments, prepare) = (data("proctor"), environment(&proctor_screen, Some("measured")));
        let proctor = App::start("proctor", &proctor_app, &arguments, prepare, &logs)
            .await
            .unwrap();
        Self {
            sfu,
            network,
            candidate_screen,
            proctor_screen,
            _sound: sound,
            candidate,
            proctor,
            _code: code,
            pictures: picture_folder().unwrap(),
            folder,
        }
    }

    fn keep(&self, name: &str) {
        self.proctor_screen
            .picture(&self.pictures.join(format!("{name}-proctor.png")))
            .unwrap();
        self.candidate_screen
            .picture(&self.pictures.join(format!("{name}-candidate.png")))
            .unwrap();
    }
}

impl Stage {
    /// Both windows say that there is no connection.
    async fn both_offline(&self) {
        let says = |text: &str| format!("return document.body.innerText.includes('{text}')");
        let (candidate, proctor) = (says("Connection lost"), says("You are offline"));
        self.candidate
            .until(&candidate, LIMIT, "the candidate's banner")
            .await
            .unwrap();
        self.proctor
            .until(&proctor, LIMIT, "the proctor's banner")
            .await
            .unwrap();
    }

    /// Both windows are in the same session again, by themselves, with live pictures.
    async fn both_back(&self) {
        let script = "const t = document.body.innerText; return !t.includes('Connection lost') && t.includes('Connected') && t.includes('Live')";
        self.candidate
            .until(script, LIMIT, "the candidate to be back")
            .await
            .unwrap();
        let online = "return !document.body.innerText.includes('You are offline')";
        self.proctor
            .until(online, LIMIT, "the proctor to be back")
            .await
            .unwrap();
        canvas_lives(&self.proctor, LIMIT).await.unwrap();
    }
}

/// Different colours in the middle of the proctor's canvas, and whether it changes between two looks.
async fn canvas_lives(app: &App, limit: Duration) -> anyhow::Result<()> {
    let script = "const c = [...document.querySelectorAll('canvas')].sort((a, b) => b.width * b.height - a.width * a.height)[0];
        if (!c) return false;
        const g = c.getContext('2d'); const d = g.getImageData(0, 0, c.width, c.height).data;
        const seen = new Set(); let sum = 0;
        for (let i = 0; i < d.length; i += 4 * 997) { seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); sum = (sum * 31 + d[i] + d[i + 1] * 7 + d[i + 2] * 13) >>> 0; }
        const last = window.__lastCanvas; window.__lastCanvas = sum;
        return seen.size > 24 && last !== undefined && last !== sum;";
    // What an earlier call saw says nothing: the picture may have stood still since.
    app.run("window.__lastCanvas = undefined").await?;
    app.until(script, limit, "moving pictures on the canvas").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_go_through_an_exam() {
    let mut stage = Stage::set().await;
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    stage
        .sfu
        .create_exam("Microbiology II, final exam", "MICRO-204", &policy)
        .unwrap();
    let link = stage
        .sfu
        .add_candidate("MICRO-204", "Candidate 014", Some("C2"))
        .unwrap();
    let server = stage.sfu.ready.https.clone();

    // The proctor signs in by hand, compares the certificate once, and opens the exam.
    stage
        .sfu
        .add_user("ada@tests.example", "Ada", "proctor", PASSWORD)
        .unwrap();
    let proctor = &stage.proctor;
    proctor.appears("input[type=password]", LIMIT).await.unwrap();
    stage.keep("1-start");
    proctor.type_into("input[autocomplete=url]", &server).await.unwrap();
    proctor
        .type_into("input[type=email]", "ada@tests.example")
        .await
        .unwrap();
    proctor.type_into("input[type=password]", PASSWORD).await.unwrap();
    proctor.press("button[type=submit]").await.unwrap();
    let pin = stage.sfu.ready.certificate_sha256.clone();
    let shows_pin = format!("return document.body.innerText.toLowerCase().replace(/[^0-9a-f]/g, '').includes('{pin}')");
    proctor
        .until(&shows_pin, LIMIT, "the certificate's SHA-256")
        .await
        .unwrap();
    stage.keep("2-certificate");
    proctor.press_text("It is the same").await.unwrap();
    proctor
        .until(
            "return document.body.innerText.includes('Microbiology II, final exam')",
            LIMIT,
            "the exam's title",
        )
        .await
        .unwrap();
    stage.keep("3-exams");
    proctor.press_text("Watch").await.unwrap();

    // The candidate joins with a pasted link, agrees, checks, starts.
    let candidate = &stage.candidate;
    candidate.appears("#server", LIMIT).await.unwrap();
    candidate.paste_into("#server", &link.to_text()).await.unwrap();
    candidate.press("button[type=submit]").await.unwrap();
    candidate.appears("input[type=checkbox]", LIMIT).await.unwrap();
    stage.keep("4-consent");
    candidate.press("label.tick").await.unwrap();
    candidate.press_text("Agree and continue").await.unwrap();
    candidate.until("return [...document.querySelectorAll('button')].some((b) => b.innerText.includes('Start the exam') && !b.disabled)", LIMIT, "every check to pass").await.unwrap();
    stage.keep("5-check");
    candidate.press_text("Start the exam").await.unwrap();
    candidate
        .until(
            "return document.body.innerText.includes('Live')",
            LIMIT,
            "the mark \"Live\"",
        )
        .await
        .unwrap();

    // The proctor sees, opens, listens.
    proctor.appears("[role=option]", LIMIT).await.unwrap();
    canvas_lives(proctor, LIMIT).await.unwrap();
    stage.keep("6-wall");
    proctor.press("[role=option]").await.unwrap();
    proctor
        .until(
            "return document.querySelector('[data-region=picture]') !== null",
            LIMIT,
            "the focus view",
        )
        .await
        .unwrap();
    canvas_lives(proctor, LIMIT).await.unwrap();
    proctor.keys("m").await.unwrap();
    candidate
        .until(
            "return document.body.innerText.includes('A proctor is listening')",
            LIMIT,
            "word that a proctor listens",
        )
        .await
        .unwrap();
    stage.keep("7-focus");

    // The tone goes the whole way: microphone, Opus, SFU, jitter buffer, decoder.
    let heard = stage.folder.path().join("measured/proctor-audio.wav");
    let (samples, rate) = invigil_tests::wait::until_async(LIMIT, "three seconds of decoded sound", || {
        let (samples, rate) = read_wav(&heard).ok()?;
        (samples.iter().filter(|s| s.abs() > 0.01).count() > 3 * rate as usize).then_some((samples, rate))
    })
    .await
    .unwrap();
    let hertz = strongest_tone(&samples, rate);
    assert!((438.0..=442.0).contains(&hertz), "{hertz} Hz");

    // A warning needs "I understand".
    proctor.keys("w").await.unwrap();
    proctor.appears("#warn-text", LIMIT).await.unwrap();
    proctor
        .type_into("#warn-text", "Look at your own screen.")
        .await
        .unwrap();
    stage.keep("8-warn");
    proctor.keys_with_control("\u{E007}").await.unwrap();
    candidate.until("return document.querySelector('[role=alertdialog]')?.innerText.includes('Look at your own screen.') === true", LIMIT, "the warning").await.unwrap();
    stage.keep("9-warned");
    candidate.press_text("I understand").await.unwrap();
    candidate
        .until(
            "return document.querySelector('[role=alertdialog]') === null",
            LIMIT,
            "the warning to go",
        )
        .await
        .unwrap();

    // The server is killed and comes back: both apps say so calmly and are back by themselves.
    stage.sfu.kill();
    stage.both_offline().await;
    stage.keep("10-offline");
    stage.sfu.restart().unwrap();
    stage.both_back().await;
    stage.keep("11-back");

    // The cable to the server is pulled for a while.
    stage.network.cut().unwrap();
    stage.both_offline().await;
    tokio::time::sleep(CUT).await;
    stage.network.mend().unwrap();
    stage.both_back().await;
    stage.keep("12-cable-back");
    stage.proctor.keys("\u{E00C}").await.unwrap(); // Escape, to the wall
    let tiles = "return document.querySelectorAll('[role=option]').length === 1";
    stage
        .proctor
        .until(tiles, LIMIT, "one candidate on the wall, the same one")
        .await
        .unwrap();
    canvas_lives(&stage.proctor, LIMIT).await.unwrap();

    // The web process of the proctor's window dies: state lives in Rust, the window comes back with its pictures.
    let killed = stage.proctor.kill_web_process().unwrap();
    assert!(killed > 0, "the proctor's window has a web process");
    let wall = stage
        .proctor_screen
        .until_lively(&stage.pictures.join("13-reloaded-proctor.png"), LIMIT)
        .unwrap();
    assert!(wall > 200, "a window of {wall} colours");
}
