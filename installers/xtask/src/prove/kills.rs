//! `kill -9` while the server writes, a hundred times on each database (`sfu/tests/service/kills.rs`).

use super::Row;
use crate::run;
use anyhow::{Context, Result};
use std::path::Path;

const KILLS: usize = 100;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, target) in [("SQLite", "service"), ("PostgreSQL", "on_postgres")] {
        let mut test = run::cargo();
        // Of the workspace, as the gate compiles them: a package by itself has its dependencies with other features.
        test.args(["test", "--workspace", "--test", target, "--", "--nocapture"])
            .arg("nothing_acknowledged_is_lost_or_doubled")
            .env("INVIGIL_KILLS", KILLS.to_string());
        let (mut summary, mut log) = (None, String::new());
        let ended = run::check_lines(&mut test, |line| {
            summary = line.strip_prefix("kills: ").map(str::to_owned).or(summary.take());
            log += line;
            log += "\n";
        });
        let file = out.join(format!("kills-{target}.log"));
        std::fs::write(&file, log).with_context(|| format!("can't keep {}", file.display()))?;
        let holds = ended.is_ok() && summary.is_some();
        let measured = summary.unwrap_or_else(|| format!("failed, see {}", file.display()));
        rows.push(Row::is(
            &format!("kill -9 during writes, {what}"),
            measured,
            &format!("{KILLS} kills, nothing lost or doubled"),
            holds,
        ));
    }
    Ok(rows)
}
