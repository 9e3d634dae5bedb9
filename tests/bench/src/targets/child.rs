//! A peer SFU as a child of this program: offers go in and answers come out as JSON, a line each.

use super::Target;
use anyhow::{Context, Result};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

pub struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    pub fn start(name: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["peer", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let input = process.stdin.take().context("no input pipe")?;
        let output = BufReader::new(process.stdout.take().context("no output pipe")?);
        Ok(Self { process, input, output })
    }

    fn ask(&mut self, role: &str, offer: &str) -> Result<String> {
        writeln!(self.input, "{}", json!({"role": role, "sdp": offer}))?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the peer answered {line:?}"))
    }
}

impl Target for Child {
    fn publish(&mut self, _index: usize, offer: &str) -> Result<String> {
        self.ask("publish", offer)
    }
    fn watch(&mut self, _index: usize, offer: &str) -> Result<String> {
        self.ask("watch", offer)
    }
    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
