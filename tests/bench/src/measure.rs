//! One run: an SFU started, everybody connected, and what forwarding cost.

use crate::load::{Delivered, Run};
use crate::{Line, RunOptions, bare, syscalls, targets, usage};
use anyhow::{Result, bail};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Before anything is measured: key frames asked for, estimators settled, buffers grown.
const WARM_UP: Duration = Duration::from_secs(1);
/// The pass that counts system calls.
const COUNTED: Duration = Duration::from_secs(2);

/// One run's figures.
pub struct Figures {
    pub cpu_ns: u64,
    pub seconds: f64,
    pub expected: f64,
    pub delivered: Delivered,
    /// Growth of the resident memory by this load.
    pub kb: Option<u64>,
    pub transports: usize,
    pub packets_per_syscall: Option<f64>,
    syscalls: Vec<(String, u64)>,
}

impl Figures {
    pub fn us_per_packet(&self) -> f64 {
        self.cpu_ns as f64 / 1_000.0 / self.delivered.received as f64
    }
    pub fn packets_a_second(&self) -> f64 {
        self.delivered.received as f64 / self.seconds
    }
    pub fn share_delivered(&self) -> f64 {
        self.delivered.received as f64 / self.expected
    }
    pub fn kb_per_transport(&self) -> Option<f64> {
        Some(self.kb? as f64 / self.transports as f64)
    }

    /// A latency by its rank, nearest rank; latencies are sorted.
    pub fn latency_us(&self, share: f64) -> Option<u32> {
        let count = self.delivered.latencies_us.len();
        let rank = ((share * count as f64).ceil() as usize).max(1) - 1;
        self.delivered.latencies_us.get(rank).copied()
    }

    /// All of it on one line; latencies as pairs of microseconds and how often.
    pub fn json(&self, line: &Line, round: usize, busy: bool) -> Result<String> {
        let mut latencies: BTreeMap<u32, u64> = BTreeMap::new();
        for &latency in &self.delivered.latencies_us {
            *latencies.entry(latency).or_default() += 1;
        }
        Ok(serde_json::to_string(&json!({
            "sfu": line.setup.name,
            "load": line.load.name,
            "gso": u8::from(line.setup.segments),
            "offload": u8::from(line.setup.offload),
            "shards": line.setup.shards,
            "busy": u8::from(busy),
            "round": round + 1,
            "cpu_ns": self.cpu_ns,
            "seconds": self.seconds,
            "sent_video": self.delivered.sent_video,
            "sent_audio": self.delivered.sent_audio,
            "expected": self.expected,
            "received": self.delivered.received,
            "mended": self.delivered.mended,
            "kb": self.kb,
            "transports": self.transports,
            "syscalls": self.syscalls,
            "packets_per_syscall": self.packets_per_syscall,
            "latency_us": latencies.into_iter().collect::<Vec<_>>(),
        }))?)
    }
}

/// Runs a line of the table once.
pub fn run(options: &RunOptions, line: &Line, count_calls: bool) -> Result<Figures> {
    let (load, setup) = (line.load, line.setup);
    let time = Duration::from_secs(options.seconds.max(1));
    let mut figures = Figures {
        cpu_ns: 0,
        seconds: 0.0,
        expected: 0.0,
        delivered: Delivered::default(),
        kb: None,
        transports: load.publishers + load.subscribers,
        packets_per_syscall: None,
        syscalls: Vec::new(),
    };
    let start = Instant::now();
    if setup.is_floor() {
        let Some(sent) = bare::send(load, setup, time, &mut figures.delivered)? else {
            bail!("there is no floor of the load {}", load.name);
        };
        figures.cpu_ns = sent.cpu_ns;
        figures.packets_per_syscall = Some(figures.delivered.received as f64 / sent.calls as f64);
        return done(figures, load, start.elapsed());
    }
    let folder = tempfile::tempdir()?;
    let mut target = targets::start(setup, &options.sfu, folder.path(), load.publishers)?;
    let pid = target.pid();
    let before_kb = usage::resident_kb(pid)?;
    let mut run = Run::connect(load, target.as_mut(), setup.offload)?;
    run.go_on(WARM_UP, &mut Delivered::default())?;
    let (cpu, start) = (usage::cpu_ns(pid)?, Instant::now());
    run.go_on(time, &mut figures.delivered)?;
    (figures.cpu_ns, figures.seconds) = (usage::cpu_ns(pid)? - cpu, start.elapsed().as_secs_f64());
    figures.kb = Some(usage::resident_kb(pid)?.saturating_sub(before_kb));
    if count_calls {
        let counting = syscalls::Counting::start(pid, folder.path())?;
        let mut counted = Delivered::default();
        run.go_on(COUNTED, &mut counted)?;
        figures.syscalls = counting.end()?;
        let calls: u64 = figures.syscalls.iter().map(|(_, calls)| calls).sum();
        figures.packets_per_syscall = Some(counted.received as f64 / calls as f64);
    }
    let elapsed = Duration::from_secs_f64(figures.seconds);
    done(figures, load, elapsed)
}

fn done(mut figures: Figures, load: crate::Load, elapsed: Duration) -> Result<Figures> {
    if figures.delivered.received == 0 {
        bail!("nothing was delivered");
    }
    figures.seconds = elapsed.as_secs_f64();
    figures.expected = figures.delivered.expected(&load);
    figures.delivered.latencies_us.sort_unstable();
    Ok(figures)
}
