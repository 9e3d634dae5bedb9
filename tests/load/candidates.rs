//! Candidates for the demo: the client crate with real encoders, until the time is over or somebody ends it.

use anyhow::{Context, Result};
use invigil_shared::rest::JoinLink;
use invigil_tests::bot::{Bot, BotOptions};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub struct CandidatesOptions {
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
    /// Encode six seconds of each before it joins, and play them again and again: for a machine that has other work.
    #[arg(long)]
    played: bool,
    /// Wait this many milliseconds between two joins.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
}

pub async fn play(options: &CandidatesOptions) -> Result<()> {
    let mut joins = options
        .joins
        .as_ref()
        .map(File::create)
        .transpose()
        .context("can't write --joins")?;
    let text =
        std::fs::read_to_string(&options.links).with_context(|| format!("can't read {}", options.links.display()))?;
    if let Some(file) = &mut joins {
        writeln!(file, "participant,label,join_at_us")?;
    }
    let links = text
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(JoinLink::parse)
        .collect::<Result<Vec<_>, _>>()?;
    let mut bots = Vec::with_capacity(links.len());
    for seed in 1..=links.len() as u64 {
        let mut bot = if options.played {
            BotOptions::played(seed)?
        } else {
            BotOptions::whole(seed)
        };
        bot.tone = bot.tone.filter(|_| !options.silent);
        bots.push(bot);
    }
    let mut running = tokio::task::JoinSet::new();
    for (n, (link, bot)) in links.iter().zip(&bots).enumerate() {
        let join_at = invigil_capture::now_us();
        let bot = Bot::join(link, bot)
            .await
            .with_context(|| format!("candidate {} could not join", n + 1))?;
        if let Some(file) = &mut joins {
            writeln!(file, "{},{},{join_at}", bot.join.participant, bot.join.candidate_label)?;
        }
        tracing::info!(label = bot.join.candidate_label, "joined");
        running.spawn(bot.run());
        tokio::time::sleep(Duration::from_millis(options.pause_ms)).await;
    }
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(options.seconds)) => {}
        _ = tokio::signal::ctrl_c() => {}
        () = async { while running.join_next().await.is_some() {} } => {}
    }
    Ok(())
}
