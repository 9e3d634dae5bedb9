//! Encoded media as it enters and leaves this crate, and the slots in its way: transforms and the bandwidth estimate.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

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

/// What the far end reported of our sending, over one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathReport {
    pub round_trip: Option<Duration>,
    /// Share of packets lost, 0 to 1.
    pub lost: f32,
    /// Bits per second that were sent.
    pub sent_bps: u64,
}

/// Judges how many bits per second the path carries. One slot per publish transport.
pub trait BandwidthEstimator: Send + Sync + 'static {
    fn on_report(&self, report: PathReport);
    /// `None`: no limit is known.
    fn target_bps(&self) -> Option<u64>;
}

/// Never limits. The media-plane issue brings the delay- and loss-based one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl BandwidthEstimator for Unlimited {
    fn on_report(&self, _: PathReport) {}
    fn target_bps(&self) -> Option<u64> {
        None
    }
}

/// How media is carried; the default serves every app.
#[derive(Clone)]
pub struct MediaOptions {
    /// Local addresses for UDP, `host:port`. `None`: loopback when the server is on loopback, else every interface.
    pub bind: Option<Vec<String>>,
    pub transform: Arc<dyn FrameTransform>,
    pub estimator: Arc<dyn BandwidthEstimator>,
}

impl Default for MediaOptions {
    fn default() -> Self {
        Self {
            bind: None,
            transform: Arc::new(Identity),
            estimator: Arc::new(Unlimited),
        }
    }
}
