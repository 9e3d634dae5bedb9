//! `invigil-bench`: forwarding beside other SFUs, the same load for each, one after the other in one run.

mod bare;
mod load;
mod sdp;
mod targets;
mod usage;
mod wire;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use load::{Delivered, LOADS, Load, Run};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure.
    Run(RunOptions),
    /// Be one of the peers (started by `run`).
    Peer { name: String },
}

#[derive(Parser)]
struct RunOptions {
    /// Our release binary.
    #[arg(long)]
    sfu: PathBuf,
    /// Only these SFUs.
    #[arg(long = "peer", value_name = "NAME")]
    peers: Vec<String>,
    /// Only these loads.
    #[arg(long = "load", value_name = "NAME")]
    loads: Vec<String>,
    /// Measured seconds of a run.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Where the table goes as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
}

/// One run's figures.
#[derive(Clone, Debug)]
struct Figures {
    us_per_packet: f64,
    kb_per_transport: f64,
    latency_p50_us: u32,
    latency_p99_us: u32,
    delivered: f64,
    packets_a_second: f64,
}

fn main() -> Result<()> {
    match Options::parse().what {
        What::Peer { name } if name == "str0m" => targets::str0m_peer::serve(),
        What::Peer { name } => bail!("there is no peer '{name}'"),
        What::Run(options) => run(&options),
    }
}

fn run(options: &RunOptions) -> Result<()> {
    let chosen = |given: &[String], name: &str| given.is_empty() || given.iter().any(|g| g == name);
    let mut csv = String::from(
        "sfu,load,gso,shards,us_per_packet,us_min,us_max,kb_per_transport,latency_p50_us,latency_p99_us,delivered\n",
    );
    println!(
        "{:8} {:6} {:>4} {:>10} {:>17} {:>9} {:>9} {:>9} {:>10} {:>12}",
        "SFU", "load", "GSO", "us/packet", "(min to max)", "KB/tran.", "p50 us", "p99 us", "delivered", "packets/s"
    );
    for load in LOADS.iter().filter(|load| chosen(&options.loads, load.name)) {
        for name in targets::NAMES.iter().filter(|name| chosen(&options.peers, name)) {
            let variants: &[bool] = if *name != "str0m" { &[true, false] } else { &[false] };
            for &segments in variants {
                let mut runs = Vec::new();
                for _ in 0..options.repeats {
                    let figures = measure(options, name, *load, segments);
                    runs.push(figures.with_context(|| format!("{name}, {}", load.name))?);
                }
                runs.sort_by(|a, b| a.us_per_packet.total_cmp(&b.us_per_packet));
                let (least, most) = (runs[0].us_per_packet, runs[runs.len() - 1].us_per_packet);
                let median = &runs[runs.len() / 2];
                let Figures {
                    us_per_packet,
                    kb_per_transport,
                    latency_p50_us,
                    latency_p99_us,
                    delivered,
                    packets_a_second,
                } = median;
                println!(
                    "{name:8} {:6} {:>4} {us_per_packet:>10.2} {:>17} {kb_per_transport:>9.0} {latency_p50_us:>9} {latency_p99_us:>9} {delivered:>10.4} {packets_a_second:>12.0}",
                    load.name,
                    u8::from(segments),
                    format!("({least:.2} to {most:.2})")
                );
                csv += &format!(
                    "{name},{},{},1,{us_per_packet:.3},{least:.3},{most:.3},{kb_per_transport:.0},{latency_p50_us},{latency_p99_us},{delivered:.4}\n",
                    load.name,
                    u8::from(segments)
                );
            }
        }
    }
    if let Some(file) = &options.csv {
        std::fs::File::create(file)?.write_all(csv.as_bytes())?;
    }
    Ok(())
}

fn measure(options: &RunOptions, name: &str, load: Load, segments: bool) -> Result<Figures> {
    let mut delivered = Delivered::default();
    if name == "bare" {
        let (time, start) = (Duration::from_secs(options.seconds), Instant::now());
        let cpu = bare::send(load, segments, time, &mut delivered)?;
        return figures(load, cpu, start.elapsed(), 0, delivered);
    }
    let folder = tempfile::tempdir()?;
    let mut target = targets::start(name, &options.sfu, folder.path(), load.publishers, segments)?;
    let before_kb = usage::resident_kb(target.pid())?;
    let mut run = Run::connect(load, target.as_mut())?;
    run.go_on(Duration::from_secs(2), &mut Delivered::default())?;
    let (cpu, start) = (usage::cpu_ns(target.pid())?, Instant::now());
    run.go_on(Duration::from_secs(options.seconds), &mut delivered)?;
    let (cpu, time) = (usage::cpu_ns(target.pid())? - cpu, start.elapsed());
    let kb = usage::resident_kb(target.pid())?.saturating_sub(before_kb);
    figures(load, cpu, time, kb, delivered)
}

fn figures(load: Load, cpu_ns: u64, time: Duration, kb: u64, mut delivered: Delivered) -> Result<Figures> {
    delivered.latencies_us.sort_unstable();
    let rank = |share: f64| {
        let at = (delivered.latencies_us.len() as f64 * share) as usize;
        delivered.latencies_us.get(at).copied().unwrap_or(0)
    };
    if delivered.received == 0 {
        bail!("nothing was delivered");
    }
    Ok(Figures {
        us_per_packet: cpu_ns as f64 / 1_000.0 / delivered.received as f64,
        kb_per_transport: kb as f64 / (load.publishers + load.subscribers) as f64,
        latency_p50_us: rank(0.5),
        latency_p99_us: rank(0.99),
        delivered: delivered.received as f64 / (delivered.sent * load.subscribers as u64) as f64,
        packets_a_second: delivered.received as f64 / time.as_secs_f64(),
    })
}
