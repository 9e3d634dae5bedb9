//! Building the windows, the binaries and the generated types.

use crate::run;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

fn npm(folder: &str, arguments: &[&str]) -> Result<()> {
    run::check(
        Command::new("npm")
            .args(arguments)
            .current_dir(run::root().join(folder)),
    )
}

/// `npm ci` when the lock file changed since the last one, then the build.
pub fn ui() -> Result<()> {
    npm_install("ui")?;
    npm("ui", &["run", "--silent", "build"])
}

/// Installs a folder's packages from its lock file, unless they are those of this lock file already.
pub fn npm_install(folder: &str) -> Result<()> {
    let home = run::root().join(folder);
    let lock = std::fs::read(home.join("package-lock.json")).with_context(|| format!("{folder}/package-lock.json"))?;
    let stamp = home.join("node_modules/.invigil-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    npm(folder, &["ci", "--no-audit", "--no-fund"])?;
    std::fs::write(stamp, lock).context("can't note which lock file was installed")
}

/// Runs one of the UI's scripts.
pub fn ui_script(script: &str) -> Result<()> {
    npm("ui", &["run", "--silent", script])
}

/// Writes the UI's types anew.
pub fn bindings() -> Result<()> {
    let mut test = run::cargo();
    test.args([
        "test",
        "--quiet",
        "--package",
        "invigil-shared",
        "--package",
        "invigil-view",
        "--lib",
        "export_bindings",
    ]);
    test.env("TS_RS_EXPORT_DIR", run::root().join("ui/src/common/bindings"))
        .env("TS_RS_LARGE_INT", "number");
    run::check(&mut test)
}

/// Fails when the committed types are not those that the tests have just written (ts-rs exports in its tests).
pub fn bindings_are_current() -> Result<()> {
    let changed = run::output("git", &["status", "--porcelain", "--", "ui/src/common/bindings"]).unwrap_or_default();
    if !changed.trim().is_empty() {
        bail!("ui/src/common/bindings is not what the code makes; commit these:\n{changed}");
    }
    Ok(())
}

/// Builds every binary and returns the folder that holds them. With the examples, dependencies get the features that the
/// tests need too, so that whoever runs the demo and then the gate compiles them once.
pub fn binaries() -> Result<PathBuf> {
    run::check(run::cargo().args(["build", "--workspace", "--bins", "--examples"]))?;
    target_dir().map(|target| target.join("debug"))
}

/// Builds the server as it is shipped; returns the program.
pub fn release_sfu() -> Result<PathBuf> {
    run::check(run::cargo().args(["build", "--release", "--package", "invigil-sfu"]))?;
    target_dir().map(|target| target.join("release/invigil-sfu"))
}

/// Where cargo builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata =
        run::output("cargo", &["metadata", "--format-version", "1", "--no-deps"]).context("cargo metadata failed")?;
    let key = "\"target_directory\":\"";
    let start = metadata.find(key).context("cargo metadata names no target directory")? + key.len();
    let end = metadata[start..].find('"').context("cargo metadata is cut")? + start;
    Ok(PathBuf::from(&metadata[start..end]))
}
