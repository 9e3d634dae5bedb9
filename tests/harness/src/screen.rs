//! Virtual X screens: Xvfb on a number of its own choice, with a window manager, and pictures of what they show.

use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub struct Screen {
    server: Process,
    _manager: Option<Process>,
    /// `:N`.
    pub display: String,
}

impl Screen {
    /// An Xvfb of `width` x `height` with openbox.
    pub fn virtual_screen(name: &str, width: u32, height: u32, logs: &Path) -> Result<Self> {
        let size = format!("{width}x{height}x24");
        let mut command = Command::new("Xvfb");
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            &size,
            "-noreset",
            "-nolisten",
            "tcp",
            "-dpi",
            "96",
        ]);
        Self::start(name, command, logs)
    }

    /// A window of `width` x `height` on the user's own screen that is an X server itself.
    pub fn nested_screen(name: &str, title: &str, width: u32, height: u32, logs: &Path) -> Result<Self> {
        let size = format!("{width}x{height}");
        let mut command = Command::new("Xephyr");
        command.args([
            "-displayfd",
            "1",
            "-screen",
            &size,
            "-noreset",
            "-nolisten",
            "tcp",
            "-title",
            title,
            "-dpi",
            "96",
        ]);
        Self::start(name, command, logs)
    }

    fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let (mut server, output) = Process::start_reading(&format!("x-{name}"), &mut command, logs)?;
        let mut number = String::new();
        BufReader::new(output).read_line(&mut number)?;
        if number.trim().parse::<u32>().is_err() {
            server.end();
            bail!("the X server for {name} did not start:\n{}", server.log_text());
        }
        let display = format!(":{}", number.trim());
        let mut manager = Command::new("openbox");
        manager.args(["--sm-disable"]).env("DISPLAY", &display);
        let manager = Process::start(&format!("wm-{name}"), &mut manager, logs).ok();
        Ok(Self {
            server,
            _manager: manager,
            display,
        })
    }

    /// What the screen shows now, as a PNG file.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let status = Command::new("import")
            .args(["-silent", "-window", "root"])
            .arg(file)
            .env("DISPLAY", &self.display)
            .status();
        let status = status.context("can't start import (package imagemagick)")?;
        if !status.success() {
            bail!("import could not read the screen {}", self.display);
        }
        Ok(())
    }

    /// Waits until the screen shows many colours and changes, keeps its picture, and returns how many colours it has.
    pub fn until_lively(&self, file: &Path, limit: Duration) -> Result<usize> {
        let mut last = None;
        wait::until(limit, "a lively screen", || {
            self.picture(file).ok()?;
            let output = Command::new("identify")
                .args(["-format", "%k %#"])
                .arg(file)
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (colours, signature) = text.split_once(' ')?;
            let changed = last
                .replace(signature.to_owned())
                .is_some_and(|before| before != signature);
            colours
                .parse::<usize>()
                .ok()
                .filter(|colours| changed && *colours > 200)
        })
    }

    /// The X server dies.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}

/// Where pictures of the windows stay for people to look at: `out/e2e` of the clone whose tests run.
pub fn picture_folder() -> Result<PathBuf> {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").context("cargo says where the package is, to tests it runs")?;
    let folder = Path::new(&package).join("../out/e2e");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
