//! Canned media: encoded once, as a candidate's machine does it, and played again and again with fresh timestamps, so that
//! hundreds of candidates cost no encoder.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use invigil_capture::audio::{AudioFrame, FRAME, OpusEncoder, RATE, level_dbov};
use invigil_capture::layers;
use invigil_capture::{Content, Picture, TestPainter, TestPictureConfig, VideoPipeline};
use invigil_shared::publication::{Kind, Layer};
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use std::f32::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an RTP payload, as our clients cut frames.
const PAYLOAD: usize = 1_150;
/// 20 ms frames of Opus in a second.
const AUDIO_FPS: u32 = 50;

/// One frame: an access unit in packets, or 20 ms of sound in at most one.
#[derive(Clone, Debug)]
pub struct Frame {
    pub key: bool,
    /// Size as encoded.
    pub bytes: usize,
    /// RTP payloads; none where nothing is sent (silence, a frame that the rate control skipped).
    pub packets: Vec<Vec<u8>>,
    /// RFC 6464, of sound.
    pub level_dbov: u8,
}

/// A stretch of one layer that begins with a key frame, so that it can be played in a loop and begun anew when one is asked for.
#[derive(Clone, Debug)]
pub struct Clip {
    pub frames: Vec<Frame>,
    pub fps: u32,
    /// RTP ticks between two frames.
    pub ticks: u32,
}

impl Clip {
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.fps
    }

    /// So many seconds of a moving test picture in one of the default layers.
    pub fn video(kind: Kind, layer: Layer, seconds: u32) -> Result<Self> {
        let recording = Recording::encode(kind, layer, seconds, 7, "Candidate")?;
        let mut payloader = H264Payloader::default();
        let frames = recording.frames.into_iter().map(|frame| {
            Ok(Frame {
                key: frame.key,
                bytes: frame.data.len(),
                packets: payloads(&mut payloader, &frame.data)?,
                level_dbov: 127,
            })
        });
        Ok(Self {
            frames: frames.collect::<Result<_>>()?,
            fps: recording.fps,
            ticks: 90_000 / recording.fps,
        })
    }

    /// So many seconds of sound that speaks and falls silent: tones that rise and fall for 1.2 s of every 2.
    pub fn sound(seconds: u32) -> Result<Self> {
        let mut encoder = OpusEncoder::new(layers::MICROPHONE_BPS)?;
        let mut frames = Vec::new();
        for number in 0..seconds * AUDIO_FPS {
            let speaks = number % 100 < 60;
            let at = |n: usize| {
                let t = (number as f32 * FRAME as f32 + n as f32) / RATE as f32;
                let hertz = 180.0 + 60.0 * (TAU * 0.7 * t).sin();
                let loud = 0.2 * (TAU * 4.0 * t).sin().abs();
                if speaks { loud * (TAU * hertz * t).sin() } else { 0.0 }
            };
            let samples: Vec<f32> = (0..FRAME).map(at).collect();
            let level_dbov = level_dbov(&samples);
            let packet = encoder.encode(&AudioFrame {
                samples,
                captured_at: 0,
                rtp_timestamp: 0,
                level_dbov,
                clipped: false,
            })?;
            let packets: Vec<Vec<u8>> = packet.map(|packet| packet.data).into_iter().collect();
            frames.push(Frame {
                key: true,
                bytes: packets.iter().map(Vec::len).sum(),
                packets,
                level_dbov,
            });
        }
        Ok(Self {
            frames,
            fps: AUDIO_FPS,
            ticks: FRAME as u32,
        })
    }
}

/// A stretch of one layer in access units: a [`Clip`] that the client crate cuts into packets by itself.
#[derive(Clone, Debug)]
pub struct Recording {
    pub frames: Vec<Unit>,
    pub fps: u32,
}

/// One access unit (Annex B); empty where the rate control skipped a picture.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    pub data: Bytes,
    pub key: bool,
}

impl Recording {
    /// So many seconds of a moving test picture with this look and name, in one of the default layers.
    pub fn encode(kind: Kind, layer: Layer, seconds: u32, seed: u64, label: &str) -> Result<Self> {
        let spec = layers::defaults(kind).iter().find(|spec| spec.layer == layer);
        let spec = *spec.with_context(|| format!("{kind:?} has no layer {layer:?}"))?;
        let (content, width, height) = match kind {
            Kind::Screen => (Content::Screen, 960, 540),
            _ => (Content::Camera, 640, 360),
        };
        let mut painter = TestPainter::new(&TestPictureConfig {
            width,
            height,
            fps: spec.fps,
            seed,
            label: label.to_owned(),
        });
        let mut pipeline = VideoPipeline::new(content, &[spec]);
        pipeline.set_demand(&[layer]);
        let fps = u32::from(spec.fps);
        let frames: Vec<Unit> = (0..i64::from(fps * seconds))
            .map(|number| {
                let captured_at = number * 1_000_000 / i64::from(fps);
                let picture = Arc::new(Picture {
                    planes: Arc::new(painter.paint(captured_at)),
                    captured_at,
                    changed: true,
                });
                let encoded = pipeline.push(&picture).pop();
                encoded.map_or_else(Unit::default, |frame| Unit {
                    data: frame.data.into(),
                    key: frame.key,
                })
            })
            .collect();
        if !frames.first().is_some_and(|frame| frame.key) {
            bail!("a recording has to begin with a key frame");
        }
        Ok(Self { frames, fps })
    }
}

fn payloads(payloader: &mut H264Payloader, data: &Bytes) -> Result<Vec<Vec<u8>>> {
    let packets = payloader.payload(PAYLOAD, data)?;
    Ok(packets.iter().map(|packet| packet.to_vec()).collect())
}

/// What a candidate sends.
#[derive(Clone, Debug)]
pub struct Media {
    pub camera_low: Arc<Clip>,
    pub camera_high: Arc<Clip>,
    pub screen_low: Arc<Clip>,
    pub microphone: Arc<Clip>,
}

impl Media {
    /// Encodes everything once.
    pub fn encode(seconds: u32) -> Result<Self> {
        Ok(Self {
            camera_low: Arc::new(Clip::video(Kind::Camera, Layer::Low, seconds)?),
            camera_high: Arc::new(Clip::video(Kind::Camera, Layer::High, seconds)?),
            screen_low: Arc::new(Clip::video(Kind::Screen, Layer::Low, seconds)?),
            microphone: Arc::new(Clip::sound(seconds)?),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may panic: that is how it fails
    use super::*;

    #[test]
    fn a_clip_starts_with_a_key_frame_and_fits_into_packets() {
        let clip = Clip::video(Kind::Camera, Layer::Low, 2).unwrap();
        assert_eq!((clip.frames.len(), clip.ticks), (20, 9_000));
        assert!(clip.frames[0].key && clip.frames.iter().filter(|frame| frame.key).count() == 1);
        assert!(
            clip.frames
                .iter()
                .all(|frame| frame.packets.iter().all(|p| p.len() <= PAYLOAD))
        );
    }

    #[test]
    fn silence_sends_next_to_nothing() {
        let clip = Clip::sound(4).unwrap();
        let silent = clip.frames.iter().filter(|frame| frame.packets.is_empty()).count();
        assert_eq!(clip.frames.len(), 200);
        assert!((20..120).contains(&silent), "{silent} of 200 frames are silent");
    }
}
