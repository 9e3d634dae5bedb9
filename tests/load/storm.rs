//! A key frame storm: many proctors open one candidate's tile again and again, and the candidate counts what is asked of it.

use crate::figures::{Ranks, ranks};
use crate::stage::Stage;
use anyhow::{Context, Result, bail};
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::light::Snapshot;
use invigil_tests::light::candidate::{Candidate, Seat};
use invigil_tests::light::proctor::Proctor;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, clap::Args)]
pub struct StormOptions {
    /// The server to start; the one beside this program when none is given.
    #[arg(long)]
    pub sfu: Option<PathBuf>,
    #[arg(long, default_value_t = 50)]
    pub proctors: usize,
    /// Seconds of opening and closing.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub proctors: usize,
    pub seconds: f64,
    /// Tiles opened, each of which needs a key frame to begin.
    pub opened: usize,
    /// Key frame requests that reached the candidate for the one layer.
    pub plis: u64,
    pub plis_per_s: f64,
    pub most_in_a_second: u64,
    /// From the wish to the first frame, milliseconds.
    pub first_frame_ms: Ranks,
    pub without_picture: usize,
}

/// A tile has to show something after this.
const PATIENCE: Duration = Duration::from_secs(3);

fn plis(snapshot: &Snapshot) -> u64 {
    let of = snapshot.sent.values().flat_map(|sent| &sent.plis);
    of.filter(|(key, layer, _)| (*key, *layer) == (PublicationKey::CAMERA, Layer::Low))
        .map(|(.., count)| count)
        .sum()
}

pub async fn play(options: &StormOptions, folder: &Path) -> Result<Report> {
    let stage = Stage::set(options.sfu.as_deref(), folder, 1)?;
    let (shared, exam) = (stage.shared.clone(), stage.exam.id);
    let link = stage.links.first().cloned().context("no link")?;
    let mut candidate = Candidate::join(&mut Seat::new(link), &shared).await?;
    let tile = (candidate.participant, PublicationKey::CAMERA, Layer::Low);
    let follow = tokio::spawn(async move { candidate.run().await });
    let mut proctors = Vec::new();
    for n in 0..options.proctors {
        proctors.push(Proctor::enter(&stage.sfu, &format!("storm-{n}"), exam, &shared).await?);
    }
    println!("{} proctors open one tile for {} s", options.proctors, options.seconds);
    let (start, before) = (Instant::now(), plis(&shared.engine.look().await?));
    let mut opening = tokio::task::JoinSet::new();
    let end = start + Duration::from_secs(options.seconds);
    for (n, mut proctor) in proctors.into_iter().enumerate() {
        let engine = shared.engine.clone();
        opening.spawn(async move {
            let (mut waits, mut without) = (Vec::new(), 0);
            let transport = proctor.transport;
            let frames = |seen: &Snapshot| {
                let slots = seen.received.get(&transport).map(|received| &received.slots);
                slots.and_then(|slots| slots.first()).map_or(0, |slot| slot.frames)
            };
            // All at once at first, then each at a pace of its own: 1.0 to 1.5 s open, 0.5 s closed.
            while Instant::now() < end {
                let (asked, had) = (Instant::now(), frames(&engine.look().await?));
                proctor.want(&[tile]).await?;
                let first = loop {
                    proctor.during(Duration::from_millis(20)).await?;
                    if frames(&engine.look().await?) > had {
                        break Some(asked.elapsed());
                    }
                    if asked.elapsed() > PATIENCE {
                        break None;
                    }
                };
                match first {
                    Some(wait) => waits.push(wait.as_secs_f64() * 1_000.0),
                    None => without += 1,
                }
                proctor.during(Duration::from_millis(1_000 + 10 * n as u64)).await?;
                proctor.want(&[]).await?;
                proctor.during(Duration::from_millis(500)).await?;
            }
            anyhow::Ok((waits, without))
        });
    }
    let (mut most, mut last) = (0, before);
    let mut second = tokio::time::interval_at(
        tokio::time::Instant::now() + Duration::from_secs(1),
        Duration::from_secs(1),
    );
    while Instant::now() < end {
        second.tick().await;
        let now = plis(&shared.engine.look().await?);
        println!("  {} key frames asked for in this second", now - last);
        (most, last) = (most.max(now - last), now);
    }
    let (seconds, total) = (start.elapsed().as_secs_f64(), last - before);
    let (mut waits, mut without) = (Vec::new(), 0);
    while let Some(done) = opening.join_next().await {
        let (some, none) = done??;
        waits.extend(some);
        without += none;
    }
    if follow.is_finished() {
        bail!("the candidate fell out of the room");
    }
    follow.abort();
    Ok(Report {
        proctors: options.proctors,
        seconds,
        opened: waits.len() + without,
        plis: total,
        plis_per_s: total as f64 / seconds,
        most_in_a_second: most,
        first_frame_ms: ranks(waits),
        without_picture: without,
    })
}

impl Report {
    pub fn print(&self) {
        println!(
            "\n{} proctors opened the tile {} times in {:.0} s: {} key frames asked for, {:.2} a second, at most {} in one",
            self.proctors, self.opened, self.seconds, self.plis, self.plis_per_s, self.most_in_a_second
        );
        let first = &self.first_frame_ms;
        println!(
            "wish to first frame, p50/p95/max: {:.0} / {:.0} / {:.0} ms; {} tiles without a picture",
            first.p50, first.p95, first.max, self.without_picture
        );
    }
}
