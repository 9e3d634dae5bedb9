//! From pictures to encoded layers: scaled, paced, encoded only on demand, a keyframe within one frame.
//!
//! [`VideoPipeline`] decides and encodes, on the clock of the pictures that it is given. [`PipelineThread`] runs one on
//! its own thread with room for one waiting picture: a newer one replaces it, so a slow encoder drops stale video.

use crate::convert::Scaler;
use crate::encode::{Content, Encoded, H264Encoder, VideoEncoder};
use crate::error::CodecError;
use crate::layers::LayerSpec;
use crate::picture::{Picture, Planes};
use invigil_shared::bandwidth::LayerPlan;
use invigil_shared::publication::Layer;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread;

/// An unchanged screen is still encoded this often, so that late subscribers and freshness work. Microseconds.
const REFRESH_US: i64 = 1_000_000;
/// Frames encoded at full rate after the last change: the picture sharpens over them.
const SETTLE_FRAMES: u32 = 4;
/// RTP clock of video (RFC 6184 section 8.2.1), ticks per second.
const RTP_HZ: i64 = 90_000;

/// An encoded frame of one layer.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    pub layer: Layer,
    /// An access unit in Annex B.
    pub data: Vec<u8>,
    pub key: bool,
    /// When its picture was grabbed: this machine's wall clock, microseconds.
    pub captured_at: i64,
    /// 90 kHz, of the capture clock, strictly rising within a layer (a picture sent again gets a later one).
    pub rtp_timestamp: u32,
    pub width: u32,
    pub height: u32,
}

struct LayerState {
    spec: LayerSpec,
    /// What it is now, when less than its spec: the box, the time from one picture to the next (microseconds) and the
    /// encoder's target.
    bounds: LayerSpec,
    interval: i64,
    kbps: u32,
    demanded: bool,
    key_wanted: bool,
    encoder: Option<H264Encoder>,
    /// Capture time from which the next picture is due.
    due: i64,
    /// Capture time of the last encoded picture, and what was written into RTP for it.
    encoded_at: i64,
    rtp_us: i64,
    /// The content that was encoded last, and how often since it changed.
    content: u64,
    settled: u32,
}

/// Encodes the demanded layers of one publication.
pub struct VideoPipeline {
    content: Content,
    layers: Vec<LayerState>,
    scaler: Scaler,
    /// Counts changed pictures: names what is on the screen.
    shown: u64,
    last: Option<Arc<Picture>>,
    gate: Option<Gate>,
}

/// Says whether a layer's way out is free.
type Gate = Box<dyn Fn(Layer) -> bool + Send>;

impl VideoPipeline {
    /// Nothing is encoded before [`Self::set_demand`].
    pub fn new(content: Content, layers: &[LayerSpec]) -> Self {
        let layers = layers.iter().map(|&spec| LayerState {
            spec,
            bounds: spec,
            interval: 1_000_000 / i64::from(spec.fps.max(1)),
            kbps: spec.kbps,
            demanded: false,
            key_wanted: true,
            encoder: None,
            due: i64::MIN,
            encoded_at: i64::MIN,
            rtp_us: i64::MIN,
            content: 0,
            settled: 0,
        });
        Self {
            content,
            layers: layers.collect(),
            scaler: Scaler::default(),
            shown: 0,
            last: None,
            gate: None,
        }
    }

    /// Asks before each picture whether the layer's way out is free: where it is not, the picture would be stale before it left,
    /// and is not encoded. Dropping it here breaks no chain of pictures.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Fn(Layer) -> bool + Send + 'static) -> Self {
        self.gate = Some(Box::new(gate));
        self
    }

    /// Makes a layer what the path allows: its size, rate and target. Another size starts with a keyframe.
    pub fn follow(&mut self, plan: &LayerPlan) {
        for state in self.layers.iter_mut().filter(|s| s.spec.layer == plan.layer) {
            state.bounds = state.spec;
            if !plan.is_whole() {
                (state.bounds.max_width, state.bounds.max_height) = (plan.width, plan.height);
            }
            let interval = i64::try_from(plan.interval.as_micros()).unwrap_or(i64::MAX);
            // A picture that was due in a while is due sooner when they come faster.
            state.due = state.due.min(state.encoded_at.saturating_add(interval));
            state.interval = interval;
            // The encoder plans for the spec's rate: what counts is what a picture may cost.
            let bits = f64::from(plan.bps) * plan.interval.as_secs_f64();
            state.set_kbps((bits * f64::from(state.spec.fps.max(1)) / 1e3) as u32);
        }
    }

    /// Encodes exactly these layers from now on. A layer that was not demanded starts with a keyframe; one that no
    /// longer is gives its encoder back.
    pub fn set_demand(&mut self, demanded: &[Layer]) {
        for state in &mut self.layers {
            let now = demanded.contains(&state.spec.layer);
            if now && !state.demanded {
                state.key_wanted = true;
                state.due = i64::MIN;
            }
            if !now {
                state.encoder = None;
            }
            state.demanded = now;
        }
    }

    /// Layers that are demanded now.
    pub fn demanded(&self) -> Vec<Layer> {
        self.layers
            .iter()
            .filter(|s| s.demanded)
            .map(|s| s.spec.layer)
            .collect()
    }

    /// The next frame of this layer is a keyframe, and it comes from the latest picture at the next call.
    pub fn request_key(&mut self, layer: Layer) {
        for state in self.layers.iter_mut().filter(|s| s.spec.layer == layer) {
            state.key_wanted = true;
        }
    }

    /// Target of a layer, kilobits per second; kept while the layer is not demanded.
    pub fn set_kbps(&mut self, layer: Layer, kbps: u32) {
        for state in self.layers.iter_mut().filter(|s| s.spec.layer == layer) {
            state.set_kbps(kbps);
        }
    }

    /// Encodes what is due of a new picture.
    pub fn push(&mut self, picture: &Arc<Picture>) -> Vec<EncodedFrame> {
        if picture.changed || self.last.is_none() {
            self.shown += 1;
        }
        self.last = Some(picture.clone());
        self.run(false)
    }

    /// Encodes the latest picture again for the layers that wait for a keyframe. Nothing before the first picture.
    pub fn answer_keys(&mut self) -> Vec<EncodedFrame> {
        self.run(true)
    }

    fn run(&mut self, keys_only: bool) -> Vec<EncodedFrame> {
        let Some(picture) = self.last.clone() else {
            return Vec::new();
        };
        let mut frames = Vec::new();
        let mut scaled: Vec<Arc<Planes>> = Vec::new();
        for state in self.layers.iter_mut().filter(|s| s.demanded) {
            let before = state.due;
            let due = if keys_only {
                state.key_wanted
            } else {
                state.is_due(&picture, self.shown)
            };
            if !due || self.gate.as_ref().is_some_and(|gate| !gate(state.spec.layer)) {
                state.due = before;
                continue;
            }
            let (w, h) = state.bounds.fit(picture.width(), picture.height());
            let planes = match size(&mut self.scaler, &picture.planes, &mut scaled, w, h) {
                Ok(planes) => planes,
                Err(error) => {
                    tracing::error!(%error, "a picture could not be scaled");
                    continue;
                }
            };
            match state.encode(self.content, &picture, &planes, self.shown) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, layer = state.spec.layer.as_str(), "the encoder failed and is made anew");
                    state.encoder = None;
                    state.key_wanted = true;
                }
            }
        }
        frames
    }
}

fn size(
    scaler: &mut Scaler,
    from: &Arc<Planes>,
    scaled: &mut Vec<Arc<Planes>>,
    w: u32,
    h: u32,
) -> Result<Arc<Planes>, CodecError> {
    if (from.width, from.height) == (w, h) {
        return Ok(from.clone());
    }
    if let Some(found) = scaled.iter().find(|p| (p.width, p.height) == (w, h)) {
        return Ok(found.clone());
    }
    let planes = Arc::new(scaler.scale(from, w, h)?);
    scaled.push(planes.clone());
    Ok(planes)
}

impl LayerState {
    fn set_kbps(&mut self, kbps: u32) {
        self.kbps = kbps;
        if let Some(encoder) = &mut self.encoder
            && let Err(error) = encoder.set_bitrate(kbps)
        {
            tracing::warn!(%error, "bitrate not applied");
        }
    }

    /// Paces on the capture clock: a steady source at a higher rate is thinned evenly, not rounded down.
    fn is_due(&mut self, picture: &Picture, shown: u64) -> bool {
        if self.key_wanted {
            return true;
        }
        if self.content == shown && self.settled >= SETTLE_FRAMES {
            let refresh = REFRESH_US.max(self.interval);
            return picture.captured_at >= self.encoded_at + refresh || picture.captured_at < self.encoded_at;
        }
        let interval = self.interval.max(1);
        // A grab jitters around its beat: one that is a quarter of an interval early still counts for this beat.
        if picture.captured_at < self.due.saturating_sub(interval / 4) && picture.captured_at >= self.encoded_at {
            return false;
        }
        let behind = picture.captured_at.saturating_sub(self.due);
        self.due = if (0..interval).contains(&behind) || (-interval..0).contains(&behind) {
            self.due + interval
        } else {
            picture.captured_at + interval
        };
        true
    }

    fn encode(
        &mut self,
        content: Content,
        picture: &Picture,
        planes: &Planes,
        shown: u64,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                self.key_wanted = true;
                none.insert(H264Encoder::new(content, self.spec.fps, self.kbps)?)
            }
        };
        let rtp_us = picture.captured_at.max(self.rtp_us.saturating_add(1000));
        let encoded = encoder.encode(planes, rtp_us, self.key_wanted)?;
        // A frame that the rate control skipped stays owed: the next picture is due again.
        let Some(Encoded { data, key }) = encoded else {
            return Ok(None);
        };
        self.settled = if self.content == shown {
            self.settled.saturating_add(1)
        } else {
            0
        };
        (self.content, self.encoded_at) = (shown, picture.captured_at);
        self.key_wanted &= !key;
        self.rtp_us = rtp_us;
        Ok(Some(EncodedFrame {
            layer: self.spec.layer,
            data,
            key,
            captured_at: picture.captured_at,
            rtp_timestamp: rtp_of(rtp_us),
            width: planes.width,
            height: planes.height,
        }))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // RTP time wraps by design (RFC 3550 section 5.1)
fn rtp_of(us: i64) -> u32 {
    (i128::from(us) * i128::from(RTP_HZ) / 1_000_000) as u32
}

#[derive(Default)]
struct Inbox {
    picture: Option<Arc<Picture>>,
    demand: Option<Vec<Layer>>,
    keys: Vec<Layer>,
    kbps: Vec<(Layer, u32)>,
    plans: Vec<LayerPlan>,
    stop: bool,
}

/// A pipeline on its own thread. Dropping it ends the thread without waiting for it.
pub struct PipelineThread {
    shared: Arc<(Mutex<Inbox>, Condvar)>,
}

impl PipelineThread {
    /// `sink` gets every encoded frame, on the pipeline's thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        mut pipeline: VideoPipeline,
        mut sink: impl FnMut(EncodedFrame) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new((Mutex::new(Inbox::default()), Condvar::new()));
        let ours = shared.clone();
        thread::Builder::new().name("encoder".into()).spawn(move || {
            loop {
                let inbox = {
                    let (inbox, wake) = &*ours;
                    let mut inbox = inbox.lock();
                    while inbox.is_empty() {
                        wake.wait(&mut inbox);
                    }
                    std::mem::take(&mut *inbox)
                };
                if inbox.stop {
                    return;
                }
                if let Some(demand) = inbox.demand {
                    pipeline.set_demand(&demand);
                }
                inbox.keys.into_iter().for_each(|layer| pipeline.request_key(layer));
                inbox
                    .kbps
                    .into_iter()
                    .for_each(|(layer, kbps)| pipeline.set_kbps(layer, kbps));
                inbox.plans.iter().for_each(|plan| pipeline.follow(plan));
                let frames = match inbox.picture {
                    Some(picture) => pipeline.push(&picture),
                    None => pipeline.answer_keys(),
                };
                frames.into_iter().for_each(&mut sink);
            }
        })?;
        Ok(Self { shared })
    }

    /// A new picture; it replaces one that still waits.
    pub fn push(&self, picture: Arc<Picture>) {
        self.tell(|inbox| {
            // What waited and is replaced may have been the change.
            let changed = inbox.picture.take().is_some_and(|p| p.changed);
            inbox.picture = Some(if changed && !picture.changed {
                Arc::new(Picture {
                    changed: true,
                    ..(*picture).clone()
                })
            } else {
                picture
            });
        });
    }

    /// See [`VideoPipeline::set_demand`]; a newly demanded layer gets its keyframe from the latest picture at once.
    pub fn set_demand(&self, layers: &[Layer]) {
        self.tell(|inbox| inbox.demand = Some(layers.to_vec()));
    }

    /// See [`VideoPipeline::request_key`]; answered at once, from the latest picture.
    pub fn request_key(&self, layer: Layer) {
        self.tell(|inbox| {
            if !inbox.keys.contains(&layer) {
                inbox.keys.push(layer);
            }
        });
    }

    /// See [`VideoPipeline::set_kbps`].
    pub fn set_kbps(&self, layer: Layer, kbps: u32) {
        self.tell(|inbox| {
            inbox.kbps.retain(|(l, _)| *l != layer);
            inbox.kbps.push((layer, kbps));
        });
    }

    /// See [`VideoPipeline::follow`].
    pub fn follow(&self, plan: &LayerPlan) {
        self.tell(|inbox| {
            inbox.plans.retain(|other| other.layer != plan.layer);
            inbox.plans.push(*plan);
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.shared.0.lock());
        self.shared.1.notify_one();
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.picture.is_none()
            && self.demand.is_none()
            && self.keys.is_empty()
            && self.kbps.is_empty()
            && self.plans.is_empty()
            && !self.stop
    }
}

impl Drop for PipelineThread {
    fn drop(&mut self) {
        self.tell(|inbox| inbox.stop = true);
    }
}
