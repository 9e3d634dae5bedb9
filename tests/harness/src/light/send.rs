//! A candidate's publishing transport: what is demanded goes out by the clock, and what is asked for again as well.

use crate::canned::Clip;
use anyhow::Result;
use invigil_client::clock::wall_us;
use invigil_peer::outgoing::OutStream;
use invigil_peer::sdp::{FRAME_INFO_ID, TRANSPORT_CC_ID};
use invigil_peer::wire::{Endpoint, Incoming};
use invigil_sfu::core::rtcp::{Item, SenderInfo, nacked, ntp_of_unix, parse, write_sender_report};
use invigil_sfu::core::rtp::ExtensionList;
use invigil_shared::frame_info::{FrameInfo, MAX_LEN};
use invigil_shared::publication::{Layer, PublicationKey};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Frames that are more than this behind are skipped, as an encoder would.
const BEHIND: Duration = Duration::from_millis(500);

/// One layer that can be sent.
pub struct Track {
    pub key: PublicationKey,
    pub layer: Layer,
    pub clip: Arc<Clip>,
    pub out: OutStream,
    demanded: bool,
    key_wanted: bool,
    /// The number of the last full intra request.
    command: Option<u8>,
    next: Instant,
    /// Of the clip.
    frame: usize,
    timestamp: u32,
    plis: u64,
}

impl Track {
    pub fn new(key: PublicationKey, layer: Layer, clip: Arc<Clip>, out: OutStream) -> Self {
        // Candidates are not in step with each other.
        let offset = clip.interval().mul_f64(rand::random());
        Self {
            key,
            layer,
            clip,
            out,
            demanded: false,
            key_wanted: true,
            command: None,
            next: Instant::now() + offset,
            frame: 0,
            timestamp: rand::random(),
            plis: 0,
        }
    }
}

/// What one publishing transport has sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub packets: u64,
    pub again: u64,
    /// Key frame requests by RTCP, by publication and layer.
    pub plis: Vec<(PublicationKey, Layer, u64)>,
}

pub struct Sender {
    pub wire: Endpoint,
    tracks: Vec<Track>,
    transport_sequence: u16,
    wanted: Vec<(usize, u16)>,
    packets: u64,
    again: u64,
}

impl Sender {
    pub fn new(wire: Endpoint, tracks: Vec<Track>) -> Self {
        Self {
            wire,
            tracks,
            transport_sequence: 0,
            wanted: Vec::new(),
            packets: 0,
            again: 0,
        }
    }

    pub fn demand(&mut self, key: PublicationKey, layers: &[Layer]) {
        for track in self.tracks.iter_mut().filter(|track| track.key == key) {
            let wanted = layers.contains(&track.layer);
            if wanted && !track.demanded {
                (track.key_wanted, track.next) = (true, Instant::now());
            }
            track.demanded = wanted;
        }
    }

    pub fn key_frame(&mut self, key: PublicationKey, layer: Layer) {
        let mut asked = self.tracks.iter_mut();
        if let Some(track) = asked.find(|track| track.key == key && track.layer == layer) {
            track.key_wanted = true;
        }
    }

    /// When the next frame is due.
    pub fn due(&self) -> Option<Instant> {
        self.tracks
            .iter()
            .filter(|track| track.demanded)
            .map(|track| track.next)
            .min()
    }

    pub fn sent(&self) -> Sent {
        Sent {
            packets: self.packets,
            again: self.again,
            plis: self
                .tracks
                .iter()
                .map(|track| (track.key, track.layer, track.plis))
                .collect(),
        }
    }

    pub fn send_due(&mut self, now: Instant, scratch: &mut Vec<u8>) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        for at in 0..self.tracks.len() {
            while self.tracks[at].demanded && self.tracks[at].next <= now {
                self.frame(now, at, scratch)?;
            }
        }
        for (at, sequence) in std::mem::take(&mut self.wanted) {
            let extensions = extensions(&mut self.transport_sequence, None);
            if let Some(header) = self.tracks[at].out.again(scratch, sequence, &extensions) {
                self.wire.send_rtp(scratch, header)?;
                self.again += 1;
            }
        }
        Ok(())
    }

    fn frame(&mut self, now: Instant, at: usize, scratch: &mut Vec<u8>) -> Result<()> {
        let track = &mut self.tracks[at];
        let interval = track.clip.interval();
        let mut skipped = 1;
        track.next += interval;
        if track.next + BEHIND < now {
            let behind = now.saturating_duration_since(track.next);
            let frames = (behind.as_nanos() / interval.as_nanos().max(1)) as u32;
            track.next += interval * frames;
            skipped += frames;
        }
        track.timestamp = track.timestamp.wrapping_add(track.clip.ticks.wrapping_mul(skipped));
        // A skipped frame leaves the decoder nothing to build on: what follows has to stand by itself.
        if std::mem::take(&mut track.key_wanted) || skipped > 1 {
            track.frame = 0;
        }
        let (clip, place) = (track.clip.clone(), track.frame);
        track.frame = (place + 1) % clip.frames.len();
        let Some(frame) = clip.frames.get(place) else {
            return Ok(());
        };
        let captured = wall_us();
        for (n, payload) in frame.packets.iter().enumerate() {
            let (start, end) = (n == 0, n + 1 == frame.packets.len());
            let info = FrameInfo {
                key: frame.key,
                start,
                end,
                layer: track.layer,
                temporal: 0,
                captured: Some(captured),
            };
            let extensions = extensions(&mut self.transport_sequence, Some(&info));
            let marker = end && track.key.kind.is_video();
            let numbers = (marker, track.timestamp);
            let header = track
                .out
                .packet(scratch, numbers, &extensions, |out| out.extend_from_slice(payload));
            self.wire.send_rtp(scratch, header)?;
            self.packets += 1;
        }
        Ok(())
    }

    pub fn receive(&mut self, now: Instant) -> Result<()> {
        let (tracks, wanted) = (&mut self.tracks, &mut self.wanted);
        self.wire.receive(now, |incoming| {
            let Incoming::Rtcp(compound) = incoming else { return };
            parse(compound, |item| match item {
                Item::KeyFrame { media, command } => {
                    // One that is repeated keeps its number.
                    if let Some(track) = tracks
                        .iter_mut()
                        .find(|track| track.out.ssrc == media && (command.is_none() || track.command != command))
                    {
                        track.command = command;
                        track.key_wanted = true;
                        track.plis += 1;
                    }
                }
                Item::Nack { media, pairs } => {
                    if let Some(at) = tracks.iter().position(|track| track.out.ssrc == media) {
                        wanted.extend(nacked(pairs).map(|sequence| (at, sequence)));
                    }
                }
                _ => {}
            });
        })
    }

    pub fn report(&mut self, scratch: &mut Vec<u8>) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        scratch.clear();
        for track in self.tracks.iter().filter(|track| track.demanded) {
            let info = SenderInfo {
                ssrc: track.out.ssrc,
                ntp: ntp_of_unix(wall_us()),
                timestamp: track.timestamp,
                packets: track.out.packets,
                octets: track.out.octets,
            };
            write_sender_report(scratch, &info, "load");
        }
        if scratch.is_empty() {
            return Ok(());
        }
        self.wire.send_rtcp(scratch)
    }
}

fn extensions(transport_sequence: &mut u16, info: Option<&FrameInfo>) -> ExtensionList {
    let mut list = ExtensionList::default();
    list.push(TRANSPORT_CC_ID, &transport_sequence.to_be_bytes());
    *transport_sequence = transport_sequence.wrapping_add(1);
    if let Some(info) = info {
        let mut data = [0; MAX_LEN];
        let length = info.write(&mut data);
        list.push(FRAME_INFO_ID, &data[..length]);
    }
    list
}
