//! Every parser of what peers send, ten minutes each (`tests/fuzz`).

use super::Row;
use crate::{run, tools};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Seconds of one target.
const EACH_S: u32 = 600;
/// Megabytes past which an input that makes us keep memory is a finding.
const MEMORY_MB: u32 = 1_024;
const TARGETS: &[&str] = &[
    "stun",
    "dtls",
    "rtp",
    "rtcp",
    "sdp",
    "signalling",
    "frame_info",
    "token",
];

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let fuzz = tools::cargo_fuzz()?;
    TARGETS.iter().map(|target| one(&fuzz, target, out)).collect()
}

fn one(fuzz: &Path, target: &str, out: &Path) -> Result<Row> {
    let (corpus, found) = (out.join("corpus").join(target), out.join(target));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&found)?;
    // No sanitizer of addresses: what is fuzzed is safe Rust, and a stable compiler has none.
    let mut command = Command::new(fuzz);
    command
        .args(["run", "--fuzz-dir", "tests/fuzz", "--sanitizer", "none", target])
        .arg(&corpus)
        .arg(seeds(target))
        .arg("--")
        .args([
            format!("-max_total_time={EACH_S}"),
            format!("-rss_limit_mb={MEMORY_MB}"),
        ])
        .args([
            "-timeout=5".to_owned(),
            format!("-artifact_prefix={}/", found.display()),
        ])
        .arg("-print_final_stats=1")
        .current_dir(run::root());
    let log = std::fs::File::create(out.join(format!("{target}.log")))?;
    println!("{target}: {EACH_S} s");
    let status = command.stdout(log.try_clone()?).stderr(log).status()?;
    let text = std::fs::read_to_string(out.join(format!("{target}.log")))?;
    let executed = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let measured = match (status.success(), executed) {
        (true, Some(units)) => format!("{} inputs, clean", units.trim()),
        _ => format!("a finding, or no run: {}", out.join(format!("{target}.log")).display()),
    };
    Ok(Row::is(
        target,
        measured,
        "no finding",
        status.success() && executed.is_some(),
    ))
}

/// Inputs to start from.
fn seeds(target: &str) -> String {
    match target {
        "signalling" => "shared/tests/golden/v1".to_owned(),
        "sdp" => "sfu/src/core/transport/sdp/fixtures".to_owned(),
        other => format!("tests/fuzz/seeds/{other}"),
    }
}
