//! What microphone and player share: choosing a configuration, sample formats, which errors end a stream.

use crate::error::SourceProblem;
use cpal::{Data, Error, ErrorKind, SampleFormat, SupportedStreamConfig, SupportedStreamConfigRange};

/// The configuration to open: 48 kHz if the device can, few channels, a format that [`mono`] and [`spread`] know.
pub(super) fn choose(
    offered: impl Iterator<Item = SupportedStreamConfigRange>,
    default: impl FnOnce() -> Result<SupportedStreamConfig, Error>,
) -> Result<SupportedStreamConfig, Error> {
    let known = |f: SampleFormat| matches!(f, SampleFormat::F32 | SampleFormat::I16 | SampleFormat::I32);
    let best = offered
        .filter(|range| known(range.sample_format()) && range.channels() > 0)
        .filter_map(|range| range.try_with_sample_rate(super::RATE))
        .min_by_key(|c| (c.channels() > 2, c.sample_format() != SampleFormat::F32, c.channels()));
    match best {
        Some(config) => Ok(config),
        None => default().and_then(|config| {
            if known(config.sample_format()) {
                Ok(config)
            } else {
                Err(ErrorKind::UnsupportedConfig.into())
            }
        }),
    }
}

/// Appends the channels' mean of interleaved input.
#[allow(clippy::cast_precision_loss)]
pub(super) fn mix<S: Copy>(data: &[S], channels: usize, convert: fn(S) -> f32, out: &mut Vec<f32>) {
    let channels = channels.max(1);
    let mean = |frame: &[S]| frame.iter().map(|s| convert(*s)).sum::<f32>() / channels as f32;
    out.extend(data.chunks_exact(channels).map(mean));
}

/// [`mix`] for cpal's buffers.
#[cfg(not(target_os = "linux"))]
pub(super) fn mono(data: &Data, channels: usize, out: &mut Vec<f32>) {
    if let Some(samples) = data.as_slice::<f32>() {
        mix(samples, channels, |s| s, out);
    } else if let Some(samples) = data.as_slice::<i16>() {
        mix(samples, channels, |s| f32::from(s) / 32_768.0, out);
    } else if let Some(samples) = data.as_slice::<i32>() {
        mix(samples, channels, |s| s as f32 / 2_147_483_648.0, out);
    }
}

/// Writes one mono sample to every channel of interleaved output.
#[allow(clippy::cast_possible_truncation)] // clamped
pub(super) fn spread(data: &mut Data, channels: usize, samples: &[f32]) {
    let channels = channels.max(1);
    let limited = samples.iter().map(|s| s.clamp(-1.0, 1.0));
    if let Some(out) = data.as_slice_mut::<f32>() {
        out.chunks_exact_mut(channels).zip(limited).for_each(|(f, s)| f.fill(s));
    } else if let Some(out) = data.as_slice_mut::<i16>() {
        out.chunks_exact_mut(channels)
            .zip(limited)
            .for_each(|(f, s)| f.fill((s * 32_767.0) as i16));
    } else if let Some(out) = data.as_slice_mut::<i32>() {
        out.chunks_exact_mut(channels)
            .zip(limited)
            .for_each(|(f, s)| f.fill((s * 2_147_483_000.0) as i32));
    }
}

/// The stream goes on after these.
pub(super) fn harmless(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DeviceChanged | ErrorKind::Xrun | ErrorKind::RealtimeDenied
    )
}

/// `codes`: in this order none, denied, in use, gone.
pub(super) fn problem(error: &Error, codes: [&'static str; 4]) -> SourceProblem {
    let code = match error.kind() {
        ErrorKind::PermissionDenied => codes[1],
        ErrorKind::DeviceBusy => codes[2],
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => codes[0],
        _ => codes[3],
    };
    SourceProblem::new(code, error)
}
