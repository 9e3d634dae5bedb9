//! The demo without anybody: the same programs on virtual screens, measured. Everything that the report says can be
//! recomputed from the files that stay in `--out`.

use crate::raw::{self, CpuPercent, Machine, Phases};
use crate::report::{self, LEAST_JOINS};
use crate::stage::{EXAM_CODE, Stage, expect};
use crate::{Options, raw::Frame};
use anyhow::{Context, Result, bail};
use invigil_capture::now_us;
use invigil_client::ClientInfo;
use invigil_client::media::MediaOptions;
use invigil_client::proctor::{ProctorClient, ProctorConfig, ProctorEvent};
use invigil_tests::process::Process;
use invigil_tests::screen::Screen;
use invigil_tests::sound::Sound;
use invigil_tests::usage::{Usage, is_web_view};
use invigil_tests::wait;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Until every candidate's first picture is drawn.
const START: Duration = Duration::from_secs(90);
/// Until a pressed key has shown its effect.
const EFFECT: Duration = Duration::from_secs(20);
/// Between the last first picture and the measurement: encoders and jitter buffers settle.
const SETTLE: Duration = Duration::from_secs(3);
/// How often the candidate's app loses the focus and gets it back, so that the way of an event has a percentile.
const FOCUS_LOSSES: u32 = 10;
/// Between two joins of those without windows.
const JOIN_PAUSE_MS: u64 = 400;

pub async fn run(options: &Options, bin_dir: &Path) -> Result<()> {
    let out = options.out.as_path();
    std::fs::create_dir_all(out)?;
    let folder = tempfile::Builder::new().prefix("invigil-demo-").tempdir()?;
    let measured = measure(options, bin_dir, folder.path()).await;
    keep_logs(&folder.path().join("logs"), &out.join("logs"))?;
    measured?;
    let report = report::compute(out)?;
    std::fs::write(out.join("report.json"), serde_json::to_string_pretty(&report)?)?;
    print(&report, out);
    if !report.problems.is_empty() {
        bail!(
            "{} problems:\n  {}",
            report.problems.len(),
            report.problems.join("\n  ")
        );
    }
    Ok(())
}

async fn measure(options: &Options, bin_dir: &Path, folder: &Path) -> Result<()> {
    let (out, logs) = (options.out.as_path(), folder.join("logs"));
    let others = options.candidates.unwrap_or(LEAST_JOINS);
    let candidate_screen = Screen::virtual_screen("candidate", 1280, 720, &logs)?;
    let proctor_screen = Screen::virtual_screen("proctor", 1440, 900, &logs)?;
    let mut sound = Sound::start(folder, &logs)?;
    sound.tone(440, &logs)?;
    let stage = Stage::set(folder, bin_dir, others)?;
    for name in [
        "invigil-candidate",
        "invigil-proctor",
        "invigil-load",
        "invigil-timecode",
    ] {
        expect(&stage.binary(name))?;
    }
    let frames = out.join("frames.csv");
    // What a run before this one left is not what this one shows.
    if let Err(error) = std::fs::remove_file(&frames)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("can't remove {}", frames.display()));
    }
    let _observer = observe(&stage, &out.join("events.jsonl")).await?;
    let measure_dir = std::path::absolute(out)?;
    let mut command = Command::new(stage.binary("invigil-proctor"));
    command.args(stage.proctor_arguments()).arg("--fullscreen");
    command
        .env("DISPLAY", &proctor_screen.display)
        .env("INVIGIL_MEASURE_DIR", &measure_dir);
    sound.environment(&mut command);
    let proctor = Process::start_with_input("proctor", &mut command, &format!("{}\n", stage.password), &logs)?;
    let mut command = Command::new(stage.binary("invigil-candidate"));
    command
        .args(stage.candidate_arguments())
        .arg("--fullscreen")
        .env("DISPLAY", &candidate_screen.display);
    sound.environment(&mut command);
    let candidate = Process::start("candidate", &mut command, &logs)?;
    let mut command = Command::new(stage.binary("invigil-timecode"));
    let _code = Process::start("timecode", command.env("DISPLAY", &candidate_screen.display), &logs)?;
    println!("Waiting for the candidate's app to publish");
    let drawn = |publication: &str| -> BTreeSet<String> {
        let frames = raw::frames(&frames).unwrap_or_default();
        frames
            .into_iter()
            .filter(|f| f.publication == publication)
            .map(|f| f.participant)
            .collect()
    };
    let first = wait::until_async(START, "the first picture on the proctor's wall", || {
        drawn("screen/0").pop_first()
    })
    .await?;
    println!("{others} more candidates join");
    let others_playing = stage.start_others(&out.join("joins.csv"), JOIN_PAUSE_MS, true)?;
    let everybody = format!("{} candidates on the wall", others + 1);
    wait::until_async(START, &everybody, || {
        (drawn("camera/0").len() > others && drawn("screen/0").len() > others).then_some(())
    })
    .await?;
    tokio::time::sleep(SETTLE).await;

    println!("Measuring the wall for {} s", options.seconds);
    let usage = Usage::start()?;
    let phase = Duration::from_secs(options.seconds);
    let wall = during(phase).await;
    proctor_screen.picture(&out.join("proctor-wall.png"))?;

    println!("Measuring the focus view for {} s", options.seconds);
    press(&proctor_screen, &["n"])?;
    let latest = |pick: &dyn Fn(&Frame) -> bool| {
        raw::frames(&frames)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(400)
            .any(pick)
    };
    wait::until_async(EFFECT, "the screen in its high layer", || {
        latest(&|f| f.participant == first && f.publication == "screen/0" && f.layer == "high").then_some(())
    })
    .await?;
    press(&proctor_screen, &["m"])?;
    tokio::time::sleep(SETTLE).await;
    let focus_start = now_us();
    for _ in 0..FOCUS_LOSSES {
        lose_focus(&candidate_screen, &logs, phase / FOCUS_LOSSES / 2).await?;
        tokio::time::sleep(phase / FOCUS_LOSSES / 2).await;
    }
    let focus = (focus_start, now_us());
    proctor_screen.picture(&out.join("proctor-focus.png"))?;
    candidate_screen.picture(&out.join("candidate.png"))?;
    let cpu_percent = CpuPercent {
        sfu: usage.percent(stage.sfu.id(), |_| true),
        candidate: usage.percent(candidate.id(), |name| !is_web_view(name)),
        proctor: usage.percent(proctor.id(), |name| !is_web_view(name)),
        webviews: usage.percent(candidate.id(), is_web_view) + usage.percent(proctor.id(), is_web_view),
        others: usage.percent(others_playing.id(), |_| true),
        machine_idle: usage.idle_percent()?,
    };
    press(&proctor_screen, &["m"])?;
    let phases = Phases {
        candidate: first,
        wall,
        focus,
        cpu_percent,
        machine: Machine::here(),
    };
    std::fs::write(out.join("phases.json"), serde_json::to_string_pretty(&phases)?)?;
    Ok(())
}

/// A stretch of time that is measured.
async fn during(time: Duration) -> (i64, i64) {
    let start = now_us();
    tokio::time::sleep(time).await;
    (start, now_us())
}

/// Another window comes to the front on the candidate's screen, stays a while, and goes.
async fn lose_focus(screen: &Screen, logs: &Path, time: Duration) -> Result<()> {
    let mut command = Command::new("xev");
    let mut window = Process::start("another-window", command.env("DISPLAY", &screen.display), logs)?;
    tokio::time::sleep(time).await;
    window.end();
    Ok(())
}

fn press(screen: &Screen, keys: &[&str]) -> Result<()> {
    let mut command = Command::new("xdotool");
    let status = command
        .args(["key", "--delay", "100"])
        .args(keys)
        .env("DISPLAY", &screen.display)
        .status();
    if !status.context("can't start xdotool")?.success() {
        bail!("xdotool could not press {keys:?}");
    }
    Ok(())
}

/// A second person writes down what reaches the timeline, and when: a lead, who is given no candidates to watch.
async fn observe(stage: &Stage, file: &Path) -> Result<ProctorClient> {
    stage
        .sfu
        .add_user("observer@demo.example", "Observer", "lead", &stage.password)?;
    let api = stage.sfu.api()?;
    let token = api
        .sign_in("observer@demo.example", &stage.password)
        .await?
        .access_token;
    let (info, media) = (ClientInfo::new("invigil-demo"), MediaOptions::default());
    let exam = stage.exam.id;
    let (client, mut events) = ProctorClient::start(ProctorConfig {
        api,
        token,
        exam,
        info,
        media,
    });
    let mut file = File::create(file)?;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let ProctorEvent::Timeline(entry) = event {
                let line = serde_json::json!({"seen_at_us": now_us(), "entry": entry});
                if writeln!(file, "{line}").is_err() {
                    return;
                }
            }
        }
    });
    println!("A lead writes down the timeline of {EXAM_CODE}");
    Ok(client)
}

fn keep_logs(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn print(report: &report::Report, out: &Path) {
    let spread = |s: &Option<invigil_tests::figures::Spread>| {
        s.map_or("nothing measured".into(), |s| {
            format!("p50 {:.0} ms, p95 {:.0} ms (n {})", s.p50, s.p95, s.n)
        })
    };
    println!("\nJoin to first picture   {}", spread(&report.join_to_first_frame_ms));
    println!("Capture to tile         {}", spread(&report.capture_to_tile_ms));
    println!("Event to timeline       {}", spread(&report.event_to_timeline_ms));
    match &report.audio {
        Some(audio) => println!(
            "Sound                   {} Hz, {} dBFS, {} gaps in {} s",
            audio.tone_hz,
            audio.rms_dbfs,
            audio.gaps_ms.len(),
            audio.seconds
        ),
        None => println!("Sound                   nothing heard"),
    }
    let cpu = &report.cpu_percent;
    println!(
        "CPU, percent of a core  SFU {}, candidate {}, proctor {}, web views {}, the other candidates {}; {}% of the machine idle",
        cpu.sfu, cpu.candidate, cpu.proctor, cpu.webviews, cpu.others, cpu.machine_idle
    );
    println!("Pictures and raw figures in {}", out.display());
}
