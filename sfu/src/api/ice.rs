//! STUN and TURN servers for a client: as JSON, and as `Link` fields of WHIP and WHEP answers (RFC 9725 section 4.6).

use super::account::Bearer;
use super::{ApiError, Service};
use crate::auth::Identity;
use crate::auth::relay::RelayCredentials;
use crate::clock;
use crate::config::{ConfigError, IceConfig};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use invigil_shared::rest::IceServers;
use invigil_shared::signal::IceServer;
use std::sync::Arc;

/// What this server knows of others that help to reach it.
pub struct Ice {
    stun: Vec<String>,
    turn: Vec<String>,
    credentials: Option<RelayCredentials>,
}

impl Ice {
    /// # Errors
    /// [`IceConfig::secret`].
    pub fn new(config: &IceConfig) -> Result<Self, ConfigError> {
        let secret = config.secret()?;
        Ok(Self {
            stun: config.stun.clone(),
            turn: config.turn.clone(),
            credentials: secret.map(|secret| RelayCredentials::new(&secret, config.turn_credential_s)),
        })
    }

    /// STUN, then TURN with credentials of the client's own.
    fn servers(&self, identity: &Identity) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if let Some(credentials) = self.credentials.as_ref().filter(|_| !self.turn.is_empty()) {
            let (username, credential) = credentials.issue(identity.participant, clock::now_s());
            servers.push(IceServer {
                urls: self.turn.clone(),
                username: Some(username),
                credential: Some(credential),
            });
        }
        servers
    }

    /// Adds a `Link` for every URL.
    pub(super) fn link(&self, identity: &Identity, headers: &mut HeaderMap) {
        for server in self.servers(identity) {
            let credential = match (&server.username, &server.credential) {
                (Some(username), Some(credential)) => {
                    format!("; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\"")
                }
                _ => String::new(),
            };
            for url in &server.urls {
                // Every part is of characters that a field may hold: URLs were checked, the rest is base64, digits and an id.
                if let Ok(value) = HeaderValue::from_str(&format!("<{url}>; rel=\"ice-server\"{credential}")) {
                    headers.append(header::LINK, value);
                }
            }
        }
    }
}

/// `GET /api/v1/ice-config`.
pub async fn servers(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
) -> Result<Json<IceServers>, ApiError> {
    let servers = service.ice.servers(&account.identity);
    Ok(Json(IceServers { servers }))
}
