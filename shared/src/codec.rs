//! Bounded decoding and encoding of signalling frames.

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{MAX_FRAME, MAX_SDP};
use crate::signal::{ClientFrame, ServerFrame};
use serde::de::DeserializeOwned;

/// Why a frame could not be decoded, with the request's id where it could be read, so that the answer finds its way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{body}")]
pub struct DecodeError {
    pub id: Option<u32>,
    pub body: ErrorBody,
}

/// Whether a text may be longer than [`MAX_FRAME`]: only one that carries SDP.
fn bound(text: &str) -> usize {
    // The tag stands within the first bytes of what our own encoders write; others order their fields as they like, so the
    // whole permitted head is searched.
    let head = text.get(..MAX_FRAME.min(text.len())).unwrap_or("");
    if head.contains("\"sdp:offer\"") || head.contains("\"sdp:answer\"") {
        MAX_SDP
    } else {
        MAX_FRAME
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    if text.len() > bound(text) {
        return Err(DecodeError {
            id: None,
            body: ErrorBody::from(ErrorCode::TooLarge).with("limit", MAX_FRAME),
        });
    }
    serde_json::from_str(text).map_err(|_| {
        #[derive(serde::Deserialize)]
        struct OnlyId {
            id: Option<u32>,
        }
        let id = serde_json::from_str::<OnlyId>(text).ok().and_then(|f| f.id);
        DecodeError {
            id,
            body: ErrorCode::BadMessage.into(),
        }
    })
}

/// Decodes a frame from a client. serde_json bounds the nesting depth at 128.
pub fn decode_client(text: &str) -> Result<ClientFrame, DecodeError> {
    decode(text)
}

/// Decodes a frame from the server.
pub fn decode_server(text: &str) -> Result<ServerFrame, DecodeError> {
    decode(text)
}

/// Encodes a frame. Our types hold nothing that JSON can't; an encoder's failure would be a bug of ours.
pub fn encode<T: serde::Serialize>(frame: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(frame)
}
