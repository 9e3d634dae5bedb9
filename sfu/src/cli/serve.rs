//! `serve`.

use super::output;
use crate::config::{ServeConfig, Settings};
use crate::server::Server;
use crate::{shutdown, telemetry};
use clap::Args;
use serde_json::json;

#[derive(Args, Debug)]
pub struct ServeCommand {
    #[command(flatten)]
    settings: Settings,
    /// Only read the settings and the files that they name, say everything that is wrong, and start nothing.
    #[arg(long)]
    check_config: bool,
}

impl ServeCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = self.settings.load(|name| std::env::var_os(name))?;
        if self.check_config {
            output::say("The settings are in order.");
            return Ok(());
        }
        run(config).await
    }
}

async fn run(config: ServeConfig) -> anyhow::Result<()> {
    telemetry::start(&config.log)?;
    // Before anybody learns that we are ready: whoever asks us to end then gets a clean end.
    let mut requests = shutdown::Requests::listen()?;
    let server = Server::start(config).await?;
    output::say(&format!("Serving on https://{}", server.https));
    output::say(&format!("Certificate SHA-256: {}", server.certificate_sha256));
    if let Some(code) = &server.setup_code {
        output::say(&format!("There is no admin yet. One-time setup code: {code}"));
    }
    output::json(&json!({
        "ready": true,
        "https": server.https.to_string(),
        "media": server.media.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "metrics": server.metrics.map(|address| address.to_string()),
        "certificate_sha256": server.certificate_sha256,
        "setup_code": server.setup_code,
    }));
    let failed = tokio::select! {
        asked = requests.end() => { asked?; false }
        () = server.failed() => true,
    };
    output::say("Stopping");
    server.stop().await;
    // Whoever supervises this process starts it again; clients come back by themselves.
    anyhow::ensure!(!failed, "no media shard is left");
    Ok(())
}
