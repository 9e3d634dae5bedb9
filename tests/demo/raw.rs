//! The raw files that a headless demo leaves: every figure of report.json is recomputed from them.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A line of frames.csv: one picture that the proctor's window drew.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub participant: String,
    pub publication: String,
    pub layer: String,
    pub drawn_at_us: i64,
    pub code_us: Option<i64>,
    pub captured_at_us: i64,
    pub width: u32,
    pub height: u32,
    pub fingerprint: String,
}

/// A line of joins.csv: when a candidate's Join command was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    pub participant: String,
    pub join_at_us: i64,
}

/// phases.json: when what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// The candidate with the window.
    pub candidate: String,
    /// The whole wall, microseconds since the Unix epoch.
    pub wall: (i64, i64),
    /// That candidate in focus, with sound.
    pub focus: (i64, i64),
    /// Percent of one core over both.
    pub cpu_percent: CpuPercent,
    pub machine: Machine,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuPercent {
    pub sfu: f64,
    pub candidate: f64,
    pub proctor: f64,
    pub webviews: f64,
    /// The candidates without windows, all together.
    pub others: f64,
    /// Of all cores. Where nothing is left, tiles are slow because the machine is full.
    pub machine_idle: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub model: String,
    pub profile: String,
}

impl Machine {
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, m)| m);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let profile = if cfg!(debug_assertions) {
            "dev (optimised dependencies)"
        } else {
            "release"
        };
        Self {
            cores,
            model: model.to_owned(),
            profile: profile.to_owned(),
        }
    }
}

/// Whole lines only: the last one may still be in writing.
fn lines(path: &Path) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    Ok(whole
        .lines()
        .skip(1)
        .map(|l| l.split(',').map(str::to_owned).collect())
        .collect())
}

pub fn frames(path: &Path) -> Result<Vec<Frame>> {
    let frame = |c: Vec<String>| -> Result<Frame> {
        let column = |n: usize| c.get(n).map(String::as_str).context("a line of frames.csv is short");
        Ok(Frame {
            participant: column(0)?.to_owned(),
            publication: column(1)?.to_owned(),
            layer: column(2)?.to_owned(),
            drawn_at_us: column(3)?.parse()?,
            code_us: Some(column(4)?).filter(|c| !c.is_empty()).map(str::parse).transpose()?,
            captured_at_us: column(5)?.parse()?,
            width: column(6)?.parse()?,
            height: column(7)?.parse()?,
            fingerprint: column(8)?.to_owned(),
        })
    };
    lines(path)?.into_iter().map(frame).collect()
}

pub fn joins(path: &Path) -> Result<Vec<Join>> {
    let join = |c: Vec<String>| -> Result<Join> {
        let participant = c.first().cloned().context("a line of joins.csv is short")?;
        Ok(Join {
            participant,
            join_at_us: c.get(2).context("a line of joins.csv is short")?.parse()?,
        })
    };
    lines(path)?.into_iter().map(join).collect()
}
