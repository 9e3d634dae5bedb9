//! What an operator can set: one small struct per section, by a file, by variables of the environment `INVIGIL_...` and by flags.
//! `settings.rs` lays them over each other; a section checks what its values mean, wherever they came from.

mod auth;
mod data;
mod file;
mod http;
mod ice;
mod limits;
mod log;
mod mail;
mod media;
mod metrics;
mod mistake;
mod oidc;
mod settings;
mod webhooks;

pub use auth::AuthConfig;
pub use data::{DataConfig, ServerFile};
pub use http::{CERTIFICATE_KEY_FILE, Certificate, HttpConfig};
pub use ice::IceConfig;
pub use limits::{LimitsConfig, MOST_CAPACITY};
pub use log::{LogConfig, LogFormat};
pub use mail::{MailConfig, MailServer, MailTls};
pub use media::MediaConfig;
pub use metrics::MetricsConfig;
pub use mistake::{Mistake, Mistakes, Place, Report};
pub use oidc::OidcConfig;
pub use settings::Settings;
pub use webhooks::WebhooksConfig;

use schemars::JsonSchema;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that `serve` needs to know.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Settings of invigil-sfu")]
pub struct ServeConfig {
    /// Allow what only makes sense where server and clients share one machine: media on a loopback address.
    #[arg(id = "development", long = "development", env = "INVIGIL_DEVELOPMENT", value_name = "BOOL",
          action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = clap::builder::BoolishValueParser::new())]
    pub development: bool,
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
    #[command(flatten)]
    pub oidc: OidcConfig,
    #[command(flatten)]
    pub limits: LimitsConfig,
    #[command(flatten)]
    pub log: LogConfig,
    #[command(flatten)]
    pub metrics: MetricsConfig,
    #[command(flatten)]
    pub webhooks: WebhooksConfig,
    #[command(flatten)]
    pub mail: MailConfig,
}

impl ServeConfig {
    /// What the values mean, and the files that they name. Nothing is made or changed.
    pub fn check(&self, report: &mut Report) {
        self.data.check(report);
        self.http.check(report);
        self.media.check(self.development, report);
        self.ice.check(self.development, report);
        self.auth.check(report);
        self.oidc.check(self.development, report);
        self.limits.check(report);
        self.log.check(report);
        self.webhooks.check(report);
        self.mail.check(report);
    }
}

/// The JSON schema of the file, made from the structs.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ServeConfig).to_value()
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
    #[error("webhooks: {0}")]
    Webhook(String),
    #[error("the identity provider: {0}")]
    Oidc(String),
    #[error("the mail server: {0}")]
    Mail(String),
}

impl ConfigError {
    fn is_about(&self, file: &Path) -> bool {
        matches!(self, Self::File { path, .. } | Self::Content { path, .. } if path == file)
    }
}

#[cfg(test)]
mod tests;
