//! A candidate's media encoded once, before it joins, and played in a loop through the client crate: what many candidates on
//! one machine can afford, whose encoders would each have a machine of their own.

use crate::canned::Recording;
use anyhow::Result;
use bytes::Bytes;
use invigil_capture::audio::{AudioFrame, FRAME, OpusEncoder, RATE, level_dbov};
use invigil_capture::{layers, now_us};
use invigil_client::candidate::{AudioSink, CandidateClient, VideoSink};
use invigil_client::media::{EncodedFrame, OpusFrame};
use invigil_shared::publication::{Kind, Layer};
use std::f32::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How long a loop is. Each begins with a key frame, which costs several times what others do: longer ones keep closer to
/// their layer's rate.
const LOOP_S: u32 = 6;
/// 20 ms frames of Opus in a second, which is a whole number of periods of every tone in whole Hertz.
const AUDIO_FPS: usize = 50;

/// What one candidate looks and sounds like. Layers that only a closer look asks for are encoded when it does.
pub struct Reel {
    seed: u64,
    camera: Arc<Recording>,
    screen: Arc<Recording>,
    sound: Option<Arc<Vec<(Bytes, u8)>>>,
}

impl Reel {
    /// Encodes the layers of the wall and, when a tone in whole Hertz is given, a second of it. Takes a few hundred
    /// milliseconds of a core.
    pub fn encode(seed: u64, tone: Option<u32>) -> Result<Self> {
        Ok(Self {
            seed,
            camera: Arc::new(record(Kind::Camera, Layer::Low, seed)?),
            screen: Arc::new(record(Kind::Screen, Layer::Low, seed)?),
            sound: tone.map(tone_of).transpose()?.map(Arc::new),
        })
    }

    /// Plays one layer while somebody receives it, until the client is gone. `captured` is when the last picture was shown.
    pub(crate) async fn play(self: Arc<Self>, client: CandidateClient, sink: VideoSink, captured: Arc<AtomicI64>) {
        let mut demand = sink.demand();
        let mut recording = None;
        while demand.wait_for(|demanded| *demanded).await.is_ok() {
            let recording = match &recording {
                Some(known) => Arc::clone(known),
                None => {
                    let (reel, kind, layer) = (Arc::clone(&self), sink.key().kind, sink.layer());
                    match tokio::task::spawn_blocking(move || reel.recording(kind, layer)).await {
                        Ok(Ok(fresh)) => Arc::clone(recording.insert(fresh)),
                        failed => {
                            tracing::error!(?failed, "a layer could not be encoded");
                            return;
                        }
                    }
                }
            };
            let mut each = tokio::time::interval(Duration::from_secs(1) / recording.fps);
            let mut units = recording.frames.iter().cycle();
            while sink.demanded() {
                each.tick().await;
                // A picture that waits is stale: the next one begins anew, as after a request.
                if sink.take_keyframe_request() || sink.waiting() > 1 {
                    units = recording.frames.iter().cycle();
                }
                let now = now_us();
                captured.store(now, Ordering::Relaxed);
                let Some(unit) = units.next().filter(|unit| !unit.data.is_empty() && sink.waiting() <= 1) else {
                    continue;
                };
                sink.write(EncodedFrame {
                    data: unit.data.clone(),
                    key: unit.key,
                    captured_at_us: now + client.clock_offset_us(),
                    rtp_timestamp: rtp_ticks(now, 90_000),
                });
            }
        }
    }

    fn recording(&self, kind: Kind, layer: Layer) -> Result<Arc<Recording>> {
        match (kind, layer) {
            (Kind::Camera, Layer::Low) => Ok(Arc::clone(&self.camera)),
            (Kind::Screen, Layer::Low) => Ok(Arc::clone(&self.screen)),
            _ => Ok(Arc::new(record(kind, layer, self.seed)?)),
        }
    }

    /// Plays the tone until the task is ended; returns at once when there is none.
    pub(crate) async fn play_sound(self: Arc<Self>, client: CandidateClient, sink: AudioSink) {
        let Some(sound) = &self.sound else { return };
        let mut each = tokio::time::interval(Duration::from_secs(1) / AUDIO_FPS as u32);
        for (number, (data, level_dbov)) in (0_u32..).zip(sound.iter().cycle()) {
            each.tick().await;
            sink.write(OpusFrame {
                data: data.clone(),
                rtp_timestamp: number.wrapping_mul(FRAME as u32),
                level_dbov: *level_dbov,
                captured_at_us: now_us() + client.clock_offset_us(),
            });
        }
    }
}

fn record(kind: Kind, layer: Layer, seed: u64) -> Result<Recording> {
    Recording::encode(kind, layer, LOOP_S, seed, &format!("PLAYED AGAIN EVERY {LOOP_S} S"))
}

/// Time as RTP ticks, which wrap.
fn rtp_ticks(at_us: i64, hertz: i64) -> u32 {
    (at_us.rem_euclid(1 << 40) * hertz / 1_000_000) as u32
}

fn tone_of(hertz: u32) -> Result<Vec<(Bytes, u8)>> {
    let mut encoder = OpusEncoder::new(layers::MICROPHONE_BPS)?;
    let mut frames = Vec::with_capacity(AUDIO_FPS);
    // The first second settles the encoder; the second one follows on itself.
    for number in 0..2 * AUDIO_FPS {
        let at = |n: usize| 0.25 * (TAU * hertz as f32 * (number % AUDIO_FPS * FRAME + n) as f32 / RATE as f32).sin();
        let samples: Vec<f32> = (0..FRAME).map(at).collect();
        let level_dbov = level_dbov(&samples);
        let packet = encoder.encode(&AudioFrame {
            samples,
            captured_at: 0,
            rtp_timestamp: 0,
            level_dbov,
            clipped: false,
        })?;
        if let Some(packet) = packet.filter(|_| number >= AUDIO_FPS) {
            frames.push((Bytes::from(packet.data), level_dbov));
        }
    }
    Ok(frames)
}
