//! GStreamer's webrtcbin, a third stack that we did not write (libnice, its own DTLS and RTP), publishes through WHIP and plays
//! through WHEP.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_tests::process::Process;
use invigil_tests::stage::{PROCTOR, Stage};
use invigil_tests::wait;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Starts the pipeline. Debian's own Python has the bindings, whatever else is called `python3` here.
fn start(mode: &str, url: &str, token: &str, logs: &Path) -> Process {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/gstreamer_peer.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).args([mode, url, token]);
    Process::start(&format!("gstreamer-{mode}"), &mut command, logs).unwrap()
}

/// Waits until the pipeline's last line has more than these counts of pictures and sounds.
fn until(process: &Process, pictures: u64, sounds: u64) -> (u64, u64) {
    let what = format!("GStreamer's {pictures} pictures and {sounds} sounds");
    let found = wait::until(LIMIT, &what, || {
        let log = process.log_text();
        let last = log
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<Value>(line).ok())?;
        assert_eq!(last["error"], Value::Null, "{log}");
        let counts = (last["video"].as_u64()?, last["audio"].as_u64()?);
        (counts.0 > pictures && counts.1 > sounds).then_some(counts)
    });
    found.unwrap_or_else(|error| panic!("{error:#}:\n{}", process.log_text()))
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_publishes_and_plays_vp8_and_opus() {
    let stage = Stage::set().unwrap();
    let exam = stage.exam("GST-1").unwrap();
    stage.add_proctor().unwrap();
    let candidate = stage.browser_candidate("GST-1", "Candidate 001").unwrap();
    let proctor = stage.token(PROCTOR).unwrap();
    let (whip, whep) = (
        stage.url(&format!("/whip/{exam}")),
        stage.url(&format!("/whep/{exam}?layer=high")),
    );
    let logs = tempfile::tempdir().unwrap();
    let publisher = start("publish", &whip, &candidate, logs.path());
    until(&publisher, 0, 0);
    let player = start("play", &whep, &proctor, logs.path());
    let (pictures, sounds) = until(&player, 5, 5);
    until(&player, pictures + 20, sounds + 50);
}
