//! `invigil-bench`: forwarding beside other SFUs, the same load for each, one after the other in one run.

mod bare;
mod load;
mod measure;
mod neighbour;
mod syscalls;
mod table;
mod targets;
mod usage;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use load::{LOADS, Load};
use measure::Figures;
use std::io::Write;
use std::path::PathBuf;
use targets::Setup;

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
    /// Be busy (started by `run --busy`).
    Neighbour,
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
    /// Only these numbers of shards of our own (1 and 2, where the binary can be told).
    #[arg(long = "shards", value_name = "N")]
    shards: Vec<usize>,
    /// Measured seconds of a run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Don't count system calls (a pass of 2 s for every line of the table).
    #[arg(long)]
    no_syscalls: bool,
    /// Beside a process of the lowest priority that is always busy: a machine that does other things as well.
    #[arg(long)]
    busy: bool,
    /// Where the table goes as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Where every run goes, a JSON object a line, from which the table can be computed again.
    #[arg(long)]
    raw: Option<PathBuf>,
}

/// What is measured, and what has been.
struct Line {
    load: Load,
    setup: Setup,
    runs: Vec<Figures>,
    /// Why it can't be measured: the others go on without it.
    failed: Option<String>,
    packets_per_syscall: Option<f64>,
}

fn main() -> Result<()> {
    match Options::parse().what {
        What::Peer { name } => match name.as_str() {
            "str0m" => targets::str0m_peer::serve(),
            "rtc" => targets::rtc_peer::serve(),
            _ => bail!("there is no peer '{name}'"),
        },
        What::Neighbour => {
            neighbour::sweep();
            Ok(())
        }
        What::Run(options) => run(&options),
    }
}

/// What the options choose, in the order of the table.
fn chosen(options: &RunOptions) -> Vec<Line> {
    let among = |given: &[String], name: &str| given.is_empty() || given.iter().any(|g| g == name);
    let shards = match (options.shards.as_slice(), targets::takes(&options.sfu, "--shards")) {
        ([], true) => vec![1, 2],
        ([], false) => vec![1],
        (given, true) => given.to_vec(),
        (given, false) => given.iter().copied().filter(|n| *n == 1).collect(),
    };
    let mut lines = Vec::new();
    for name in targets::NAMES.iter().filter(|name| among(&options.peers, name)) {
        if let Some(why) = targets::missing(name) {
            println!("{name}: {why}");
            continue;
        }
        for load in LOADS.iter().filter(|load| among(&options.loads, load.name)) {
            let setups = targets::setups(name, &shards).into_iter();
            // The floors are of bursts only: what an exam sends is no pattern that a bare thread could repeat.
            let setups = setups.filter(|setup| !setup.is_floor() || !load.paced);
            lines.extend(setups.map(|setup| Line {
                load: *load,
                setup,
                runs: Vec::new(),
                failed: None,
                packets_per_syscall: None,
            }));
        }
    }
    // By load: what is compared was measured close together.
    lines.sort_by_key(|line| LOADS.iter().position(|load| load.name == line.load.name));
    lines
}

fn run(options: &RunOptions) -> Result<()> {
    let mut lines = chosen(options);
    if lines.is_empty() {
        bail!("nothing was chosen");
    }
    let count_calls = !options.no_syscalls && syscalls::available();
    if !count_calls {
        println!("system calls are not counted (strace: cargo xtask bench sfu --install-peers)");
    }
    let _neighbour = options.busy.then(neighbour::Neighbour::start).transpose()?;
    let mut raw = options.raw.as_ref().map(std::fs::File::create).transpose()?;
    // Round after round, so that what disturbs the machine for a while disturbs every line.
    for round in 0..options.repeats.max(1) {
        for line in &mut lines {
            let what = format!(
                "{} {} gso {} offload {} shards {}",
                line.setup.name,
                line.load.name,
                u8::from(line.setup.segments),
                u8::from(line.setup.offload),
                line.setup.shards
            );
            if line.failed.is_some() {
                continue;
            }
            let figures = match measure::run(options, line, count_calls && round == 0) {
                Ok(figures) => figures,
                Err(error) => {
                    println!("{what}: {error:#}");
                    line.failed = Some(format!("{what}: {error:#}"));
                    continue;
                }
            };
            println!(
                "{what}, round {}: {:.2} us a packet",
                round + 1,
                figures.us_per_packet()
            );
            if let Some(raw) = &mut raw {
                writeln!(raw, "{}", figures.json(line, round, options.busy)?)?;
            }
            line.packets_per_syscall = figures.packets_per_syscall.or(line.packets_per_syscall);
            line.runs.push(figures);
        }
    }
    table::print(&lines);
    let failed: Vec<&String> = lines.iter().filter_map(|line| line.failed.as_ref()).collect();
    for failed in &failed {
        println!("failed: {failed}");
    }
    if let Some(file) = &options.csv {
        std::fs::write(file, table::csv(&lines, options.busy))
            .with_context(|| format!("can't write {}", file.display()))?;
    }
    if !failed.is_empty() {
        bail!("{} lines could not be measured", failed.len());
    }
    Ok(())
}
