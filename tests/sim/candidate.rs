//! A simulated candidate: native layers that follow `layer:demand`, key frames on request, RTX for what was asked for.

use crate::clock::{S, Us};
use crate::encoder::{Encoder, Frame};
use crate::mark::Mark;
use crate::sdp::{AUDIO_LEVEL_ID, FRAME_INFO_ID, H264, OPUS, RTX, TRANSPORT_CC_ID, audio, video};
use invigil_sfu::core::io::Demand;
use invigil_sfu::core::rtcp::{Item, SenderInfo, nacked, ntp_of_unix, parse, write_sender_report};
use invigil_sfu::core::rtp::{ExtensionList, write_header};
use invigil_shared::frame_info::{FrameInfo, MAX_LEN};
use invigil_shared::publication::{Kind, Layer, LayerOffer, PublicationKey};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeSet, VecDeque};

/// Server time at a world's beginning, microseconds since the Unix epoch.
pub const START_US: i64 = 1_790_000_000_000_000;
/// As the client has it.
const PAYLOAD_MTU: usize = 1_150;
/// Packets kept for RTX in each layer.
const HISTORY: usize = 512;

/// A layer as it will be offered.
#[derive(Clone, Copy, Debug)]
pub struct LayerPlan {
    pub layer: Layer,
    pub fps: u8,
    pub kbps: u32,
}

/// A publication as it will be offered.
#[derive(Clone, Debug)]
pub struct Plan {
    pub key: PublicationKey,
    pub layers: Vec<LayerPlan>,
}

const fn layer(layer: Layer, fps: u8, kbps: u32) -> LayerPlan {
    LayerPlan { layer, fps, kbps }
}

/// DESIGN.md section 5: camera, screen and microphone.
pub fn usual() -> Vec<Plan> {
    vec![camera(), screen(), microphone()]
}

pub fn camera() -> Plan {
    Plan {
        key: PublicationKey::CAMERA,
        layers: vec![layer(Layer::Low, 10, 100), layer(Layer::High, 15, 450)],
    }
}

pub fn screen() -> Plan {
    Plan {
        key: PublicationKey::SCREEN,
        layers: vec![layer(Layer::Low, 2, 100), layer(Layer::High, 5, 600)],
    }
}

pub fn microphone() -> Plan {
    Plan {
        key: PublicationKey::MICROPHONE,
        layers: vec![layer(Layer::High, 50, 24)],
    }
}

/// A packet to seal and send.
pub struct Out {
    pub bytes: Vec<u8>,
    /// None for RTCP.
    pub header: Option<usize>,
}

#[derive(Clone, Copy)]
struct Sent {
    mark: Mark,
    length: usize,
    timestamp: u32,
    frame: Option<FrameInfo>,
}

struct Stream {
    key: PublicationKey,
    plan: LayerPlan,
    encoder: Encoder,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    /// The number of the last full intra request.
    command: Option<u8>,
    first: u16,
    rtx_next: u16,
    timestamp: u32,
    index: u32,
    octets: u32,
    history: VecDeque<Sent>,
    is_on: bool,
}

/// A request for a key frame that reached the publisher.
#[derive(Clone, Copy, Debug)]
pub struct KeyRequest {
    pub at: Us,
    pub key: PublicationKey,
    pub layer: Layer,
}

/// A layer that was switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    pub at: Us,
    pub key: PublicationKey,
    pub layer: Layer,
    pub on: bool,
}

/// The publishing side of a participant.
pub struct Candidate {
    number: u16,
    pub plans: Vec<Plan>,
    streams: Vec<Stream>,
    dice: StdRng,
    generation: u8,
    transport_sequence: u16,
    next_report: Us,
    pending: Vec<Out>,
    pub asked: Vec<KeyRequest>,
    pub switched: Vec<Switched>,
    hidden: BTreeSet<PublicationKey>,
    /// It captures nothing and says so to nobody: an oracle's negative control.
    pub frozen: bool,
}

impl Candidate {
    pub fn new(number: u16, plans: Vec<Plan>, seed: u64) -> Self {
        Self {
            number,
            plans,
            streams: Vec::new(),
            dice: StdRng::seed_from_u64(seed),
            generation: 0,
            transport_sequence: 0,
            next_report: Us::MAX,
            pending: Vec::new(),
            asked: Vec::new(),
            switched: Vec::new(),
            hidden: BTreeSet::new(),
            frozen: false,
        }
    }

    /// One m-line for each layer.
    pub fn media(&self) -> Vec<String> {
        let layers = self
            .plans
            .iter()
            .flat_map(|plan| plan.layers.iter().map(|_| plan.key.kind));
        layers
            .map(|kind| {
                if kind.is_video() {
                    video("sendonly")
                } else {
                    audio("sendonly")
                }
            })
            .collect()
    }

    /// New streams for a new transport; what to announce of them.
    pub fn begin(&mut self, now: Us) -> Vec<(PublicationKey, Vec<LayerOffer>)> {
        self.generation = self.generation.wrapping_add(1);
        self.pending.clear();
        self.hidden.clear();
        self.next_report = now + S;
        let plans = self.plans.clone();
        self.streams = plans
            .iter()
            .flat_map(|plan| plan.layers.iter().map(move |layer| (plan.key, *layer)))
            .map(|(key, plan)| self.stream(key, plan))
            .collect();
        plans.iter().map(|plan| (plan.key, self.offer(plan.key))).collect()
    }

    fn stream(&mut self, key: PublicationKey, plan: LayerPlan) -> Stream {
        let dice = &mut self.dice;
        Stream {
            key,
            plan,
            encoder: Encoder::new(key.kind, plan.fps.into(), plan.kbps, dice.random()),
            ssrc: dice.random_range(1..u32::MAX),
            rtx_ssrc: key.kind.is_video().then(|| dice.random_range(1..u32::MAX)),
            command: None,
            first: dice.random::<u16>() & 0x7fff,
            rtx_next: dice.random::<u16>() & 0x7fff,
            timestamp: dice.random(),
            index: 0,
            octets: 0,
            history: VecDeque::new(),
            is_on: false,
        }
    }

    fn offer(&self, key: PublicationKey) -> Vec<LayerOffer> {
        let streams = self.streams.iter().filter(|stream| stream.key == key);
        streams
            .map(|stream| LayerOffer {
                rid: stream.plan.layer,
                ssrc: Some(stream.ssrc),
                rtx_ssrc: stream.rtx_ssrc,
                width: 0,
                height: 0,
                fps: stream.plan.fps,
                kbps: stream.plan.kbps,
            })
            .collect()
    }

    /// Media can flow: whatever is wanted begins now.
    pub fn connected(&mut self, now: Us) {
        for stream in self.streams.iter_mut().filter(|stream| stream.is_on) {
            stream.encoder.start(now);
        }
    }

    /// `layer:demand`.
    pub fn demand(&mut self, now: Us, demand: &Demand) {
        for stream in self
            .streams
            .iter_mut()
            .filter(|stream| stream.key == demand.publication)
        {
            let on = demand.layers.contains(&stream.plan.layer);
            if on == stream.is_on {
                continue;
            }
            stream.is_on = on;
            if on {
                stream.encoder.start(now);
            } else {
                stream.encoder.stop();
            }
            self.switched.push(Switched {
                at: now,
                key: stream.key,
                layer: stream.plan.layer,
                on,
            });
        }
    }

    /// Packets of media sent on the present transport, repairs left out.
    pub fn sent(&self) -> u64 {
        self.streams.iter().map(|stream| u64::from(stream.index)).sum()
    }

    /// Whether a publication was taken back.
    pub fn is_hidden(&self, key: PublicationKey) -> bool {
        self.hidden.contains(&key)
    }

    /// Takes a publication back.
    pub fn unpublish(&mut self, key: PublicationKey) {
        self.hidden.insert(key);
        for stream in self.streams.iter_mut().filter(|stream| stream.key == key) {
            stream.is_on = false;
            stream.encoder.stop();
        }
    }

    /// Offers it again, with the streams that it had.
    pub fn republish(&mut self, key: PublicationKey) -> Vec<LayerOffer> {
        self.hidden.remove(&key);
        self.offer(key)
    }

    /// Reads what the server asks for.
    pub fn rtcp(&mut self, now: Us, compound: &[u8]) {
        let (mut lost, mut keys) = (Vec::new(), Vec::new());
        parse(compound, |item| match item {
            Item::Nack { media, pairs } => lost.extend(nacked(pairs).map(|sequence| (media, sequence))),
            Item::KeyFrame { media, command } => keys.push((media, command)),
            _ => {}
        });
        for (media, command) in keys {
            // One that is repeated keeps its number.
            if let Some(stream) = self
                .streams
                .iter_mut()
                .find(|stream| stream.ssrc == media && (command.is_none() || stream.command != command))
            {
                stream.command = command;
                stream.encoder.wants_key = true;
                self.asked.push(KeyRequest {
                    at: now,
                    key: stream.key,
                    layer: stream.plan.layer,
                });
            }
        }
        for (media, sequence) in lost {
            let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == media) else {
                continue;
            };
            let Some(rtx_ssrc) = stream.rtx_ssrc else { continue };
            let first = stream.first;
            let found = stream
                .history
                .iter()
                .find(|sent| first.wrapping_add(sent.mark.index as u16) == sequence);
            let Some(sent) = found.copied() else { continue };
            let number = stream.rtx_next;
            stream.rtx_next = number.wrapping_add(1);
            let out = packet(
                &mut self.transport_sequence,
                (RTX, number, rtx_ssrc),
                &sent,
                Some(sequence),
                None,
            );
            self.pending.push(out);
        }
    }

    /// When [`Self::poll`] has something to say.
    pub fn next(&self) -> Us {
        if self.frozen {
            return Us::MAX;
        }
        if !self.pending.is_empty() {
            return 0;
        }
        let frames = self.streams.iter().map(|stream| stream.encoder.next);
        frames.min().unwrap_or(Us::MAX).min(self.next_report)
    }

    /// What has to be sent now.
    pub fn poll(&mut self, now: Us) -> Vec<Out> {
        if self.frozen {
            return Vec::new();
        }
        let mut out = std::mem::take(&mut self.pending);
        for stream in &mut self.streams {
            while let Some(frame) = stream.encoder.poll(now) {
                stream.send(
                    now,
                    (self.number, self.generation),
                    frame,
                    &mut self.transport_sequence,
                    &mut out,
                );
            }
        }
        if self.next_report <= now {
            self.next_report = now + S;
            let mut bytes = Vec::new();
            for stream in self.streams.iter().filter(|stream| stream.index > 0) {
                write_sender_report(&mut bytes, &stream.report(now), "candidate");
            }
            if !bytes.is_empty() {
                out.push(Out { bytes, header: None });
            }
        }
        out
    }
}

impl Stream {
    fn timestamp(&self, now: Us) -> u32 {
        let rate = if self.key.kind == Kind::Microphone {
            48_000
        } else {
            90_000
        };
        self.timestamp.wrapping_add((now * rate / S) as u32)
    }

    fn report(&self, now: Us) -> SenderInfo {
        SenderInfo {
            ssrc: self.ssrc,
            ntp: ntp_of_unix(START_US + now as i64),
            timestamp: self.timestamp(now),
            packets: self.index,
            octets: self.octets,
        }
    }

    fn send(&mut self, now: Us, (person, generation): (u16, u8), frame: Frame, number: &mut u16, out: &mut Vec<Out>) {
        let is_video = self.key.kind.is_video();
        let parts = frame.bytes.div_ceil(PAYLOAD_MTU).max(1);
        for part in 0..parts {
            let mark = Mark {
                person,
                publication: self.key,
                layer: self.plan.layer,
                generation,
                frame: frame.number,
                index: self.index,
                part: part as u16,
                parts: parts as u16,
            };
            let info = FrameInfo {
                key: frame.key,
                start: part == 0,
                end: part + 1 == parts,
                layer: self.plan.layer,
                temporal: 0,
                captured: (part == 0).then_some(START_US + now as i64),
            };
            let sent = Sent {
                mark,
                length: (frame.bytes - part * PAYLOAD_MTU).min(PAYLOAD_MTU),
                timestamp: self.timestamp(now),
                frame: is_video.then_some(info),
            };
            let sequence = self.first.wrapping_add(self.index as u16);
            let payload_type = if is_video { H264 } else { OPUS };
            let level = (!is_video).then_some(0x80 | (20 + (self.index % 40) as u8));
            out.push(packet(number, (payload_type, sequence, self.ssrc), &sent, None, level));
            self.index += 1;
            self.octets = self.octets.wrapping_add(sent.length as u32);
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(sent);
        }
    }
}

fn packet(
    transport_sequence: &mut u16,
    (payload_type, sequence, ssrc): (u8, u16, u32),
    sent: &Sent,
    original: Option<u16>,
    level: Option<u8>,
) -> Out {
    let mut list = ExtensionList::default();
    list.push(TRANSPORT_CC_ID, &transport_sequence.to_be_bytes());
    *transport_sequence = transport_sequence.wrapping_add(1);
    if let Some(frame) = sent.frame {
        let mut data = [0; MAX_LEN];
        let length = frame.write(&mut data);
        list.push(FRAME_INFO_ID, &data[..length]);
    }
    if let Some(level) = level {
        list.push(AUDIO_LEVEL_ID, &[level]);
    }
    let marker = sent.frame.is_none_or(|frame| frame.end);
    let mut bytes = Vec::with_capacity(1_280);
    let header = write_header(
        &mut bytes,
        (marker, payload_type),
        (sequence, sent.timestamp, ssrc),
        &list,
    );
    if let Some(original) = original {
        bytes.extend_from_slice(&original.to_be_bytes());
    }
    sent.mark.write(sent.length, &mut bytes);
    Out {
        bytes,
        header: Some(header),
    }
}
