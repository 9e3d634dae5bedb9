//! Answers NACKs with RTX (RFC 4588). Unlike the stock responder the header extensions go along: a forwarder decides on
//! FrameInfo, and a repaired packet without it would be a hole in another form. Without RTX nothing is sent again: the same
//! bytes on the original SSRC would leave with another transport-wide number under the same nonce.

use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtp;
use rtc::sansio::Protocol;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Packets kept per layer: a key frame of text at 1080p, twice.
const MAX_KEPT: usize = 1024;
/// What is older is no use to a live picture.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Two requests within this are one: both were under way at once.
const AGAIN: Duration = Duration::from_millis(20);
/// Answers to one packet.
const MAX_REPEATS: u8 = 8;

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
        let mut payload = Vec::with_capacity(2 + kept.packet.payload.len());
        payload.extend_from_slice(&sequence.to_be_bytes());
        payload.extend_from_slice(&kept.packet.payload);
        let mut header = kept.packet.header.clone();
        header.ssrc = self.rtx_ssrc;
        header.payload_type = self.rtx_payload_type;
        header.sequence_number = self.rtx_sequence;
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        Some(rtp::Packet {
            header,
            payload: payload.into(),
        })
    }
}

/// The interceptor: belongs into `Slot::NackResponder`.
#[derive(Default)]
pub(crate) struct NackResponder {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
    streams: HashMap<u32, Stream>,
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
                        if let Some(packet) = stream.repeat(sequence, message.now) {
                            self.writes.push_back(TaggedPacket {
                                now: message.now,
                                transport: Default::default(),
                                message: AttributedPacket::new(Packet::Rtp(packet)).with(Attribute::Retransmission),
                            });
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
        }
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
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
    use proptest::prelude::*;

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
