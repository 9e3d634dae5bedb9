//! Where encoders put their output: one sink per layer, bounded, never blocking a capture thread.

use crate::bounds::{MAX_AUDIO_WAITING, MAX_FRAME_BYTES, MAX_FRAMES_WAITING};
use crate::media::{EncodedFrame, OpusFrame};
use invigil_shared::publication::{Layer, PublicationKey};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It waits for the packetiser.
    Taken,
    /// Nobody wants this layer now, a proctor has muted the microphone, or there is no transport: don't encode it.
    NotDemanded,
    /// The packetiser is behind: the frame is gone and a key frame is wanted.
    Behind,
    /// Larger than [`MAX_FRAME_BYTES`], or empty.
    Refused,
}

/// State of one layer that the app's encoder and the publisher share.
pub(crate) struct LayerState {
    pub key: PublicationKey,
    pub layer: Layer,
    /// The server wants this layer.
    demanded: watch::Sender<bool>,
    keyframe_wanted: AtomicBool,
    pub sent_frames: AtomicU64,
    pub dropped_frames: AtomicU64,
}

impl LayerState {
    fn new(key: PublicationKey, layer: Layer) -> Arc<Self> {
        Arc::new(Self {
            key,
            layer,
            demanded: watch::Sender::new(false),
            keyframe_wanted: AtomicBool::new(true),
            sent_frames: AtomicU64::new(0),
            dropped_frames: AtomicU64::new(0),
        })
    }

    /// Sets the demand; a layer that starts to flow starts with a key frame. True when it changed.
    pub fn demand(&self, wanted: bool) -> bool {
        let changed = self
            .demanded
            .send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
        if changed && wanted {
            self.want_keyframe();
        }
        changed
    }
    pub fn is_demanded(&self) -> bool {
        *self.demanded.borrow()
    }
    pub fn want_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Release);
    }
}

/// Takes the pictures of one layer. Clones share the queue.
#[derive(Clone)]
pub struct VideoSink {
    state: Arc<LayerState>,
    frames: mpsc::Sender<EncodedFrame>,
}

impl VideoSink {
    /// Hands a frame over. Never blocks; may be called from any thread.
    pub fn write(&self, frame: EncodedFrame) -> Written {
        if frame.data.is_empty() || frame.data.len() > MAX_FRAME_BYTES {
            return Written::Refused;
        }
        if !self.state.is_demanded() {
            return Written::NotDemanded;
        }
        match self.frames.try_send(frame) {
            Ok(()) => Written::Taken,
            Err(_) => {
                self.state.dropped_frames.fetch_add(1, Ordering::Relaxed);
                self.state.want_keyframe();
                Written::Behind
            }
        }
    }

    /// Somebody receives this layer now. An encoder stops where this is false.
    pub fn demanded(&self) -> bool {
        self.state.is_demanded()
    }

    /// Frames that wait to leave. An encoder that makes another one while some wait makes it stale.
    pub fn waiting(&self) -> usize {
        self.frames.max_capacity() - self.frames.capacity()
    }

    /// Follows the demand.
    pub fn demand(&self) -> watch::Receiver<bool> {
        self.state.demanded.subscribe()
    }

    /// True once after each need for a key frame: asked for by a receiver, after a drop, and when demand begins. The encoder
    /// makes its next picture one.
    pub fn take_keyframe_request(&self) -> bool {
        self.state.keyframe_wanted.swap(false, Ordering::AcqRel)
    }

    /// Frames handed to the transport, and frames dropped on the way, since the start.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.state.sent_frames.load(Ordering::Relaxed),
            self.state.dropped_frames.load(Ordering::Relaxed),
        )
    }

    pub fn key(&self) -> PublicationKey {
        self.state.key
    }
    pub fn layer(&self) -> Layer {
        self.state.layer
    }
}

/// Takes the packets of a microphone. Clones share the queue.
#[derive(Clone)]
pub struct AudioSink {
    state: Arc<LayerState>,
    packets: mpsc::Sender<OpusFrame>,
    muted: Arc<AtomicBool>,
}

impl AudioSink {
    /// Hands a packet over. Never blocks. Audio is sent whenever a transport stands: its levels are reported without
    /// anybody listening. Nothing of it is sent while a proctor has muted the candidate.
    pub fn write(&self, packet: OpusFrame) -> Written {
        if packet.data.is_empty() || packet.data.len() > crate::bounds::PAYLOAD_MTU {
            return Written::Refused;
        }
        if self.muted.load(Ordering::Acquire) {
            return Written::NotDemanded;
        }
        match self.packets.try_send(packet) {
            Ok(()) => Written::Taken,
            Err(_) => {
                self.state.dropped_frames.fetch_add(1, Ordering::Relaxed);
                Written::Behind
            }
        }
    }

    /// A proctor listens now.
    pub fn demanded(&self) -> bool {
        self.state.is_demanded()
    }

    pub fn key(&self) -> PublicationKey {
        self.state.key
    }
}

/// The queue's end that the publisher reads.
pub(crate) enum SinkEnd {
    Video(mpsc::Receiver<EncodedFrame>),
    Audio(mpsc::Receiver<OpusFrame>),
}

/// One layer as the publisher holds it.
pub(crate) struct Source {
    pub state: Arc<LayerState>,
    pub end: SinkEnd,
}

enum Front {
    Video(VideoSink),
    Audio(AudioSink),
}

/// All sinks of a client, by publication and layer. Bounded by the publications that `publish` admits.
#[derive(Clone, Default)]
pub(crate) struct SinkTable {
    fronts: Arc<Mutex<HashMap<(PublicationKey, Layer), Front>>>,
    /// Of every microphone.
    muted: Arc<AtomicBool>,
}

impl SinkTable {
    /// Makes the sinks of a publication's layers that have none yet; the new ones' ends are returned.
    pub fn add(&self, key: PublicationKey, layers: &[Layer]) -> Vec<Source> {
        let mut table = self.fronts.lock();
        let mut made = Vec::new();
        for &layer in layers {
            if table.contains_key(&(key, layer)) {
                continue;
            }
            let state = LayerState::new(key, layer);
            let (front, end) = if key.kind.is_video() {
                let (frames, end) = mpsc::channel(MAX_FRAMES_WAITING);
                (
                    Front::Video(VideoSink {
                        state: state.clone(),
                        frames,
                    }),
                    SinkEnd::Video(end),
                )
            } else {
                let (packets, end) = mpsc::channel(MAX_AUDIO_WAITING);
                (
                    Front::Audio(AudioSink {
                        state: state.clone(),
                        packets,
                        muted: Arc::clone(&self.muted),
                    }),
                    SinkEnd::Audio(end),
                )
            };
            table.insert((key, layer), front);
            made.push(Source { state, end });
        }
        made
    }

    /// Stops what microphones send, or lets it go on; for those that are published later too.
    pub fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Release);
    }

    pub fn publications(&self) -> Vec<PublicationKey> {
        let mut keys: Vec<_> = self.fronts.lock().keys().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    pub fn video(&self, key: PublicationKey, layer: Layer) -> Option<VideoSink> {
        match self.fronts.lock().get(&(key, layer))? {
            Front::Video(sink) => Some(sink.clone()),
            Front::Audio(_) => None,
        }
    }

    pub fn audio(&self, key: PublicationKey) -> Option<AudioSink> {
        let table = self.fronts.lock();
        Layer::ALL.iter().find_map(|&layer| match table.get(&(key, layer))? {
            Front::Audio(sink) => Some(sink.clone()),
            Front::Video(_) => None,
        })
    }

    /// Applies the demand of one publication; true when something changed.
    pub fn demand(&self, key: PublicationKey, wanted: &[Layer]) -> bool {
        let table = self.fronts.lock();
        let mut changed = false;
        for layer in Layer::ALL {
            let state = match table.get(&(key, layer)) {
                Some(Front::Video(sink)) => &sink.state,
                Some(Front::Audio(sink)) => &sink.state,
                None => continue,
            };
            changed |= state.demand(wanted.contains(&layer));
        }
        changed
    }

    pub fn want_keyframe(&self, key: PublicationKey, layer: Layer) {
        if let Some(Front::Video(sink)) = self.fronts.lock().get(&(key, layer)) {
            sink.state.want_keyframe();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame() -> EncodedFrame {
        EncodedFrame {
            data: Bytes::from_static(&[0, 0, 1, 0x65, 1]),
            key: true,
            captured_at_us: 1,
            rtp_timestamp: 1,
        }
    }

    #[test]
    fn a_layer_flows_only_on_demand_and_starts_with_a_key_frame() {
        let table = SinkTable::default();
        let _ends = table.add(PublicationKey::CAMERA, &[Layer::Low, Layer::High]);
        let sink = table.video(PublicationKey::CAMERA, Layer::Low).unwrap();
        assert_eq!(sink.write(frame()), Written::NotDemanded);
        assert!(table.demand(PublicationKey::CAMERA, &[Layer::Low]));
        assert!(!table.demand(PublicationKey::CAMERA, &[Layer::Low]));
        assert!(sink.take_keyframe_request() && !sink.take_keyframe_request());
        assert_eq!(sink.write(frame()), Written::Taken);
        assert!(!table.video(PublicationKey::CAMERA, Layer::High).unwrap().demanded());
    }

    #[test]
    fn a_muted_microphone_sends_nothing_whenever_it_was_published() {
        let table = SinkTable::default();
        let packet = || OpusFrame {
            data: Bytes::from_static(&[1, 2]),
            captured_at_us: 1,
            rtp_timestamp: 1,
            level_dbov: 30,
        };
        table.mute(true);
        let _ends = table.add(PublicationKey::MICROPHONE, &[Layer::Low]);
        let sink = table.audio(PublicationKey::MICROPHONE).unwrap();
        assert_eq!(sink.write(packet()), Written::NotDemanded);
        table.mute(false);
        assert_eq!(sink.write(packet()), Written::Taken);
        table.mute(true);
        assert_eq!(sink.write(packet()), Written::NotDemanded);
    }

    #[test]
    fn a_full_queue_drops_and_wants_a_key_frame() {
        let table = SinkTable::default();
        let _ends = table.add(PublicationKey::SCREEN, &[Layer::High]);
        table.demand(PublicationKey::SCREEN, &[Layer::High]);
        let sink = table.video(PublicationKey::SCREEN, Layer::High).unwrap();
        sink.take_keyframe_request();
        for _ in 0..MAX_FRAMES_WAITING {
            assert_eq!(sink.write(frame()), Written::Taken);
        }
        assert_eq!(sink.waiting(), MAX_FRAMES_WAITING);
        assert_eq!(sink.write(frame()), Written::Behind);
        assert!(sink.take_keyframe_request());
        assert_eq!(sink.counts(), (0, 1));
    }
}
