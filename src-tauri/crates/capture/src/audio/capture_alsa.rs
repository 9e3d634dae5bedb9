//! Samples from the microphone by ALSA, on a timer.
//!
//! cpal finds the devices, but its stream waits until a whole period is there, while ALSA's plugins for PulseAudio and
//! PipeWire wake it as soon as one sample is: in between it polls without a pause, 680,000 system calls a second, a
//! third of a core. Here whatever is there is taken every 10 ms. No descriptor is polled, so none can be busy.

use super::device::mix;
use super::{AudioFrame, RATE};
use crate::clock::now_us;
use crate::error::SourceProblem;
use crate::source::Outlet;
use alsa::pcm::{Access, Format, HwParams, IoFormat, PCM};
use alsa::{Direction, ValueOr};
use cpal::traits::DeviceTrait;
use std::time::{Duration, Instant};

/// How often the device is looked at. With the device's own period this is the delay of capture.
const BEAT: Duration = Duration::from_millis(10);
/// Periods that we ask for, per second: 10 ms. A sound server delivers in pieces of it.
const PERIODS: u32 = 100;
/// Periods that the device keeps for us when we are late: 0.5 s.
const KEPT: u32 = 50;

/// An open microphone.
pub(super) struct Capture {
    pcm: PCM,
    format: Format,
    channels: usize,
    rate: u32,
}

impl Capture {
    /// Opens and configures the device; it doesn't run yet.
    pub(super) fn open(device: &cpal::Device) -> Result<Self, SourceProblem> {
        let id = device.id().map_err(|e| SourceProblem::new("microphone_gone", e))?;
        // Never blocking: a busy device says so, and a read takes what is there.
        let pcm = PCM::new(id.id(), Direction::Capture, true).map_err(|e| problem(&e))?;
        let (format, channels, rate) = configure(&pcm).map_err(|e| problem(&e))?;
        pcm.prepare().map_err(|e| problem(&e))?;
        Ok(Self {
            pcm,
            format,
            channels: channels as usize,
            rate,
        })
    }

    /// Samples per second of what it gives.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// Gives mono samples with the time of their end until the source is stopped or fails.
    pub(super) fn run(&mut self, out: &Outlet<AudioFrame>, give: impl FnMut(&[f32], i64)) -> Result<(), SourceProblem> {
        self.pcm.start().map_err(|e| problem(&e))?;
        match self.format {
            Format::S16LE | Format::S16BE => self.pump(out, |s: i16| f32::from(s) / 32_768.0, give),
            Format::S32LE | Format::S32BE => self.pump(out, |s: i32| s as f32 / 2_147_483_648.0, give),
            _ => self.pump(out, |s: f32| s, give),
        }
    }

    fn pump<S: IoFormat + Default>(
        &self,
        out: &Outlet<AudioFrame>,
        convert: fn(S) -> f32,
        mut give: impl FnMut(&[f32], i64),
    ) -> Result<(), SourceProblem> {
        let io = self.pcm.io_checked::<S>().map_err(|e| problem(&e))?;
        // Room for 40 ms; a read goes on until it came back with less.
        let frames = self.rate as usize / 25;
        let mut raw = vec![S::default(); frames * self.channels];
        let mut samples = Vec::new();
        let mut next = Instant::now();
        while !out.stopped() {
            samples.clear();
            loop {
                match io.readi(&mut raw) {
                    Ok(read) => {
                        mix(
                            &raw[..(read * self.channels).min(raw.len())],
                            self.channels,
                            convert,
                            &mut samples,
                        );
                        // A device that always has more must not keep us from the stop flag.
                        if read < frames || samples.len() > self.rate as usize {
                            break;
                        }
                    }
                    Err(error) if error.errno() == libc::EAGAIN => break,
                    Err(error) => {
                        tracing::debug!(%error, "the microphone is started again");
                        // Samples were lost or the machine slept: RTP time will show the gap.
                        self.pcm.try_recover(error, true).map_err(|e| problem(&e))?;
                        self.pcm.start().map_err(|e| problem(&e))?;
                        break;
                    }
                }
            }
            if !samples.is_empty() {
                give(&samples, now_us());
            }
            next = (next + BEAT).max(Instant::now());
            out.sleep_until(next);
        }
        Ok(())
    }
}

fn configure(pcm: &PCM) -> alsa::Result<(Format, u32, u32)> {
    let hw = HwParams::any(pcm)?;
    hw.set_access(Access::RWInterleaved)?;
    let formats = [Format::float(), Format::s16(), Format::s32()];
    let format = formats.into_iter().find(|f| hw.test_format(*f).is_ok());
    let format = format.unwrap_or(Format::s16());
    hw.set_format(format)?;
    let channels = hw.set_channels_near(1)?;
    let rate = hw.set_rate_near(RATE, ValueOr::Nearest)?;
    hw.set_period_size_near((rate / PERIODS).into(), ValueOr::Nearest)?;
    hw.set_buffer_size_near((rate / PERIODS * KEPT).into())?;
    pcm.hw_params(&hw)?;
    let sw = pcm.sw_params_current()?;
    // With more, a read refuses to hand out less.
    sw.set_avail_min(1)?;
    pcm.sw_params(&sw)?;
    Ok((format, channels, rate))
}

fn problem(error: &alsa::Error) -> SourceProblem {
    let code = match error.errno() {
        libc::EACCES | libc::EPERM => "microphone_denied",
        libc::EBUSY => "microphone_in_use",
        _ => "microphone_gone",
    };
    SourceProblem::new(code, error)
}
