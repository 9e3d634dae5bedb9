//! report.json: every figure of it from the raw files beside it.

use crate::audio::{self, Audio};
use crate::raw::{self, CpuPercent, Frame, Machine, Phases};
use anyhow::{Context, Result};
use invigil_capture::layers;
use invigil_shared::publication::{Kind, Layer};
use invigil_tests::figures::{Spread, spread};
use invigil_tests::sound::read_wav;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The least share of its nominal rate that a moving picture may be drawn at.
const LEAST_SHARE: f64 = 0.8;
/// Fewer different pictures than this in a phase are a frozen picture.
const LEAST_DIFFERENT: usize = 3;
/// Joins that a percentile needs.
pub const LEAST_JOINS: usize = 20;

#[derive(Clone, Debug, Serialize)]
pub struct Tile {
    pub participant: String,
    pub publication: String,
    pub layer: String,
    pub phase: &'static str,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub nominal_fps: f64,
    pub distinct_frames: usize,
    pub distinct_pictures: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub join_to_first_frame_ms: Option<Spread>,
    pub capture_to_tile_ms: Option<Spread>,
    /// From the candidate's app noticing something to a proctor's client having it.
    pub event_to_timeline_ms: Option<Spread>,
    pub tiles: Vec<Tile>,
    pub audio: Option<Audio>,
    pub events: Vec<serde_json::Value>,
    pub cpu_percent: CpuPercent,
    pub machine: Machine,
    /// Why the demo failed; empty when it did not.
    pub problems: Vec<String>,
}

/// Recomputes everything from `folder`.
pub fn compute(folder: &Path) -> Result<Report> {
    let frames = raw::frames(&folder.join("frames.csv"))?;
    let joins = raw::joins(&folder.join("joins.csv"))?;
    let phases: Phases = serde_json::from_slice(&std::fs::read(folder.join("phases.json"))?).context("phases.json")?;
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    let events = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<serde_json::Value>, _>>()?;
    let audio = read_wav(&folder.join("proctor-audio.wav"))
        .ok()
        .and_then(|(samples, rate)| audio::measure(&samples, rate));
    let first = |participant: &str| {
        frames
            .iter()
            .filter(|f| f.participant == participant)
            .map(|f| f.drawn_at_us)
            .min()
    };
    let waits = joins
        .iter()
        .filter_map(|j| Some((first(&j.participant)? - j.join_at_us) as f64 / 1000.0))
        .collect();
    let mut tiles = tiles(&frames, "wall", phases.wall, |_| true);
    tiles.extend(self::tiles(&frames, "focus", phases.focus, |f| {
        f.participant == phases.candidate
    }));
    let mut report = Report {
        join_to_first_frame_ms: spread(waits),
        capture_to_tile_ms: spread(code_ages(&frames, (phases.wall.0, phases.focus.1))),
        event_to_timeline_ms: spread(event_ages(&events)),
        tiles,
        audio,
        events,
        cpu_percent: phases.cpu_percent.clone(),
        machine: phases.machine.clone(),
        problems: Vec::new(),
    };
    report.problems = problems(&report, &phases, joins.len());
    Ok(report)
}

/// Age of each time code at its first draw, milliseconds. Each code counts once. A wall's tile is wide enough for the strip
/// only when few candidates are on it: most codes are read in the focus view.
fn code_ages(frames: &[Frame], phase: (i64, i64)) -> Vec<f64> {
    let mut seen = BTreeSet::new();
    let within = frames.iter().filter(|f| (phase.0..phase.1).contains(&f.drawn_at_us));
    let coded = within.filter_map(|f| Some((f.code_us?, f.drawn_at_us)));
    coded
        .filter(|(code, _)| seen.insert(*code))
        .map(|(code, drawn)| (drawn - code) as f64 / 1000.0)
        .collect()
}

/// Age of each integrity event when a proctor's client got it, milliseconds.
fn event_ages(events: &[serde_json::Value]) -> Vec<f64> {
    let integrity = events.iter().filter(|e| e["entry"]["body"]["what"] == "integrity");
    integrity
        .filter_map(|e| Some((e["seen_at_us"].as_i64()? - e["entry"]["at"].as_i64()?) as f64 / 1000.0))
        .collect()
}

fn tiles(frames: &[Frame], phase: &'static str, time: (i64, i64), pick: impl Fn(&Frame) -> bool) -> Vec<Tile> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Frame>> = BTreeMap::new();
    for frame in frames
        .iter()
        .filter(|f| (time.0..time.1).contains(&f.drawn_at_us) && pick(f))
    {
        groups
            .entry((&frame.participant, &frame.publication))
            .or_default()
            .push(frame);
    }
    let seconds = (time.1 - time.0) as f64 / 1e6;
    let tile = |((participant, publication), frames): ((&str, &str), Vec<&Frame>)| {
        let last = frames.last()?;
        let captured: BTreeSet<i64> = frames.iter().map(|f| f.captured_at_us).collect();
        let pictures: BTreeSet<&str> = frames.iter().map(|f| f.fingerprint.as_str()).collect();
        Some(Tile {
            participant: participant.to_owned(),
            publication: publication.to_owned(),
            layer: last.layer.clone(),
            phase,
            width: last.width,
            height: last.height,
            fps: (captured.len() as f64 / seconds * 10.0).round() / 10.0,
            nominal_fps: nominal(publication, &last.layer),
            distinct_frames: captured.len(),
            distinct_pictures: pictures.len(),
        })
    };
    groups.into_iter().filter_map(tile).collect()
}

fn nominal(publication: &str, layer: &str) -> f64 {
    let kind = if publication.starts_with("screen") {
        Kind::Screen
    } else {
        Kind::Camera
    };
    let layer = Layer::ALL
        .into_iter()
        .find(|l| l.as_str() == layer)
        .unwrap_or(Layer::Low);
    layers::defaults(kind)
        .iter()
        .find(|s| s.layer == layer)
        .map_or(0.0, |s| f64::from(s.fps))
}

fn problems(report: &Report, phases: &Phases, joined: usize) -> Vec<String> {
    let mut problems = Vec::new();
    for tile in &report.tiles {
        let name = format!("{} of {} ({})", tile.publication, tile.participant, tile.phase);
        if tile.distinct_pictures < LEAST_DIFFERENT {
            problems.push(format!(
                "frozen: {name} showed {} different pictures",
                tile.distinct_pictures
            ));
        }
        if tile.fps < LEAST_SHARE * tile.nominal_fps {
            problems.push(format!(
                "slow: {name} was drawn at {} of {} a second",
                tile.fps, tile.nominal_fps
            ));
        }
    }
    for (phase, publication) in [
        ("wall", "camera/0"),
        ("wall", "screen/0"),
        ("focus", "camera/0"),
        ("focus", "screen/0"),
    ] {
        let found = report
            .tiles
            .iter()
            .filter(|t| t.phase == phase && t.publication == publication);
        let people: BTreeSet<&str> = found.map(|t| t.participant.as_str()).collect();
        let wanted = if phase == "wall" { joined + 1 } else { 1 };
        if people.len() < wanted || !people.contains(phases.candidate.as_str()) {
            problems.push(format!(
                "missing: {publication} was drawn for {} of {wanted} candidates ({phase})",
                people.len()
            ));
        }
    }
    match &report.join_to_first_frame_ms {
        Some(joins) if joins.n == joined && joined >= LEAST_JOINS => {}
        other => problems.push(format!(
            "missing: first pictures of {} joins, {joined} were made",
            other.map_or(0, |s| s.n)
        )),
    }
    if report.capture_to_tile_ms.is_none() {
        problems.push("missing: no time code was read from the candidate's screen".into());
    }
    match &report.audio {
        None => problems.push("missing: the proctor heard nothing".into()),
        Some(audio) if (audio.tone_hz - 440.0).abs() > 2.0 => {
            problems.push(format!("wrong: the proctor heard {} Hz, not 440", audio.tone_hz));
        }
        Some(_) => {}
    }
    let kind = |wanted: &str| report.events.iter().any(|e| e["entry"]["body"]["kind"] == wanted);
    for wanted in ["focus_lost", "focus_returned"] {
        if !kind(wanted) {
            problems.push(format!("missing: no {wanted} on the timeline"));
        }
    }
    problems
}
