//! What can go wrong between this client and its server, each with a stable code for the catalogue.

use invigil_shared::error::{ErrorBody, ErrorCode};

/// Why a call to the server, or a command to a running client, did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there: no route, refused, no DNS name, a deadline passed.
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    /// The TLS certificate is neither rooted nor the pinned one. Nothing was sent.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(String),
    /// The server answered with an error.
    #[error("refused: {0}")]
    Refused(ErrorBody),
    /// The server answered something that this version can't read.
    #[error("an unreadable answer: {0}")]
    BadAnswer(String),
    /// The authority is no `host`, `host:port` or `[v6]:port`.
    #[error("not a server address")]
    BadAuthority,
    /// Too many commands are waiting; this one was not taken.
    #[error("busy")]
    Busy,
    /// The client has ended.
    #[error("closed")]
    Closed,
    /// The WebRTC side refused.
    #[error("media: {0}")]
    Media(String),
    /// No TURN server answers, and media may or can go no other way.
    #[error("no relay can be reached")]
    RelayUnreachable,
    /// The device key's file can't be read or written.
    #[error("device key: {0}")]
    DeviceKey(String),
}

impl ClientError {
    /// The catalogue's key: an [`ErrorCode`]'s text, or one of `unreachable`, `certificate_changed`, `bad_answer`,
    /// `link_invalid`, `busy`, `closed`, `media_failed`, `relay_unreachable`, `device_key`.
    pub fn code(&self) -> &'static str {
        match self {
            ClientError::Unreachable(_) => "unreachable",
            ClientError::Untrusted(_) => "certificate_changed",
            ClientError::Refused(body) => body.code.as_str(),
            ClientError::BadAnswer(_) => "bad_answer",
            ClientError::BadAuthority => "link_invalid",
            ClientError::Busy => "busy",
            ClientError::Closed => "closed",
            ClientError::Media(_) => "media_failed",
            ClientError::RelayUnreachable => "relay_unreachable",
            ClientError::DeviceKey(_) => "device_key",
        }
    }

    /// The server's code, if the server spoke.
    pub fn server_code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused(body) => Some(body.code),
            _ => None,
        }
    }

    /// Trying again can help: the path failed, or the server is not ready.
    pub fn is_temporary(&self) -> bool {
        match self {
            ClientError::Unreachable(_) | ClientError::Busy | ClientError::BadAnswer(_) | ClientError::Media(_) => true,
            ClientError::RelayUnreachable => true,
            ClientError::Refused(body) => matches!(
                body.code,
                ErrorCode::RateLimited
                    | ErrorCode::StorageFailed
                    | ErrorCode::TooSlow
                    | ErrorCode::IdleTimeout
                    | ErrorCode::ServerDraining
                    | ErrorCode::Internal
                    | ErrorCode::RelayMissing
                    | ErrorCode::TransportUnknown
                    | ErrorCode::NotAuthenticated
                    | ErrorCode::NotInRoom
            ),
            _ => false,
        }
    }
}

impl From<ErrorBody> for ClientError {
    fn from(body: ErrorBody) -> Self {
        Self::Refused(body)
    }
}
