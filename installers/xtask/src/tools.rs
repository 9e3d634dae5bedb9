//! Tools from crates.io, kept in the user's cache.

use crate::run;
use anyhow::Result;
use std::path::PathBuf;

/// The version is pinned: a newer one may read `deny.toml` differently.
pub fn cargo_deny() -> Result<PathBuf> {
    installed("cargo-deny", "0.18.9", "to check licences and sources")
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
        .args(["install", name, "--locked", "--force", "--version", version, "--root"])
        .arg(&folder)
        .arg("--target-dir")
        .arg(run::cache()?.join("tools-target"));
    run::check(&mut install)?;
    Ok(program)
}
