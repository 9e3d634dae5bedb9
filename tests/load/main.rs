//! `invigil-load`: candidates without windows, for the demo and for load. Bounded, and it ends by itself.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use invigil_shared::rest::JoinLink;
use invigil_tests::bot::{Bot, BotOptions};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Candidates without windows.
#[derive(Parser)]
#[command(name = "invigil-load", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Join with every link of a file, one a line, and publish moving test pictures and a tone.
    Candidates {
        #[arg(long)]
        links: PathBuf,
        /// End after this many seconds.
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
        /// No microphone.
        #[arg(long)]
        silent: bool,
        /// Write `participant,label,join_at_us` here: when each Join command was given, microseconds since the Unix epoch.
        #[arg(long)]
        joins: Option<PathBuf>,
        /// Wait this many milliseconds between two joins.
        #[arg(long, default_value_t = 0)]
        pause_ms: u64,
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
        Command::Candidates {
            links,
            seconds,
            silent,
            joins,
            pause_ms,
        } => {
            let joins = joins.map(File::create).transpose().context("can't write --joins")?;
            candidates(
                &links,
                Duration::from_secs(seconds),
                silent,
                joins,
                Duration::from_millis(pause_ms),
            )
            .await
        }
    }
}

async fn candidates(
    links: &Path,
    time: Duration,
    silent: bool,
    mut joins: Option<File>,
    pause: Duration,
) -> Result<()> {
    let text = std::fs::read_to_string(links).with_context(|| format!("can't read {}", links.display()))?;
    if let Some(file) = &mut joins {
        writeln!(file, "participant,label,join_at_us")?;
    }
    let links = text
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(JoinLink::parse)
        .collect::<Result<Vec<_>, _>>()?;
    let mut running = tokio::task::JoinSet::new();
    for (n, link) in links.iter().enumerate() {
        let mut options = BotOptions::whole(n as u64 + 1);
        options.tone = options.tone.filter(|_| !silent);
        let join_at = invigil_capture::now_us();
        let bot = Bot::join(link, &options)
            .await
            .with_context(|| format!("candidate {} could not join", n + 1))?;
        if let Some(file) = &mut joins {
            writeln!(file, "{},{},{join_at}", bot.join.participant, bot.join.candidate_label)?;
        }
        tracing::info!(label = bot.join.candidate_label, "joined");
        running.spawn(bot.run());
        tokio::time::sleep(pause).await;
    }
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = tokio::signal::ctrl_c() => {}
        () = async { while running.join_next().await.is_some() {} } => {}
    }
    Ok(())
}
