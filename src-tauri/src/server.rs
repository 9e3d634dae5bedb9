//! The server as both apps reach it: which certificate is believed, and how failures read.

use crate::call::CallFailure;
use crate::known_servers::KnownServers;
use invigil_client::ClientError;
use invigil_client::rest::Api;
use invigil_client::trust::CertificateTrust;
use invigil_shared::chain::hex;
use invigil_shared::error::{ErrorBody, ErrorCode};
use parking_lot::Mutex;
use std::path::Path;

/// Which servers are believed: what a link or the command line names, what a person confirmed, else the system's roots.
pub struct Servers {
    known: Mutex<KnownServers>,
    pin: Option<String>,
}

impl Servers {
    /// `pin`: from the command line, for every server of this run.
    pub fn new(data_dir: &Path, pin: Option<String>) -> Self {
        Self {
            known: Mutex::new(KnownServers::open(data_dir)),
            pin,
        }
    }

    /// A server as it is believed. `pin`: from a link, or just confirmed; it comes before everything else.
    ///
    /// # Errors
    /// When the authority is none, or TLS can't be set up.
    pub fn api(&self, authority: &str, pin: Option<&str>) -> Result<Api, CallFailure> {
        let known = self.known.lock();
        let pin = pin.or(self.pin.as_deref()).or_else(|| known.pin(authority));
        let trust = pin
            .map_or(Some(CertificateTrust::Roots), CertificateTrust::pinned_hex)
            .ok_or(CallFailure::Untrusted)?;
        Api::new(authority, trust).map_err(failure)
    }

    /// A person confirmed the certificate.
    pub fn remember(&self, authority: &str, sha256: &str) {
        if let Err(error) = self.known.lock().remember(authority, sha256) {
            tracing::warn!(%error, "the certificate holds for this run only");
        }
    }

    /// Whether the server was known by another certificate.
    pub fn known_pin(&self, authority: &str) -> Option<String> {
        self.known.lock().pin(authority).map(str::to_owned)
    }
}

/// The certificate that a server presents, 64 hexadecimal digits.
///
/// # Errors
/// When nobody answers.
pub async fn probe(authority: &str) -> Result<String, CallFailure> {
    invigil_client::trust::probe(authority)
        .await
        .map(|sha256| hex(&sha256))
        .map_err(failure)
}

/// A client's failure in the terms that a person is told in.
pub fn failure(error: ClientError) -> CallFailure {
    tracing::warn!(%error, "a call to the server failed");
    match error {
        ClientError::Untrusted(_) => CallFailure::Untrusted,
        ClientError::Unreachable(_) | ClientError::BadAuthority => CallFailure::Unreachable,
        ClientError::Refused(body) => CallFailure::Refused(body),
        _ => CallFailure::Refused(ErrorBody::from(ErrorCode::Internal)),
    }
}
