//! coturn from Debian's packages: a TURN server that we did not write, on loopback, with a secret that it shares with the SFU.

use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result};
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

impl Coturn {
    pub fn start(folder: &Path) -> Result<Self> {
        let secret_file = folder.join("turn-secret");
        std::fs::write(&secret_file, SECRET)?;
        // It can't be told to take any port and say which.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = Command::new("turnserver");
        command
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--log-file",
                "stdout",
                "--simple-log",
            ])
            .args([
                "--listening-ip",
                "127.0.0.1",
                "--relay-ip",
                "127.0.0.1",
                "--listening-port",
                &port,
            ])
            // The SFU is on loopback, which a relay for the world must not reach.
            .args(["--allow-loopback-peers", "--realm", "invigil.test"])
            .args(["--use-auth-secret", "--static-auth-secret", SECRET])
            .arg("--pidfile")
            .arg(folder.join("turnserver.pid"))
            .arg("--userdb")
            .arg(folder.join("turnserver.sqlite"));
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
}
