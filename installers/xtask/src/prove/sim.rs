//! Simulated exams with new seeds (`tests/sim`): faults that nobody thought of, for some minutes.

use super::Row;
use crate::run;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Minutes of it, compiling left out.
const MINUTES: u64 = 10;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let first = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_micros() as u64);
    println!("seeds from {first} on, for {MINUTES} minutes");
    let mut test = run::cargo();
    test.args([
        "test",
        "-p",
        "invigil-tests",
        "--test",
        "sim",
        "--",
        "--nocapture",
        "seeds::",
    ])
    .env("INVIGIL_SIM_SEED", first.to_string())
    .env("INVIGIL_SIM_MINUTES", MINUTES.to_string());
    let (mut summary, mut log) = (None, String::new());
    let ended = run::check_lines(&mut test, |line| {
        summary = line
            .strip_prefix("sim: ")
            .filter(|line| line.contains(" seeds, "))
            .map(str::to_owned)
            .or(summary.take());
        log += line;
        log += "\n";
    });
    std::fs::write(out.join("sim.log"), log).context("can't keep the log")?;
    let holds = ended.is_ok() && summary.is_some();
    let measured = summary.unwrap_or_else(|| "no run".to_owned());
    let again = "again: INVIGIL_SIM_SEED=N cargo test -p invigil-tests --test sim seeds";
    let measured = if holds {
        measured
    } else {
        format!("{measured}; {again}")
    };
    Ok(vec![Row::is(
        &format!("simulated exams, seeds from {first} on"),
        measured,
        "every promise holds",
        holds,
    )])
}
