//! The Debian package on a machine with systemd (`tests/deb/run.sh`).

use super::Row;
use crate::{build, dist, packages};
use anyhow::Result;
use std::path::Path;

/// What the machine claims on its console, in this order.
const CLAIMS: &[&str] = &[
    "installed and running",
    "runs as its own user with its own limits",
    "the journal has the setup code",
    "used and reloaded",
    "started again after a kill",
    "upgraded from",
    "removed, data and settings left",
    "installed again, the exam is still there",
    "purged, what was kept of exams is left",
    "passed",
];

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    packages::ensure(packages::Purpose::Test)?;
    let binary = build::release_sfu()?;
    let mut lines = Vec::new();
    // Its verdict stands in the lines.
    let ended = dist::try_deb(&binary, out, |line| lines.push(line.to_owned()));
    let told = |claim: &str| {
        let mut claims = lines.iter().filter_map(|line| line.strip_prefix("deb: "));
        claims.any(|line| line.starts_with(claim))
    };
    let mut rows: Vec<Row> = CLAIMS
        .iter()
        .map(|claim| Row::is(claim, if told(claim) { "yes" } else { "no" }, "yes", told(claim)))
        .collect();
    if let Err(error) = ended {
        rows.push(Row::is("the machine", format!("{error:#}"), "ends well", false));
    }
    Ok(rows)
}
