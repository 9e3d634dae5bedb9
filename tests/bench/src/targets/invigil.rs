//! Ours: the release binary as an operator starts it, through WHIP and WHEP.

use super::{Setup, Target};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const EXAM: &str = "BENCH-1";
/// One person may watch in so many browser windows (`limits::MAX_BROWSER_RESOURCES` is 16).
const WINDOWS: usize = 8;

pub struct Invigil {
    process: Child,
    binary: PathBuf,
    data: PathBuf,
    base: String,
    exam: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Invigil {
    pub fn start(binary: &Path, folder: &Path, people: usize, setup: Setup) -> Result<Self> {
        let data = folder.join("invigil");
        let mut command = Command::new(binary);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--media",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(&data);
        if !setup.segments {
            command.arg("--no-segments");
        }
        if super::takes(binary, "--development") {
            command.arg("--development");
        }
        if super::takes(binary, "--shards") {
            command.args(["--shards", &setup.shards.to_string()]);
        }
        let log = std::fs::File::create(folder.join("invigil.log"))?;
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("can't start {}", binary.display()))?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output pipe")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("invigil-sfu printed {line:?}"))?;
        let pem = std::fs::read(data.join("certificate.pem"))?;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem)?])
            .build()?;
        let mut this = Self {
            process,
            binary: binary.to_owned(),
            data,
            base: format!("https://{}", ready["https"].as_str().context("no address")?),
            exam: String::new(),
            http,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        let exam: Value = serde_json::from_str(
            &this.command(&["exam", "create", "--title", "Bench", "--code", EXAM, "--json"], "")?,
        )?;
        exam["id"].as_str().context("no exam")?.clone_into(&mut this.exam);
        for index in 0..people {
            this.command(
                &["roster", "add", "--exam", EXAM, "--label", &entry(index), "--json"],
                "",
            )?;
        }
        Ok(this)
    }

    /// One of the binary's own commands, on the same data directory.
    fn command(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data-dir").arg(&self.data);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no input pipe")?
            .write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("invigil-sfu {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn token(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.command(&[&["token", "--json"], arguments].concat(), "")?;
        let printed: Value = serde_json::from_str(&printed)?;
        Ok(printed["token"]
            .as_str()
            .or(printed["access_token"].as_str())
            .context("no token")?
            .to_owned())
    }

    fn post(&self, path: &str, token: &str, offer: &str) -> Result<String> {
        let request = self.http.post(format!("{}{path}", self.base));
        let request = request
            .bearer_auth(token)
            .header("content-type", "application/sdp")
            .body(offer.to_owned());
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, text) = (response.status(), response.text().await?);
            if !status.is_success() {
                bail!("POST {path}: {status} {text}");
            }
            Ok(text)
        })
    }
}

fn entry(index: usize) -> String {
    format!("Candidate {:03}", index + 1)
}

impl Target for Invigil {
    fn publish(&mut self, index: usize, offer: &str) -> Result<String> {
        let token = self.token(&["--role", "candidate", "--exam", EXAM, "--entry", &entry(index)])?;
        self.post(&format!("/whip/{}", self.exam), &token, offer)
    }
    fn watch(&mut self, index: usize, offer: &str) -> Result<String> {
        let proctor = format!("bench-{}@bench.example", index / WINDOWS);
        if index.is_multiple_of(WINDOWS) {
            let user = [
                "user",
                "add",
                "--email",
                &proctor,
                "--name",
                "Bench",
                "--role",
                "proctor",
                "--password-stdin",
            ];
            self.command(&user, "a password that nobody types\n")?;
        }
        let token = self.token(&["--role", "proctor", "--user", &proctor])?;
        self.post(&format!("/whep/{}?layer=low", self.exam), &token, offer)
    }
    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Invigil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
