//! Every parser of what peers send, ten minutes each (`tests/fuzz`).

use super::Row;
use crate::fuzz;
use anyhow::Result;
use std::path::Path;

/// Seconds of one target.
const EACH_S: u32 = 600;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let programs = fuzz::build()?;
    println!("{} targets, {EACH_S} s each", fuzz::TARGETS.len());
    let outcomes = fuzz::run_all(&programs, out, EACH_S)?;
    Ok(outcomes
        .into_iter()
        .map(|outcome| {
            let holds = outcome.finding.is_none();
            let measured = outcome
                .finding
                .unwrap_or_else(|| format!("{} inputs, clean", outcome.tried));
            Row::is(outcome.target, measured, "no finding", holds)
        })
        .collect())
}
