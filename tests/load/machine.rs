//! What processes and the machine used over a stretch of time, thread by thread, from `/proc`.

use anyhow::{Context, Result};
use invigil_tests::usage::machine;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// CPU times of a process's threads and of the machine at a moment.
pub struct Meter {
    id: u32,
    since: Instant,
    threads: BTreeMap<u32, (String, u64)>,
    idle: u64,
    all: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Used {
    pub cpu_ns: u64,
    /// Of one core.
    pub percent: f64,
    /// Of one core, threads with one name together, those under 0.5% left out.
    pub threads: BTreeMap<String, f64>,
    /// Of all cores, of the whole machine.
    pub machine_idle_percent: f64,
    pub resident_kib: u64,
}

impl Meter {
    pub fn start(id: u32) -> Result<Self> {
        let (idle, all) = machine()?;
        Ok(Self {
            id,
            since: Instant::now(),
            threads: threads(id)?,
            idle,
            all,
        })
    }

    pub fn read(&self) -> Result<Used> {
        let wall = self.since.elapsed().as_nanos() as f64;
        let (idle, all) = machine()?;
        let (mut cpu_ns, mut by_name) = (0, BTreeMap::<String, f64>::new());
        for (thread, (name, ns)) in threads(self.id)? {
            let before = self.threads.get(&thread).map_or(0, |(_, before)| *before);
            let ns = ns.saturating_sub(before);
            cpu_ns += ns;
            *by_name.entry(name).or_default() += ns as f64 / wall * 100.0;
        }
        by_name.retain(|_, percent| *percent >= 0.5);
        by_name
            .values_mut()
            .for_each(|percent| *percent = (*percent * 10.0).round() / 10.0);
        Ok(Used {
            cpu_ns,
            percent: (cpu_ns as f64 / wall * 1_000.0).round() / 10.0,
            threads: by_name,
            machine_idle_percent: idle.saturating_sub(self.idle) as f64 / all.saturating_sub(self.all).max(1) as f64
                * 100.0,
            resident_kib: resident_kib(self.id)?,
        })
    }
}

/// Nanoseconds on a CPU by thread (`schedstat`, first field).
fn threads(id: u32) -> Result<BTreeMap<u32, (String, u64)>> {
    let entries = std::fs::read_dir(format!("/proc/{id}/task")).context("the process is gone")?;
    let one = |entry: std::fs::DirEntry| {
        let thread = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm"))
            .ok()?
            .trim()
            .to_owned();
        let times = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        Some((thread, (name, times.split(' ').next()?.parse().ok()?)))
    };
    Ok(entries.flatten().filter_map(one).collect())
}

pub fn resident_kib(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the process is gone")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .context("bad VmRSS")
}
