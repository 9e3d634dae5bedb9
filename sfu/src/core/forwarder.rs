//! One outgoing RTP stream, a slot's: whatever is bound to it, its receiver sees one SSRC, sequence numbers without holes
//! of our making, and timestamps that go on.
//!
//! Indices only grow (the association refuses anything else): a packet that arrives late, or that was lost on the way to
//! the subscriber, goes out as RTX, which has a numbering of its own.

use crate::core::media::{Codec, Packet};
use crate::core::rtcp::{SenderInfo, ntp_of_unix};
use crate::core::rtp::{ExtensionList, unwrap_sequence, write_header};
use crate::core::transport::sdp::ExtensionIds;
use invigil_shared::frame_info::MAX_LEN;
use invigil_shared::publication::Layer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Past bindings that a NACK may still speak of.
const SEGMENTS: usize = 8;
/// A jump beyond this is a new start of the publisher, not loss.
const MAX_JUMP: u64 = 3_000;
/// Packets that carry the mid: enough for a receiver that learns streams by it, then no more bytes for it.
const MID_PACKETS: u64 = 64;
/// Between two retransmissions of one packet, at least, and at most: a NACK that crosses its answer is not answered again.
const RESEND_MIN: Duration = Duration::from_millis(15);
const RESEND_MAX: Duration = Duration::from_millis(500);
const RECENT: usize = 256;
/// As many as a stream repairs within [`RESEND_AFTER`] on any usual day.
const RECENT_USUAL: usize = 32;

/// The number of no publication: they are counted from 1.
const NOBODY: u64 = 0;

/// What was negotiated for a slot.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    pub mid: String,
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub extensions: ExtensionIds,
}

/// A stretch of the outgoing numbering that one layer of one publication filled.
#[derive(Clone, Copy, Debug)]
struct Segment {
    publication: u64,
    layer: Layer,
    first_in: u64,
    first_out: u64,
    timestamp_delta: u32,
    picture_delta: u16,
}

/// Where a packet stands in the outgoing numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub index: u64,
    pub timestamp: u32,
    picture_delta: u16,
    /// It is not the next in order: only RTX may carry it.
    pub late: bool,
}

/// The outgoing stream of a slot.
#[derive(Debug)]
pub struct OutStream {
    pub config: StreamConfig,
    segments: VecDeque<Segment>,
    next: u64,
    rtx_next: u64,
    last: Option<LastSent>,
    sent: u64,
    octets: u64,
    recent: VecDeque<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct LastSent {
    timestamp: u32,
    at: Instant,
    captured: Option<i64>,
    publication: u64,
    picture: Option<u16>,
}

impl OutStream {
    /// A stream whose numbering begins at `first` (below 2^15, so that a receiver that misses the first packets still
    /// guesses the rollover counter right).
    pub fn new(config: StreamConfig, first: u16, rtx_first: u16) -> Self {
        Self {
            config,
            segments: VecDeque::new(),
            next: (1 << 16) + u64::from(first & 0x7fff),
            rtx_next: u64::from(rtx_first & 0x7fff),
            last: None,
            sent: 0,
            octets: 0,
            recent: VecDeque::new(),
        }
    }

    /// From now on the stream carries `layer` of `publication`, whose next packet is `packet`. Sequence numbers go on
    /// without a hole; the timestamp goes on by the time between the captures, or else between the sendings.
    pub fn switch(&mut self, now: Instant, publication: u64, layer: Layer, packet: &Packet<'_>) {
        let rate = i64::from(self.config.codec.clock_rate());
        let timestamp_delta = self.last.map_or(0, |last| {
            let by_capture = packet
                .meta
                .frame
                .captured
                .zip(last.captured)
                .filter(|_| last.publication == publication);
            let elapsed_us = match by_capture {
                Some((now, then)) => now - then,
                None => now.saturating_duration_since(last.at).as_micros() as i64,
            };
            // A clock that was set must not throw the receiver's timeline away.
            let ticks = (elapsed_us.clamp(0, 3_600_000_000) * rate / 1_000_000).max(1);
            last.timestamp
                .wrapping_add(ticks as u32)
                .wrapping_sub(packet.meta.timestamp)
        });
        let picture = packet
            .meta
            .vp8
            .and_then(|vp8| vp8.picture_id)
            .map(|(_, value, _)| value);
        let picture_delta = match (self.last.and_then(|last| last.picture), picture) {
            (Some(last), Some(first)) => last.wrapping_add(1).wrapping_sub(first),
            _ => 0,
        };
        if self.segments.len() == SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(Segment {
            publication,
            layer,
            first_in: packet.index,
            first_out: self.next,
            timestamp_delta,
            picture_delta,
        });
    }

    /// Whether a packet continues what the stream carries; if not, [`Self::switch`] has to come first.
    pub fn continues(&self, publication: u64, layer: Layer, index: u64) -> bool {
        self.segments.back().is_some_and(|segment| {
            let out = (index + segment.first_out).saturating_sub(segment.first_in);
            segment.publication == publication && segment.layer == layer && out < self.next + MAX_JUMP
        })
    }

    /// Whether a later packet of the layer was sent than the one at `index`: a switch to that one would send a frame twice.
    pub fn has_passed(&self, publication: u64, layer: Layer, index: u64) -> bool {
        let mut end = self.next;
        for segment in self.segments.iter().rev() {
            if (segment.publication, segment.layer) == (publication, layer) {
                return index < segment.first_in + (end - segment.first_out);
            }
            end = segment.first_out;
        }
        false
    }

    /// Forgets what was sent of a layer; [`Self::switch`] has to come before its next packet.
    pub fn forget(&mut self, publication: u64, layer: Layer) {
        let of_it = |segment: &&mut Segment| (segment.publication, segment.layer) == (publication, layer);
        for segment in self.segments.iter_mut().filter(of_it) {
            segment.publication = NOBODY;
        }
    }

    /// From now on the stream's packets are of another codec. What was sent before can't be sent again: its payload type is gone.
    pub fn change_codec(&mut self, codec: Codec, payload_type: u8, rtx_payload_type: Option<u8>) {
        let config = &mut self.config;
        (config.codec, config.payload_type, config.rtx_payload_type) = (codec, payload_type, rtx_payload_type);
        for segment in &mut self.segments {
            segment.publication = NOBODY;
        }
    }

    /// Finds a packet's place; none when it is from before the layer was taken up.
    pub fn place(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Place> {
        let segment = *self.segments.back()?;
        let index = segment.first_out + packet.index.checked_sub(segment.first_in)?;
        let timestamp = packet.meta.timestamp.wrapping_add(segment.timestamp_delta);
        let late = index < self.next;
        if !late {
            self.next = index + 1;
            self.sent += 1;
            self.octets += packet.payload.len() as u64;
            let picture = packet.meta.vp8.and_then(|vp8| vp8.picture_id);
            let picture = picture.map(|(_, value, _)| value.wrapping_add(segment.picture_delta));
            let before = self.last;
            self.last = Some(LastSent {
                timestamp,
                at: now,
                captured: packet.meta.frame.captured.or_else(|| {
                    before
                        .filter(|last| last.timestamp == timestamp)
                        .and_then(|last| last.captured)
                }),
                publication: segment.publication,
                picture: picture.or(before.and_then(|last| last.picture)),
            });
        }
        Some(Place {
            index,
            timestamp,
            picture_delta: segment.picture_delta,
            late,
        })
    }

    /// What a subscriber misses when it asks for `sequence`: publication, layer and index there, and the place here. None
    /// for what was never sent, or was answered so lately that the asker can't know it yet. That is within a `round_trip`; a
    /// quarter less, for one that includes the wait for a report.
    pub fn find(
        &mut self,
        now: Instant,
        sequence: u16,
        round_trip: Option<Duration>,
    ) -> Option<(u64, Layer, u64, Place)> {
        let index = unwrap_sequence(self.next, sequence);
        if index >= self.next {
            return None;
        }
        let pause = round_trip.map_or(RESEND_MIN, |round_trip| {
            (round_trip * 3 / 4).clamp(RESEND_MIN, RESEND_MAX)
        });
        if self
            .recent
            .iter()
            .any(|(sent, at)| *sent == index && now.saturating_duration_since(*at) < pause)
        {
            return None;
        }
        self.sent_at(index)
    }

    /// The packet that was sent last, as [`Self::find`] gives it: padding sends it again.
    pub fn newest(&self) -> Option<(u64, Layer, u64, Place)> {
        self.sent_at(self.next.checked_sub(1)?)
    }

    fn sent_at(&self, index: u64) -> Option<(u64, Layer, u64, Place)> {
        let segment = self.segments.iter().rev().find(|segment| segment.first_out <= index)?;
        let place = Place {
            index,
            timestamp: 0,
            picture_delta: segment.picture_delta,
            late: true,
        };
        let there = segment.first_in + (index - segment.first_out);
        Some((segment.publication, segment.layer, there, place))
    }

    /// The place of a kept packet, for a retransmission that [`Self::find`] led to.
    pub fn place_again(&self, place: Place, packet: &Packet<'_>) -> Place {
        let segment = self
            .segments
            .iter()
            .rev()
            .find(|segment| segment.first_out <= place.index);
        let delta = segment.map_or(0, |segment| segment.timestamp_delta);
        Place {
            timestamp: packet.meta.timestamp.wrapping_add(delta),
            ..place
        }
    }

    /// Appends the packet to `out`, in the clear; returns the header's length. None when it may only go as RTX and the
    /// subscriber has not negotiated that.
    pub fn write(
        &mut self,
        now: Instant,
        place: Place,
        packet: &Packet<'_>,
        transport_sequence: Option<u16>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let ids = &self.config.extensions;
        let id = |id: Option<u8>| id.unwrap_or(0);
        let mut list = ExtensionList::default();
        if self.sent <= MID_PACKETS {
            list.push(id(ids.mid), self.config.mid.as_bytes());
        }
        if let Some(number) = transport_sequence {
            list.push(id(ids.transport_cc), &number.to_be_bytes());
        }
        if ids.frame_info.is_some() {
            let mut bytes = [0; MAX_LEN];
            let length = packet.meta.frame.write(&mut bytes);
            list.push(id(ids.frame_info), &bytes[..length]);
        }
        if let Some(captured) = packet
            .meta
            .frame
            .captured
            .filter(|_| packet.meta.frame.start && ids.capture_time.is_some())
        {
            list.push(id(ids.capture_time), &ntp_of_unix(captured).to_be_bytes());
        }
        if let Some(level) = packet.meta.audio_level {
            list.push(id(ids.audio_level), &[level]);
        }
        let told = self.last.is_some_and(|last| last.captured.is_some());
        if told && !place.late && !packet.meta.frame.start && !packet.meta.frame.end {
            // As long as the frame's beginning, which says when it was captured: one segmented send takes equal lengths only.
            list.pad(if ids.frame_info.is_some() { MAX_LEN - 2 } else { 0 });
            list.pad(if ids.capture_time.is_some() {
                1 + size_of::<u64>()
            } else {
                0
            });
        }
        let config = &self.config;
        let sequence = place.index as u16;
        let header = if place.late {
            let payload_type = config.rtx_payload_type?;
            let number = self.rtx_next;
            self.rtx_next += 1;
            while let Some((_, at)) = self.recent.front()
                && (self.recent.len() >= RECENT || *at + RESEND_MAX <= now)
            {
                self.recent.pop_front();
            }
            if self.recent.capacity() == 0 {
                self.recent.reserve(RECENT_USUAL);
            }
            self.recent.push_back((place.index, now));
            let ids = (number as u16, place.timestamp, config.rtx_ssrc);
            let header = write_header(out, (packet.meta.marker, payload_type), ids, &list);
            // RFC 4588 section 4: the original sequence number comes first.
            out.extend_from_slice(&sequence.to_be_bytes());
            header
        } else {
            let ids = (sequence, place.timestamp, config.ssrc);
            write_header(out, (packet.meta.marker, config.payload_type), ids, &list)
        };
        let payload_at = out.len();
        out.extend_from_slice(packet.payload);
        if let Some(vp8) = packet.meta.vp8.filter(|_| place.picture_delta != 0)
            && let Some(payload) = out.get_mut(payload_at..)
        {
            vp8.shift_picture_id(payload, place.picture_delta);
        }
        Some(header)
    }

    /// Whether retransmissions were negotiated.
    pub fn has_rtx(&self) -> bool {
        self.config.rtx_payload_type.is_some()
    }

    /// What a sender report says now. It maps the last frame's timestamp to the server time at which it was captured, so
    /// that receivers can tell how old a picture is.
    pub fn sender_info(&self, now: Instant, unix_us: i64) -> Option<SenderInfo> {
        let last = self.last?;
        let captured = last
            .captured
            .unwrap_or_else(|| unix_us.saturating_sub(now.saturating_duration_since(last.at).as_micros() as i64));
        let ticks = (unix_us - captured).clamp(0, 600_000_000) * i64::from(self.config.codec.clock_rate()) / 1_000_000;
        Some(SenderInfo {
            ssrc: self.config.ssrc,
            ntp: ntp_of_unix(unix_us),
            timestamp: last.timestamp.wrapping_add(ticks as u32),
            packets: self.sent as u32,
            octets: self.octets as u32,
        })
    }

    /// Packets sent in order so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::media::Meta;
    use crate::core::rtp::RtpHeader;
    use invigil_shared::frame_info::FrameInfo;

    fn stream() -> OutStream {
        let extensions = ExtensionIds {
            frame_info: Some(4),
            transport_cc: Some(3),
            ..Default::default()
        };
        let config = StreamConfig {
            mid: "0".into(),
            codec: Codec::H264,
            payload_type: 102,
            rtx_payload_type: Some(103),
            ssrc: 1,
            rtx_ssrc: 2,
            extensions,
        };
        OutStream::new(config, 40_000, 7)
    }

    fn meta(timestamp: u32, captured: i64) -> Meta {
        let frame = FrameInfo {
            key: true,
            start: true,
            end: true,
            layer: Layer::Low,
            temporal: 0,
            captured: Some(captured),
        };
        Meta {
            timestamp,
            frame,
            ..Meta::default()
        }
    }

    fn send(stream: &mut OutStream, now: Instant, packet: Packet<'_>) -> (RtpHeader, Vec<u8>, bool) {
        let place = stream.place(now, &packet).unwrap();
        let mut out = Vec::new();
        stream.write(now, place, &packet, Some(9), &mut out).unwrap();
        (RtpHeader::parse(&out).unwrap(), out, place.late)
    }

    #[test]
    fn sequence_numbers_and_timestamps_go_on_across_a_switch() {
        let now = Instant::now();
        let mut stream = stream();
        let first = Packet {
            index: 70_000,
            meta: meta(1_000, 1_000_000),
            payload: b"a",
        };
        stream.switch(now, 1, Layer::Low, &first);
        let (one, bytes, _) = send(&mut stream, now, first);
        assert!(one.sequence < 1 << 15);
        assert_eq!(
            FrameInfo::read(one.extension(&bytes, 4).unwrap()),
            Some(first.meta.frame)
        );
        assert_eq!(one.extension(&bytes, 3), Some(&[0u8, 9][..]));
        let other = Packet {
            index: 99,
            meta: meta(4_000_000_000, 1_100_000),
            payload: b"b",
        };
        assert!(!stream.continues(1, Layer::High, 99));
        stream.switch(now + Duration::from_secs(5), 1, Layer::High, &other);
        let (two, ..) = send(&mut stream, now + Duration::from_secs(5), other);
        assert_eq!(two.sequence, one.sequence + 1);
        assert_eq!(two.timestamp, one.timestamp + 9_000, "100 ms between the captures");
        let lost_one = Packet {
            index: 101,
            meta: meta(4_000_009_000, 1_200_000),
            payload: b"c",
        };
        let (three, ..) = send(&mut stream, now, lost_one);
        assert_eq!(
            three.sequence,
            two.sequence + 2,
            "a packet that never arrived leaves its hole"
        );
        assert_eq!(three.timestamp, two.timestamp + 9_000);
        assert_eq!(
            stream.place(
                now,
                &Packet {
                    index: 98,
                    meta: meta(0, 0),
                    payload: b""
                }
            ),
            None
        );
    }

    #[test]
    fn a_late_packet_and_a_lost_one_go_as_rtx_with_the_original_number() {
        let now = Instant::now();
        let mut stream = stream();
        let packet = |index: u64| Packet {
            index,
            meta: meta(index as u32 * 3_000, 0),
            payload: b"xyz",
        };
        stream.switch(now, 1, Layer::Low, &packet(100));
        let (first, ..) = send(&mut stream, now, packet(100));
        send(&mut stream, now, packet(102));
        let (late, bytes, is_late) = send(&mut stream, now, packet(101));
        assert!(is_late);
        assert_eq!((late.ssrc, late.payload_type, late.sequence), (2, 103, 7));
        assert_eq!(late.payload_of(&bytes)[..2], (first.sequence + 1).to_be_bytes());
        assert_eq!(&late.payload_of(&bytes)[2..], b"xyz");
        assert_eq!(
            stream.find(now, first.sequence + 1, None),
            None,
            "it has just been sent"
        );
        let later = now + Duration::from_millis(50);
        let (publication, layer, index, place) = stream.find(later, first.sequence + 1, None).unwrap();
        assert_eq!((publication, layer, index), (1, Layer::Low, 101));
        let place = stream.place_again(place, &packet(101));
        assert_eq!(place.timestamp, late.timestamp);
        assert_eq!(stream.find(later, first.sequence + 3, None), None, "never sent");
    }

    #[test]
    fn a_frame_of_equal_payloads_leaves_in_packets_of_equal_length() {
        let now = Instant::now();
        for captured in [Some(1_000_000), None] {
            let mut stream = stream();
            stream.config.extensions.capture_time = Some(7);
            let lengths: Vec<usize> = (0..5u64)
                .map(|at| {
                    let mut meta = meta(9_000, 0);
                    (meta.frame.start, meta.frame.end) = (at == 0, at == 4);
                    meta.frame.captured = captured.filter(|_| at == 0);
                    let packet = Packet {
                        index: 100 + at,
                        meta,
                        payload: &[at as u8; 1_000],
                    };
                    if at == 0 {
                        stream.switch(now, 1, Layer::Low, &packet);
                    }
                    let (header, bytes, _) = send(&mut stream, now, packet);
                    assert_eq!(header.payload_of(&bytes), [at as u8; 1_000]);
                    assert_eq!(FrameInfo::read(header.extension(&bytes, 4).unwrap()), Some(meta.frame));
                    bytes.len()
                })
                .collect();
            assert_eq!(lengths[..4], [lengths[0]; 4]);
            assert!(lengths[4] <= lengths[0]);
        }
    }

    #[test]
    fn a_nack_finds_the_binding_that_sent_the_packet() {
        let now = Instant::now();
        let mut stream = stream();
        let packet = |index: u64| Packet {
            index,
            meta: meta(0, 0),
            payload: b"x",
        };
        stream.switch(now, 1, Layer::Low, &packet(10));
        let (first, ..) = send(&mut stream, now, packet(10));
        stream.switch(now, 2, Layer::High, &packet(500));
        send(&mut stream, now, packet(500));
        assert_eq!(
            stream
                .find(now, first.sequence, None)
                .map(|found| (found.0, found.1, found.2)),
            Some((1, Layer::Low, 10))
        );
        let found = stream
            .find(now, first.sequence + 1, None)
            .map(|found| (found.0, found.1, found.2));
        assert_eq!(found, Some((2, Layer::High, 500)));
    }

    #[test]
    fn a_layer_is_not_taken_up_before_what_was_sent_of_it() {
        let now = Instant::now();
        let mut stream = stream();
        let packet = |index: u64| Packet {
            index,
            meta: meta(index as u32, 0),
            payload: b"x",
        };
        stream.switch(now, 1, Layer::Low, &packet(10));
        send(&mut stream, now, packet(10));
        send(&mut stream, now, packet(12));
        stream.switch(now, 1, Layer::High, &packet(500));
        send(&mut stream, now, packet(500));
        assert!(stream.has_passed(1, Layer::Low, 12) && !stream.has_passed(1, Layer::Low, 13));
        assert!(stream.has_passed(1, Layer::High, 500) && !stream.has_passed(1, Layer::High, 501));
        assert!(!stream.has_passed(2, Layer::High, 1));
        stream.forget(1, Layer::Low);
        assert!(!stream.has_passed(1, Layer::Low, 1), "it is numbered anew");
        assert!(stream.continues(1, Layer::High, 501), "the other layer goes on");
    }
}
