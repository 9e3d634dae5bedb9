//! Integrity events: facts observed on the candidate's machine, never verdicts.

use crate::chain::Hash;
use crate::id::BootId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

/// What was observed. A fact that lasts has a beginning and an end, tied by `begins` in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum IntegrityKind {
    FocusLost,
    FocusReturned,
    CameraLost,
    CameraReturned,
    MicrophoneLost,
    MicrophoneReturned,
    ScreenLost,
    ScreenReturned,
    ClockJumped,
    NetworkLost,
    NetworkReturned,
    #[serde(other)]
    Unknown,
}

/// Who observed it; shown beside the confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Observer {
    /// Reported by the operating system.
    System,
    /// A check on the candidate's device.
    DeviceCheck,
    /// The SFU.
    Server,
    #[serde(other)]
    Unknown,
}

/// The clocks of the machine at the moment of observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct EventTime {
    pub boot_id: BootId,
    /// Microseconds since that boot.
    pub monotonic_us: i64,
    /// The machine's wall clock, microseconds since the Unix epoch.
    pub wall_us: i64,
}

/// What an event says: the payload whose bytes, as sent, enter the hash chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct IntegrityPayload {
    pub kind: IntegrityKind,
    pub time: EventTime,
    pub observer: Observer,
    /// Percent, 0 to 100.
    pub confidence: u8,
    /// For an end: the sequence number of its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<u64>,
    /// Facts by name, such as `{"error": "device_gone"}`. At most [`crate::limits::MAX_EVENT_FACTS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// A link of the chain as it travels: the raw payload stays a string, so that it is stored byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct IntegrityEvent {
    /// 1 for the first of a session, then without a gap.
    pub seq: u64,
    /// Hash of the event before; [`crate::chain::genesis`] of the session for the first.
    pub prev: Hash,
    /// 16 random bytes, hexadecimal. Dropped with the payload on erasure.
    pub salt: String,
    /// JSON of an [`IntegrityPayload`].
    pub payload: String,
}
