//! Answers NACKs with RTX (RFC 4588). Unlike the stock responder the header extensions go along: a forwarder decides on
//! FrameInfo, and a repaired packet without it would be a hole in another form. Without RTX nothing is sent again: the same
//! bytes on the original SSRC would leave with another transport-wide number under the same nonce.

use super::path::SendPath;
use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtp;
use rtc::sansio::Protocol;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Packets kept per layer: a key frame of text at 1080p, twice.
const MAX_KEPT: usize = 1024;
/// What is older is no use to a live picture.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Two requests within this are one: both were under way at once.
const AGAIN: Duration = Duration::from_millis(20);
/// Answers to one packet.
const MAX_REPEATS: u8 = 8;
/// Retransmissions in a second: a share of what was sent in it and the one before, and this many bytes in any case.
const REPEAT_SHARE: f64 = 0.3;
const REPEAT_FLOOR: f64 = 8_000.0;
/// How often a probe is filled, and the least that a packet is repeated for.
const PAD_EVERY: Duration = Duration::from_millis(10);
const LEAST_PADDING: usize = 400;

struct Kept {
    packet: rtp::Packet,
    sent: Instant,
    repeated: Option<Instant>,
    repeats: u8,
}

struct Stream {
    rtx_ssrc: u32,
    rtx_payload_type: u8,
    rtx_sequence: u16,
    kept: VecDeque<Kept>,
}

impl Stream {
    fn keep(&mut self, packet: rtp::Packet, now: Instant) {
        while self.kept.len() >= MAX_KEPT
            || self
                .kept
                .front()
                .is_some_and(|k| now.saturating_duration_since(k.sent) > MAX_AGE)
        {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            packet,
            sent: now,
            repeated: None,
            repeats: 0,
        });
    }

    fn repeat(&mut self, sequence: u16, now: Instant) -> Option<rtp::Packet> {
        // Numbers are consecutive, so that the place follows from the first one's.
        let first = self.kept.front()?.packet.header.sequence_number;
        let kept = self.kept.get_mut(usize::from(sequence.wrapping_sub(first)))?;
        let recent = kept
            .repeated
            .is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        if kept.packet.header.sequence_number != sequence || recent || kept.repeats >= MAX_REPEATS {
            return None;
        }
        kept.repeated = Some(now);
        kept.repeats += 1;
        let packet = kept.packet.clone();
        Some(self.wrap(&packet))
    }

    /// The packet that was kept last, again: padding that repairs, should it have been lost.
    fn newest(&mut self) -> Option<rtp::Packet> {
        let packet = self.kept.back()?.packet.clone();
        Some(self.wrap(&packet))
    }

    fn wrap(&mut self, packet: &rtp::Packet) -> rtp::Packet {
        let sequence = packet.header.sequence_number;
        let mut payload = Vec::with_capacity(2 + packet.payload.len());
        payload.extend_from_slice(&sequence.to_be_bytes());
        payload.extend_from_slice(&packet.payload);
        let mut header = packet.header.clone();
        header.ssrc = self.rtx_ssrc;
        header.payload_type = self.rtx_payload_type;
        header.sequence_number = self.rtx_sequence;
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        rtp::Packet {
            header,
            payload: payload.into(),
        }
    }
}

/// Keeps repairs from crowding out what they repair.
#[derive(Default)]
struct Budget {
    since: Option<Instant>,
    sent: f64,
    sent_before: f64,
    repeated: f64,
}

impl Budget {
    fn turn(&mut self, now: Instant) {
        if self.since.is_none_or(|since| since + Duration::from_secs(1) <= now) {
            (self.since, self.sent_before) = (Some(now), self.sent);
            (self.sent, self.repeated) = (0.0, 0.0);
        }
    }

    fn sent(&mut self, now: Instant, bytes: usize) {
        self.turn(now);
        self.sent += bytes as f64;
    }

    fn may_repeat(&mut self, now: Instant) -> bool {
        self.turn(now);
        self.repeated < REPEAT_FLOOR.max((self.sent + self.sent_before) * REPEAT_SHARE)
    }
}

fn retransmission(now: Instant, packet: rtp::Packet) -> TaggedPacket {
    TaggedPacket {
        now,
        transport: Default::default(),
        message: AttributedPacket::new(Packet::Rtp(packet)).with(Attribute::Retransmission),
    }
}

/// The interceptor: belongs into `Slot::NackResponder`.
#[derive(Default)]
pub(crate) struct NackResponder {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
    streams: HashMap<u32, Stream>,
    budget: Budget,
    path: Option<Arc<SendPath>>,
    padded: Option<Instant>,
}

impl NackResponder {
    /// `path`: whose probes are filled.
    pub fn new(path: Option<Arc<SendPath>>) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }

    /// Sends as much as a probe lacks at this moment.
    fn pad(&mut self, now: Instant) {
        let mut padding = self.path.as_ref().map_or(0, |path| path.padding(now));
        while padding >= LEAST_PADDING {
            let newest = self.streams.values_mut().filter(|stream| !stream.kept.is_empty());
            let newest = newest.max_by_key(|stream| stream.kept.back().map(|kept| kept.sent));
            let Some(packet) = newest.and_then(Stream::newest) else {
                return;
            };
            padding = padding.saturating_sub(packet.payload.len().max(LEAST_PADDING));
            self.writes.push_back(retransmission(now, packet));
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for NackResponder {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            for nack in packets
                .iter()
                .filter_map(|p| p.as_any().downcast_ref::<TransportLayerNack>())
            {
                let Some(stream) = self.streams.get_mut(&nack.media_ssrc) else {
                    continue;
                };
                for pair in &nack.nacks {
                    let masked = (0..16u16).filter(|bit| pair.lost_packets & (1 << bit) != 0);
                    let lost = masked.map(|bit| pair.packet_id.wrapping_add(bit + 1));
                    for sequence in std::iter::once(pair.packet_id).chain(lost) {
                        if !self.budget.may_repeat(message.now) {
                            continue;
                        }
                        if let Some(packet) = stream.repeat(sequence, message.now) {
                            self.budget.repeated += packet.payload.len() as f64;
                            self.writes.push_back(retransmission(message.now, packet));
                        }
                    }
                }
            }
        }
        self.reads.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtp(packet) = &message.message.packet
            && let Some(stream) = self.streams.get_mut(&packet.header.ssrc)
        {
            stream.keep(packet.clone(), message.now);
            self.budget.sent(message.now, packet.payload.len());
        }
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        let due = self.padded.is_none_or(|padded| padded + PAD_EVERY <= now);
        if due && self.path.as_ref().is_some_and(|path| path.may_probe()) {
            self.padded = Some(now);
            self.pad(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let wanted = self.path.as_ref().is_some_and(|path| path.may_probe());
        wanted.then(|| self.padded.map_or_else(Instant::now, |padded| padded + PAD_EVERY))
    }
}

impl Interceptor for NackResponder {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        if let (Some(rtx_ssrc), Some(rtx_payload_type)) = (info.ssrc_rtx, info.payload_type_rtx) {
            // A second binding must not restart the retransmissions' numbers: that would seal other bytes under old nonces.
            self.streams.entry(info.ssrc).or_insert_with(|| Stream {
                rtx_ssrc,
                rtx_payload_type,
                rtx_sequence: rand::random::<u16>() & 0x7fff, // RFC 3711 section 3.3.1: the roll-over counter stays in step
                kept: VecDeque::new(),
            });
        }
    }
    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        if let Some(stream) = self.streams.get_mut(&info.ssrc) {
            stream.kept.clear();
        }
    }
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::bandwidth::{BandwidthEstimator, PacketResult, PathState, ProbeId};
    use proptest::prelude::*;

    /// A path whose probe lacks 3,000 bytes at every look.
    struct Probing;
    impl BandwidthEstimator for Probing {
        fn on_sent(&mut self, _: Instant, _: usize) -> Option<ProbeId> {
            None
        }
        fn on_feedback(&mut self, _: Instant, _: &[PacketResult]) {}
        fn set_wanted(&mut self, _: u64) {}
        fn set_ceiling(&mut self, _: Option<u64>) {}
        fn padding(&mut self, _: Instant) -> usize {
            3_000
        }
        fn estimate(&self) -> Option<u64> {
            Some(100_000)
        }
        fn sustained(&self) -> Option<u64> {
            self.estimate()
        }
        fn is_testing(&self) -> bool {
            false
        }
        fn round_trip(&self) -> Option<Duration> {
            None
        }
        fn state(&self) -> PathState {
            PathState {
                estimate: self.estimate(),
                ..PathState::default()
            }
        }
    }

    #[test]
    fn a_probe_is_filled_with_repeats_of_what_was_sent_last() {
        let path = SendPath::new(|| Box::new(Probing));
        path.begin();
        let (mut responder, t) = (NackResponder::new(Some(path)), Instant::now());
        responder.bind_local_stream(&StreamInfo {
            ssrc: 7,
            ssrc_rtx: Some(9),
            payload_type_rtx: Some(103),
            ..Default::default()
        });
        responder.handle_timeout(t).unwrap();
        assert!(responder.poll_write().is_none(), "nothing was sent yet");
        let mut sent = packet(65_535);
        sent.payload = vec![1; 1_000].into();
        let message = TaggedPacket {
            now: t,
            transport: Default::default(),
            message: AttributedPacket::new(Packet::Rtp(sent)),
        };
        responder.handle_write(message).unwrap();
        responder.poll_write().unwrap();
        responder.handle_timeout(t + PAD_EVERY).unwrap();
        let mut numbers = Vec::new();
        while let Some(message) = responder.poll_write() {
            let Packet::Rtp(packet) = message.message.packet else {
                panic!("not media")
            };
            assert_eq!((packet.header.ssrc, &packet.payload[..2]), (9, &[0xff, 0xff][..]));
            numbers.push(packet.header.sequence_number);
        }
        assert_eq!(numbers.len(), 3);
        assert!(numbers.is_sorted_by(|a, b| b.wrapping_sub(*a) == 1), "{numbers:?}");
        responder
            .handle_timeout(t + PAD_EVERY + Duration::from_millis(3))
            .unwrap();
        assert!(responder.poll_write().is_none(), "asked too early");
    }

    #[test]
    fn repairs_stay_a_share_of_what_is_sent() {
        let (mut budget, t) = (Budget::default(), Instant::now());
        for second in 0..5u64 {
            let mut repeated = 0.0;
            for n in 0..100u64 {
                let now = t + Duration::from_millis(second * 1_000 + n * 10);
                budget.sent(now, 1_000);
                while budget.may_repeat(now) {
                    budget.repeated += 1_000.0;
                    repeated += 1_000.0;
                }
            }
            assert!(repeated <= 62_000.0, "{repeated} in second {second}");
        }
    }

    fn stream() -> Stream {
        Stream {
            rtx_ssrc: 9,
            rtx_payload_type: 103,
            rtx_sequence: 5,
            kept: VecDeque::new(),
        }
    }

    fn packet(sequence: u16) -> rtp::Packet {
        let header = rtp::Header {
            version: 2,
            ssrc: 7,
            sequence_number: sequence,
            ..Default::default()
        };
        let mut packet = rtp::Packet {
            header,
            payload: vec![sequence as u8; 3].into(),
        };
        packet
            .header
            .set_extension(4, bytes::Bytes::from_static(&[1, 2]))
            .unwrap();
        packet
    }

    #[test]
    fn a_repeat_keeps_extensions_and_names_the_original() {
        let (mut stream, t) = (stream(), Instant::now());
        [65_534u16, 65_535, 0, 1]
            .iter()
            .for_each(|&s| stream.keep(packet(s), t));
        let repeat = stream.repeat(0, t + AGAIN).unwrap();
        assert_eq!(
            (
                repeat.header.ssrc,
                repeat.header.sequence_number,
                repeat.header.payload_type
            ),
            (9, 5, 103)
        );
        assert_eq!(repeat.payload.as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(repeat.header.get_extension(4).unwrap().as_ref(), [1, 2]);
        assert!(stream.repeat(0, t + AGAIN).is_none(), "asked twice at once");
        assert!(stream.repeat(2, t).is_none(), "never sent");
        assert!(stream.repeat(65_533, t).is_none(), "too old");
    }

    proptest! {
        /// Nonce safety of retransmissions: no (SSRC, number) leaves with two payloads.
        #[test]
        fn no_rtx_number_carries_two_payloads(asks in prop::collection::vec((0u16..300, 0u64..40), 0..400)) {
            let (mut stream, mut t) = (stream(), Instant::now());
            (0..300).for_each(|s| stream.keep(packet(s), t));
            let mut seen = HashMap::new();
            for (sequence, wait) in asks {
                t += Duration::from_millis(wait);
                if let Some(p) = stream.repeat(sequence, t) {
                    prop_assert!(seen.insert(p.header.sequence_number, p.payload).is_none());
                }
            }
        }
    }
}
