//! How many system calls a process makes, counted from outside by strace, the same way for every SFU.
//!
//! Being traced slows a process down, so this is a pass of its own, apart from the one that measures time; packets are counted
//! over the same pass.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Counting {
    strace: Child,
    summary: PathBuf,
}

pub fn available() -> bool {
    let mut probe = Command::new("strace");
    let probe = probe.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

impl Counting {
    /// Attaches to all threads of a process.
    pub fn start(pid: u32, folder: &Path) -> Result<Self> {
        let summary = folder.join("strace.txt");
        let strace = Command::new("strace")
            .args(["-c", "-f", "-q", "-p", &pid.to_string(), "-o"])
            .arg(&summary)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("can't start strace")?;
        Ok(Self { strace, summary })
    }

    /// Detaches; returns the calls by name.
    pub fn end(mut self) -> Result<Vec<(String, u64)>> {
        // An interrupt makes it detach and write its summary.
        let pid = self.strace.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status()?;
        self.strace.wait()?;
        let text = std::fs::read_to_string(&self.summary).context("strace left no summary")?;
        let calls = parse(&text);
        if calls.is_empty() {
            bail!("strace counted nothing:\n{text}");
        }
        Ok(calls)
    }
}

/// The lines of `strace -c`: % time, seconds, usecs/call, calls, errors when there were any, name.
fn parse(text: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, calls) = (words.last()?, words.get(3)?.parse().ok()?);
        (*name != "total" && words.len() >= 5).then(|| ((*name).to_owned(), calls))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_summary_is_read_with_and_without_errors() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            60.00    0.006000           6      1000           sendmmsg\n \
            40.00    0.004000           2      2000       500 recvmmsg\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.010000           3      3000       500 total\n";
        assert_eq!(
            parse(text),
            [("sendmmsg".to_owned(), 1_000), ("recvmmsg".to_owned(), 2_000)]
        );
    }
}
