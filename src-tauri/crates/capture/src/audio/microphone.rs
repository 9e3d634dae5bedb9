//! The microphone, by `cpal`, as frames of 20 ms at 48 kHz mono.

#[cfg(target_os = "linux")]
use super::capture_alsa as platform;
#[cfg(not(target_os = "linux"))]
use super::capture_cpal as platform;
use super::device::problem;
use super::resample::Resampler;
use super::{AudioFrame, FRAME, RATE, level_dbov};
use crate::error::SourceProblem;
use crate::source::{Device, Outlet, SourceEvent, SourceFormat, SourceHandle, Watch, supervise};
use cpal::traits::{DeviceTrait, HostTrait};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// In the order of [`problem`].
pub(super) const CODES: [&str; 4] = [
    "microphone_none",
    "microphone_denied",
    "microphone_in_use",
    "microphone_gone",
];
/// RTP time follows the wall clock when they are this far apart: samples were lost.
const RESYNC_US: i64 = 120_000;

/// How to open a microphone.
#[derive(Clone, Debug, Default)]
pub struct MicrophoneConfig {
    /// Which one, by [`Device::id`]; `None`: the system's default.
    pub device: Option<String>,
}

/// The microphones of this machine, the default first. A device may be listed and yet fail to open.
///
/// # Errors
/// `microphone_gone` when the sound system doesn't answer.
pub fn microphones() -> Result<Vec<Device>, SourceProblem> {
    let host = cpal::default_host();
    let default = host
        .default_input_device()
        .and_then(|d| d.id().ok())
        .map(|id| id.to_string());
    let mut found = Vec::new();
    for device in host.devices().map_err(|e| problem(&e, CODES))? {
        let (Ok(id), Ok(description)) = (device.id(), device.description()) else {
            continue;
        };
        if description.supports_input() {
            found.push(Device {
                id: id.to_string(),
                name: description.name().to_owned(),
            });
        }
    }
    found.sort_by_key(|d| Some(&d.id) != default.as_ref());
    Ok(found)
}

/// A microphone as a source.
pub struct MicrophoneSource;

impl MicrophoneSource {
    /// # Errors
    /// When the system gives no thread. That there is no microphone is an event, not an error.
    pub fn start(
        config: MicrophoneConfig,
        sink: impl FnMut(SourceEvent<AudioFrame>) + Send + 'static,
    ) -> Result<SourceHandle, SourceProblem> {
        let watch = Watch {
            name: "microphone",
            // PulseAudio's first samples come 1.4 to 1.9 s after the start.
            open: Duration::from_secs(6),
            silent: Duration::from_secs(2),
            silent_code: "microphone_gone",
        };
        // Tells "there is none" from "it was unplugged".
        let heard = AtomicBool::new(false);
        supervise(watch, move |out: &Outlet<AudioFrame>| run(&config, &heard, out), sink)
    }
}

fn run(config: &MicrophoneConfig, heard: &AtomicBool, out: &Outlet<AudioFrame>) -> Result<(), SourceProblem> {
    let host = cpal::default_host();
    let device = match &config.device {
        None => host
            .default_input_device()
            .ok_or_else(|| SourceProblem::new("microphone_none", "no default input"))?,
        Some(id) => {
            let id = id.parse().map_err(|e| problem(&e, CODES))?;
            host.device_by_id(&id)
                .ok_or_else(|| SourceProblem::new("microphone_gone", "not plugged in"))?
        }
    };
    let name = device
        .description()
        .map_or_else(|_| "Microphone".into(), |d| d.name().to_owned());
    let mut opened = platform::Capture::open(&device).map_err(|problem| {
        // The system always has a "default"; that it can't be opened says that nothing stands behind it.
        let absent = config.device.is_none() && !heard.load(Ordering::Relaxed) && problem.code == "microphone_gone";
        SourceProblem::new(if absent { "microphone_none" } else { problem.code }, problem.detail)
    })?;
    let mut framer = Framer::new(opened.rate());
    let mut live = false;
    let result = opened.run(out, |samples, ended_at| {
        if !live {
            live = true;
            heard.store(true, Ordering::Relaxed);
            out.live(SourceFormat {
                device: name.clone(),
                width: 0,
                height: 0,
                fps: 0,
            });
        }
        framer.push(samples, ended_at, |frame| out.put(frame));
    });
    // With a dead sound server the drop can hang: first the news, then the drop, on this thread.
    out.ended(result);
    drop(opened);
    Ok(())
}

/// Cuts samples of any rate into frames with times.
struct Framer {
    resampler: Option<Resampler>,
    pending: Vec<f32>,
    /// RTP time of the next frame, not yet wrapped.
    next_rtp: Option<i64>,
}

impl Framer {
    fn new(rate: u32) -> Self {
        Self {
            resampler: (rate != RATE).then(|| Resampler::new(rate, RATE)),
            pending: Vec::new(),
            next_rtp: None,
        }
    }

    fn push(&mut self, samples: &[f32], ended_at: i64, mut emit: impl FnMut(AudioFrame)) {
        match &mut self.resampler {
            Some(resampler) => resampler.process(samples, &mut self.pending),
            None => self.pending.extend_from_slice(samples),
        }
        let mut at = ended_at - us(self.pending.len());
        let mut used = 0;
        for frame in self.pending.chunks_exact(FRAME) {
            let wall = at * 48 / 1000;
            let rtp = self
                .next_rtp
                .filter(|rtp| (rtp - wall).abs() < RESYNC_US * 48 / 1000)
                .unwrap_or(wall);
            // Never backwards: a receiver would drop it as late.
            let rtp = self.next_rtp.map_or(rtp, |next| rtp.max(next));
            self.next_rtp = Some(rtp + i64::try_from(FRAME).unwrap_or(0));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // RTP time wraps
            let rtp_timestamp = rtp as u32;
            emit(AudioFrame {
                samples: frame.to_vec(),
                captured_at: at,
                rtp_timestamp,
                level_dbov: level_dbov(frame),
                clipped: frame.iter().any(|s| s.abs() >= 0.999),
            });
            used += FRAME;
            at += us(FRAME);
        }
        self.pending.drain(..used);
    }
}

/// Microseconds of `n` samples at 48 kHz.
fn us(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(0) * 1000 / 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_contiguous_and_a_pause_shows_in_rtp_time() {
        let mut framer = Framer::new(48_000);
        let mut frames = Vec::new();
        let mut now = 1_000_000_000;
        for _ in 0..30 {
            now += 10_000;
            framer.push(&[0.5; 480], now, |f| frames.push(f));
        }
        assert_eq!(frames.len(), 15);
        assert!(
            frames
                .windows(2)
                .all(|w| w[1].rtp_timestamp.wrapping_sub(w[0].rtp_timestamp) == 960)
        );
        assert_eq!(frames[0].captured_at, 1_000_000_000);
        now += 500_000;
        framer.push(&[0.5; 960], now, |f| frames.push(f));
        let jump = frames[15].rtp_timestamp.wrapping_sub(frames[14].rtp_timestamp);
        assert!((24_000..26_000).contains(&jump), "{jump}");
    }

    #[test]
    fn another_rate_gives_the_same_frames() {
        let mut framer = Framer::new(44_100);
        let mut count = 0;
        for i in 1..=100 {
            framer.push(&[0.1; 441], i * 10_000, |f| {
                assert_eq!(f.samples.len(), FRAME);
                count += 1;
            });
        }
        assert!((49..=50).contains(&count), "{count}");
    }
}
