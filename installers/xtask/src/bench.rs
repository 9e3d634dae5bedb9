//! `cargo xtask bench`: what is measured beside others, from release binaries.

use crate::packages::{self, Purpose};
use crate::{build, run};
use anyhow::{Context, Result, bail};
use std::process::Command;

pub fn bench(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, rest)) if what == "sfu" => sfu(rest),
        Some((what, _)) => bail!("bench knows 'sfu', not '{what}'"),
        None => bail!(
            "bench what? cargo xtask bench sfu [--install-peers] [--csv FILE] [--load 10x10] [--peer NAME] [--shards N] [--seconds S] [--repeats N] [--busy]"
        ),
    }
}

/// Our SFU and others under the same load, one after the other. Leaves the table in `out/bench/sfu.csv` (or where `--csv` says)
/// and every run in `out/bench/runs.jsonl`.
fn sfu(arguments: &[String]) -> Result<()> {
    let (install, mut arguments): (Vec<String>, Vec<String>) = arguments
        .iter()
        .cloned()
        .partition(|argument| argument == "--install-peers");
    if !install.is_empty() {
        run::step("The peers that are packages", || packages::ensure(Purpose::Peers))?;
    }
    run::step("What compiling needs", || packages::ensure(Purpose::Demo))?;
    let sfu = run::step("The SFU, optimised", build::release_sfu)?;
    let release = sfu.parent().context("a program without a folder")?.to_path_buf();
    let target = release.parent().context("a folder at the root")?.to_path_buf();
    run::step("The load and the peers, optimised", || {
        let mut cargo = run::cargo();
        cargo.args([
            "build",
            "--release",
            "--manifest-path",
            "tests/bench/Cargo.toml",
            "--target-dir",
        ]);
        run::check(cargo.arg(&target))
    })?;
    let out = run::root().join("out/bench");
    std::fs::create_dir_all(&out)?;
    for (option, file) in [("--csv", "sfu.csv"), ("--raw", "runs.jsonl")] {
        if !arguments
            .iter()
            .any(|argument| argument.split('=').next() == Some(option))
        {
            arguments.extend([option.to_owned(), out.join(file).to_string_lossy().into_owned()]);
        }
    }
    run::step("Measuring", || {
        let mut bench = Command::new(release.join("invigil-bench"));
        bench.args(["run", "--sfu"]).arg(&sfu);
        run::check(bench.args(&arguments).current_dir(run::root()))
    })
}
