//! Playing one candidate's microphone: jitter buffer, Opus, drift compensation, `cpal`, and a tap into a WAV file.
//!
//! The output device's clock pulls: each of its callbacks takes what it needs, so nothing queues up behind it. A lost
//! device is opened again; meanwhile packets are dropped by the jitter buffer's own bound.

use super::device::{choose, harmless, problem, spread};
use super::jitter::{JitterBuffer, JitterStats, Playout};
use super::opus_codec::OpusDecoder;
use super::resample::Resampler;
use super::wav::WavWriter;
use super::{FRAME, RATE};
use crate::error::{CodecError, SourceProblem};
use crate::source::{Outlet, SourceEvent, SourceHandle, Watch, supervise};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, StreamConfig, SupportedStreamConfig};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

const CODES: [&str; 4] = ["speaker_none", "speaker_none", "speaker_gone", "speaker_gone"];
/// Device period that we ask for: 20 ms at 48 kHz.
const PERIOD: u32 = 960;
/// Decoded frames waiting for the WAV file's thread: 5 s.
const TAP: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct PlayerConfig {
    /// Where what was decoded is written (48 kHz mono), from the first packet on; nowhere when `None`.
    pub tap: Option<PathBuf>,
}

/// How the output device stands: `Live` names it, `Failed` has `speaker_none` or `speaker_gone`.
pub type PlayerEvent = SourceEvent<()>;

/// Plays one stream on the default output until it is dropped.
pub struct AudioPlayer {
    core: Arc<Mutex<Core>>,
    began: Instant,
    output: SourceHandle,
}

impl AudioPlayer {
    /// Opens the output on its own thread and starts silent. `events` tells how the device stands.
    ///
    /// # Errors
    /// `CodecError` without an Opus decoder; a tap that can't be created is `BadFrame`.
    pub fn start(config: PlayerConfig, events: impl FnMut(PlayerEvent) + Send + 'static) -> Result<Self, CodecError> {
        let tap = config.tap.map(open_tap).transpose()?;
        let core = Arc::new(Mutex::new(Core::new(OpusDecoder::new()?, tap)));
        let began = Instant::now();
        let watch = Watch {
            name: "speaker",
            open: Duration::from_secs(6),
            silent: Duration::from_secs(2),
            silent_code: "speaker_gone",
        };
        let pulled = core.clone();
        let output = supervise(watch, move |out: &Outlet<()>| run(&pulled, began, out), events)
            .map_err(|_| CodecError::BadFrame("no thread"))?;
        Ok(Self { core, began, output })
    }

    /// A packet of the stream, as it arrived. Order, duplicates and losses are the jitter buffer's business.
    pub fn push(&self, sequence: u16, rtp_timestamp: u32, data: Vec<u8>) {
        let now = since(self.began);
        self.core.lock().jitter.insert(now, sequence, rtp_timestamp, data);
    }

    /// Another stream follows: forgets what waits.
    pub fn reset(&self) {
        let mut core = self.core.lock();
        core.jitter = JitterBuffer::new();
        core.ready.clear();
    }

    pub fn stats(&self) -> JitterStats {
        self.core.lock().jitter.stats()
    }

    pub fn stop(&self) {
        self.output.stop();
    }
}

fn since(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// Everything between packets and the device, on the device's clock.
struct Core {
    jitter: JitterBuffer,
    decoder: OpusDecoder,
    resampler: Resampler,
    rate: u32,
    /// At the device's rate.
    ready: Vec<f32>,
    frame: Vec<f32>,
    heard: bool,
    tap: Option<SyncSender<Vec<f32>>>,
}

impl Core {
    fn new(decoder: OpusDecoder, tap: Option<SyncSender<Vec<f32>>>) -> Self {
        let resampler = Resampler::new(RATE, RATE);
        Self {
            jitter: JitterBuffer::new(),
            decoder,
            resampler,
            rate: RATE,
            ready: Vec::new(),
            frame: Vec::new(),
            heard: false,
            tap,
        }
    }

    fn set_rate(&mut self, rate: u32) {
        if self.rate != rate {
            (self.rate, self.resampler) = (rate, Resampler::new(RATE, rate));
        }
        self.ready.clear();
    }

    fn fill(&mut self, now_us: i64, out: &mut [f32]) {
        while self.ready.len() < out.len() {
            self.decode_next(now_us);
            self.resampler.set_speed(self.jitter.speed(now_us));
            self.resampler.process(&self.frame, &mut self.ready);
        }
        out.copy_from_slice(&self.ready[..out.len()]);
        self.ready.drain(..out.len());
    }

    /// Always leaves at least 20 ms in `frame`, so that `fill` ends.
    fn decode_next(&mut self, now_us: i64) {
        self.frame.clear();
        let decoded = match self.jitter.next(now_us) {
            Playout::Packet(data) => {
                self.heard = true;
                self.decoder.decode(&data, &mut self.frame)
            }
            Playout::Recover(next) => self.decoder.recover(&next, &mut self.frame),
            Playout::Conceal => self.decoder.conceal(&mut self.frame),
            Playout::Silence => Ok(()),
        };
        if let Err(error) = decoded {
            tracing::debug!(%error, "a sound packet could not be decoded");
        }
        if self.frame.len() < FRAME {
            self.frame.resize(FRAME, 0.0);
        }
        if self.heard
            && let Some(tap) = &self.tap
            && tap.try_send(self.frame.clone()).is_err()
        {
            tracing::warn!("the sound file's disk is slow: 20 ms are missing in it");
        }
    }
}

fn open_tap(path: PathBuf) -> Result<SyncSender<Vec<f32>>, CodecError> {
    let mut wav = WavWriter::create(&path).map_err(|_| CodecError::BadFrame("the sound file can't be created"))?;
    let (sender, frames): (_, Receiver<Vec<f32>>) = sync_channel(TAP);
    let written = std::thread::Builder::new().name("sound-file".into()).spawn(move || {
        while let Ok(frame) = frames.recv() {
            if let Err(error) = wav.write(&frame) {
                tracing::error!(%error, path = %path.display(), "the sound file ends early");
                return;
            }
        }
        if let Err(error) = wav.finish() {
            tracing::error!(%error, path = %path.display(), "the sound file was not closed");
        }
    });
    written.map_err(|_| CodecError::BadFrame("no thread"))?;
    Ok(sender)
}

fn run(core: &Arc<Mutex<Core>>, began: Instant, out: &Outlet<()>) -> Result<(), SourceProblem> {
    let device = cpal::default_host()
        .default_output_device()
        .ok_or_else(|| SourceProblem::new("speaker_none", "no default output"))?;
    let name = device
        .description()
        .map_or_else(|_| "Speaker".into(), |d| d.name().to_owned());
    let offered = device.supported_output_configs().map_err(|e| problem(&e, CODES))?;
    let chosen = choose(offered, || device.default_output_config()).map_err(|e| problem(&e, CODES))?;
    core.lock().set_rate(chosen.sample_rate());
    let failure = Arc::new(Mutex::new(None));
    let (beats, beaten) = sync_channel(4);
    let short = build(
        &device,
        &chosen,
        BufferSize::Fixed(PERIOD),
        core.clone(),
        began,
        beats.clone(),
        failure.clone(),
    );
    let stream = short
        .or_else(|_| {
            build(
                &device,
                &chosen,
                BufferSize::Default,
                core.clone(),
                began,
                beats,
                failure.clone(),
            )
        })
        .map_err(|e| problem(&e, CODES))?;
    stream.play().map_err(|e| problem(&e, CODES))?;
    let mut live = false;
    let result = loop {
        if out.stopped() {
            break Ok(());
        }
        if let Some(problem) = failure.lock().take() {
            break Err(problem);
        }
        if beaten.recv_timeout(Duration::from_millis(100)).is_ok() {
            if !live {
                live = true;
                out.live(crate::source::SourceFormat {
                    device: name.clone(),
                    width: 0,
                    height: 0,
                    fps: 0,
                });
            }
            out.put(());
        }
    };
    out.ended(result);
    drop(stream);
    Ok(())
}

fn build(
    device: &cpal::Device,
    chosen: &SupportedStreamConfig,
    buffer_size: BufferSize,
    core: Arc<Mutex<Core>>,
    began: Instant,
    beats: SyncSender<()>,
    failure: Arc<Mutex<Option<SourceProblem>>>,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(chosen.channels()).max(1);
    let config = StreamConfig {
        channels: chosen.channels(),
        sample_rate: chosen.sample_rate(),
        buffer_size,
    };
    let mut samples = Vec::new();
    device.build_output_stream_raw(
        config,
        chosen.sample_format(),
        move |data, _| {
            samples.resize(data.len() / channels, 0.0);
            core.lock().fill(since(began), &mut samples);
            spread(data, channels, &samples);
            let _ = beats.try_send(());
        },
        move |error| {
            if !harmless(error.kind()) {
                failure.lock().get_or_insert_with(|| problem(&error, CODES));
            }
        },
        None,
    )
}
