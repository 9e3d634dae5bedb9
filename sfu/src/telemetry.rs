//! Logs: to stderr, as lines for people or as JSON. Tokens, secrets and SDP are never logged.

use crate::config::{LogConfig, LogFormat};
use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// The running log. What is logged can be changed, how it is written can't.
pub struct Log(Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>);

impl Log {
    /// Starts logging. In a process that logs already, this one changes nothing.
    ///
    /// # Errors
    /// The level is none.
    pub fn start(config: &LogConfig) -> anyhow::Result<Self> {
        let filter = config.filter()?;
        let lines = tracing_subscriber::fmt().with_writer(std::io::stderr);
        Ok(match config.format {
            LogFormat::Text => {
                let lines = lines.with_env_filter(filter).with_filter_reloading();
                let handle = lines.reload_handle();
                let _ = lines.try_init();
                Self::with(handle)
            }
            LogFormat::Json => {
                let lines = lines.json().with_env_filter(filter).with_filter_reloading();
                let handle = lines.reload_handle();
                let _ = lines.try_init();
                Self::with(handle)
            }
        })
    }

    fn with<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        Self(Box::new(move |filter| handle.reload(filter).context("the log is gone")))
    }

    /// Takes the level of other settings.
    ///
    /// # Errors
    /// The level is none.
    pub fn follow(&self, config: &LogConfig) -> anyhow::Result<()> {
        (self.0)(config.filter()?)
    }
}
