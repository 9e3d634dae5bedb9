//! `serve`.

use super::output;
use crate::config::{LogFormat, ServeConfig, Settings};
use crate::server::Server;
use crate::shutdown::{Request, Requests};
use crate::telemetry::Log;
use clap::Args;
use sd_notify::NotifyState;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What ending takes at most; a supervisor that knows how long we withdraw waits for both.
const ENDING: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
pub struct ServeCommand {
    #[command(flatten)]
    settings: Settings,
    /// Only read the settings and the files that they name, say everything that is wrong, and start nothing.
    #[arg(long)]
    check_config: bool,
}

impl ServeCommand {
    fn load(&self) -> anyhow::Result<ServeConfig> {
        Ok(self.settings.load(|name| std::env::var_os(name))?)
    }

    pub async fn run(self) -> anyhow::Result<()> {
        let config = self.load()?;
        if self.check_config {
            output::say("The settings are in order.");
            return Ok(());
        }
        self.serve(config).await
    }

    async fn serve(self, config: ServeConfig) -> anyhow::Result<()> {
        let log = Log::start(&config.log)?;
        // A collector wants nothing but JSON, and finds the same in the line that says ready.
        let for_people = config.log.format == LogFormat::Text;
        let say = |text: &str| {
            if for_people {
                output::say(text);
            }
        };
        // Before anybody learns that we are ready: whoever asks us to end then gets a clean end.
        let mut requests = Requests::listen()?;
        let withdraw = Duration::from_secs(u64::from(config.http.withdraw_s));
        let server = Server::start(config).await?;
        say(&format!("Serving on https://{}", server.https));
        say(&format!("Certificate SHA-256: {}", server.certificate_sha256));
        if let Some(code) = &server.setup_code {
            say(&format!("There is no admin yet. One-time setup code: {code}"));
        }
        output::json(&json!({
            "ready": true,
            "https": server.https.to_string(),
            "media": server.media.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "metrics": server.metrics.map(|address| address.to_string()),
            "certificate_sha256": server.certificate_sha256,
            "setup_code": server.setup_code,
        }));
        supervised(NotifyState::Ready);
        let mut end_at: Option<Instant> = None;
        let failed = loop {
            tokio::select! {
                asked = requests.next() => match asked? {
                    // Once: it withdraws first, if it should. Twice: it ends now.
                    Request::End if withdraw.is_zero() || end_at.is_some() => break false,
                    Request::End => {
                        server.withdraw();
                        say(&format!("Not ready for new clients any more; stopping in {} s", withdraw.as_secs()));
                        supervised(NotifyState::ExtendTimeoutUsec(micros(withdraw + ENDING)));
                        end_at = Some(Instant::now() + withdraw);
                    }
                    Request::Reload => match self.reload(&server, &log) {
                        Ok(()) => tracing::info!("certificate and log level were read again"),
                        Err(error) => tracing::error!("nothing was changed: {error:#}"),
                    },
                },
                () = server.failed() => break true,
                () = sleep_until(end_at.unwrap_or_else(Instant::now)), if end_at.is_some() => break false,
            }
        };
        supervised(NotifyState::Stopping);
        say("Stopping");
        server.stop().await;
        // Whoever supervises this process starts it again; clients come back by themselves.
        anyhow::ensure!(!failed, "no media shard is left");
        Ok(())
    }

    /// All or nothing, like a start: what is half right would be found out at the next one.
    fn reload(&self, server: &Server, log: &Log) -> anyhow::Result<()> {
        let config = self.load()?;
        server.reload_certificate(&config.http)?;
        log.follow(&config.log)
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// Tells systemd how we are, where it asks (`Type=notify`).
fn supervised(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor was not told");
    }
}
