//! `invigil-demo`: a real exam on this machine. `cargo xtask demo` installs and builds what it needs, then starts it.
#![allow(clippy::print_stdout)] // a command-line tool: its output is its interface

mod audio;
mod headless;
mod raw;
mod report;
mod stage;
mod windows;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

/// A real exam on this machine: SFU, proctor app, candidate app, and candidates without windows.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask demo")]
pub struct Options {
    /// Candidates without windows, beside the one with a window.
    #[arg(long, value_name = "N")]
    candidates: Option<usize>,
    /// Capture the real desktop, not a window of its own.
    #[arg(long, conflicts_with = "headless")]
    here: bool,
    /// On virtual screens, without anybody; leaves pictures, raw figures and report.json.
    #[arg(long)]
    headless: bool,
    /// How long to measure.
    #[arg(long, default_value_t = 20, value_name = "S")]
    seconds: u64,
    /// Where to leave what was measured.
    #[arg(long, default_value = "demo-out", value_name = "DIR")]
    out: PathBuf,
    /// Folder of the built programs.
    #[arg(long, hide = true)]
    bin_dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let bin_dir = options.bin_dir.clone().unwrap_or_else(invigil_tests::sfu::bin_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if options.headless {
            headless::run(&options, &bin_dir).await
        } else {
            windows::run(&options, &bin_dir).await
        }
    })
}
