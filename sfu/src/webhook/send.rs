//! One request to a receiver: HTTPS, signed, bounded in time, and nothing of the answer read but its status.

use super::sign;
use crate::clock;
use crate::config::ConfigError;
use invigil_shared::webhook::Event;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
/// What a receiver has to answer within.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A status of 200 to 299.
    Yes(u16),
    /// Another status. Redirections are not followed.
    Refused(u16),
    /// No answer.
    Unreachable(String),
}

impl Taken {
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Yes(status) | Self::Refused(status) => Some(*status),
            Self::Unreachable(_) => None,
        }
    }

    /// Why it was not taken, for people.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Yes(_) => None,
            Self::Refused(status) => Some(format!("answered with status {status}")),
            Self::Unreachable(reason) => Some(reason.clone()),
        }
    }
}

/// Sends events.
#[derive(Clone)]
pub struct Sender(reqwest::Client);

impl Sender {
    /// `authorities`: certificates that are believed beside those of the system.
    ///
    /// # Errors
    /// They can't be used.
    pub fn new(authorities: Vec<CertificateDer<'static>>) -> Result<Self, ConfigError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let bad = |reason: String| ConfigError::Webhook(reason);
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(authorities, Arc::clone(&provider))
            .map_err(|error| bad(error.to_string()))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(DEADLINE)
            .user_agent(concat!("invigil-sfu/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self(client))
    }

    pub(super) async fn send(&self, url: &str, key: &[u8], id: &str, event: &Event) -> Taken {
        let Ok(body) = serde_json::to_string(event) else {
            return Taken::Unreachable("the event can't be written".into());
        };
        let at = clock::now_s();
        let request = self
            .0
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", sign::signature(key, id, at, &body))
            .body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Taken::Yes(answer.status().as_u16()),
            Ok(answer) => Taken::Refused(answer.status().as_u16()),
            Err(error) => Taken::Unreachable(reason(error)),
        }
    }
}

/// The innermost reason, without the URL: it may hold what only the receiver should know.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("no answer within {} s", DEADLINE.as_secs());
    }
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
