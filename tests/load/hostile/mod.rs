//! A hostile crowd against a live server, while one candidate and one proctor go on: malformed datagrams, bad frames and bodies,
//! and floods of junk and of requests that nobody authenticated.

mod datagrams;
mod flood;
mod frames;
mod honest;
mod mutate;

use crate::machine::{Meter, resident_kib};
use crate::stage::Stage;
use anyhow::{Context, Result};
use honest::Honest;
use invigil_tests::light::candidate::Seat;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub struct HostileOptions {
    /// The server to start; the one beside this program when none is given.
    #[arg(long)]
    pub sfu: Option<PathBuf>,
    /// Malformed datagrams.
    #[arg(long, default_value_t = 1_000_000)]
    pub datagrams: u64,
    /// Malformed datagrams a second.
    #[arg(long, default_value_t = 50_000)]
    pub datagrams_per_s: u64,
    /// Bad frames and bodies, together.
    #[arg(long, default_value_t = 100_000)]
    pub frames: u64,
    /// Junk packets a second.
    #[arg(long, default_value_t = 200_000)]
    pub junk_per_s: u64,
    /// STUN requests a second that nobody authenticated.
    #[arg(long, default_value_t = 50_000)]
    pub stun_per_s: u64,
    /// Seconds of each flood, and of the calm before.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// One attack.
#[derive(Debug, Serialize)]
pub struct Phase {
    pub what: &'static str,
    pub sent: u64,
    pub seconds: f64,
    pub per_s: f64,
    /// Bytes to and from whoever is not authenticated.
    pub bytes_out: u64,
    pub bytes_back: u64,
    /// The honest proctor's pictures a second of camera and screen together, as a share of the calm.
    pub fps_share: f64,
    pub resident_kib: u64,
    pub sfu_percent: f64,
    pub generator_percent: f64,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub calm_fps: f64,
    pub idle_kib: u64,
    pub grown_mib: f64,
    pub phases: Vec<Phase>,
    /// Whether the server runs and answers at the end, and the same two still see each other.
    pub alive: bool,
    pub honest_problems: Vec<String>,
}

/// What an attack did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pub sent: u64,
    pub bytes_out: u64,
    pub bytes_back: u64,
}

pub async fn play(options: &HostileOptions, folder: &Path) -> Result<Report> {
    let mut stage = Stage::set(options.sfu.as_deref(), folder, 3)?;
    let mut honest = Honest::start(&stage).await?;
    let media: SocketAddr = stage.sfu.ready.media.first().context("no media address")?.parse()?;
    println!("calm for {} s", options.seconds);
    let calm_fps = honest
        .fps_during(tokio::time::sleep(Duration::from_secs(options.seconds)))
        .await?
        .0;
    let idle_kib = resident_kib(stage.sfu.id())?;
    let mut report = Report {
        calm_fps,
        idle_kib,
        grown_mib: 0.0,
        phases: Vec::new(),
        alive: false,
        honest_problems: Vec::new(),
    };
    let insider = datagrams::Insider::join(&mut Seat::new(stage.links[1].clone()), &stage.shared).await?;
    let (seed, count, rate) = (options.seed, options.datagrams, options.datagrams_per_s);
    let attack = tokio::task::spawn_blocking(move || datagrams::send(media, insider, seed, (count, rate)));
    phase(&mut report, &stage, &mut honest, "malformed datagrams", attack).await?;
    let attack = tokio::spawn(frames::send(frames::Target::of(&stage)?, options.seed, options.frames));
    phase(&mut report, &stage, &mut honest, "bad frames and bodies", attack).await?;
    for (what, kind, rate) in [
        ("junk", flood::Kind::Junk, options.junk_per_s),
        ("unauthenticated STUN requests", flood::Kind::Stun, options.stun_per_s),
    ] {
        let time = Duration::from_secs(options.seconds);
        let attack = tokio::task::spawn_blocking(move || flood::send(media, kind, rate, time, seed));
        phase(&mut report, &stage, &mut honest, what, attack).await?;
    }
    let grown = report
        .phases
        .iter()
        .map(|phase| phase.resident_kib)
        .max()
        .unwrap_or(idle_kib);
    report.grown_mib = grown.saturating_sub(idle_kib) as f64 / 1_024.0;
    // Somebody new still gets in.
    let late =
        invigil_tests::light::candidate::Candidate::join(&mut Seat::new(stage.links[2].clone()), &stage.shared).await;
    if let Err(error) = &late {
        report
            .honest_problems
            .push(format!("nobody can join any more: {error:#}"));
    }
    report.alive = stage.sfu.runs() && late.is_ok();
    report.honest_problems.extend(honest.problems());
    Ok(report)
}

/// Measures everybody while an attack runs.
async fn phase(
    report: &mut Report,
    stage: &Stage,
    honest: &mut Honest,
    what: &'static str,
    attack: tokio::task::JoinHandle<Result<Done>>,
) -> Result<()> {
    println!("{what}");
    let (sfu, own) = (Meter::start(stage.sfu.id())?, Meter::start(std::process::id())?);
    let start = std::time::Instant::now();
    let (fps, done) = honest.fps_during(attack).await?;
    let done = done.context("the attack panicked")?.with_context(|| what.to_owned())?;
    let seconds = start.elapsed().as_secs_f64();
    let (sfu, own) = (sfu.read()?, own.read()?);
    let phase = Phase {
        what,
        sent: done.sent,
        seconds,
        per_s: done.sent as f64 / seconds,
        bytes_out: done.bytes_out,
        bytes_back: done.bytes_back,
        fps_share: fps / report.calm_fps.max(0.1),
        resident_kib: sfu.resident_kib,
        sfu_percent: sfu.percent,
        generator_percent: own.percent,
    };
    phase.print();
    report.phases.push(phase);
    Ok(())
}

impl Phase {
    fn print(&self) {
        println!(
            "  {} in {:.1} s, {:.0}/s; fps {:.3} of the calm; SFU {:.0}% and {} MiB, generator {:.0}%; {} bytes out, {} back",
            self.sent,
            self.seconds,
            self.per_s,
            self.fps_share,
            self.sfu_percent,
            self.resident_kib / 1_024,
            self.generator_percent,
            self.bytes_out,
            self.bytes_back
        );
    }
}

impl Report {
    pub fn print(&self) {
        println!(
            "\ncalm {:.1} pictures/s; memory grew by {:.1} MiB; the server {}",
            self.calm_fps,
            self.grown_mib,
            if self.alive { "lives" } else { "does not answer" }
        );
        for phase in &self.phases {
            print!("{:30}", phase.what);
            phase.print();
        }
        for problem in &self.honest_problems {
            println!("problem: {problem}");
        }
    }
}
