//! One source of this machine on its way out: captured pictures go to the preview while there is one, and to the encoder
//! once the exam runs. Capture threads call in here; nothing blocks them.

use super::preview::{Meter, PREVIEW_CHECK_US, PREVIEW_EXAM_US, Previewer};
use super::source::SourceChange;
use bytes::Bytes;
use invigil_capture::Content;
use invigil_capture::Picture;
use invigil_capture::audio::{AudioFrame, OpusEncoder};
use invigil_capture::layers::{self, LayerSpec, MICROPHONE_BPS};
use invigil_capture::{EncodedFrame, PipelineThread, VideoPipeline};
use invigil_capture::{SourceEvent, SourceFormat};
use invigil_client::candidate::{AudioSink, CandidateClient, PublicationSpec, VideoSink, Written};
use invigil_client::media;
use invigil_shared::bandwidth::Plan;
use invigil_shared::publication::{Freshness, Kind, Layer, LayerOffer, PublicationKey, SourceState};
use invigil_view::candidate::LevelView;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Figures of the microphone's only layer (RFC 7587 section 4.2: Opus is always 48 kHz; frames of 20 ms).
const AUDIO_FPS: u8 = 50;

/// Frames of a layer that may wait to leave while another one is encoded: one that just came.
const MAX_WAITING: usize = 1;

/// Where video goes while the exam runs.
struct Encoding {
    pipeline: PipelineThread,
    sinks: Vec<(Layer, VideoSink)>,
}

/// Where sound goes while the exam runs.
struct Speaking {
    encoder: OpusEncoder,
    sink: AudioSink,
    client: CandidateClient,
}

/// One publication's source.
pub struct Feed {
    publication: PublicationKey,
    /// Shortest time between two previews, microseconds.
    preview_every: AtomicI64,
    /// Wall clock of this machine, microseconds; 0 before the first.
    captured_at: AtomicI64,
    changed_at: AtomicI64,
    encoding: Mutex<Option<Arc<Encoding>>>,
    speaking: Mutex<Option<Speaking>>,
}

impl Feed {
    pub fn new(publication: PublicationKey) -> Self {
        Self {
            publication,
            preview_every: AtomicI64::new(PREVIEW_CHECK_US),
            captured_at: AtomicI64::new(0),
            changed_at: AtomicI64::new(0),
            encoding: Mutex::new(None),
            speaking: Mutex::new(None),
        }
    }

    /// The check page shows moving pictures; during the exam a look now and then has to cost next to nothing.
    pub fn set_checking(&self, checking: bool) {
        let every = if checking { PREVIEW_CHECK_US } else { PREVIEW_EXAM_US };
        self.preview_every.store(every, Ordering::Release);
    }

    /// How fresh the source is. `offset`: server time minus wall clock, microseconds.
    pub fn freshness(&self, state: SourceState, offset: i64) -> Freshness {
        let at = |time: &AtomicI64| match time.load(Ordering::Acquire) {
            0 => 0,
            wall => wall + offset,
        };
        Freshness {
            publication: self.publication,
            state,
            captured_at: at(&self.captured_at),
            changed_at: at(&self.changed_at),
        }
    }

    /// Announces the publication and starts its encoder, idle until somebody wants it. `size`: of the source, pixels.
    ///
    /// # Errors
    /// A catalogue-less text for the log: the client refuses, or the system gives no thread.
    pub fn publish(&self, client: &CandidateClient, size: (u16, u16), test_picture: bool) -> anyhow::Result<()> {
        let key = self.publication;
        let video = key.kind.is_video();
        let specs = layers::defaults(key.kind);
        let layers = if video {
            specs.iter().map(|spec| offer(spec, size)).collect()
        } else {
            vec![audio_offer()]
        };
        let codec = if video { "video/H264" } else { "audio/opus" };
        client.publish(PublicationSpec {
            key,
            codec: codec.to_owned(),
            layers,
            test_picture,
        })?;
        if video {
            let sinks: Vec<_> = specs
                .iter()
                .filter_map(|spec| client.video_sink(key, spec.layer).map(|sink| (spec.layer, sink)))
                .collect();
            let content = if key.kind == Kind::Screen {
                Content::Screen
            } else {
                Content::Camera
            };
            let (out, clock) = (sinks.clone(), client.clone());
            let written = move |frame: EncodedFrame| write(&out, &clock, frame);
            let ways = sinks.clone();
            let is_free = move |layer| {
                ways.iter()
                    .all(|(of, sink)| *of != layer || sink.waiting() <= MAX_WAITING)
            };
            let pipeline = PipelineThread::start(VideoPipeline::new(content, specs).with_gate(is_free), written)?;
            *self.encoding.lock() = Some(Arc::new(Encoding { pipeline, sinks }));
        } else if let Some(sink) = client.audio_sink(key) {
            let encoder = OpusEncoder::new(MICROPHONE_BPS)?;
            *self.speaking.lock() = Some(Speaking {
                encoder,
                sink,
                client: client.clone(),
            });
        }
        Ok(())
    }

    /// Nothing leaves any more.
    pub fn unpublish(&self) {
        *self.encoding.lock() = None;
        *self.speaking.lock() = None;
    }

    /// Encodes these layers and no others. Returns the rate that they need, frames per second; none for sound.
    pub fn demand(&self, wanted: &[Layer]) -> Option<u8> {
        if let Some(encoding) = self.encoding.lock().clone() {
            encoding.pipeline.set_demand(wanted);
        }
        let specs = layers::defaults(self.publication.kind);
        specs
            .iter()
            .filter(|spec| wanted.contains(&spec.layer))
            .map(|spec| spec.fps)
            .max()
    }

    /// Sends what the path allows from now on.
    pub fn follow(&self, plan: &Plan) {
        if let Some(encoding) = self.encoding.lock().clone() {
            let ours = plan.layers.iter().filter(|layer| layer.publication == self.publication);
            ours.for_each(|layer| encoding.pipeline.follow(layer));
        }
        if let Some(speaking) = self.speaking.lock().as_mut()
            && let Err(error) = speaking
                .encoder
                .set_bps(i32::try_from(plan.audio_bps).unwrap_or(MICROPHONE_BPS))
        {
            tracing::warn!(%error, "the microphone's bitrate was not applied");
        }
    }

    /// Somebody needs a picture that stands by itself, now.
    pub fn key_frame(&self, layer: Layer) {
        let Some(encoding) = self.encoding.lock().clone() else {
            return;
        };
        for (_, sink) in encoding.sinks.iter().filter(|(of, _)| *of == layer) {
            sink.take_keyframe_request();
        }
        encoding.pipeline.request_key(layer);
    }

    /// A picture was captured. Called on the source's thread.
    fn picture(&self, picture: &Arc<Picture>, previewer: &mut Previewer) {
        self.captured_at.store(picture.captured_at, Ordering::Release);
        if picture.changed || self.changed_at.load(Ordering::Acquire) == 0 {
            self.changed_at.store(picture.captured_at, Ordering::Release);
        }
        if let Some(encoding) = self.encoding.lock().clone() {
            for (layer, sink) in &encoding.sinks {
                if sink.demanded() && sink.take_keyframe_request() {
                    encoding.pipeline.request_key(*layer);
                }
            }
            encoding.pipeline.push(picture.clone());
        }
        previewer.show(picture, self.preview_every.load(Ordering::Acquire));
    }

    fn sound(&self, frame: &AudioFrame) {
        self.captured_at.store(frame.captured_at, Ordering::Release);
        self.changed_at.store(frame.captured_at, Ordering::Release);
        let mut speaking = self.speaking.lock();
        let Some(Speaking { encoder, sink, client }) = speaking.as_mut() else {
            return;
        };
        match encoder.encode(frame) {
            Ok(Some(packet)) => {
                sink.write(media::OpusFrame {
                    data: Bytes::from(packet.data),
                    rtp_timestamp: packet.rtp_timestamp,
                    level_dbov: packet.level_dbov,
                    captured_at_us: packet.captured_at + client.clock_offset_us(),
                });
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "20 ms of sound could not be encoded"),
        }
    }
}

fn write(sinks: &[(Layer, VideoSink)], client: &CandidateClient, frame: EncodedFrame) {
    let Some((_, sink)) = sinks.iter().find(|(layer, _)| *layer == frame.layer) else {
        return;
    };
    let written = sink.write(media::EncodedFrame {
        data: Bytes::from(frame.data),
        key: frame.key,
        captured_at_us: frame.captured_at + client.clock_offset_us(),
        rtp_timestamp: frame.rtp_timestamp,
    });
    if matches!(written, Written::Behind | Written::Refused) {
        tracing::debug!(?written, layer = frame.layer.as_str(), "a frame did not leave");
    }
}

fn offer(spec: &LayerSpec, (width, height): (u16, u16)) -> LayerOffer {
    let (width, height) = spec.fit(u32::from(width), u32::from(height));
    let pixels = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    LayerOffer {
        rid: spec.layer,
        ssrc: None,
        rtx_ssrc: None,
        width: pixels(width),
        height: pixels(height),
        fps: spec.fps,
        kbps: spec.kbps,
    }
}

fn audio_offer() -> LayerOffer {
    let kbps = u32::try_from(MICROPHONE_BPS / 1000).unwrap_or(24);
    LayerOffer {
        rid: Layer::Low,
        ssrc: None,
        rtx_ssrc: None,
        width: 0,
        height: 0,
        fps: AUDIO_FPS,
        kbps,
    }
}

/// What a video source's thread does with each event. `tell` hears of changes of state.
pub fn video_sink(
    feed: Arc<Feed>,
    mut previewer: Previewer,
    tell: impl Fn(SourceChange) + Send + 'static,
) -> impl FnMut(SourceEvent<Arc<Picture>>) + Send + 'static {
    move |event| match event {
        SourceEvent::Captured(picture) => feed.picture(&picture, &mut previewer),
        other => tell(change(other)),
    }
}

/// What the microphone's thread does with each event. `meter` hears the level.
pub fn audio_sink(
    feed: Arc<Feed>,
    tell: impl Fn(SourceChange) + Send + 'static,
    level: impl Fn(LevelView) + Send + 'static,
) -> impl FnMut(SourceEvent<AudioFrame>) + Send + 'static {
    let mut meter = Meter::default();
    move |event| match event {
        SourceEvent::Captured(frame) => {
            feed.sound(&frame);
            if let Some(view) = meter.add(&frame) {
                level(view);
            }
        }
        other => tell(change(other)),
    }
}

fn change<T>(event: SourceEvent<T>) -> SourceChange {
    match event {
        SourceEvent::Live(SourceFormat {
            device,
            width,
            height,
            fps,
        }) => SourceChange::Live {
            device,
            width,
            height,
            fps,
        },
        SourceEvent::Failed(problem) => SourceChange::Failed(problem.code.to_owned()),
        SourceEvent::Stopped => SourceChange::Stopped,
        SourceEvent::Starting | SourceEvent::Captured(_) => SourceChange::Starting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_port::MediaPort;

    #[test]
    fn freshness_is_in_server_time_and_tells_unchanged_from_frozen() {
        let feed = Feed::new(PublicationKey::SCREEN);
        assert_eq!(feed.freshness(SourceState::Starting, 500).captured_at, 0);
        let planes = Arc::new(invigil_capture::Planes::new(32, 32));
        let picture = |captured_at, changed| {
            Arc::new(Picture {
                planes: planes.clone(),
                captured_at,
                changed,
            })
        };
        feed.set_checking(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (port, _events) = runtime.block_on(MediaPort::open()).unwrap();
        let mut previewer = Previewer::new(port, PublicationKey::SCREEN);
        feed.picture(&picture(1_000, true), &mut previewer);
        feed.picture(&picture(2_000, false), &mut previewer);
        let fresh = feed.freshness(SourceState::Live, 500);
        assert_eq!((fresh.captured_at, fresh.changed_at), (2_500, 1_500));
    }

    #[test]
    fn a_layer_is_offered_in_the_size_that_it_will_have() {
        let high = offer(&layers::defaults(Kind::Screen)[1], (1280, 800));
        assert_eq!((high.rid, high.width, high.height), (Layer::High, 1280, 800));
        assert_eq!(audio_offer().kbps, 24);
    }
}
