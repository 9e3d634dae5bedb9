//! The candidate and the proctor who have to notice nothing: the client crate, real encoders, real decoders.

use crate::stage::Stage;
use anyhow::{Context, Result, bail};
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::watcher::Watcher;
use std::time::{Duration, Instant};

pub struct Honest {
    wall: Watcher,
    candidate: tokio::task::JoinHandle<()>,
}

impl Honest {
    pub async fn start(stage: &Stage) -> Result<Self> {
        let link = stage.links.first().context("no link")?;
        let bot = Bot::join(link, &BotOptions::whole(1)).await?;
        let participant = bot.join.participant;
        let candidate = tokio::spawn(bot.run());
        let mut wall = Watcher::enter(&stage.sfu, "honest", stage.exam.id).await?;
        wall.want(&[
            (participant, PublicationKey::CAMERA, Layer::Low),
            (participant, PublicationKey::SCREEN, Layer::Low),
            (participant, PublicationKey::MICROPHONE, Layer::Low),
        ])?;
        let both = |wall: &Watcher, _: &_| wall.seen.len() == 2 && wall.seen.values().all(|seen| seen.decoded > 3);
        wall.until(Duration::from_secs(20), "camera and screen", both).await?;
        Ok(Self { wall, candidate })
    }

    fn decoded(&self) -> u32 {
        self.wall.seen.values().map(|seen| seen.decoded).sum()
    }

    /// Pictures a second that the proctor decodes while something else goes on.
    pub async fn fps_during<T>(&mut self, other: impl Future<Output = T>) -> Result<(f64, T)> {
        let (start, before) = (Instant::now(), self.decoded());
        tokio::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => {
                    if self.candidate.is_finished() {
                        bail!("the honest candidate was thrown out");
                    }
                    let fps = f64::from(self.decoded() - before) / start.elapsed().as_secs_f64();
                    return Ok((fps, done));
                }
                looked = self.wall.during(Duration::from_millis(200)) => looked?,
            }
        }
    }

    pub fn problems(&self) -> Vec<String> {
        let refused: u32 = self.wall.seen.values().map(|seen| seen.refused).sum();
        let mut problems = Vec::new();
        if refused > 0 {
            problems.push(format!("{refused} pictures were refused by the decoder"));
        }
        problems
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.candidate.abort();
    }
}
