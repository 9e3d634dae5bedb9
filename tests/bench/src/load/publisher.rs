//! Somebody who sends: frames by bursts or by the trace, retransmissions when they are asked for, sender reports.

use super::{Delivered, Load, Source, Trace};
use anyhow::{Context, Result};
use invigil_peer::outgoing::OutStream;
use invigil_peer::sdp::{AUDIO, Line, Media, TRANSPORT_CC_ID, VIDEO, VIDEO_RTX};
use invigil_peer::wire::{Endpoint, Incoming};
use invigil_sfu::core::rtcp::{Item, SenderInfo, nacked, ntp_of_unix, parse, write_sender_report};
use invigil_sfu::core::rtp::ExtensionList;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A key frame this often in the bursts, and when one is asked for.
const KEY_EVERY: u64 = 300;
/// Bytes of a packet of the trace's frames, as our clients cut them.
const PAYLOAD: usize = 1_100;
/// How much faster than its frames a pacer sends, in halves: 2.5, the usual factor of WebRTC senders.
const PACING_HALVES: u32 = 5;
/// A payload has to hold the time at which it was sent.
const SMALLEST: usize = 10;

pub struct Publisher {
    pub wire: Endpoint,
    tracks: Vec<Track>,
    queue: VecDeque<Waiting>,
    transport_sequence: u16,
    rng: StdRng,
    packet: Vec<u8>,
    wanted: Vec<(usize, u16)>,
}

struct Track {
    source: Source,
    sizes: Vec<usize>,
    out: OutStream,
    next: Instant,
    frame: u64,
    key_wanted: bool,
    /// The number of the last full intra request.
    command: Option<u8>,
}

/// A packet whose turn comes.
struct Waiting {
    at: Instant,
    track: usize,
    timestamp: u32,
    size: usize,
    key: bool,
    first: bool,
    last: bool,
}

/// Of the `index`-th publisher's n-th stream.
fn ssrc(index: usize, track: usize) -> u32 {
    1_000 * (index as u32 + 1) + 10 * track as u32
}

/// The lines of the `index`-th publisher's offer.
pub fn lines(load: &Load, index: usize) -> Vec<Line> {
    let sources = (load.streams)(index).iter().enumerate();
    sources
        .map(|(track, source)| Line::send(source.media(), ssrc(index, track)))
        .collect()
}

impl Publisher {
    pub fn new(load: &Load, index: usize, wire: Endpoint, trace: &Trace, rng: StdRng) -> Result<Self> {
        let now = Instant::now();
        let remote = wire.remote().context("a publisher without an answer")?;
        let mut tracks = Vec::new();
        for (at, source) in (load.streams)(index).iter().enumerate() {
            let section = remote.sections.get(at);
            let codec = section.and_then(|section| section.codecs.iter().find(|c| c.name != "rtx"));
            let rtx = codec.and_then(|codec| codec.rtx);
            let (payload_type, rtx) = match source.media() {
                Media::Audio => (AUDIO, None),
                Media::Video => (VIDEO, rtx.map(|_| VIDEO_RTX)),
            };
            tracks.push(Track {
                source: *source,
                sizes: match source {
                    Source::Bursts { packets, payload, .. } => vec![packets * payload],
                    Source::Trace { name, .. } => trace.of(name)?.to_vec(),
                },
                out: OutStream::new(ssrc(index, at), payload_type, rtx),
                // Publishers and their streams never send at the same moment.
                next: now
                    + source.interval() * index as u32 / load.publishers as u32
                    + Duration::from_millis(3) * at as u32,
                frame: 0,
                key_wanted: true,
                command: None,
            });
        }
        Ok(Self {
            wire,
            tracks,
            queue: VecDeque::new(),
            transport_sequence: 0,
            rng,
            packet: Vec::with_capacity(2_048),
            wanted: Vec::new(),
        })
    }

    /// Sends what is due.
    pub fn send_due(&mut self, now: Instant, epoch: Instant, load: &Load, delivered: &mut Delivered) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        for at in 0..self.tracks.len() {
            if self.tracks[at].next <= now {
                self.frame(now, at, load.paced);
            }
        }
        while self.queue.front().is_some_and(|waiting| waiting.at <= now) {
            let Some(waiting) = self.queue.pop_front() else { break };
            self.send(&waiting, epoch, load.loss, delivered)?;
        }
        self.mend(load.loss)
    }

    /// Puts a track's next frame into the queue.
    fn frame(&mut self, now: Instant, at: usize, paced: bool) {
        let track = &mut self.tracks[at];
        let interval = track.source.interval();
        track.next += interval;
        if track.next < now {
            // Late: back on its own grid, so that publishers never send at the same moment.
            let late = now.saturating_duration_since(track.next).as_nanos() / interval.as_nanos();
            track.next += interval * (late as u32 + 1);
        }
        let number = track.frame;
        track.frame += 1;
        let timestamp = (number * u64::from(track.source.ticks())) as u32;
        let (payload, every) = match track.source {
            Source::Bursts { payload, .. } => (payload, KEY_EVERY),
            Source::Trace { .. } => (PAYLOAD, track.sizes.len() as u64),
        };
        let key = std::mem::take(&mut track.key_wanted) || number.is_multiple_of(every);
        // A key frame that was asked for is as large as the one that the trace begins with.
        let place = if key {
            0
        } else {
            (number % track.sizes.len() as u64) as usize
        };
        let size = track.sizes[place];
        let count = size.div_ceil(payload);
        let spread = if paced {
            interval * 2 / PACING_HALVES
        } else {
            Duration::ZERO
        };
        for n in 0..count {
            self.queue.push_back(Waiting {
                at: now + spread * n as u32 / count as u32,
                track: at,
                timestamp,
                size: payload.min(size - n * payload).max(SMALLEST),
                key,
                first: n == 0,
                last: n + 1 == count,
            });
        }
        if paced {
            // What is due first goes first: audio passes the frames that are being spread.
            self.queue.make_contiguous().sort_by_key(|waiting| waiting.at);
        }
    }

    fn extensions(&mut self) -> ExtensionList {
        let mut extensions = ExtensionList::default();
        extensions.push(TRANSPORT_CC_ID, &self.transport_sequence.to_be_bytes());
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        extensions
    }

    fn send(&mut self, waiting: &Waiting, epoch: Instant, loss: f64, delivered: &mut Delivered) -> Result<()> {
        let extensions = self.extensions();
        let track = &mut self.tracks[waiting.track];
        let video = track.source.media() == Media::Video;
        let marker = waiting.last && video;
        let head = if video {
            // FU-A (RFC 6184 section 5.8): pieces of one slice.
            let kind = if waiting.key { 5 } else { 1 };
            [0x7c, u8::from(waiting.first) << 7 | u8::from(waiting.last) << 6 | kind]
        } else {
            [0x78, 0]
        };
        let header = track
            .out
            .packet(&mut self.packet, (marker, waiting.timestamp), &extensions, |out| {
                let start = out.len();
                out.extend(head);
                let sent_at = Instant::now().saturating_duration_since(epoch).as_micros() as u64;
                out.extend(sent_at.to_be_bytes());
                out.resize(start + waiting.size, 0x5a);
            });
        match video {
            true => delivered.sent_video += 1,
            false => delivered.sent_audio += 1,
        }
        if loss > 0.0 && self.rng.random_bool(loss) {
            return Ok(()); // on its way
        }
        self.wire.send_rtp(&mut self.packet, header)
    }

    /// Answers what was asked for again.
    fn mend(&mut self, loss: f64) -> Result<()> {
        for (track, sequence) in std::mem::take(&mut self.wanted) {
            let extensions = self.extensions();
            let Some(header) = self.tracks[track].out.again(&mut self.packet, sequence, &extensions) else {
                continue;
            };
            if loss == 0.0 || !self.rng.random_bool(loss) {
                self.wire.send_rtp(&mut self.packet, header)?;
            }
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
                    }
                }
                Item::Nack { media, pairs } => {
                    if let Some(track) = tracks.iter().position(|track| track.out.ssrc == media) {
                        wanted.extend(nacked(pairs).map(|sequence| (track, sequence)));
                    }
                }
                _ => {}
            });
        })
    }

    pub fn report(&mut self) -> Result<()> {
        if !self.wire.is_connected() {
            return Ok(());
        }
        let unix_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
        for track in &self.tracks {
            let mut compound = Vec::new();
            let info = SenderInfo {
                ssrc: track.out.ssrc,
                ntp: ntp_of_unix(unix_us),
                timestamp: track.out.timestamp,
                packets: track.out.packets,
                octets: track.out.octets,
            };
            write_sender_report(&mut compound, &info, "load");
            self.wire.send_rtcp(&mut compound)?;
        }
        Ok(())
    }
}
