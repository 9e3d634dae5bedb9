//! Encoded frames to RTP packets, with FrameInfo on each, and numbers that no key ever sees twice.

use crate::bounds::PAYLOAD_MTU;
use bytes::Bytes;
use invigil_shared::frame_info::{FrameInfo, MAX_LEN};
use invigil_shared::publication::Layer;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use rtc::rtp::{Header, Packet};

/// Identifiers of header extensions as negotiated; none where the answer left one out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub frame_info: Option<u8>,
    pub audio_level: Option<u8>,
}

/// One RTP stream's numbers. Made anew, with a new SSRC, for every transport: a stream never continues under another key.
pub(crate) struct Packetiser {
    ssrc: u32,
    payload_type: u8,
    layer: Layer,
    extensions: Extensions,
    payloader: H264Payloader,
    /// Packets made; the sequence number is `first + made`.
    made: u64,
    first: u16,
}

impl Packetiser {
    /// `random` picks the first number; it is kept below 2^15, so that loss at the start can't make the receiver guess the
    /// roll-over counter wrong (RFC 3711 section 3.3.1).
    pub fn new(ssrc: u32, payload_type: u8, layer: Layer, extensions: Extensions, random: u16) -> Self {
        Self {
            ssrc,
            payload_type,
            layer,
            extensions,
            payloader: H264Payloader::default(),
            made: 0,
            first: random & 0x7fff,
        }
    }

    fn next_header(&mut self, timestamp: u32, marker: bool) -> Header {
        let sequence_number = self.first.wrapping_add(self.made as u16);
        self.made += 1;
        Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number,
            timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        }
    }

    fn with_info(&self, header: &mut Header, info: &FrameInfo) {
        if let Some(id) = self.extensions.frame_info {
            let mut data = [0u8; MAX_LEN];
            let length = info.write(&mut data);
            set(header, id, Bytes::copy_from_slice(&data[..length]));
        }
    }

    /// The packets of an access unit (Annex B). Empty when it holds nothing to send.
    pub fn video(&mut self, data: &Bytes, key: bool, timestamp: u32, captured_us: i64) -> Vec<Packet> {
        let payloads = self.payloader.payload(PAYLOAD_MTU, data).unwrap_or_default();
        let last = payloads.len().saturating_sub(1);
        let mut packets = Vec::with_capacity(payloads.len());
        for (n, payload) in payloads.into_iter().enumerate() {
            let mut header = self.next_header(timestamp, n == last);
            let info = FrameInfo {
                key,
                start: n == 0,
                end: n == last,
                layer: self.layer,
                temporal: 0,
                captured: Some(captured_us),
            };
            self.with_info(&mut header, &info);
            packets.push(Packet { header, payload });
        }
        packets
    }

    /// The packet of an Opus frame (RFC 7587: one each, no marker).
    pub fn audio(&mut self, data: Bytes, timestamp: u32, level_dbov: u8, captured_us: i64) -> Packet {
        let mut header = self.next_header(timestamp, false);
        if let Some(id) = self.extensions.audio_level {
            // RFC 6464 section 3: voice activity in the top bit, which we don't claim.
            set(&mut header, id, Bytes::copy_from_slice(&[level_dbov.min(127)]));
        }
        let info = FrameInfo {
            key: true,
            start: true,
            end: true,
            layer: self.layer,
            temporal: 0,
            captured: Some(captured_us),
        };
        self.with_info(&mut header, &info);
        Packet { header, payload: data }
    }
}

fn set(header: &mut Header, id: u8, data: Bytes) {
    if let Err(error) = header.set_extension(id, data) {
        tracing::error!(%error, id, "a header extension does not fit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const EXTENSIONS: Extensions = Extensions {
        frame_info: Some(3),
        audio_level: Some(5),
    };

    #[test]
    fn every_packet_says_what_it_belongs_to() {
        let mut packetiser = Packetiser::new(1, 102, Layer::High, EXTENSIONS, 65_535);
        let mut unit = vec![0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 0, 0, 0, 1, 0x65];
        unit.extend(vec![0xab; 3_000]);
        let packets = packetiser.video(&unit.into(), true, 77, 1_700_000_000_000_000);
        assert_eq!(packets.len(), 4, "parameter sets together, then three fragments");
        let infos: Vec<FrameInfo> = packets
            .iter()
            .map(|p| FrameInfo::read(&p.header.get_extension(3).unwrap()).unwrap())
            .collect();
        assert!(infos.iter().all(|i| i.key && i.layer == Layer::High));
        assert_eq!(infos[0].captured, Some(1_700_000_000_000_000));
        assert!(infos[0].start && infos[3].end && !infos[1].start && !infos[2].end);
        assert!(packets[3].header.marker && !packets[2].header.marker);
        assert_eq!(packets[0].header.sequence_number, 0x7fff);
    }

    #[test]
    fn audio_carries_its_level() {
        let mut packetiser = Packetiser::new(1, 111, Layer::Low, EXTENSIONS, 1);
        let packet = packetiser.audio(Bytes::from_static(&[1, 2]), 960, 200, 5);
        assert_eq!(packet.header.get_extension(5).unwrap().as_ref(), [127]);
        assert!(!packet.header.marker);
    }

    proptest! {
        /// Nonce safety: a 48-bit index (roll-over counter and number) is used once, in order, and begins below 2^15.
        #[test]
        fn no_index_is_used_twice(sizes in prop::collection::vec(1usize..5_000, 1..120), random in any::<u16>()) {
            let mut packetiser = Packetiser::new(1, 102, Layer::Low, EXTENSIONS, random);
            packetiser.made = 65_400; // across the roll-over
            let mut seen: HashMap<u64, Bytes> = HashMap::new();
            let (mut cycles, mut last) = (0u64, None::<u16>);
            for size in sizes {
                let mut unit = vec![0, 0, 0, 1, 0x41];
                unit.extend(vec![0x55; size]);
                for packet in packetiser.video(&unit.into(), false, 1, 1) {
                    let number = packet.header.sequence_number;
                    if let Some(last) = last {
                        prop_assert_eq!(number, last.wrapping_add(1));
                        cycles += u64::from(number < last);
                    }
                    last = Some(number);
                    prop_assert!(packet.payload.len() <= PAYLOAD_MTU);
                    prop_assert!(seen.insert(cycles << 16 | u64::from(number), packet.payload).is_none());
                }
            }
        }

        #[test]
        fn any_bytes_are_taken(data in prop::collection::vec(any::<u8>(), 0..4_000), random in any::<u16>()) {
            let mut packetiser = Packetiser::new(1, 102, Layer::Low, EXTENSIONS, random);
            prop_assert!(packetiser.first < 0x8000);
            packetiser.video(&data.into(), false, 0, i64::MIN);
        }
    }
}
