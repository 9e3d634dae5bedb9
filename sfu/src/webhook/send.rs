//! One request to a receiver: HTTPS, signed, bounded in time, and nothing of the answer read but its status.

use super::sign;
use crate::clock;
use crate::config::ConfigError;
use crate::outgoing;
use invigil_shared::webhook::Event;
use rustls::pki_types::CertificateDer;
use std::time::Duration;

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
        let client = outgoing::client(authorities, DEADLINE, false).map_err(ConfigError::Webhook)?;
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
            Err(error) => Taken::Unreachable(outgoing::reason(error, DEADLINE)),
        }
    }
}
