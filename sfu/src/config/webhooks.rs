//! Section: how institutions' systems are told what happens. Which ones, admins say: `POST /api/v1/webhooks`.

use super::{ConfigError, Report};
use crate::outgoing;
use rustls::pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Whom webhooks believe.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// PEM file with certificate authorities that receivers' certificates may come from, beside those of the system.
    #[arg(
        id = "webhooks.ca_file",
        long = "webhooks-ca-file",
        env = "INVIGIL_WEBHOOKS_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,
}

impl WebhooksConfig {
    pub(super) fn check(&self, report: &mut Report) {
        if let Err(error) = self.authorities() {
            report.mistake("webhooks.ca_file", error.to_string());
        }
    }

    /// # Errors
    /// The file can't be read, or holds no certificate.
    pub fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        outgoing::authorities(self.ca_file.as_deref())
    }
}
