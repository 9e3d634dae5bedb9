//! coturn from Debian's packages: a TURN server that we did not write, on loopback, with a secret that it shares with the SFU.

use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(20);
const SECRET: &str = "shared by the tests with coturn";

pub struct Coturn {
    pub address: SocketAddr,
    /// For `--turn-secret-file`.
    pub secret_file: PathBuf,
    process: Process,
}

/// Where a coturn will be, known before it runs.
pub struct Place {
    /// UDP and TCP.
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    /// For `--turn-secret-file`.
    pub secret_file: PathBuf,
}

impl Place {
    /// Free ports on loopback: it can't be told to take any and say which.
    pub fn find(folder: &Path) -> Result<Self> {
        let secret_file = folder.join("turn-secret");
        std::fs::write(&secret_file, SECRET)?;
        let (plain, tls) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        Ok(Self {
            plain: plain.local_addr()?,
            tls: tls.local_addr()?,
            secret_file,
        })
    }
}

impl Coturn {
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_at(&Place::find(folder)?, folder, "127.0.0.1", None)
    }

    /// Starts where it was told to be. `relay`: the address that relayed media comes from. `certificate`: a folder with what it
    /// shows to TLS clients, as an SFU's data directory has it; none for no TLS.
    pub fn start_at(place: &Place, folder: &Path, relay: &str, certificate: Option<&Path>) -> Result<Self> {
        let (address, secret_file) = (place.plain, place.secret_file.clone());
        let (port, tls_port) = (address.port().to_string(), place.tls.port().to_string());
        let mut command = Command::new("turnserver");
        command
            .args([
                "-n",
                "--verbose",
                "--no-cli",
                "--no-dtls",
                "--log-file",
                "stdout",
                "--simple-log",
            ])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", relay])
            .args(["--listening-port", &port, "--tls-listening-port", &tls_port])
            // The SFU is on loopback, which a relay for the world must not reach.
            .args(["--allow-loopback-peers", "--realm", "invigil.test"])
            .args(["--use-auth-secret", "--static-auth-secret", SECRET])
            .arg("--pidfile")
            .arg(folder.join("turnserver.pid"))
            .arg("--userdb")
            .arg(folder.join("turnserver.sqlite"));
        match certificate {
            Some(data) => command
                .arg("--cert")
                .arg(data.join("certificate.pem"))
                .arg("--pkey")
                .arg(data.join("certificate-key.pem")),
            None => command.arg("--no-tls"),
        };
        let process = Process::start("coturn", &mut command, &folder.join("logs"))?;
        wait::until(START, "coturn", || TcpStream::connect(address).ok()).with_context(|| process.log_text())?;
        Ok(Self {
            address,
            secret_file,
            process,
        })
    }

    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// Names of those that it has made allocations for: until when the credential is good, and whose it is.
    pub fn users(&self) -> BTreeSet<String> {
        let log = self.log_text();
        let made = log.lines().filter(|line| line.contains(": new, "));
        let names = made.filter_map(|line| Some(line.split_once("username=<")?.1.split_once('>')?.0.to_owned()));
        names.collect()
    }
}
