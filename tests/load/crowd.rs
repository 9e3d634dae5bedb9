//! Many candidates, some proctors: they ramp up, the walls are watched for a while, some leave and come back, and the figures
//! of it all stay.

use crate::figures::{Ranks, ranks};
use crate::machine::{Meter, Used, resident_kib};
use crate::stage::Stage;
use anyhow::{Context, Result};
use invigil_shared::id::ParticipantId;
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::canned::Clip;
use invigil_tests::light::candidate::{Candidate, Seat};
use invigil_tests::light::engine::Id;
use invigil_tests::light::proctor::{Proctor, Wanted};
use invigil_tests::light::{Received, Snapshot};
use invigil_tests::watcher::Watcher;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// What is played.
#[derive(Clone, Debug, clap::Args)]
pub struct CrowdOptions {
    /// The server to start; the one beside this program when none is given.
    #[arg(long)]
    pub sfu: Option<PathBuf>,
    #[arg(long, default_value_t = 50)]
    pub candidates: usize,
    #[arg(long, default_value_t = 2)]
    pub proctors: usize,
    /// Tiles of each proctor: a camera and, while there are slots, a screen each.
    #[arg(long, default_value_t = 30)]
    pub tiles: usize,
    /// Of the candidates, those that are the client crate with real encoders.
    #[arg(long, default_value_t = 1)]
    pub real_candidates: usize,
    /// Of the proctors, those that are the client crate with real decoders.
    #[arg(long, default_value_t = 1)]
    pub real_proctors: usize,
    /// Joins a second while ramping up.
    #[arg(long, default_value_t = 20.0)]
    pub ramp: f64,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Candidates a second that leave and come back while it is measured.
    #[arg(long, default_value_t = 0.0)]
    pub churn: f64,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub candidates: usize,
    pub real_candidates: usize,
    pub proctors: usize,
    pub real_proctors: usize,
    pub tiles: usize,
    pub seconds: f64,
    pub joined: usize,
    /// From the join command to a connected transport, milliseconds.
    pub join_ms: Ranks,
    pub came_back: usize,
    pub back_ms: Ranks,
    /// Pictures a second of every watched camera and screen, of what was sent; 1 is all.
    pub camera_fps: Ranks,
    pub screen_fps: Ranks,
    pub lost_share: f64,
    pub mended_share: f64,
    /// From capture to a complete frame at a proctor, milliseconds.
    pub latency_ms: Ranks,
    pub packets_in_per_s: f64,
    pub packets_out_per_s: f64,
    pub us_per_forwarded_packet: f64,
    pub kib_per_participant: f64,
    pub real_decoded: u32,
    pub real_refused: u32,
    pub sfu: Used,
    pub generator: Used,
    pub problems: Vec<String>,
    pub holds: bool,
    /// Why it does not.
    pub misses: Vec<String>,
}

/// One light candidate's task.
struct Running {
    task: JoinHandle<()>,
    participant: ParticipantId,
    seat: Seat,
    /// Came back during the measurement: its tiles were black for a while.
    disturbed: bool,
}

struct Crowd {
    stage: Stage,
    light: Vec<Running>,
    real: Vec<ParticipantId>,
    real_tasks: JoinSet<()>,
    problems: mpsc::UnboundedReceiver<String>,
    problem: mpsc::UnboundedSender<String>,
    join_ms: Vec<f64>,
}

/// Plays it once; pictures of the figures are the caller's.
pub async fn play(options: &CrowdOptions, folder: &Path) -> Result<Report> {
    let stage = Stage::set(options.sfu.as_deref(), folder, options.candidates)?;
    let sfu = stage.sfu.id();
    let idle_kib = resident_kib(sfu)?;
    let (problem, problems) = mpsc::unbounded_channel();
    let mut crowd = Crowd {
        stage,
        light: Vec::new(),
        real: Vec::new(),
        real_tasks: JoinSet::new(),
        problems,
        problem,
        join_ms: Vec::new(),
    };
    crowd.ramp(options).await?;
    let participants: Vec<ParticipantId> = crowd
        .real
        .iter()
        .copied()
        .chain(crowd.light.iter().map(|running| running.participant))
        .collect();
    let mut walls = crowd.watch(options, &participants).await?;
    println!("watching for {} s", options.seconds);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, start) = (crowd.stage.shared.engine.look().await?, Instant::now());
    let (server, generator) = (Meter::start(sfu)?, Meter::start(std::process::id())?);
    let decoded_before: u32 = walls
        .real
        .iter()
        .flat_map(|wall| wall.seen.values())
        .map(|seen| seen.decoded)
        .sum();
    let back = crowd.churn(options, &mut walls).await?;
    let after = crowd.stage.shared.engine.look().await?;
    let seconds = start.elapsed().as_secs_f64();
    let (server, generator) = (server.read()?, generator.read()?);
    let mut report = Report {
        candidates: options.candidates,
        real_candidates: crowd.real.len(),
        proctors: options.proctors,
        real_proctors: walls.real.len(),
        tiles: options.tiles,
        seconds,
        joined: participants.len(),
        join_ms: ranks(std::mem::take(&mut crowd.join_ms)),
        came_back: back.len(),
        back_ms: ranks(back),
        camera_fps: Ranks::default(),
        screen_fps: Ranks::default(),
        lost_share: 0.0,
        mended_share: 0.0,
        latency_ms: Ranks::default(),
        packets_in_per_s: 0.0,
        packets_out_per_s: 0.0,
        us_per_forwarded_packet: 0.0,
        kib_per_participant: server.resident_kib.saturating_sub(idle_kib) as f64
            / (participants.len() + options.proctors) as f64,
        real_decoded: walls.decoded().saturating_sub(decoded_before),
        real_refused: walls
            .real
            .iter()
            .flat_map(|wall| wall.seen.values())
            .map(|seen| seen.refused)
            .sum(),
        sfu: server,
        generator,
        problems: Vec::new(),
        holds: false,
        misses: Vec::new(),
    };
    walls.end();
    crowd.count(&mut report, &walls, (&before, &after));
    while let Ok(problem) = crowd.problems.try_recv() {
        report.problems.push(problem);
    }
    report.problems.extend(after.failed);
    report.judge();
    Ok(report)
}

impl Crowd {
    async fn ramp(&mut self, options: &CrowdOptions) -> Result<()> {
        let real = options.real_candidates.min(options.candidates);
        for (n, link) in self.stage.links[..real].iter().enumerate() {
            let start = Instant::now();
            let bot = Bot::join(link, &BotOptions::whole(n as u64 + 1)).await?;
            self.join_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
            self.real.push(bot.join.participant);
            self.real_tasks.spawn(bot.run());
        }
        let mut joining = JoinSet::new();
        let mut each = tokio::time::interval(Duration::from_secs_f64(1.0 / options.ramp.max(0.1)));
        let links = self.stage.links[real..].to_vec();
        for link in links {
            each.tick().await;
            let shared = self.stage.shared.clone();
            joining.spawn(async move {
                let mut seat = Seat::new(link);
                let joined = Candidate::join(&mut seat, &shared).await;
                (seat, joined)
            });
            while let Some(joined) = joining.try_join_next() {
                self.seated(joined?);
            }
        }
        while let Some(joined) = joining.join_next().await {
            self.seated(joined?);
        }
        println!(
            "{} of {} candidates joined",
            self.light.len() + self.real.len(),
            options.candidates
        );
        Ok(())
    }

    fn seated(&mut self, (seat, joined): (Seat, Result<Candidate>)) {
        match joined {
            Ok(candidate) => {
                self.join_ms.push(candidate.joined_in.as_secs_f64() * 1_000.0);
                self.light.push(follow(seat, candidate, &self.problem));
                if self.light.len().is_multiple_of(50) {
                    println!("  {} candidates", self.light.len());
                }
            }
            Err(error) => {
                let _ = self.problem.send(format!("a candidate could not join: {error:#}"));
            }
        }
    }

    /// Opens the walls: each proctor has a page of its own, as long as there are candidates.
    async fn watch(&self, options: &CrowdOptions, participants: &[ParticipantId]) -> Result<Walls> {
        let mut walls = Walls {
            light: Vec::new(),
            real: Vec::new(),
            tasks: Vec::new(),
        };
        for n in 0..options.proctors {
            let page = |at: usize| {
                participants
                    .get((n * options.tiles + at) % participants.len().max(1))
                    .copied()
            };
            let tiles: Vec<ParticipantId> = (0..options.tiles.min(participants.len())).filter_map(page).collect();
            let cameras = tiles.iter().map(|tile| (*tile, PublicationKey::CAMERA, Layer::Low));
            let screens = tiles.iter().map(|tile| (*tile, PublicationKey::SCREEN, Layer::Low));
            let sound = tiles
                .first()
                .map(|tile| (*tile, PublicationKey::MICROPHONE, Layer::Low));
            let slots = usize::from(invigil_shared::limits::VIDEO_SLOTS);
            let wanted: Vec<Wanted> = cameras.chain(screens).take(slots).chain(sound).collect();
            let name = format!("proctor-{n}");
            if n < options.real_proctors {
                let wall = Watcher::enter(&self.stage.sfu, &name, self.stage.exam.id).await?;
                wall.want(&wanted)?;
                walls.real.push(wall);
                continue;
            }
            let mut wall = Proctor::enter(&self.stage.sfu, &name, self.stage.exam.id, &self.stage.shared)
                .await
                .with_context(|| name.clone())?;
            wall.want(&wanted).await?;
            walls.light.push((wall.transport, wanted));
            let problem = self.problem.clone();
            walls.tasks.push(tokio::spawn(async move {
                if let Err(error) = wall.run().await {
                    let _ = problem.send(format!("{name}: {error:#}"));
                }
            }));
        }
        Ok(walls)
    }

    /// The measured stretch, with leaving and coming back; returns how long coming back took, milliseconds.
    async fn churn(&mut self, options: &CrowdOptions, walls: &mut Walls) -> Result<Vec<f64>> {
        let end = tokio::time::Instant::now() + Duration::from_secs(options.seconds);
        let (mut back, mut next) = (Vec::new(), 0);
        let between = Duration::from_secs_f64(1.0 / options.churn.max(1e-6));
        let mut leave = tokio::time::interval_at(tokio::time::Instant::now() + between, between);
        let mut progress = tokio::time::interval_at(
            end - Duration::from_secs(options.seconds.saturating_sub(5)),
            Duration::from_secs(5),
        );
        loop {
            let looking = async {
                match walls.real.first_mut() {
                    Some(wall) => wall.during(Duration::from_secs(1)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(end) => return Ok(back),
                looked = looking => looked?,
                _ = progress.tick() => {
                    let left = end.saturating_duration_since(tokio::time::Instant::now()).as_secs();
                    println!("  {left} s left, {} came back", back.len());
                }
                _ = leave.tick(), if options.churn > 0.0 && !self.light.is_empty() => {
                    let at = next % self.light.len();
                    next += 7; // prime to most numbers: not neighbours, which share a wall
                    self.light[at].task.abort();
                    let mut seat = self.light[at].seat.clone();
                    match Candidate::join(&mut seat, &self.stage.shared).await {
                        Ok(candidate) => {
                            back.push(candidate.joined_in.as_secs_f64() * 1_000.0);
                            self.light[at] = follow(seat, candidate, &self.problem);
                            self.light[at].disturbed = true;
                        }
                        Err(error) => {
                            let _ = self.problem.send(format!("a candidate could not come back: {error:#}"));
                        }
                    }
                }
            }
        }
    }

    /// What the light walls received between two looks.
    fn count(&self, report: &mut Report, walls: &Walls, (before, after): (&Snapshot, &Snapshot)) {
        let disturbed = |participant: ParticipantId| {
            let one = self.light.iter().find(|running| running.participant == participant);
            one.is_some_and(|running| running.disturbed)
        };
        let rate = |clip: &Clip| {
            let shown = clip.frames.iter().filter(|frame| !frame.packets.is_empty()).count();
            shown as f64 * f64::from(clip.fps) / clip.frames.len() as f64
        };
        let media = &self.stage.shared.media;
        let (camera_rate, screen_rate) = (rate(&media.camera_low), rate(&media.screen_low));
        let (mut cameras, mut screens, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut packets, mut lost, mut mended) = (0, 0, 0);
        let none = Received::default();
        for (id, wanted) in &walls.light {
            let (Some(now), then) = (after.received.get(id), before.received.get(id).unwrap_or(&none)) else {
                continue;
            };
            latencies.extend(now.latencies_us.iter().map(|us| f64::from(*us) / 1_000.0));
            for (at, slot) in now.slots.iter().enumerate() {
                let was = then.slots.get(at).cloned().unwrap_or_default();
                packets += slot.packets - was.packets;
                lost += slot.lost - was.lost;
                mended += slot.mended - was.mended;
                let video = wanted.iter().filter(|(_, key, _)| key.kind.is_video()).nth(at);
                let Some((participant, key, _)) = video.filter(|(participant, ..)| !disturbed(*participant)) else {
                    continue;
                };
                // What a real candidate sends is no canned rate.
                if self.real.contains(participant) {
                    continue;
                }
                let fps = (slot.frames - was.frames) as f64 / report.seconds;
                if *key == PublicationKey::CAMERA {
                    cameras.push(fps / camera_rate);
                } else {
                    screens.push(fps / screen_rate);
                }
            }
        }
        let sent = |snapshot: &Snapshot| snapshot.sent.values().map(|sent| sent.packets).sum::<u64>();
        report.camera_fps = ranks(cameras);
        report.screen_fps = ranks(screens);
        report.latency_ms = ranks(latencies);
        report.lost_share = lost as f64 / (packets + lost).max(1) as f64;
        report.mended_share = mended as f64 / packets.max(1) as f64;
        report.packets_in_per_s = sent(after).saturating_sub(sent(before)) as f64 / report.seconds;
        // A real wall counts no packets: it is taken to get as many as a light one, whose tiles are as many.
        let forwarded = packets as f64 * report.proctors as f64 / walls.light.len().max(1) as f64;
        report.packets_out_per_s = forwarded / report.seconds;
        report.us_per_forwarded_packet = report.sfu.cpu_ns as f64 / 1_000.0 / forwarded.max(1.0);
    }
}

/// The task that keeps a candidate in the room.
fn follow(seat: Seat, mut candidate: Candidate, problem: &mpsc::UnboundedSender<String>) -> Running {
    let (participant, problem) = (candidate.participant, problem.clone());
    let task = tokio::spawn(async move {
        if let Err(error) = candidate.run().await {
            let _ = problem.send(format!("a candidate: {error:#}"));
        }
    });
    Running {
        task,
        participant,
        seat,
        disturbed: false,
    }
}

struct Walls {
    light: Vec<(Id, Vec<Wanted>)>,
    real: Vec<Watcher>,
    tasks: Vec<JoinHandle<()>>,
}

impl Walls {
    fn decoded(&self) -> u32 {
        self.real
            .iter()
            .flat_map(|wall| wall.seen.values())
            .map(|seen| seen.decoded)
            .sum()
    }

    fn end(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Report {
    /// What holding means, each with its bound.
    fn judge(&mut self) {
        let checks = [
            (
                self.joined == self.candidates,
                format!("{} of {} joined", self.joined, self.candidates),
            ),
            (self.problems.is_empty(), format!("{} problems", self.problems.len())),
            (
                self.camera_fps.n == 0 || self.camera_fps.p5 >= 0.9,
                format!("cameras at {:.2} of their rate (p5)", self.camera_fps.p5),
            ),
            (
                self.screen_fps.n == 0 || self.screen_fps.p5 >= 0.9,
                format!("screens at {:.2} of their rate (p5)", self.screen_fps.p5),
            ),
            (
                self.lost_share <= 0.001,
                format!("{:.4} of the packets lost", self.lost_share),
            ),
            (
                self.latency_ms.n > 0 && self.latency_ms.p95 <= 150.0,
                format!("capture to proctor {:.0} ms (p95)", self.latency_ms.p95),
            ),
            (
                self.real_refused == 0,
                format!("{} pictures refused by a decoder", self.real_refused),
            ),
        ];
        self.misses = checks
            .into_iter()
            .filter(|(holds, _)| !holds)
            .map(|(_, what)| what)
            .collect();
        self.holds = self.misses.is_empty();
    }

    /// For people.
    pub fn print(&self) {
        let line = |what: &str, figure: String| println!("  {what:36} {figure}");
        println!(
            "\n{} candidates ({} real), {} proctors ({} real) with {} tiles, {:.0} s",
            self.candidates, self.real_candidates, self.proctors, self.real_proctors, self.tiles, self.seconds
        );
        let three = |r: &Ranks| format!("{:.1} / {:.1} / {:.1}", r.p50, r.p95, r.max);
        line("join to connected, p50/p95/max ms", three(&self.join_ms));
        if self.came_back > 0 {
            line(
                "back again, p50/p95/max ms",
                format!("{} ({} times)", three(&self.back_ms), self.came_back),
            );
        }
        line(
            "cameras, share of frames, p50/p5/min",
            format!(
                "{:.2} / {:.2} / {:.2}",
                self.camera_fps.p50, self.camera_fps.p5, self.camera_fps.min
            ),
        );
        line(
            "screens, share of frames, p50/p5/min",
            format!(
                "{:.2} / {:.2} / {:.2}",
                self.screen_fps.p50, self.screen_fps.p5, self.screen_fps.min
            ),
        );
        line(
            "packets lost, mended",
            format!("{:.5}, {:.5}", self.lost_share, self.mended_share),
        );
        line(
            "capture to proctor, p50/p95/p99 ms",
            format!(
                "{:.1} / {:.1} / {:.1}",
                self.latency_ms.p50, self.latency_ms.p95, self.latency_ms.p99
            ),
        );
        line(
            "packets/s in (light candidates), out",
            format!("{:.0}, {:.0}", self.packets_in_per_s, self.packets_out_per_s),
        );
        line(
            "SFU, of one core",
            format!("{:.1}% {:?}", self.sfu.percent, self.sfu.threads),
        );
        line(
            "generator, of one core",
            format!("{:.1}% {:?}", self.generator.percent, self.generator.threads),
        );
        line(
            "machine idle, of all cores",
            format!("{:.1}%", self.sfu.machine_idle_percent),
        );
        line(
            "CPU us per forwarded packet",
            format!("{:.2}", self.us_per_forwarded_packet),
        );
        line("KiB per participant", format!("{:.0}", self.kib_per_participant));
        line(
            "pictures really decoded, refused",
            format!("{}, {}", self.real_decoded, self.real_refused),
        );
        for problem in self.problems.iter().take(5) {
            line("problem", problem.clone());
        }
        match self.misses.as_slice() {
            [] => println!("  holds"),
            misses => println!("  does not hold: {}", misses.join("; ")),
        }
    }
}
