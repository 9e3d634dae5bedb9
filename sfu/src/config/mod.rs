//! What an operator can set: one small struct per section, by flag or by an environment variable `INVIGIL_...`.

mod auth;
mod data;
mod http;
mod ice;
mod media;

pub use auth::AuthConfig;
pub use data::{DataConfig, ServerFile};
pub use http::HttpConfig;
pub use ice::IceConfig;
pub use media::MediaConfig;

use std::io;
use std::path::PathBuf;

/// Everything that `serve` needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeConfig {
    #[command(flatten)]
    pub data: DataConfig,
    #[command(flatten)]
    pub http: HttpConfig,
    #[command(flatten)]
    pub media: MediaConfig,
    #[command(flatten)]
    pub ice: IceConfig,
    #[command(flatten)]
    pub auth: AuthConfig,
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot use {path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold what it should: {reason}")]
    Content { path: PathBuf, reason: String },
    #[error("{0}")]
    Invalid(&'static str),
}
