//! Samples from the microphone by cpal's own streams (Windows, macOS).

use super::device::{choose, harmless, mono, problem};
use super::microphone::CODES;
use super::{AudioFrame, FRAME};
use crate::clock::now_us;
use crate::error::SourceProblem;
use crate::source::Outlet;
use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, StreamConfig, SupportedStreamConfig};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Chunks between the driver's thread and ours; about 1 s of the usual sizes. What doesn't fit is lost, and shows in RTP time.
const CHUNKS: usize = 64;
/// Device periods that we ask for, samples at the device's rate: short, so that a frame is fresh.
const PERIOD: u32 = FRAME as u32;

struct Chunk {
    samples: Vec<f32>,
    /// When its last sample was there.
    ended_at: i64,
}

/// An open microphone.
pub(super) struct Capture {
    stream: cpal::Stream,
    chosen: SupportedStreamConfig,
    received: Receiver<Chunk>,
    failure: Arc<Mutex<Option<SourceProblem>>>,
}

impl Capture {
    pub(super) fn open(device: &cpal::Device) -> Result<Self, SourceProblem> {
        let offered = device.supported_input_configs().map_err(|e| problem(&e, CODES))?;
        let chosen = choose(offered, || device.default_input_config()).map_err(|e| problem(&e, CODES))?;
        let (chunks, received) = sync_channel(CHUNKS);
        let failure = Arc::new(Mutex::new(None));
        let short = build(device, &chosen, BufferSize::Fixed(PERIOD), chunks.clone(), &failure);
        let stream = short
            .or_else(|_| build(device, &chosen, BufferSize::Default, chunks, &failure))
            .map_err(|e| problem(&e, CODES))?;
        Ok(Self {
            stream,
            chosen,
            received,
            failure,
        })
    }

    /// Samples per second of what it gives.
    pub(super) fn rate(&self) -> u32 {
        self.chosen.sample_rate()
    }

    /// Gives mono samples with the time of their end until the source is stopped or fails.
    pub(super) fn run(
        &mut self,
        out: &Outlet<AudioFrame>,
        mut give: impl FnMut(&[f32], i64),
    ) -> Result<(), SourceProblem> {
        self.stream.play().map_err(|e| problem(&e, CODES))?;
        while !out.stopped() {
            if let Some(problem) = self.failure.lock().take() {
                return Err(problem);
            }
            match self.received.recv_timeout(Duration::from_millis(100)) {
                Ok(chunk) => give(&chunk.samples, chunk.ended_at),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(SourceProblem::new("microphone_gone", "the stream ended"));
                }
            }
        }
        Ok(())
    }
}

fn build(
    device: &cpal::Device,
    chosen: &SupportedStreamConfig,
    buffer_size: BufferSize,
    chunks: SyncSender<Chunk>,
    failure: &Arc<Mutex<Option<SourceProblem>>>,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(chosen.channels());
    let failure = failure.clone();
    let config = StreamConfig {
        channels: chosen.channels(),
        sample_rate: chosen.sample_rate(),
        buffer_size,
    };
    device.build_input_stream_raw(
        config,
        chosen.sample_format(),
        move |data, _| {
            let mut samples = Vec::with_capacity(data.len() / channels.max(1));
            mono(data, channels, &mut samples);
            let _ = chunks.try_send(Chunk {
                samples,
                ended_at: now_us(),
            });
        },
        // A source unloaded mid-stream calls this 70,000 times a second: keep the first, say nothing.
        move |error| {
            if !harmless(error.kind()) {
                failure.lock().get_or_insert_with(|| problem(&error, CODES));
            }
        },
        None,
    )
}
