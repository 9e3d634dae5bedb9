//! Headless Firefox ESR from Debian's packages: a peer that we did not write. It is led by WebDriver BiDi, which it speaks itself.

use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Far longer than a first start on a busy machine takes.
const START: Duration = Duration::from_secs(60);
/// What it prints once it can be led.
const LISTENING: &str = "WebDriver BiDi listening on ";

/// Devices that are not there, and addresses that are not hidden: everything is on this machine.
const PREFERENCES: &[(&str, &str)] = &[
    ("media.navigator.streams.fake", "true"),
    ("media.navigator.permission.disabled", "true"),
    ("media.peerconnection.ice.obfuscate_host_addresses", "false"),
    ("media.autoplay.default", "0"),
    // Nothing is fetched: no codec plugin, no update, no list.
    ("media.gmp-manager.updateEnabled", "false"),
    ("media.gmp-manager.url", "\"data:,\""),
    ("app.update.auto", "false"),
    ("extensions.update.enabled", "false"),
    ("services.settings.server", "\"data:,\""),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
];

pub struct Firefox {
    /// Ends the session when it is closed.
    _session: WebSocketStream<MaybeTlsStream<TcpStream>>,
    process: Process,
}

impl Firefox {
    /// Opens `url` with a profile of its own under `folder`, and takes any certificate.
    pub async fn open(url: &str, folder: &Path, logs: &Path) -> Result<Self> {
        let profile = folder.join("firefox-profile");
        std::fs::create_dir_all(&profile)?;
        let preferences: String = PREFERENCES
            .iter()
            .map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"))
            .collect();
        std::fs::write(profile.join("user.js"), preferences)?;
        let mut command = Command::new("firefox-esr");
        command
            .args(["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile"])
            .arg(&profile)
            // Caches and settings of whoever runs the tests stay as they are.
            .env("HOME", folder);
        let process = Process::start("firefox", &mut command, logs)?;
        let address = wait::until_async(START, "Firefox to be led", || {
            let log = process.log_text();
            let line = log.lines().find_map(|line| line.split_once(LISTENING))?.1;
            Some(line.trim().to_owned())
        });
        let address = address.await.with_context(|| process.log_text())?;
        let (mut session, _) = connect_async(format!("{address}/session")).await?;
        let wanted = json!({ "capabilities": { "alwaysMatch": { "acceptInsecureCerts": true } } });
        call(&mut session, 1, "session.new", wanted).await?;
        let tree = call(&mut session, 2, "browsingContext.getTree", json!({})).await?;
        let context = tree["contexts"][0]["context"].as_str().context("Firefox has no tab")?;
        let to = json!({ "context": context, "url": url, "wait": "none" });
        call(&mut session, 3, "browsingContext.navigate", to).await?;
        Ok(Self {
            _session: session,
            process,
        })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Sends a command and returns its result.
async fn call(
    session: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: u64,
    method: &str,
    params: Value,
) -> Result<Value> {
    let command = json!({ "id": id, "method": method, "params": params });
    session.send(Message::text(command.to_string())).await?;
    loop {
        let next = tokio::time::timeout(START, session.next()).await;
        let message = next
            .with_context(|| format!("Firefox did not answer {method}"))?
            .with_context(|| format!("Firefox ended at {method}"))??;
        let Message::Text(text) = message else { continue };
        let answer: Value = serde_json::from_str(&text)?;
        if answer["id"] != id {
            continue;
        }
        if answer["type"] != "success" {
            bail!("Firefox refused {method}: {answer}");
        }
        return Ok(answer["result"].clone());
    }
}
