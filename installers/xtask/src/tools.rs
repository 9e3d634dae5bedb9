//! Tools from crates.io, kept in the user's cache.

use crate::run;
use anyhow::Result;
use std::path::PathBuf;

/// The version is pinned: a newer one may read `deny.toml` differently.
const CARGO_DENY: &str = "0.18.9";

/// cargo-deny, installed when it is missing or of another version.
pub fn cargo_deny() -> Result<PathBuf> {
    let folder = run::cache()?.join("tools");
    let program = folder.join("bin/cargo-deny");
    let wanted = format!("cargo-deny {CARGO_DENY}");
    if run::output(&program.to_string_lossy(), &["--version"]).is_some_and(|v| v.trim() == wanted) {
        return Ok(program);
    }
    println!(
        "Installing cargo-deny {CARGO_DENY} into the user's cache, to check licences and sources (some minutes, once)."
    );
    let mut install = run::cargo();
    install
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--force",
            "--version",
            CARGO_DENY,
            "--root",
        ])
        .arg(&folder);
    install.args(["--target-dir"]).arg(run::cache()?.join("tools-target"));
    run::check(&mut install)?;
    Ok(program)
}
