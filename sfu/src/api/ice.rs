//! STUN and TURN servers for a client: as JSON, and as `Link` fields of WHIP and WHEP answers (RFC 9725 section 4.6).

use super::account::Bearer;
use super::{ApiError, Service};
use crate::auth::Identity;
use crate::control::ice::Ice;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use invigil_shared::rest::IceServers;
use std::sync::Arc;

/// Adds a `Link` for every URL.
pub(super) fn link(ice: &Ice, identity: &Identity, headers: &mut HeaderMap) {
    for server in ice.servers(identity) {
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

/// `GET /api/v1/ice-config`: what `ice:config` says on signalling.
pub async fn servers(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
) -> Result<Json<IceServers>, ApiError> {
    let control = &service.control;
    let relay_only = control.relay_only(&account.identity, None).await?.unwrap_or(false);
    let servers = control.ice().servers(&account.identity);
    Ok(Json(IceServers { servers, relay_only }))
}
