//! CPU and memory of processes, from `/proc` (proc(5)).

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::Instant;

/// Clock ticks per second of `/proc/PID/stat`; Linux has fixed it at 100 for user space.
const TICKS: f64 = 100.0;

/// CPU of a set of named processes, with all their descendants counted under the name that matches first.
pub struct Usage {
    since: Instant,
    before: BTreeMap<u32, f64>,
    /// Idle and all ticks of the machine.
    machine: (u64, u64),
}

struct Row {
    id: u32,
    parent: u32,
    name: String,
    seconds: f64,
}

fn rows() -> Vec<Row> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split(' ').collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Row {
            id,
            parent: fields.get(1)?.parse().ok()?,
            name,
            seconds: ticks / TICKS,
        })
    })
    .collect()
}

/// The roots' descendants, roots included.
fn family(rows: &[Row], root: u32) -> Vec<&Row> {
    let mut ids = vec![root];
    let mut next = 0;
    while let Some(&id) = ids.get(next) {
        ids.extend(rows.iter().filter(|r| r.parent == id).map(|r| r.id));
        next += 1;
    }
    rows.iter().filter(|r| ids.contains(&r.id)).collect()
}

impl Usage {
    pub fn start() -> Result<Self> {
        Ok(Self {
            since: Instant::now(),
            before: rows().into_iter().map(|r| (r.id, r.seconds)).collect(),
            machine: machine()?,
        })
    }

    /// Percent of the whole machine, all cores, that was idle since the start.
    pub fn idle_percent(&self) -> Result<f64> {
        let (idle, all) = machine()?;
        let (idle, all) = (idle.saturating_sub(self.machine.0), all.saturating_sub(self.machine.1));
        Ok((idle as f64 / all.max(1) as f64 * 1000.0).round() / 10.0)
    }

    /// Percent of one core since the start, of `root` and its descendants for which `pick` says yes by process name.
    pub fn percent(&self, root: u32, pick: impl Fn(&str) -> bool) -> f64 {
        let now = rows();
        let used = family(&now, root).into_iter().filter(|r| pick(&r.name));
        let seconds: f64 = used
            .map(|r| r.seconds - self.before.get(&r.id).copied().unwrap_or(0.0))
            .sum();
        (seconds / self.since.elapsed().as_secs_f64() * 1000.0).round() / 10.0
    }
}

/// Idle and all ticks of all CPUs (proc(5), `/proc/stat`).
pub fn machine() -> Result<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let idle = ticks.get(3..5).unwrap_or_default().iter().sum();
    Ok((idle, ticks.iter().take(8).sum()))
}

/// Ids of `root`'s descendants whose process name is picked.
pub fn descendants(root: u32, pick: impl Fn(&str) -> bool) -> Vec<u32> {
    let rows = rows();
    family(&rows, root)
        .into_iter()
        .filter(|r| pick(&r.name))
        .map(|r| r.id)
        .collect()
}

/// The process that runs a window's page.
pub fn is_web_process(name: &str) -> bool {
    name.starts_with("WebKitWebProces")
}

/// Whether a process of WebKit does the drawing: `WebKitWebProces` is cut at 15 letters by the kernel.
pub fn is_web_view(name: &str) -> bool {
    name.starts_with("WebKit")
}

/// Resident memory of one process, MiB.
pub fn resident_mib(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim()
        .trim_end_matches(" kB")
        .trim()
        .parse::<f64>()
        .ok()
        .map(|kib| kib / 1024.0)
}
