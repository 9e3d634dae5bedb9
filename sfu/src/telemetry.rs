//! Logs: to stderr, as lines for people or as JSON. Tokens, secrets and SDP are never logged.

use crate::config::{LogConfig, LogFormat};

/// Starts logging. A second call in one process changes nothing.
///
/// # Errors
/// The level is none.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_writer(std::io::stderr);
    let _ = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
