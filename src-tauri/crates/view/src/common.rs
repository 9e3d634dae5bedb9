//! What both windows show: the link to the server, certificate questions, errors.

use invigil_shared::error::ErrorCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

/// Something to tell a person: a key of the UI's catalogue and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Notice {
    /// An [`ErrorCode`]'s text, or one of our own: `unreachable`, `certificate_changed`, `link_invalid`, `field_missing`.
    pub code: String,
    pub params: BTreeMap<String, String>,
}

impl Notice {
    pub fn new(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            params: BTreeMap::new(),
        }
    }
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }
}

impl From<ErrorCode> for Notice {
    fn from(code: ErrorCode) -> Self {
        Self::new(code.as_str())
    }
}

/// How the app stands to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum LinkView {
    /// Not wanted: before joining, or after the end.
    Idle,
    Connecting,
    Connected,
    /// Connected, but slow or lossy.
    Weak,
    /// `since`: microseconds since the Unix epoch.
    Offline {
        #[ts(type = "number")]
        since: i64,
    },
    /// Back after `offline_s` seconds; turns into `Connected` after 8 s.
    Back {
        offline_s: u32,
    },
}

/// Whether pictures and sound get through while the app is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum MediaView {
    /// Not wanted, or not connected for the first time yet.
    #[default]
    Waiting,
    Up,
    /// They did. `since`: microseconds since the Unix epoch.
    Lost {
        #[ts(type = "number")]
        since: i64,
    },
    /// This network lets none through, not even by a relay.
    Blocked {
        #[ts(type = "number")]
        since: i64,
    },
}

/// A certificate that no root vouches for and no pin names: a person compares it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CertificateQuestion {
    pub authority: String,
    /// SHA-256 of the certificate, 64 hexadecimal digits.
    pub sha256: String,
    /// The server presented another certificate before.
    pub changed: bool,
}

/// Where the window fetches pictures: one loopback socket, one use, Origin-checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct MediaPort {
    pub port: u16,
    pub token: String,
    /// The machine draws without a GPU: the CPU canvas is the faster one.
    pub software_canvas: bool,
    /// The app decodes, whatever the web view can: somebody asked for it on the command line.
    pub decode_in_app: bool,
    /// Times of first draws are reported back (`demo --headless` and the tests).
    pub measure: bool,
}
