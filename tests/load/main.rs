//! `invigil-load`: candidates and proctors without windows, for the demo, for load, and against it. Each command is bounded and
//! ends by itself; those that measure leave a JSON report.
#![allow(clippy::print_stdout)] // a command-line tool: its output is its interface

mod candidates;
mod crowd;
mod figures;
mod hostile;
mod machine;
mod sockets;
mod stage;
mod storm;
mod trace;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "invigil-load", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Join with every link of a file, one a line, and publish moving test pictures and a tone.
    Candidates(candidates::CandidatesOptions),
    /// A server with many candidates and some proctors: ramp, a measured stretch, leaving and coming back.
    Crowd {
        #[command(flatten)]
        crowd: crowd::CrowdOptions,
        /// When it does not hold, try again with so many candidates fewer, until it does.
        #[arg(long)]
        step: Option<usize>,
        #[arg(long, default_value = "out/load")]
        out: PathBuf,
    },
    /// Many proctors open one tile again and again; the candidate counts the key frames that are asked of it.
    Storm {
        #[command(flatten)]
        storm: storm::StormOptions,
        #[arg(long, default_value = "out/load")]
        out: PathBuf,
    },
    /// Attacks on a live server while a candidate and a proctor go on.
    Hostile {
        #[command(flatten)]
        hostile: hostile::HostileOptions,
        #[arg(long, default_value = "out/load")]
        out: PathBuf,
    },
    /// Ten thousand signalling connections, opened within a minute and held while candidates report events.
    Sockets {
        #[command(flatten)]
        sockets: sockets::SocketsOptions,
        #[arg(long, default_value = "out/load")]
        out: PathBuf,
    },
    /// Write the sizes of encoded frames to a file, a line each: what the bench's `exam` load sends.
    Trace {
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("INVIGIL_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match Options::parse().command {
        Command::Candidates(options) => candidates::play(&options).await,
        Command::Crowd { crowd, step, out } => search(crowd, step, &out).await,
        Command::Storm { storm, out } => {
            let folder = tempfile::tempdir()?;
            let report = Box::pin(storm::play(&storm, folder.path())).await?;
            report.print();
            write(&out, "storm.json", &report)
        }
        Command::Hostile { hostile, out } => {
            let folder = tempfile::tempdir()?;
            let report = Box::pin(hostile::play(&hostile, folder.path())).await?;
            report.print();
            write(&out, "hostile.json", &report)
        }
        Command::Sockets { sockets, out } => {
            let folder = tempfile::tempdir()?;
            let report = Box::pin(sockets::play(&sockets, folder.path())).await?;
            report.print();
            write(&out, "sockets.json", &report)
        }
        Command::Trace { out, seconds } => trace::write(&out, seconds),
    }
}

/// Plays a crowd, and smaller ones until one holds; all of them are in the report, the one that holds last.
async fn search(mut options: crowd::CrowdOptions, step: Option<usize>, out: &Path) -> Result<()> {
    let mut reports = Vec::new();
    loop {
        let folder = tempfile::tempdir()?;
        let report = Box::pin(crowd::play(&options, folder.path())).await?;
        report.print();
        let holds = report.holds;
        reports.push(report);
        write(out, "crowd.json", &reports)?;
        if holds {
            return Ok(());
        }
        match step.filter(|step| options.candidates > *step && *step > 0) {
            Some(step) => options.candidates -= step,
            None => bail!("the crowd does not hold"),
        }
    }
}

fn write(folder: &Path, name: &str, report: &impl Serialize) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join(name);
    std::fs::write(&file, serde_json::to_string_pretty(report)?)
        .with_context(|| format!("can't write {}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}
