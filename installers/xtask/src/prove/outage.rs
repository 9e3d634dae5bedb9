//! A network that is away for ten minutes costs neither the session nor the pictures (`tests/scenarios/network.rs`).

use super::Row;
use crate::run;
use anyhow::{Context, Result};
use std::path::Path;

const OUTAGE_S: u64 = 600;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let mut test = run::cargo();
    test.args(["test", "--workspace", "--test", "network", "--", "--nocapture"])
        .env("INVIGIL_BIN_DIR", run::root().join("target/debug"))
        .env("INVIGIL_OUTAGE_S", OUTAGE_S.to_string());
    let (mut summary, mut log) = (None, String::new());
    let ended = run::check_lines(&mut test, |line| {
        summary = line.strip_prefix("outage: ").map(str::to_owned).or(summary.take());
        log += line;
        log += "\n";
    });
    let file = out.join("outage.log");
    std::fs::write(&file, log).with_context(|| format!("can't keep {}", file.display()))?;
    let holds = ended.is_ok() && summary.is_some();
    let measured = summary.unwrap_or_else(|| format!("failed, see {}", file.display()));
    Ok(vec![Row::is(
        "network away",
        measured,
        &format!("{OUTAGE_S} s, the same session"),
        holds,
    )])
}
