//! `cargo xtask prove`: the long list. Everything that has a threshold on time, or takes too long for the gate; a table on
//! the terminal and `out/prove/prove.json`.

mod crowd;
mod deb;
mod fresh;
mod fuzz;
mod hostile;
mod kills;
mod line;
mod load;
mod outage;
mod sim;
mod sockets;

use crate::run;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What can be proved, in the order of the whole list: name, what it is, and how.
type Proof = (&'static str, &'static str, fn(&Path) -> Result<Vec<Row>>);
const PROOFS: &[Proof] = &[
    ("line", "the headless demo's figures against their targets", line::prove),
    (
        "fuzz",
        "parsers of what peers send, under bytes that nobody wrote",
        fuzz::prove,
    ),
    (
        "hostile",
        "a live server under attack, and two people who notice nothing",
        hostile::prove,
    ),
    (
        "crowd",
        "500 candidates with the load generator beside the server, or as many as hold",
        crowd::prove,
    ),
    (
        "sockets",
        "10,000 signalling connections, opened in a minute and held for five",
        sockets::prove,
    ),
    (
        "kills",
        "kill -9 while the server writes, on both databases",
        kills::prove,
    ),
    (
        "outage",
        "a candidate's network that is away for ten minutes",
        outage::prove,
    ),
    (
        "sim",
        "simulated exams with seeds that were never run before",
        sim::prove,
    ),
    (
        "deb",
        "the Debian package, installed, upgraded and removed on a machine with systemd",
        deb::prove,
    ),
    (
        "fresh",
        "both commands in a new Debian with only Rust, Node.js and git",
        fresh::prove,
    ),
];

/// One line of the table.
#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    pub what: String,
    pub measured: String,
    pub target: String,
    pub holds: bool,
}

impl Row {
    /// A figure that may not exceed its target. `None`: it was not measured, which does not hold.
    fn at_most(what: &str, measured: Option<f64>, target: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            measured: measured.map_or("nothing".to_owned(), |m| format!("{m:.1} {unit}")),
            target: format!("<= {target} {unit}"),
            holds: measured.is_some_and(|m| m <= target),
        }
    }

    fn is(what: &str, measured: impl Into<String>, target: &str, holds: bool) -> Self {
        Self {
            what: what.to_owned(),
            measured: measured.into(),
            target: target.to_owned(),
            holds,
        }
    }
}

#[derive(Serialize)]
struct Proved {
    name: &'static str,
    seconds: u64,
    rows: Vec<Row>,
}

pub fn prove(names: &[String]) -> Result<()> {
    let known = || {
        PROOFS
            .iter()
            .map(|(name, what, _)| format!("  {name:8} {what}\n"))
            .collect::<String>()
    };
    if let Some(unknown) = names.iter().find(|name| PROOFS.iter().all(|(known, ..)| known != name)) {
        bail!("there is nothing to prove called '{unknown}':\n{}", known());
    }
    let folder = folder();
    let mut proved = Vec::new();
    for (name, what, how) in PROOFS
        .iter()
        .filter(|(name, ..)| names.is_empty() || names.iter().any(|n| n == name))
    {
        let out = folder.join(name);
        let start = Instant::now();
        let rows = run::step(&format!("prove {name}: {what}"), || {
            std::fs::remove_dir_all(&out).or_else(|e| {
                if e.kind() == std::io::ErrorKind::NotFound {
                    Ok(())
                } else {
                    Err(e)
                }
            })?;
            std::fs::create_dir_all(&out)?;
            how(&out)
        });
        let rows =
            rows.unwrap_or_else(|error| vec![Row::is("runs to its end", format!("{error:#}"), "no error", false)]);
        let seconds = start.elapsed().as_secs();
        proved.push(Proved { name, seconds, rows });
        let file = folder.join("prove.json");
        std::fs::write(&file, serde_json::to_string_pretty(&proved)?)
            .with_context(|| format!("can't write {}", file.display()))?;
    }
    print(&proved);
    let missed = proved.iter().flat_map(|p| &p.rows).filter(|row| !row.holds).count();
    if missed > 0 {
        bail!("{missed} figures miss their target");
    }
    Ok(())
}

/// Where everything goes that a proof leaves.
fn folder() -> PathBuf {
    run::root().join("out/prove")
}

fn print(proved: &[Proved]) {
    let rows = || proved.iter().flat_map(|p| p.rows.iter().map(move |row| (p.name, row)));
    let what = rows().map(|(_, row)| row.what.len()).max().unwrap_or(0);
    let measured = rows().map(|(_, row)| row.measured.len()).max().unwrap_or(0).min(60);
    println!();
    for (name, row) in rows() {
        let verdict = if row.holds { "holds" } else { "MISSED" };
        println!(
            "{name:8} {:what$}  {:measured$}  {verdict:6}  {}",
            row.what, row.measured, row.target
        );
    }
    for one in proved {
        println!("{:8} took {} s", one.name, one.seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn a_figure_holds_up_to_its_target_and_not_without_a_measurement() {
        assert!(Row::at_most("a", Some(500.0), 500.0, "ms").holds);
        assert!(!Row::at_most("a", Some(500.1), 500.0, "ms").holds);
        assert!(!Row::at_most("a", None, 500.0, "ms").holds);
    }
}
