//! A publication as it arrives: for each layer its streams, losses, key frames, kept packets and capture clock.

use crate::core::fan_out::HOLD;
use crate::core::h264;
use crate::core::io::ShardId;
use crate::core::keyframe::KeyframeThrottle;
use crate::core::layer_selector::LayerSet;
use crate::core::media::{Codec, Meta, Packet};
use crate::core::meter::Meter;
use crate::core::receiver::Receiver;
use crate::core::rtp::RtpHeader;
use crate::core::rtx::RetransmissionBuffer;
use crate::core::tap::TapSender;
use crate::core::transport::sdp::ExtensionIds;
use crate::core::vp8::Vp8;
use invigil_shared::bandwidth::{AUDIO_BPS, PACKET_OVERHEAD, audio_wire_bps, video_wire_bps};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::{ExamId, ParticipantId};
use invigil_shared::limits::{FLOW_TIMEOUT_MS, SCREEN_FLOW_TIMEOUT_MS};
use invigil_shared::publication::{Kind, Layer, LayerOffer, PublicationKey, PublicationRef};
use std::time::{Duration, Instant};

/// One layer of a publication.
#[derive(Debug)]
pub struct LayerState {
    pub offer: LayerOffer,
    pub receiver: Receiver,
    pub kept: RetransmissionBuffer,
    pub keyframe: KeyframeThrottle,
    pub meter: Meter,
    pub flowing: bool,
    last_packet: Option<Instant>,
    /// The timestamp of the packet that came last, when it came, and whether it followed one of its frame at once.
    arriving: Option<(u32, Instant, bool)>,
    /// Timestamp of the newest frame, to tell where the next one begins.
    frame: Option<u32>,
    /// An RTP timestamp and the server time, microseconds, at which it was captured.
    clock: Option<(u32, i64)>,
    /// The newest key frame by its timestamp, with the bits of it that have come; and those of one that was whole.
    key_frame: Option<(u32, u64)>,
    picture: u64,
    /// Packets expected and arrived, as far as they were added to what is known of the publisher's path.
    told: (u64, u64),
}

/// Where the publication is that a mirror shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub shard: ShardId,
    /// Its number there.
    pub number: u64,
    pub exam: ExamId,
}

/// What arrived in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// On the wire.
    pub bytes: u64,
    /// Packets that should have come, and those that did.
    pub expected: u64,
    pub packets: u64,
}

/// A publication of a participant.
#[derive(Debug)]
pub struct Publication {
    pub source: PublicationRef,
    /// Set when its publisher lives on another shard.
    pub origin: Option<Origin>,
    pub codec: Codec,
    /// Its packets carry FrameInfo.
    pub native: bool,
    layers: [Option<LayerState>; 3],
    /// What its publisher was last told to send.
    pub demanded: LayerSet,
    /// What somebody wants now.
    pub wanted: LayerSet,
    pub taps: Vec<(Layer, TapSender)>,
    /// What siblings want of it for their subscribers.
    pub siblings: Vec<(ShardId, LayerSet)>,
    /// How often each layer's packets were numbered anew.
    pub numbering: [u32; 3],
    /// The loudest level since the last report (RFC 6464: 0 is loudest).
    pub loudest: u8,
    /// What arrives goes to nobody.
    pub muted: bool,
}

/// A key frame in units of the mean frame: OpenH264 makes 5 to 8. And frames a second, where an offer names none.
const USUAL_KEY_FRAME: u64 = 6;
const USUAL_FPS: u64 = 15;

/// Silence (RFC 6464 section 3).
pub const SILENT: u8 = 127;

/// What a layer of video costs before its first second, when its publisher did not say, bits per second.
const UNKNOWN_COST: u64 = 300_000;

impl LayerState {
    fn new(codec: Codec, offer: LayerOffer, recovers: bool) -> Self {
        Self {
            offer,
            receiver: Receiver::new(codec.clock_rate(), codec != Codec::Opus && recovers),
            kept: RetransmissionBuffer::default(),
            keyframe: KeyframeThrottle::default(),
            meter: Meter::default(),
            flowing: false,
            last_packet: None,
            arriving: None,
            frame: None,
            clock: None,
            key_frame: None,
            picture: 0,
            told: (0, 0),
        }
    }

    /// What arrived since the last call, which comes before the meter's interval ends.
    fn arrived(&mut self) -> Arrived {
        let (expected, arrived) = self.receiver.totals();
        let before = std::mem::replace(&mut self.told, (expected, arrived));
        Arrived {
            bytes: self.meter.pending(),
            expected: expected.saturating_sub(before.0),
            packets: arrived.saturating_sub(before.1),
        }
    }

    /// Measures the pictures that stand by themselves.
    pub fn weigh(&mut self, meta: &Meta, payload: usize) {
        let bits = (payload + PACKET_OVERHEAD) as u64 * 8;
        let sum = match self.key_frame {
            Some((timestamp, sum)) if timestamp == meta.timestamp => sum + bits,
            _ if meta.frame.key && meta.frame.start => bits,
            _ => return,
        };
        self.key_frame = Some((meta.timestamp, sum));
        if meta.frame.end || meta.marker {
            self.picture = sum;
        }
    }

    /// Bits of a picture that stands by itself, on the wire; until one has been seen, what encoders make of the layer's rate.
    fn picture(&self, codec: Codec) -> u64 {
        if self.picture > 0 {
            return self.picture;
        }
        let fps = u64::from(self.offer.fps);
        self.cost(codec) * USUAL_KEY_FRAME / if fps > 0 { fps } else { USUAL_FPS }
    }

    /// Takes note of a sender report (RFC 3550 section 6.4.1). A browser's wall clock is not ours, so its report only says
    /// which timestamp is now.
    pub fn sender_report(&mut self, now: Instant, unix_us: i64, ntp_middle: u32, timestamp: u32) {
        self.receiver.sender_report(now, ntp_middle);
        self.clock = Some((timestamp, unix_us));
    }

    fn captured(&mut self, codec: Codec, timestamp: u32, unix_us: i64) -> i64 {
        let (reference, at) = *self.clock.get_or_insert((timestamp, unix_us));
        let ticks = i64::from(timestamp.wrapping_sub(reference) as i32);
        // Nothing is captured after it arrived.
        (at + ticks * 1_000_000 / i64::from(codec.clock_rate())).min(unix_us)
    }

    /// A packet came: whether the packets of a frame follow each other at once, as far as is known.
    pub fn comes_in_bursts(&mut self, now: Instant, timestamp: u32) -> bool {
        let at_once = self.arriving.is_some_and(|(of, last, at_once)| match of == timestamp {
            true => now < last + HOLD,
            false => at_once,
        });
        self.arriving = Some((timestamp, now, at_once));
        at_once
    }

    /// A packet came. True when the layer begins to flow with it.
    pub fn touch(&mut self, now: Instant) -> bool {
        self.last_packet = Some(now);
        !std::mem::replace(&mut self.flowing, true)
    }

    /// A payload came, from the publisher or from a sibling.
    pub fn count(&mut self, payload: usize) {
        self.meter.count(payload + PACKET_OVERHEAD);
    }

    /// Bits per second on the wire: as the publisher said, or as measured.
    fn cost(&self, codec: Codec) -> u64 {
        let bps = f64::from(self.offer.kbps) * 1e3;
        match (codec, self.offer.kbps) {
            (Codec::Opus, 1..) => audio_wire_bps(bps) as u64,
            (_, 1..) => video_wire_bps(bps, f64::from(self.offer.fps.max(1))) as u64,
            (Codec::Opus, 0) => self
                .meter
                .bps()
                .unwrap_or_else(|| audio_wire_bps(f64::from(AUDIO_BPS)) as u64),
            (_, 0) => self.meter.bps().unwrap_or(UNKNOWN_COST),
        }
    }

    /// True when the layer has just stopped.
    pub fn check_flow(&mut self, now: Instant, patience: Duration) -> bool {
        let silent = self.last_packet.is_none_or(|last| last + patience <= now);
        let stopped = silent && std::mem::take(&mut self.flowing);
        if stopped {
            // Nobody asks for these packets any more.
            self.kept.clear();
        }
        stopped
    }

    /// Its transport is gone: what comes next is a new stream. True when it was flowing.
    pub fn reset(&mut self, codec: Codec, recovers: bool) -> bool {
        let was_flowing = self.flowing;
        *self = Self::new(codec, self.offer.clone(), recovers);
        was_flowing
    }
}

impl Publication {
    pub fn new(participant: ParticipantId, key: PublicationKey, codec: Codec, native: bool) -> Self {
        Self {
            source: PublicationRef {
                participant,
                publication: key,
            },
            origin: None,
            codec,
            native,
            layers: [None, None, None],
            demanded: LayerSet::default(),
            wanted: LayerSet::default(),
            taps: Vec::new(),
            siblings: Vec::new(),
            numbering: [0; 3],
            loudest: SILENT,
            muted: false,
        }
    }

    /// Takes the layers over. One whose sources have not changed keeps its state; the others, which are returned, begin anew
    /// or are gone.
    pub fn set_layers(&mut self, offers: &[LayerOffer]) -> Vec<Layer> {
        let mut changed = Vec::new();
        for layer in Layer::ALL {
            let offer = offers.iter().find(|offer| offer.rid == layer);
            let slot = &mut self.layers[layer.index()];
            match (slot.as_mut(), offer) {
                (Some(state), Some(offer))
                    if (state.offer.ssrc, state.offer.rtx_ssrc) == (offer.ssrc, offer.rtx_ssrc) =>
                {
                    state.offer = offer.clone();
                }
                (known, offer) => {
                    changed.extend(known.map(|_| layer));
                    *slot = offer.map(|offer| LayerState::new(self.codec, offer.clone(), true));
                }
            }
        }
        changed
    }

    pub fn layer(&self, layer: Layer) -> Option<&LayerState> {
        self.layers[layer.index()].as_ref()
    }

    pub fn layer_mut(&mut self, layer: Layer) -> Option<&mut LayerState> {
        self.layers[layer.index()].as_mut()
    }

    /// The layers, from the lowest up.
    pub fn layers(&self) -> impl Iterator<Item = (Layer, &LayerState)> {
        Layer::ALL
            .into_iter()
            .zip(&self.layers)
            .filter_map(|(layer, state)| Some((layer, state.as_ref()?)))
    }

    pub fn layers_mut(&mut self) -> impl Iterator<Item = (Layer, &mut LayerState)> {
        Layer::ALL
            .into_iter()
            .zip(&mut self.layers)
            .filter_map(|(layer, state)| Some((layer, state.as_mut()?)))
    }

    /// Whether a lost packet or a key frame has to be asked for by now. Looked at on every tick for every publication, of
    /// which few have something.
    pub fn is_due(&self, now: Instant) -> bool {
        self.layers().any(|(_, state)| {
            let (repair, key_frame) = (state.receiver.next_request(), state.keyframe.due(now));
            [repair, key_frame].into_iter().flatten().any(|due| due <= now)
        })
    }

    /// Bits per second of each layer on the wire.
    pub fn costs(&self) -> [u64; 3] {
        let mut costs = [UNKNOWN_COST; 3];
        for (layer, state) in self.layers() {
            costs[layer.index()] = state.cost(self.codec);
        }
        costs
    }

    /// Bits of a picture of each layer that stands by itself, on the wire.
    pub fn pictures(&self) -> [u64; 3] {
        let mut pictures = [0; 3];
        for (layer, state) in self.layers() {
            pictures[layer.index()] = state.picture(self.codec);
        }
        pictures
    }

    /// What arrived since the last call. To be asked before [`Self::measure`].
    pub fn arrived(&mut self) -> Arrived {
        let layers = self.layers_mut().map(|(_, state)| state.arrived());
        layers.fold(Arrived::default(), |sum, layer| Arrived {
            bytes: sum.bytes + layer.bytes,
            expected: sum.expected + layer.expected,
            packets: sum.packets + layer.packets,
        })
    }

    /// Ends a second of measuring. True when the cost of a layer is another, whose publisher has not said what it is.
    pub fn measure(&mut self) -> bool {
        let changed = |(_, state): (Layer, &mut LayerState)| state.meter.roll() && state.offer.kbps == 0;
        self.layers_mut().map(changed).fold(false, |any, changed| any | changed)
    }

    pub fn offered(&self) -> LayerSet {
        self.layers().map(|(layer, _)| layer).collect()
    }

    /// How long a layer may be silent and still count as flowing. A screen that does not change sends next to nothing.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(match self.source.publication.kind {
            Kind::Screen => SCREEN_FLOW_TIMEOUT_MS,
            Kind::Camera | Kind::Microphone => FLOW_TIMEOUT_MS,
        })
    }

    /// Whether subscriptions lose a layer that is silent. A still screen stays as it is.
    pub fn silence_ends(&self) -> bool {
        self.source.publication.kind != Kind::Screen
    }

    /// Hands a packet to those taps that read its layer. True when one has left.
    pub fn offer_to_taps(&mut self, layer: Layer, packet: &Packet<'_>) -> bool {
        let before = self.taps.len();
        self.taps
            .retain(|(wanted, tap)| *wanted != layer || tap.offer(layer, packet));
        before != self.taps.len()
    }

    /// What a packet says of its frame: from the extension for our clients, from the payload for browsers.
    pub fn describe(
        &mut self,
        layer: Layer,
        header: &RtpHeader,
        (packet, payload): (&[u8], &[u8]),
        ids: &ExtensionIds,
        unix_us: i64,
    ) -> Option<Meta> {
        let codec = self.codec;
        let native = self.native;
        let extension = |id: Option<u8>| header.extension(packet, id?);
        let audio_level = extension(ids.audio_level).and_then(|data| data.first().copied());
        if let Some(level) = audio_level.filter(|_| codec == Codec::Opus) {
            self.loudest = self.loudest.min(level & 0x7f);
        }
        let state = self.layer_mut(layer)?;
        let told = extension(ids.frame_info).and_then(FrameInfo::read).filter(|_| native);
        let (mut frame, vp8) = match (told, codec) {
            (Some(frame), _) => {
                // Every packet of audio stands by itself.
                let alone = codec == Codec::Opus;
                let frame = FrameInfo {
                    key: frame.key || alone,
                    start: frame.start || alone,
                    end: frame.end || alone,
                    ..frame
                };
                if let Some(captured) = frame.captured {
                    state.clock = Some((header.timestamp, captured));
                }
                // Which layer it is, its SSRC says.
                (FrameInfo { layer, ..frame }, None)
            }
            (None, Codec::Opus) => (
                FrameInfo {
                    key: true,
                    start: true,
                    end: true,
                    layer,
                    temporal: 0,
                    captured: None,
                },
                None,
            ),
            (None, Codec::H264) => {
                let begins = h264::begins_key_frame(payload);
                let start = state.frame != Some(header.timestamp);
                (
                    FrameInfo {
                        key: begins,
                        start,
                        end: header.marker,
                        layer,
                        temporal: 0,
                        captured: None,
                    },
                    None,
                )
            }
            (None, Codec::Vp8) => {
                let vp8 = Vp8::parse(payload);
                let key = vp8.is_some_and(|vp8| vp8.key_start);
                let start = vp8.is_some_and(|vp8| vp8.start);
                let temporal = vp8.map_or(0, |vp8| vp8.temporal);
                (
                    FrameInfo {
                        key,
                        start,
                        end: header.marker,
                        layer,
                        temporal,
                        captured: None,
                    },
                    vp8,
                )
            }
        };
        state.frame = Some(header.timestamp);
        if frame.start && frame.captured.is_none() && !(native && codec != Codec::Opus) {
            frame.captured = Some(state.captured(codec, header.timestamp, unix_us));
        }
        Some(Meta {
            timestamp: header.timestamp,
            marker: header.marker,
            frame,
            audio_level,
            vp8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rtp::{ExtensionList, write_header};

    fn publication(codec: Codec, native: bool) -> Publication {
        let participant = ParticipantId::from_parts(1, [1; 10]);
        let mut publication = Publication::new(participant, PublicationKey::CAMERA, codec, native);
        let offer = LayerOffer {
            rid: Layer::Low,
            ssrc: Some(5),
            rtx_ssrc: None,
            width: 1,
            height: 1,
            fps: 1,
            kbps: 1,
        };
        publication.set_layers(&[offer]);
        publication
    }

    fn packet(timestamp: u32, payload: &[u8], extension: &[u8]) -> Vec<u8> {
        let mut list = ExtensionList::default();
        list.push(4, extension);
        let mut packet = Vec::new();
        write_header(&mut packet, (false, 96), (1, timestamp, 5), &list);
        packet.extend_from_slice(payload);
        packet
    }

    fn describe(publication: &mut Publication, packet: &[u8], unix_us: i64) -> Meta {
        let header = RtpHeader::parse(packet).unwrap();
        let ids = ExtensionIds {
            frame_info: Some(4),
            ..Default::default()
        };
        publication
            .describe(Layer::Low, &header, (packet, header.payload_of(packet)), &ids, unix_us)
            .unwrap()
    }

    #[test]
    fn our_clients_say_it_and_a_browser_is_read() {
        let told = FrameInfo {
            key: true,
            start: true,
            end: false,
            layer: Layer::High,
            temporal: 0,
            captured: Some(77),
        };
        let mut bytes = [0; 9];
        let length = told.write(&mut bytes);
        let mut native = publication(Codec::H264, true);
        let meta = describe(&mut native, &packet(9, &[0xff; 4], &bytes[..length]), 100);
        assert_eq!(
            meta.frame,
            FrameInfo {
                layer: Layer::Low,
                ..told
            }
        );
        let mut browser = publication(Codec::H264, false);
        let meta = describe(
            &mut browser,
            &packet(9, &[0x78, 0, 1, 0x67], &bytes[..length]),
            1_000_000,
        );
        assert_eq!(
            (meta.frame.key, meta.frame.start, meta.frame.captured),
            (true, true, Some(1_000_000))
        );
        let meta = describe(&mut browser, &packet(9, &[0x7c, 0x85], &[]), 1_000_000);
        assert!(!meta.frame.start, "the same frame goes on");
        let meta = describe(&mut browser, &packet(9_009, &[0x61], &[]), 1_500_000);
        assert_eq!(
            (meta.frame.key, meta.frame.start, meta.frame.captured),
            (false, true, Some(1_100_000))
        );
    }

    #[test]
    fn what_a_browser_does_not_say_is_measured() {
        let mut told = publication(Codec::H264, true);
        let mut browser = publication(Codec::H264, false);
        let silent = LayerOffer {
            kbps: 0,
            ..browser.layer(Layer::Low).unwrap().offer.clone()
        };
        browser.set_layers(&[silent]);
        let low = |publication: &Publication| publication.costs()[Layer::Low.index()];
        let said = low(&told);
        assert_eq!(low(&browser), UNKNOWN_COST);
        let second = |publication: &mut Publication| {
            let layer = publication.layer_mut(Layer::Low).unwrap();
            (0..10).for_each(|_| layer.count(1_250 - PACKET_OVERHEAD));
            publication.measure()
        };
        assert_eq!([&mut told, &mut browser].map(second), [false, false]);
        assert_eq!([&mut told, &mut browser].map(second), [false, true]);
        assert_eq!((low(&told), low(&browser)), (said, 100_000));
    }

    #[test]
    fn a_layer_flows_until_it_is_silent() {
        let now = Instant::now();
        let mut publication = publication(Codec::H264, true);
        let patience = publication.patience();
        let layer = publication.layer_mut(Layer::Low).unwrap();
        assert!(layer.touch(now));
        assert!(!layer.touch(now));
        assert!(!layer.check_flow(now + patience / 2, patience));
        assert!(layer.check_flow(now + patience, patience));
        assert!(!layer.check_flow(now + patience, patience));
        assert!(layer.touch(now + patience * 2));
    }
}
