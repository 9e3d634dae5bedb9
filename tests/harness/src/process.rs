//! A process that we started, with its log, ended with all that it started itself.

use crate::wait;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a process may take to end when asked to.
const GRACE: Duration = Duration::from_secs(5);

pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own; what it prints goes to `logs/name.log`.
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        let (process, _) = Self::spawn(name, command.stdin(Stdio::null()), logs, false)?;
        Ok(process)
    }

    /// The same, with `input` to read on its standard input.
    pub fn start_with_input(name: &str, command: &mut Command, input: &str, logs: &Path) -> Result<Self> {
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        let (process, _) = Self::spawn(name, command.stdin(file), logs, false)?;
        Ok(process)
    }

    /// The same, with its standard output for us to read.
    pub fn start_reading(name: &str, command: &mut Command, logs: &Path) -> Result<(Self, ChildStdout)> {
        let (process, output) = Self::spawn(name, command.stdin(Stdio::null()), logs, true)?;
        Ok((process, output.context("no output pipe")?))
    }

    fn spawn(name: &str, command: &mut Command, logs: &Path, read: bool) -> Result<(Self, Option<ChildStdout>)> {
        std::fs::create_dir_all(logs)?;
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command.process_group(0).stderr(file.try_clone()?);
        command.stdout(if read { Stdio::piped() } else { Stdio::from(file) });
        let mut child = command
            .spawn()
            .with_context(|| format!("can't start {name} ({:?})", command.get_program()))?;
        let output = child.stdout.take();
        Ok((
            Self {
                name: name.to_owned(),
                child,
                log,
            },
            output,
        ))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal to the process and to all that it started.
    pub fn signal(&self, signal: &str) {
        let _ = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg("--")
            .arg(format!("-{}", self.child.id()))
            .stderr(Stdio::null())
            .status();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }

    /// Asks it to end, and insists after a while. True when it went by itself.
    pub fn end(&mut self) -> bool {
        if self.ended().is_some() {
            return true;
        }
        self.signal("TERM");
        let went = wait::until(GRACE, &self.name, || self.child.try_wait().ok().flatten()).is_ok();
        self.kill();
        went
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
