//! `serve`.

use super::output;
use crate::config::ServeConfig;
use crate::server::Server;
use crate::{shutdown, telemetry};
use serde_json::json;

pub async fn run(config: ServeConfig) -> anyhow::Result<()> {
    telemetry::start();
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
