//! The real `invigil-sfu`, on free loopback ports and a data directory of its own.

use crate::namespace::{Namespace, command_within};
use crate::process::Process;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use invigil_client::rest::Api;
use invigil_client::trust::CertificateTrust;
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::rest::JoinLink;
use serde::Deserialize;
use sha2::Digest;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What `serve` prints when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    pub https: String,
    pub media: Vec<String>,
    pub certificate_sha256: String,
    pub setup_code: Option<String>,
    /// Where metrics are read, when they are.
    pub metrics: Option<String>,
}

impl Ready {
    /// The media addresses of the first shard, which is what `--media` takes: one of each family.
    fn first_shard(&self) -> String {
        let is_v6 = |address: &&String| address.starts_with('[');
        let v6 = self.media.iter().find(is_v6);
        let v4 = self.media.iter().find(|address| !is_v6(address));
        let both: Vec<&str> = v4.into_iter().chain(v6).map(String::as_str).collect();
        both.join(",")
    }
}

pub struct Sfu {
    process: Process,
    pub ready: Ready,
    binary: PathBuf,
    /// Name of the network namespace that it runs in, if not ours.
    namespace: Option<String>,
    /// URL of a PostgreSQL, else it has its embedded database.
    database: Option<String>,
    data: PathBuf,
    logs: PathBuf,
    arguments: Vec<String>,
}

/// Folder of the built binaries: given by the gate and the demo, else beside the running test.
pub fn bin_dir() -> PathBuf {
    if let Some(folder) = std::env::var_os("INVIGIL_BIN_DIR") {
        return folder.into();
    }
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors()
        .find(|folder| folder.join("invigil-sfu").is_file())
        .unwrap_or(Path::new("."))
        .to_path_buf()
}

impl Sfu {
    /// Starts on free ports of 127.0.0.1.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, "127.0.0.1:0", "127.0.0.1:0", &[])
    }

    /// Starts another build than the one beside us, on free ports of 127.0.0.1.
    pub fn start_binary(binary: &Path, folder: &Path) -> Result<Self> {
        Self::start_of(
            binary.to_owned(),
            (None, None),
            folder,
            ("127.0.0.1:0", "127.0.0.1:0"),
            &[],
        )
    }

    /// Starts another build, or the one beside us, with further arguments, on free ports of 127.0.0.1.
    pub fn start_binary_with(binary: Option<&Path>, folder: &Path, more: &[&str]) -> Result<Self> {
        let own = || bin_dir().join("invigil-sfu");
        let free = ("127.0.0.1:0", "127.0.0.1:0");
        Self::start_of(
            binary.map_or_else(own, Path::to_owned),
            (None, None),
            folder,
            free,
            more,
        )
    }

    /// Starts on a PostgreSQL, on free ports of 127.0.0.1.
    pub fn start_on(database: &str, folder: &Path) -> Result<Self> {
        let where_it_is = (None, Some(database.to_owned()));
        let free = ("127.0.0.1:0", "127.0.0.1:0");
        Self::start_of(bin_dir().join("invigil-sfu"), where_it_is, folder, free, &[])
    }

    /// Starts with `listen`, `media` and further arguments; data and logs live under `folder`.
    pub fn start_with(folder: &Path, listen: &str, media: &str, more: &[&str]) -> Result<Self> {
        Self::start_in(None, folder, listen, media, more)
    }

    /// Starts on another host, behind a cable that can be pulled.
    pub fn start_behind(network: &Namespace, folder: &Path) -> Result<Self> {
        let address = format!("{}:0", network.inside_address);
        Self::start_in(Some(network.name.clone()), folder, &address, &address, &[])
    }

    fn start_in(namespace: Option<String>, folder: &Path, listen: &str, media: &str, more: &[&str]) -> Result<Self> {
        Self::start_of(
            bin_dir().join("invigil-sfu"),
            (namespace, None),
            folder,
            (listen, media),
            more,
        )
    }

    fn start_of(
        binary: PathBuf,
        (namespace, database): (Option<String>, Option<String>),
        folder: &Path,
        (listen, media): (&str, &str),
        more: &[&str],
    ) -> Result<Self> {
        let (data, logs) = (folder.join("sfu-data"), folder.join("logs"));
        let arguments: Vec<String> = more.iter().map(|a| (*a).to_owned()).collect();
        let command = command(namespace.as_deref(), database.as_deref(), &binary);
        let (process, ready) = launch(command, &data, &logs, listen, media, &arguments)?;
        Ok(Self {
            process,
            ready,
            binary,
            namespace,
            database,
            data,
            logs,
            arguments,
        })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// `kill -9`, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again on the same ports and data.
    pub fn restart(&mut self) -> Result<()> {
        self.process.end();
        let (listen, media) = (self.ready.https.clone(), self.ready.first_shard());
        let command = command(self.namespace.as_deref(), self.database.as_deref(), &self.binary);
        let (process, ready) = launch(command, &self.data, &self.logs, &listen, &media, &self.arguments)?;
        (self.process, self.ready) = (process, ready);
        Ok(())
    }

    /// Values of its metrics whose names begin like this, all together. It was started with `--metrics-listen`.
    pub async fn metric(&self, begins: &str) -> Result<f64> {
        let address = self.ready.metrics.as_deref().context("it serves no metrics")?;
        let mut stream = TcpStream::connect(address).await?;
        let request = b"GET /metrics HTTP/1.1\r\nhost: sfu\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        ensure!(page.starts_with("HTTP/1.1 200"), "{page}");
        let samples = page.lines().filter(|line| line.starts_with(begins));
        let values = samples.map(|line| Ok(line.rsplit(' ').next().context("no value")?.parse()?));
        let values: Vec<f64> = values.collect::<Result<_>>()?;
        ensure!(!values.is_empty(), "no {begins} in {page}");
        Ok(values.iter().sum())
    }

    /// What it has logged.
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// A REST client that trusts this server by its certificate.
    pub fn api(&self) -> Result<Api> {
        let trust = CertificateTrust::pinned_hex(&self.ready.certificate_sha256).context("not a SHA-256")?;
        Ok(Api::new(&self.ready.https, trust)?)
    }

    /// Runs `invigil-sfu ARGUMENTS --data-dir D` and returns what it prints.
    pub fn command(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = command(None, self.database.as_deref(), &self.binary);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().context("can't start invigil-sfu")?;
        if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(text.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "invigil-sfu {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Creates an exam that is open now.
    pub fn create_exam(&self, title: &str, code: &str, policy: &Policy) -> Result<ExamInfo> {
        let file = self.data.with_file_name(format!("policy-{code}.json"));
        std::fs::write(&file, serde_json::to_string(policy)?)?;
        let file = file.to_string_lossy().into_owned();
        let printed = self.command(
            &[
                "exam",
                "create",
                "--title",
                title,
                "--code",
                code,
                "--policy",
                &file,
                "--capacity",
                "550",
                "--json",
            ],
            None,
        )?;
        serde_json::from_str(&printed).context("exam create printed no exam")
    }

    /// Adds a candidate and returns the join link.
    pub fn add_candidate(&self, exam_code: &str, label: &str, seat: Option<&str>) -> Result<JoinLink> {
        let mut arguments = vec!["roster", "add", "--exam", exam_code, "--label", label, "--json"];
        arguments.extend(seat.map(|s| ["--seat", s]).into_iter().flatten());
        let printed: serde_json::Value = serde_json::from_str(&self.command(&arguments, None)?)?;
        let link = printed["link"].as_str().context("roster add printed no link")?;
        JoinLink::parse(link).map_err(Into::into)
    }

    /// Base64 of the SHA-256 of the certificate's public key (RFC 7469 section 2.4), as browsers name a trusted key.
    pub fn spki(&self) -> Result<String> {
        let pem = std::fs::read(self.data.join("certificate.pem"))?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).context("not a PEM file")?;
        let certificate = pem.parse_x509().context("not a certificate")?;
        Ok(STANDARD.encode(sha2::Sha256::digest(certificate.public_key().raw)))
    }

    /// Adds a person with an account.
    pub fn add_user(&self, email: &str, name: &str, role: &str, password: &str) -> Result<()> {
        let arguments = [
            "user",
            "add",
            "--email",
            email,
            "--name",
            name,
            "--role",
            role,
            "--password-stdin",
        ];
        self.command(&arguments, Some(&format!("{password}\n"))).map(drop)
    }
}

fn command(namespace: Option<&str>, database: Option<&str>, binary: &Path) -> Command {
    let mut command = namespace.map_or_else(|| Command::new(binary), |name| command_within(name, binary));
    match database {
        Some(url) => command.env("INVIGIL_DATABASE", url),
        None => command.env_remove("INVIGIL_DATABASE"),
    };
    command
}

fn launch(
    mut command: Command,
    data: &Path,
    logs: &Path,
    listen: &str,
    media: &str,
    more: &[String],
) -> Result<(Process, Ready)> {
    command
        .args(["serve", "--development"])
        .arg("--data-dir")
        .arg(data)
        .args(["--listen", listen, "--media", media])
        .args(more);
    let (mut process, output) = Process::start_reading("sfu", &mut command, logs)?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.is_empty() {
        process.end();
        bail!("invigil-sfu did not start:\n{}", process.log_text());
    }
    let ready = serde_json::from_str(&line).with_context(|| format!("invigil-sfu printed {line:?}"))?;
    Ok((process, ready))
}
