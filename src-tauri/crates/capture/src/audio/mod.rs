//! Sound: 48 kHz mono in frames of 20 ms. The microphone's evidence is never denoised or gain-controlled.

#[cfg(target_os = "linux")]
mod capture_alsa;
#[cfg(not(target_os = "linux"))]
mod capture_cpal;
mod device;
pub mod jitter;
pub mod microphone;
pub mod opus_codec;
pub mod player;
mod resample;
pub mod wav;

pub use jitter::{JitterBuffer, JitterStats, Playout};
pub use opus_codec::{OpusDecoder, OpusEncoder, OpusPacket};
pub use player::{AudioPlayer, PlayerConfig, PlayerEvent};
pub use resample::Resampler;
pub use wav::WavWriter;

/// Samples per second of everything between the devices.
pub const RATE: u32 = 48_000;
/// Samples of one frame: 20 ms.
pub const FRAME: usize = 960;

/// 20 ms of sound from the microphone.
#[derive(Clone, Debug)]
pub struct AudioFrame {
    /// [`FRAME`] samples, -1 to 1.
    pub samples: Vec<f32>,
    /// Of its first sample: this machine's wall clock, microseconds.
    pub captured_at: i64,
    /// RTP time of its first sample (48 kHz). It jumps by the pause when a device was gone.
    pub rtp_timestamp: u32,
    /// RFC 6464: 0 is full scale, 127 silence, in -dBov.
    pub level_dbov: u8,
    /// Samples reached full scale.
    pub clipped: bool,
}

/// RFC 6464 level of samples in -1 to 1: 0 (full scale) to 127 (silence).
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)] // clamped to 0..=127
pub fn level_dbov(samples: &[f32]) -> u8 {
    let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    if power.is_nan() || power <= 0.0 {
        127
    } else {
        (-10.0 * power.log10()).round().clamp(0.0, 127.0) as u8
    }
}
