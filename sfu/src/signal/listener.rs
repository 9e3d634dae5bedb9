//! The upgrade from HTTP to a WebSocket with our subprotocol and bounded buffers.

use super::connection;
use crate::api::{ApiError, Peer, Place, Service};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::response::{IntoResponse, Response};
use invigil_shared::SUBPROTOCOL;
use invigil_shared::error::ErrorCode;
use invigil_shared::limits::{MAX_SDP, MAX_WRITE_BUFFER};
use std::sync::Arc;
use tracing::Instrument;

/// What tungstenite takes in at once; a little above the largest message, so that a message just too large gets an answer.
const MAX_MESSAGE: usize = 2 * MAX_SDP;
/// Read and write buffers of a connection: a busy one handles a few frames per system call, an idle one costs little.
const BUFFER: usize = 8 * 1024;

/// `GET /api/v1/signal`.
pub async fn upgrade(
    State(service): State<Arc<Service>>,
    Extension(place): Extension<Place>,
    Extension(Peer(peer)): Extension<Peer>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return ApiError::from(ErrorCode::BadMessage).into_response();
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        let error = ApiError::from(ErrorCode::Unsupported);
        return error.with("subprotocol", SUBPROTOCOL).into_response();
    }
    // The connection's lines in the log carry the id of the request that it began as.
    let span = tracing::Span::current();
    let serve = move |socket| async move {
        connection::serve(service, socket, peer.ip()).await;
        drop(place);
    };
    upgrade.on_upgrade(|socket| serve(socket).instrument(span))
}
