//! The proctor's real window with both places where pictures are decoded: the app, and the window's web view. Asserted on drawn
//! pixels.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::process::Process;
use invigil_tests::screen::{Screen, picture_folder};
use invigil_tests::sfu::{Sfu, bin_dir};
use invigil_tests::wait;
use invigil_tests::watcher::PASSWORD;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const CANDIDATES: usize = 2;
/// Different pictures that a live source shows.
const LIVE: usize = 5;

/// Different pictures that were drawn of each source's layer, from whole lines of frames.csv.
fn drawn(file: &Path) -> BTreeMap<(String, String, String), usize> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut pictures: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for line in whole.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let source = (columns[0].to_owned(), columns[1].to_owned(), columns[2].to_owned());
        pictures.entry(source).or_default().insert(columns[8].to_owned());
    }
    pictures
        .into_iter()
        .map(|(source, seen)| (source, seen.len()))
        .collect()
}

fn has_thread(id: u32, name: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .any(|comm| comm.trim() == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_and_a_focus_view_decoded_by_the_app() {
    Box::pin(a_wall_and_a_focus_view("app")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_and_a_focus_view_decoded_by_the_web_view() {
    Box::pin(a_wall_and_a_focus_view("window")).await;
}

/// `place` is a value of `--decode`.
async fn a_wall_and_a_focus_view(place: &str) {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let sfu = Sfu::start(folder.path()).unwrap();
    let policy = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    sfu.create_exam("Without a decoder", "DECODE-1", &policy).unwrap();
    sfu.add_user("ada@tests.example", "Ada", "proctor", PASSWORD).unwrap();
    let mut bots = Vec::new();
    for n in 1..=CANDIDATES {
        let link = sfu
            .add_candidate("DECODE-1", &format!("Candidate {n:03}"), None)
            .unwrap();
        let bot = Bot::join(
            &link,
            &BotOptions {
                tone: None,
                ..BotOptions::whole(n as u64)
            },
        )
        .await
        .unwrap();
        bots.push(tokio::spawn(bot.run()));
    }
    let screen = Screen::virtual_screen("proctor", 1440, 900, &logs).unwrap();
    let data = folder.path().join("proctor");
    let mut command = Command::new(bin_dir().join("invigil-proctor"));
    command
        .args(["--server", &sfu.ready.https, "--pin", &sfu.ready.certificate_sha256])
        .args(["--email", "ada@tests.example", "--password-stdin", "--exam", "DECODE-1"])
        .args(["--fullscreen", "--decode", place, "--data-dir"])
        .arg(&data)
        .env("DISPLAY", &screen.display)
        .env("INVIGIL_MEASURE_DIR", folder.path());
    let proctor = Process::start_with_input("proctor", &mut command, &format!("{PASSWORD}\n"), &logs).unwrap();
    let frames = folder.path().join("frames.csv");

    wait::until_async(LIMIT, "live pictures of everybody's camera and screen", || {
        let live = drawn(&frames).into_values().filter(|&n| n >= LIVE).count();
        (live >= 2 * CANDIDATES).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(has_thread(proctor.id(), "decoder"), place == "app", "who decoded");
    let pictures = picture_folder().unwrap();
    let colours = screen
        .until_lively(&pictures.join(format!("decoded-in-{place}-wall.png")), LIMIT)
        .unwrap();
    assert!(colours > 200, "a wall of {colours} colours");

    let pressed = Command::new("xdotool")
        .args(["key", "n"])
        .env("DISPLAY", &screen.display)
        .status()
        .unwrap();
    assert!(pressed.success());
    wait::until_async(LIMIT, "a live screen in its high layer", || {
        let drawn = drawn(&frames);
        let high = |((_, publication, layer), &n): (&(String, String, String), &usize)| {
            publication == "screen/0" && layer == "high" && n >= LIVE
        };
        drawn.iter().any(high).then_some(())
    })
    .await
    .unwrap();
    screen
        .picture(&pictures.join(format!("decoded-in-{place}-focus.png")))
        .unwrap();
}
