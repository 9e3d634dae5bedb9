//! A candidate without a window: the client crate, moving test pictures and a tone, really encoded.

use crate::reel::Reel;
use anyhow::{Context, Result};
use invigil_capture::audio::OpusEncoder;
use invigil_capture::audio::{AudioFrame, FRAME, RATE, level_dbov};
use invigil_capture::layers;
use invigil_capture::{
    Content, EncodedFrame, PipelineThread, SourceEvent, SourceHandle, TestPictureConfig, TestPictureSource,
    VideoPipeline,
};
use invigil_client::ClientInfo;
use invigil_client::candidate::{
    AudioSink, CandidateClient, CandidateConfig, CandidateEvent, PublicationSpec, VideoSink,
};
use invigil_client::device::DeviceKey;
use invigil_client::media::{self, MediaOptions, OpusFrame};
use invigil_client::rest::Api;
use invigil_client::trust::CertificateTrust;
use invigil_shared::publication::{Freshness, Kind, Layer, LayerOffer, PublicationKey, SourceState};
use invigil_shared::rest::{JoinLink, JoinResponse};
use invigil_shared::stats::ClientStats;
use std::f32::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a bot shows and says.
#[derive(Clone)]
pub struct BotOptions {
    pub camera: bool,
    pub screen: bool,
    /// Hertz of its tone; none for no microphone.
    pub tone: Option<f32>,
    pub seed: u64,
    /// Play what was encoded before, and encode nothing. The bitrate that the path allows is then not followed.
    pub reel: Option<Arc<Reel>>,
}

impl BotOptions {
    /// Everything, looking and sounding like no other seed.
    pub fn whole(seed: u64) -> Self {
        Self {
            camera: true,
            screen: true,
            tone: Some(tone_of(seed) as f32),
            seed,
            reel: None,
        }
    }

    /// The same, encoded before it joins.
    pub fn played(seed: u64) -> Result<Self> {
        Ok(Self {
            reel: Some(Arc::new(Reel::encode(seed, Some(tone_of(seed)))?)),
            ..Self::whole(seed)
        })
    }
}

/// Hertz.
fn tone_of(seed: u64) -> u32 {
    220 + 20 * (seed % 20) as u32
}

pub struct Bot {
    pub client: CandidateClient,
    pub events: mpsc::Receiver<CandidateEvent>,
    pub join: JoinResponse,
    pub device_key: DeviceKey,
    pictures: Vec<Pictures>,
    audio_bps: Arc<AtomicU32>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// One publication's source and encoder. Both end when dropped.
struct Pictures {
    key: PublicationKey,
    encoder: Arc<PipelineThread>,
    source: SourceHandle,
}

/// Pictures a second while nobody looks: enough to report freshness.
const IDLE_FPS: f32 = 1.0;

impl Pictures {
    /// Encodes these layers, and paints no more often than the fastest of them wants.
    fn demand(&self, layers: &[Layer]) {
        let specs = layers::defaults(self.key.kind).iter();
        let fastest = specs.filter(|s| layers.contains(&s.layer)).map(|s| s.fps).max();
        self.source.set_fps(fastest.map_or(IDLE_FPS, f32::from));
        self.encoder.set_demand(layers);
    }
}

/// A REST client for what a join link names.
pub fn api_of(link: &JoinLink) -> Result<Api> {
    let trust = match &link.certificate_sha256 {
        Some(pin) => CertificateTrust::pinned_hex(pin).context("not a SHA-256")?,
        None => CertificateTrust::Roots,
    };
    Ok(Api::new(&link.authority, trust)?)
}

impl Bot {
    /// Joins by a link and starts to publish. Encoders run on demand.
    pub async fn join(link: &JoinLink, options: &BotOptions) -> Result<Self> {
        let api = api_of(link)?;
        let device_key = DeviceKey::generate();
        let join = api.join(&link.exam_code, &link.secret, &device_key).await?;
        Self::start(api, join, device_key, options)
    }

    fn start(api: Api, join: JoinResponse, device_key: DeviceKey, options: &BotOptions) -> Result<Self> {
        let config = CandidateConfig {
            api,
            join: join.clone(),
            device_key: device_key.clone(),
            info: ClientInfo::new("invigil-load"),
            media: MediaOptions::default(),
        };
        let (client, events) = CandidateClient::start(config);
        let mut bot = Self {
            client,
            events,
            join,
            device_key,
            pictures: Vec::new(),
            audio_bps: Arc::new(AtomicU32::new(layers::MICROPHONE_BPS as u32)),
            tasks: Vec::new(),
        };
        if options.camera {
            bot.publish_pictures(
                PublicationKey::CAMERA,
                Content::Camera,
                options.seed,
                options.reel.as_ref(),
            )?;
        }
        if options.screen {
            bot.publish_pictures(
                PublicationKey::SCREEN,
                Content::Screen,
                options.seed.wrapping_mul(31) + 7,
                options.reel.as_ref(),
            )?;
        }
        if let Some(hertz) = options.tone {
            bot.publish_tone(hertz, options.reel.as_ref())?;
        }
        Ok(bot)
    }

    fn publish_pictures(
        &mut self,
        key: PublicationKey,
        content: Content,
        seed: u64,
        reel: Option<&Arc<Reel>>,
    ) -> Result<()> {
        let specs = layers::defaults(key.kind);
        let fps = specs.iter().map(|s| s.fps).max().unwrap_or(10);
        let (width, height) = if key.kind == Kind::Screen {
            (960, 540)
        } else {
            (640, 360)
        };
        let offers = specs.iter().map(|spec| {
            let (w, h) = spec.fit(width, height);
            LayerOffer {
                rid: spec.layer,
                ssrc: None,
                rtx_ssrc: None,
                width: w as u16,
                height: h as u16,
                fps: spec.fps,
                kbps: spec.kbps,
            }
        });
        let spec = PublicationSpec {
            key,
            codec: "video/H264".into(),
            layers: offers.collect(),
            test_picture: true,
        };
        self.client.publish(spec)?;
        let sinks: Vec<VideoSink> = specs
            .iter()
            .filter_map(|s| self.client.video_sink(key, s.layer))
            .collect();
        let captured = Arc::new(AtomicI64::new(0));
        self.tasks.push(tokio::spawn(report_freshness(
            self.client.clone(),
            key,
            captured.clone(),
        )));
        if let Some(reel) = reel {
            for sink in sinks {
                let play = reel.clone().play(self.client.clone(), sink, captured.clone());
                self.tasks.push(tokio::spawn(play));
            }
            return Ok(());
        }
        let ways = sinks.clone();
        let is_free = move |layer| ways.iter().all(|sink| sink.layer() != layer || sink.waiting() <= 1);
        let client = self.client.clone();
        let write = move |frame: EncodedFrame| {
            if let Some(sink) = sinks.iter().find(|s| s.layer() == frame.layer) {
                let captured_at_us = frame.captured_at + client.clock_offset_us();
                let (key, rtp_timestamp) = (frame.key, frame.rtp_timestamp);
                sink.write(media::EncodedFrame {
                    data: frame.data.into(),
                    key,
                    captured_at_us,
                    rtp_timestamp,
                });
            }
        };
        let encoder = Arc::new(PipelineThread::start(
            VideoPipeline::new(content, specs).with_gate(is_free),
            write,
        )?);
        let (to, at) = (encoder.clone(), captured);
        let config = TestPictureConfig {
            width,
            height,
            fps,
            seed,
            label: self.join.candidate_label.clone(),
        };
        let source = TestPictureSource::start(config, move |event| {
            if let SourceEvent::Captured(picture) = event {
                at.store(picture.captured_at, Ordering::Relaxed);
                to.push(picture);
            }
        });
        let source = source.map_err(|problem| anyhow::anyhow!("{}: {}", problem.code, problem.detail))?;
        source.set_fps(IDLE_FPS);
        self.pictures.push(Pictures { key, encoder, source });
        Ok(())
    }

    fn publish_tone(&mut self, hertz: f32, reel: Option<&Arc<Reel>>) -> Result<()> {
        let key = PublicationKey::MICROPHONE;
        let kbps = (layers::MICROPHONE_BPS / 1000) as u32;
        let layer = LayerOffer {
            rid: Layer::Low,
            ssrc: None,
            rtx_ssrc: None,
            width: 0,
            height: 0,
            fps: 0,
            kbps,
        };
        self.client.publish(PublicationSpec {
            key,
            codec: "audio/opus".into(),
            layers: vec![layer],
            test_picture: true,
        })?;
        let sink = self
            .client
            .audio_sink(key)
            .context("a published microphone has no sink")?;
        if let Some(reel) = reel {
            let play = reel.clone().play_sound(self.client.clone(), sink);
            self.tasks.push(tokio::spawn(play));
            return Ok(());
        }
        let encoder = OpusEncoder::new(layers::MICROPHONE_BPS)?;
        self.tasks.push(tokio::spawn(play_tone(
            self.client.clone(),
            sink,
            encoder,
            hertz,
            self.audio_bps.clone(),
        )));
        Ok(())
    }

    /// Hands an event on to the encoders: demand and key frames. Every event that is received has to pass here.
    pub fn follow(&self, event: &CandidateEvent) {
        let pictures = |key: &PublicationKey| self.pictures.iter().find(|p| p.key == *key);
        match event {
            CandidateEvent::Demand { key, layers } => {
                if let Some(pictures) = pictures(key) {
                    pictures.demand(layers);
                }
            }
            CandidateEvent::KeyframeRequest { key, layer } => {
                if let Some(pictures) = pictures(key) {
                    pictures.encoder.request_key(*layer);
                }
            }
            CandidateEvent::Plan(plan) => {
                for layer in &plan.layers {
                    if let Some(pictures) = pictures(&layer.publication) {
                        pictures.encoder.follow(layer);
                    }
                }
                self.audio_bps.store(plan.audio_bps, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Follows events until `found` picks one, or the deadline passes.
    pub async fn wait_for<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut found: impl FnMut(&CandidateEvent) -> Option<T>,
    ) -> Result<T> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let event = tokio::time::timeout_at(end, self.events.recv()).await;
            let event = event.with_context(|| format!("waited {} s for {what}", limit.as_secs()))?;
            let event = event.with_context(|| format!("the client ended while {what} was awaited"))?;
            self.follow(&event);
            if let Some(value) = found(&event) {
                return Ok(value);
            }
        }
    }

    /// Follows events until the client ends.
    pub async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            self.follow(&event);
            if let CandidateEvent::Ended { .. } = event {
                break;
            }
        }
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn report_freshness(client: CandidateClient, publication: PublicationKey, captured: Arc<AtomicI64>) {
    let mut each = tokio::time::interval(Duration::from_secs(1));
    loop {
        each.tick().await;
        let at = captured.load(Ordering::Relaxed);
        if at == 0 {
            continue;
        }
        let at = at + client.clock_offset_us();
        let _ = client.stats(ClientStats::default());
        let _ = client.freshness(vec![Freshness {
            publication,
            state: SourceState::Live,
            captured_at: at,
            changed_at: at,
        }]);
    }
}

/// 20 ms of a sine every 20 ms.
async fn play_tone(
    client: CandidateClient,
    sink: AudioSink,
    mut encoder: OpusEncoder,
    hertz: f32,
    bps: Arc<AtomicU32>,
) {
    let start = Instant::now();
    let mut each = tokio::time::interval(Duration::from_millis(20));
    for frame in 0u64.. {
        each.tick().await;
        let at = |n: usize| 0.25 * (TAU * hertz * ((frame % 500) as f32 * FRAME as f32 + n as f32) / RATE as f32).sin();
        let samples: Vec<f32> = (0..FRAME).map(at).collect();
        let level_dbov = level_dbov(&samples);
        let captured_at = invigil_capture::now_us();
        let rtp_timestamp = (frame * FRAME as u64) as u32;
        let sound = AudioFrame {
            samples,
            captured_at,
            rtp_timestamp,
            level_dbov,
            clipped: false,
        };
        if encoder.set_bps(bps.load(Ordering::Relaxed) as i32).is_err() {
            return;
        }
        let Ok(packet) = encoder.encode(&sound) else { return };
        if let Some(packet) = packet {
            let captured_at_us = packet.captured_at + client.clock_offset_us();
            sink.write(OpusFrame {
                data: packet.data.into(),
                rtp_timestamp,
                level_dbov,
                captured_at_us,
            });
        }
        if start.elapsed() > Duration::from_secs(6 * 3600) {
            return; // no exam is longer: a forgotten bot ends by itself
        }
    }
}
