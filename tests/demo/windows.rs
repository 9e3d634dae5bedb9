//! The demo that a person looks at: the proctor's window, and the candidate's in a nested screen.

use crate::Options;
use crate::stage::{Stage, expect, has_camera};
use anyhow::Result;
use invigil_tests::process::Process;
use invigil_tests::screen::Screen;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Candidates without windows when nothing else is asked for: a living wall that two cores carry easily.
const OTHERS: usize = 8;

pub async fn run(options: &Options, bin_dir: &Path) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("invigil-demo-").tempdir()?;
    let stage = Stage::set(folder.path(), bin_dir, options.candidates.unwrap_or(OTHERS))?;
    let (candidate, proctor) = (stage.binary("invigil-candidate"), stage.binary("invigil-proctor"));
    expect(&candidate)?;
    expect(&proctor)?;
    let _others = stage.start_others(&folder.path().join("joins.csv"), 150, false)?;
    let mut command = Command::new(&proctor);
    command.args(stage.proctor_arguments());
    let mut proctor =
        Process::start_with_input("proctor", &mut command, &format!("{}\n", stage.password), &stage.logs)?;
    let mut command = Command::new(&candidate);
    command.args(stage.candidate_arguments());
    let nested = (!options.here)
        .then(|| Screen::nested_screen("candidate", "The candidate's computer", 1280, 760, &stage.logs))
        .transpose()?;
    if let Some(screen) = &nested {
        command.env("DISPLAY", &screen.display).arg("--fullscreen");
    }
    let mut candidate = Process::start("candidate", &mut command, &stage.logs)?;
    if !has_camera() {
        println!("No camera was found: the candidate's picture is the built-in test picture, and says so.");
    }
    let candidates = if options.here {
        "the candidate's app, which shows this desktop to the proctor"
    } else {
        "\"The candidate's computer\", a screen of its own (perhaps behind the first)"
    };
    println!("Two windows: \"Invigil Proctor\", and {candidates}.");
    println!("Logs: {}\nCtrl+C ends everything.", stage.logs.display());
    let closed = async {
        while proctor.ended().is_none() && candidate.ended().is_none() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => println!("\nEnding."),
        () = closed => println!("A window was closed. Ending."),
    }
    Ok(())
}
