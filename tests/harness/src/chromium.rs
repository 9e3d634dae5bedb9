//! Headless Chromium from Debian's packages: a peer that we did not write.

use crate::process::Process;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Opens `url` with a profile of its own under `folder`. `certificate_spki` is the base64 SHA-256 of the one self-signed key
/// that it shall accept (`--ignore-certificate-errors-spki-list`).
pub fn open(url: &str, certificate_spki: &str, folder: &Path, logs: &Path) -> Result<Process> {
    let profile = folder.join("chromium-profile");
    let mut command = Command::new("chromium");
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--allow-loopback-in-peer-connection",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command
        .arg(format!("--ignore-certificate-errors-spki-list={certificate_spki}"))
        .arg(url);
    Process::start("chromium", &mut command, logs)
}
