//! Signalling client, WebRTC, reconnect and journal of both apps, of bots and of tests. No Tauri, no capture.

mod backoff;
pub mod bounds;
pub mod browser_sign_in;
pub mod candidate;
pub mod clock;
pub mod device;
pub mod error;
mod frame_assembler;
mod ice;
mod journal;
mod keeper;
mod link;
pub mod media;
pub mod office;
mod outbox;
mod packetiser;
mod peer;
pub mod proctor;
mod publisher;
pub mod rest;
mod session;
mod sink;
pub mod slots;
mod subscriber;
mod systems;
pub mod trust;

pub use error::ClientError;

use invigil_shared::error::ErrorCode;

/// How a client stands to its server. Times are this machine's wall clock, microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The first connection is being made.
    Connecting,
    /// Signalling works. `offline_us`: how long it had not, when this ends an interruption.
    Connected { offline_us: Option<i64> },
    /// Signalling is gone and is being tried again.
    Offline { since_us: i64 },
    /// No further tries: closed by the app, or refused for the reason given.
    Closed { reason: Option<ErrorCode> },
}

/// How media stands on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    Connecting,
    /// ICE and DTLS stand.
    Connected,
    /// The path is dead and is being restarted or built anew.
    Interrupted,
    /// No relay answers, and media may or can go no other way here. It is tried again all the same.
    Blocked,
}

/// How the client names itself in `auth:request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// `invigil-candidate/0.1.0`.
    pub client: String,
    /// `linux/x86_64`.
    pub platform: String,
    pub features: Vec<String>,
}

impl ClientInfo {
    /// Names `app` with this build's version and platform.
    pub fn new(app: &str) -> Self {
        Self {
            client: format!("{app}/{}", env!("CARGO_PKG_VERSION")),
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            features: Vec::new(),
        }
    }
}
