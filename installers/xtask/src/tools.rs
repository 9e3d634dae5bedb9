//! Tools from crates.io and PyPI, kept in the user's cache.

use crate::run;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// The version is pinned: a newer one may read `deny.toml` differently.
pub fn cargo_deny() -> Result<PathBuf> {
    installed("cargo-deny", "0.18.9", "to check licences and sources")
}

/// The version is pinned: a newer one makes other requests, and finds something else on another day.
pub fn schemathesis() -> Result<PathBuf> {
    let version = "4.4.1";
    let folder = run::cache()?.join(format!("schemathesis-{version}"));
    let program = folder.join("bin/schemathesis");
    let wanted = format!("schemathesis, version {version}");
    if run::output(&program.to_string_lossy(), &["--version"]).is_some_and(|v| v.trim() == wanted) {
        return Ok(program);
    }
    println!("Installing schemathesis {version} from PyPI into the user's cache, to test the REST calls (once).");
    // Debian's own Python: another one on the path may have no venv.
    run::check(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    let mut install = Command::new(folder.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check"]);
    // What makes its requests is pinned too, or they would differ from one machine to the next.
    run::check(
        install
            .arg(format!("schemathesis=={version}"))
            .arg("hypothesis==6.140.0"),
    )?;
    Ok(program)
}

/// A tool, installed when it is missing or of another version.
fn installed(name: &str, version: &str, why: &str) -> Result<PathBuf> {
    let folder = run::cache()?.join("tools");
    let program = folder.join("bin").join(name);
    let wanted = format!("{name} {version}");
    if run::output(&program.to_string_lossy(), &["--version"]).is_some_and(|v| v.trim() == wanted) {
        return Ok(program);
    }
    println!("Installing {wanted} into the user's cache, {why} (some minutes, once).");
    let mut install = run::cargo();
    install
        // Unoptimised: it runs for seconds, and optimising it takes minutes.
        .args([
            "install",
            name,
            "--locked",
            "--debug",
            "--force",
            "--version",
            version,
            "--root",
        ])
        .arg(&folder)
        .arg("--target-dir")
        .arg(run::cache()?.join("tools-target"));
    run::check(&mut install)?;
    Ok(program)
}
