//! Publications: (participant, kind, instance), their layers and how fresh they are.

use crate::id::ParticipantId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};
use ts_rs::TS;

/// What a publication shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Kind {
    Camera,
    Screen,
    Microphone,
}

impl Kind {
    pub fn is_video(self) -> bool {
        self != Kind::Microphone
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Camera => "camera",
            Kind::Screen => "screen",
            Kind::Microphone => "microphone",
        }
    }
}

/// A publication's name within its participant: `camera/0`, `screen/1`. It stands in ids, paths and grants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, TS)]
#[ts(export, type = "string")]
pub struct PublicationKey {
    pub kind: Kind,
    pub instance: u8,
}

impl PublicationKey {
    pub const CAMERA: Self = Self {
        kind: Kind::Camera,
        instance: 0,
    };
    pub const SCREEN: Self = Self {
        kind: Kind::Screen,
        instance: 0,
    };
    pub const MICROPHONE: Self = Self {
        kind: Kind::Microphone,
        instance: 0,
    };
}

impl fmt::Display for PublicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.instance)
    }
}
impl fmt::Debug for PublicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A string that is not `kind/instance`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a publication key: expected camera/N, screen/N or microphone/N")]
pub struct BadPublicationKey;

impl FromStr for PublicationKey {
    type Err = BadPublicationKey;
    fn from_str(s: &str) -> Result<Self, BadPublicationKey> {
        let (kind, instance) = s.split_once('/').ok_or(BadPublicationKey)?;
        let kind = match kind {
            "camera" => Kind::Camera,
            "screen" => Kind::Screen,
            "microphone" => Kind::Microphone,
            _ => return Err(BadPublicationKey),
        };
        // One spelling for one key: "+1" and "01" parse as numbers but are not how we write them.
        let parsed: u8 = instance.parse().map_err(|_| BadPublicationKey)?;
        if parsed.to_string() != instance {
            return Err(BadPublicationKey);
        }
        Ok(Self { kind, instance: parsed })
    }
}
impl Serialize for PublicationKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for PublicationKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A publication of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PublicationRef {
    pub participant: ParticipantId,
    pub publication: PublicationKey,
}

/// One encoding of a publication, by `rid`. Ordered from smallest to largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Layer {
    Low,
    Mid,
    High,
}

impl Layer {
    pub const ALL: [Layer; 3] = [Layer::Low, Layer::Mid, Layer::High];
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Low => "low",
            Layer::Mid => "mid",
            Layer::High => "high",
        }
    }
    /// Index into a table of three: low 0, mid 1, high 2.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A layer as its publisher offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LayerOffer {
    pub rid: Layer,
    /// RTP synchronisation source of the layer (RFC 3550 section 3). Absent for browsers that send `rid` (RFC 8852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// Synchronisation source of its retransmissions (RFC 4588).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// Pixels; 0 for audio.
    pub width: u16,
    pub height: u16,
    /// Frames per second at most, on moving content.
    pub fps: u8,
    /// Target, kilobits per second.
    pub kbps: u32,
}

/// Where a source stands on the publisher's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SourceState {
    /// Opening the device.
    Starting,
    /// Grabs succeed.
    Live,
    /// The source failed and is being opened again.
    Failed,
    /// Switched off on purpose.
    Stopped,
    /// There is no such device.
    Absent,
    #[serde(other)]
    Unknown,
}

/// How fresh a publication is, reported by its publisher once a second. Server time, microseconds since the Unix epoch.
/// "Live, unchanged 40 s" (recent `captured_at`, old `changed_at`) and "frozen" (old `captured_at`) are different facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Freshness {
    pub publication: PublicationKey,
    pub state: SourceState,
    /// Last successful grab; 0 before the first.
    pub captured_at: i64,
    /// Last grab that differed from the one before it; 0 before the first.
    pub changed_at: i64,
}

/// What a room knows of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PublicationInfo {
    pub participant: ParticipantId,
    pub publication: PublicationKey,
    /// `video/H264`, `video/VP8` or `audio/opus`.
    pub codec: String,
    pub layers: Vec<LayerOffer>,
    pub freshness: Freshness,
    /// The picture is Invigil's built-in test picture, not a device.
    pub test_picture: bool,
}
