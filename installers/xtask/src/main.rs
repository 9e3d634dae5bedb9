//! `cargo xtask`: the demo, the gate and what both need, from a fresh clone on a fresh machine.
#![allow(clippy::print_stdout)] // a command-line tool: its output is its interface

mod bench;
mod build;
mod demo;
mod dist;
mod fuzz;
mod gate;
mod packages;
mod prove;
mod run;
mod tools;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo [--candidates N] [--here]               a real exam on this machine: SFU, proctor app, candidate app
  demo --headless [--seconds S] [--out DIR]    the same on virtual screens; leaves pictures, logs and report.json
  test                                         the gate: every behaviour once
  prove [NAME ...]                             the long list, with thresholds on time; leaves out/prove/prove.json
  bench sfu [--install-peers] [--csv FILE]     CPU per forwarded packet, beside other SFUs (--load, --peer, --busy ...)
  dist deb [--out DIR]                         the server as a Debian package (release build, or --binary FILE)
  setup [demo|test]                            only install what those need
  ui                                           only build the windows (ui/dist)
  bindings                                     write the UI's types anew from shared/ and src-tauri/crates/view
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments
        .split_first()
        .map(|(c, r)| (c.as_str(), r))
        .unwrap_or(("help", &[]));
    std::env::set_current_dir(run::root())?;
    match command {
        "demo" => demo::demo(rest),
        "test" => gate::gate(rest),
        "bench" => bench::bench(rest),
        "prove" => prove::prove(rest),
        "setup" => match rest.first().map(String::as_str) {
            Some("demo") => packages::ensure(packages::Purpose::Demo),
            Some("test") | None => {
                packages::ensure(packages::Purpose::Test).and_then(|()| tools::cargo_deny().map(drop))
            }
            Some(other) => bail!("setup knows 'demo' and 'test', not '{other}'"),
        },
        "dist" => dist::dist(rest),
        "ui" => build::ui(),
        "bindings" => build::bindings(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command '{other}'\n\n{HELP}"),
    }
}
