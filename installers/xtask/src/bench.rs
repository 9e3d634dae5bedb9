//! `cargo xtask bench`: what is measured beside others, from release binaries.

use crate::packages::{self, Purpose};
use crate::{build, run};
use anyhow::{Result, bail};
use std::process::Command;

pub fn bench(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, rest)) if what == "sfu" => sfu(rest),
        Some((what, _)) => bail!("bench knows 'sfu', not '{what}'"),
        None => bail!(
            "bench what? cargo xtask bench sfu [--csv FILE] [--load 10x10] [--peer NAME] [--seconds S] [--repeats N]"
        ),
    }
}

/// Our SFU and others under the same load, one after the other.
fn sfu(arguments: &[String]) -> Result<()> {
    run::step("What compiling needs", || packages::ensure(Purpose::Demo))?;
    run::step("The SFU, optimised", || {
        run::check(run::cargo().args(["build", "--release", "--package", "invigil-sfu"]))
    })?;
    let target = build::target_dir()?;
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
    let release = target.join("release");
    run::step("Measuring", || {
        let mut bench = Command::new(release.join("invigil-bench"));
        bench.args(["run", "--sfu"]).arg(release.join("invigil-sfu"));
        run::check(bench.args(arguments).current_dir(run::root()))
    })
}
