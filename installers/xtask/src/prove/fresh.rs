//! Both commands of the README on a machine that has nothing else.

use super::Row;
use crate::{packages, run};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Seconds that the gate may take cold on two cores.
const COLD_S: f64 = 3600.0;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    packages::ensure_one("debootstrap", "to make a new Debian to try both commands in")?;
    let mut script = Command::new("bash");
    script.arg("tests/fresh/run.sh").arg(out).current_dir(run::root());
    let mut lines = Vec::new();
    let ended = run::check_lines(&mut script, |line| lines.push(line.to_owned()));
    let seconds = |name: &str| {
        let marked = lines
            .iter()
            .find_map(|line| line.strip_prefix("fresh: ")?.strip_prefix(name));
        marked.and_then(|rest| rest.trim().parse::<f64>().ok())
    };
    let (demo, test) = (seconds("demo"), seconds("test"));
    let totals = lines
        .iter()
        .rev()
        .find(|line| line.contains(" passed, "))
        .cloned()
        .unwrap_or_default();
    Ok(vec![
        Row::is(
            "cargo xtask demo --headless, cold",
            demo.map_or("failed".into(), |s| format!("passed in {s:.0} s")),
            "passes",
            demo.is_some(),
        ),
        Row::is(
            "cargo xtask test",
            if test.is_some() { totals } else { "failed".into() },
            "passes",
            ended.is_ok() && test.is_some(),
        ),
        Row::at_most(
            "demo and gate together, cold",
            demo.zip(test).map(|(a, b)| a + b),
            COLD_S,
            "s",
        ),
    ])
}
