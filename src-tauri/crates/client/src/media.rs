//! Encoded media as it enters and leaves this crate, and the slots in its way: transforms and the bandwidth estimate.

pub use crate::peer::path::EstimatorFactory;
use bytes::Bytes;
use invigil_shared::bandwidth::PathEstimator;
use std::sync::Arc;

/// A picture from an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// H.264 access unit, Annex B (ITU-T H.264 annex B), at most [`crate::bounds::MAX_FRAME_BYTES`].
    pub data: Bytes,
    /// The picture stands by itself (IDR).
    pub key: bool,
    /// When it was captured; server time, microseconds since the Unix epoch.
    pub captured_at_us: i64,
    /// Capture clock, 90 kHz, any origin, wraps.
    pub rtp_timestamp: u32,
}

/// A packet from an Opus encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusFrame {
    pub data: Bytes,
    /// Capture clock, 48 kHz, any origin, wraps.
    pub rtp_timestamp: u32,
    /// RFC 6464: 0 is the loudest, 127 silence, in -dBov.
    pub level_dbov: u8,
    /// Server time, microseconds since the Unix epoch.
    pub captured_at_us: i64,
}

/// A step between encoder and packetiser, and before the decoder: the place of end-to-end encryption. Runs once a frame.
pub trait FrameTransform: Send + Sync + 'static {
    /// Changes what leaves. `None` drops the frame.
    fn outgoing(&self, data: Bytes) -> Option<Bytes>;
    /// Changes what arrives. `None` drops the frame.
    fn incoming(&self, data: Bytes) -> Option<Bytes>;
}

/// Passes every frame unchanged: today's transform.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl FrameTransform for Identity {
    fn outgoing(&self, data: Bytes) -> Option<Bytes> {
        Some(data)
    }
    fn incoming(&self, data: Bytes) -> Option<Bytes> {
        Some(data)
    }
}

/// How media is carried; the default serves every app.
#[derive(Clone)]
pub struct MediaOptions {
    /// Local addresses for UDP, `host:port`. `None`: loopback when the server is on loopback, else every interface.
    pub bind: Option<Vec<String>>,
    pub transform: Arc<dyn FrameTransform>,
    /// Judges the publishing path; each transport begins with a new one.
    pub estimator: EstimatorFactory,
}

impl Default for MediaOptions {
    fn default() -> Self {
        Self {
            bind: None,
            transform: Arc::new(Identity),
            estimator: || Box::new(PathEstimator::default()),
        }
    }
}
