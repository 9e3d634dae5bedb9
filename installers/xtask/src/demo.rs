//! `cargo xtask demo`: installs, builds, and hands over to `invigil-demo`, which runs the exam.

use crate::packages::Purpose;
use crate::{build, packages, run};
use anyhow::{Result, bail};
use std::process::Command;

pub fn demo(arguments: &[String]) -> Result<()> {
    let headless = arguments.iter().any(|a| a == "--headless");
    if !headless {
        refuse_without_screen(arguments.iter().any(|a| a == "--here"))?;
    }
    run::step("What the demo needs", || packages::ensure(Purpose::Demo))?;
    run::step("The windows", build::ui)?;
    let folder = run::step("The programs (some minutes the first time)", build::binaries)?;
    let mut demo = Command::new(folder.join("invigil-demo"));
    demo.current_dir(run::root())
        .arg("--bin-dir")
        .arg(&folder)
        .args(arguments);
    run::check(&mut demo)
}

fn refuse_without_screen(here: bool) -> Result<()> {
    if here && std::env::var_os("WAYLAND_DISPLAY").is_some() {
        bail!(
            "--here can't capture a Wayland desktop yet. Log in with an X11 session, or leave --here away for a window of its own"
        );
    }
    if std::env::var_os("DISPLAY").is_none() {
        bail!(
            "there is no X display here. On a machine without a screen: cargo xtask demo --headless --seconds 20 --out demo-out"
        );
    }
    Ok(())
}
