//! Logs: to stderr, levels by `INVIGIL_LOG` (the syntax of `RUST_LOG`). Tokens, secrets and SDP are never logged.

use tracing_subscriber::EnvFilter;

/// What is logged when `INVIGIL_LOG` is not set.
const DEFAULT_FILTER: &str = "info";

/// Starts logging. A second call in one process changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env("INVIGIL_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
