//! What the proofs under load share: our release server and `invigil-load`.

use crate::packages::{self, Purpose};
use crate::{build, run};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Programs {
    sfu: PathBuf,
    load: PathBuf,
}

/// Builds both: the server as it is shipped, the generator as the gate does, which compiles nothing twice (its dependencies are
/// optimised).
pub fn programs() -> Result<Programs> {
    packages::ensure(Purpose::Demo)?;
    let sfu = build::release_sfu()?;
    let load = build::binaries()?.join("invigil-load");
    Ok(Programs { sfu, load })
}

impl Programs {
    /// Runs one command of `invigil-load`; its report goes to `out`.
    pub fn run(&self, command: &str, arguments: &[&str], out: &Path) -> Result<()> {
        let out = out.to_string_lossy().into_owned();
        self.run_to(command, &[arguments, &["--out", &out]].concat())
    }

    /// The same with `--out` among the arguments.
    pub fn run_to(&self, command: &str, arguments: &[&str]) -> Result<()> {
        let mut load = Command::new(&self.load);
        load.arg(command).arg("--sfu").arg(&self.sfu).args(arguments);
        run::check(load.current_dir(run::root()))
    }
}

/// A report that a run left, which a run that missed its target leaves too.
pub fn report(folder: &Path, name: &str, ran: &Result<()>) -> Result<Value> {
    let text = std::fs::read(folder.join(name)).with_context(|| match ran {
        Ok(()) => format!("{name} was not left"),
        Err(error) => format!("{name} was not left: {error:#}"),
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{name} can't be read"))
}
