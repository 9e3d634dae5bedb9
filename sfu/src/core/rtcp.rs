//! RTCP compounds read and written without an allocation per packet (RFC 3550 section 6, RFC 4585, RFC 5104).
//!
//! A peer's compound is walked packet by packet; what is cut or unknown ends or skips the walk and never panics.

/// A reception report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Of 256.
    pub fraction_lost: u8,
    pub lost: u32,
    pub highest: u32,
    pub jitter: u32,
    pub last_sr: u32,
    /// Since that sender report, in 1/65536 s.
    pub delay: u32,
}

/// What a sender says of its stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    pub ssrc: u32,
    /// 32.32 fixed point seconds since 1900.
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// One thing that a compound said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Sender(SenderInfo),
    Report(ReportBlock),
    /// Generic NACK (RFC 4585 section 6.2.1): pairs of packet id and bitmask.
    Nack {
        media: u32,
        pairs: &'a [u8],
    },
    /// Picture loss, or a full intra request.
    KeyFrame {
        media: u32,
        /// Of a full intra request: the number of the command (RFC 5104 section 4.3.1.1). A repeated request keeps it.
        command: Option<u8>,
    },
    /// Receiver estimated maximum bitrate, bits per second.
    Remb {
        bitrate: u64,
    },
    /// Transport-wide feedback's control information, from the base sequence number on.
    TransportFeedback {
        control: &'a [u8],
    },
    /// How long our reference time was with the far end (RFC 3611 section 4.5), in 1/65536 s.
    Reference {
        /// Whose reference time: ours in reports.
        ssrc: u32,
        /// The middle 32 bits of its NTP time.
        reference: u32,
        delay: u32,
    },
    Bye,
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;
const XR: u8 = 207;
/// Blocks of an extended report: receiver reference time, and the answer to one (RFC 3611 sections 4.4 and 4.5).
const REFERENCE_TIME: u8 = 4;
const LAST_REFERENCE: u8 = 5;
/// Items of one compound that are looked at; a subscriber with 68 slots reports on 31 in a packet and sends a few packets.
const MAX_ITEMS: usize = 256;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Calls `each` for every item of a compound that could be read.
pub fn parse<'a>(mut compound: &'a [u8], mut each: impl FnMut(Item<'a>)) {
    let mut left = MAX_ITEMS;
    while left > 0 && compound.len() >= 4 && compound[0] >> 6 == 2 {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([compound[2], compound[3]]));
        let Some(packet) = compound.get(..length) else { return };
        let (count, kind) = (compound[0] & 0x1f, compound[1]);
        parse_packet(packet, count, kind, &mut |item| {
            if left > 0 {
                left -= 1;
                each(item);
            }
        });
        compound = &compound[length..];
    }
}

fn parse_packet<'a>(packet: &'a [u8], count: u8, kind: u8, each: &mut impl FnMut(Item<'a>)) -> Option<()> {
    match (kind, count) {
        (SR, _) => {
            let ntp = u64::from(word(packet, 8)?) << 32 | u64::from(word(packet, 12)?);
            each(Item::Sender(SenderInfo {
                ssrc: word(packet, 4)?,
                ntp,
                timestamp: word(packet, 16)?,
                packets: word(packet, 20)?,
                octets: word(packet, 24)?,
            }));
            reports(packet.get(28..)?, count, each)
        }
        (RR, _) => reports(packet.get(8..)?, count, each),
        (BYE, _) => {
            each(Item::Bye);
            Some(())
        }
        (RTPFB, 1) => {
            each(Item::Nack {
                media: word(packet, 8)?,
                pairs: packet.get(12..)?,
            });
            Some(())
        }
        (RTPFB, 15) => {
            each(Item::TransportFeedback {
                control: packet.get(12..)?,
            });
            Some(())
        }
        (PSFB, 1) => {
            each(Item::KeyFrame {
                media: word(packet, 8)?,
                command: None,
            });
            Some(())
        }
        (PSFB, 4) => {
            // RFC 5104 section 4.3.1: the media SSRC stands in each entry.
            for entry in packet.get(12..)?.chunks_exact(8) {
                each(Item::KeyFrame {
                    media: word(entry, 0)?,
                    command: entry.get(4).copied(),
                });
            }
            Some(())
        }
        (PSFB, 15) if packet.get(12..16)? == b"REMB" => {
            let value = word(packet, 16)?;
            let (exponent, mantissa) = (value >> 18 & 0x3f, u64::from(value & 0x3_ffff));
            each(Item::Remb {
                bitrate: mantissa.checked_shl(exponent).unwrap_or(u64::MAX),
            });
            Some(())
        }
        (XR, _) => references(packet.get(8..)?, each),
        _ => None,
    }
}

/// The answers to reference times among the blocks of an extended report.
fn references<'a>(mut blocks: &[u8], each: &mut impl FnMut(Item<'a>)) -> Option<()> {
    while let Some(&[kind, _, high, low]) = blocks.first_chunk() {
        let end = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let body = blocks.get(4..end)?;
        for answer in body.chunks_exact(12).filter(|_| kind == LAST_REFERENCE) {
            each(Item::Reference {
                ssrc: word(answer, 0)?,
                reference: word(answer, 4)?,
                delay: word(answer, 8)?,
            });
        }
        blocks = blocks.get(end..)?;
    }
    Some(())
}

fn reports<'a>(blocks: &[u8], count: u8, each: &mut impl FnMut(Item<'a>)) -> Option<()> {
    for block in blocks.chunks_exact(24).take(usize::from(count)) {
        let losses = word(block, 4)?;
        each(Item::Report(ReportBlock {
            ssrc: word(block, 0)?,
            fraction_lost: (losses >> 24) as u8,
            lost: losses & 0xff_ffff,
            highest: word(block, 8)?,
            jitter: word(block, 12)?,
            last_sr: word(block, 16)?,
            delay: word(block, 20)?,
        }));
    }
    Some(())
}

/// The sequence numbers of a NACK's pairs.
pub fn nacked(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.chunks_exact(4).flat_map(|pair| {
        let (first, mask) = (
            u16::from_be_bytes([pair[0], pair[1]]),
            u16::from_be_bytes([pair[2], pair[3]]),
        );
        std::iter::once(first).chain(
            (0..16)
                .filter(move |bit| mask >> bit & 1 != 0)
                .map(move |bit| first.wrapping_add(bit + 1)),
        )
    })
}

fn begin(out: &mut Vec<u8>, count: u8, kind: u8, sender: u32) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    out.extend_from_slice(&sender.to_be_bytes());
    at
}

fn finish(out: &mut [u8], at: usize) {
    let words = ((out.len() - at) / 4 - 1) as u16;
    out[at + 2..at + 4].copy_from_slice(&words.to_be_bytes());
}

fn write_report(out: &mut Vec<u8>, report: &ReportBlock) {
    out.extend_from_slice(&report.ssrc.to_be_bytes());
    out.extend_from_slice(&(u32::from(report.fraction_lost) << 24 | report.lost & 0xff_ffff).to_be_bytes());
    for value in [report.highest, report.jitter, report.last_sr, report.delay] {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends receiver reports, as many packets as the blocks need; one empty packet for no blocks.
pub fn write_receiver_reports(out: &mut Vec<u8>, sender: u32, blocks: &[ReportBlock]) {
    let mut rest = blocks;
    loop {
        let (now, later) = rest.split_at(rest.len().min(31));
        let at = begin(out, now.len() as u8, RR, sender);
        now.iter().for_each(|block| write_report(out, block));
        finish(out, at);
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends a sender report and the source's CNAME.
pub fn write_sender_report(out: &mut Vec<u8>, info: &SenderInfo, cname: &str) {
    let at = begin(out, 0, SR, info.ssrc);
    out.extend_from_slice(&info.ntp.to_be_bytes());
    for value in [info.timestamp, info.packets, info.octets] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    finish(out, at);
    let at = begin(out, 1, SDES, info.ssrc);
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    out.push(0);
    while !(out.len() - at).is_multiple_of(4) {
        out.push(0);
    }
    finish(out, at);
}

/// Appends a receiver's reference time (RFC 3611 section 4.4): whoever sends answers when it came, which tells the receiver the round
/// trip. `ntp`: 32.32 fixed point seconds since 1900.
pub fn write_reference_time(out: &mut Vec<u8>, sender: u32, ntp: u64) {
    let at = begin(out, 0, XR, sender);
    out.extend_from_slice(&[REFERENCE_TIME, 0, 0, 2]);
    out.extend_from_slice(&ntp.to_be_bytes());
    finish(out, at);
}

/// Appends a picture loss indication.
pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    let at = begin(out, 1, PSFB, sender);
    out.extend_from_slice(&media.to_be_bytes());
    finish(out, at);
}

/// Appends a full intra request (RFC 5104 section 4.3.1).
pub fn write_fir(out: &mut Vec<u8>, sender: u32, media: u32, command: u8) {
    let at = begin(out, 4, PSFB, sender);
    out.extend_from_slice(&[0; 4]); // the media SSRC stands in the entry
    out.extend_from_slice(&media.to_be_bytes());
    out.extend_from_slice(&[command, 0, 0, 0]);
    finish(out, at);
}

/// Appends a generic NACK; `sequences` in the order in which they went missing.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, sequences: &[u16]) {
    let at = begin(out, 1, RTPFB, sender);
    out.extend_from_slice(&media.to_be_bytes());
    let mut rest = sequences.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut mask = 0u16;
        while let Some(ahead) = rest
            .peek()
            .map(|next| next.wrapping_sub(first))
            .filter(|ahead| (1..=16).contains(ahead))
        {
            mask |= 1 << (ahead - 1);
            rest.next();
        }
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
    finish(out, at);
}

/// Appends transport-wide feedback around control information that [`super::twcc`] wrote.
pub fn write_transport_feedback(out: &mut Vec<u8>, sender: u32, media: u32, control: &[u8]) {
    let at = begin(out, 15, RTPFB, sender);
    out.extend_from_slice(&media.to_be_bytes());
    out.extend_from_slice(control);
    while !(out.len() - at).is_multiple_of(4) {
        out.push(0);
    }
    finish(out, at);
}

/// Microseconds since the Unix epoch as NTP time.
pub fn ntp_of_unix(unix_us: i64) -> u64 {
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
    let unix_us = unix_us.max(0) as u64;
    let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
    (unix_us / 1_000_000 + SECONDS_1900_TO_1970) << 32 | fraction
}

/// The middle 32 bits of an NTP time, as reports name it.
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_rtcp::packet::unmarshal;

    fn oracle(bytes: &[u8]) -> Vec<Box<dyn rtc_rtcp::packet::Packet>> {
        unmarshal(&mut bytes::Bytes::copy_from_slice(bytes)).unwrap()
    }

    #[test]
    fn nacks_and_plis_are_what_another_implementation_reads() {
        use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
        use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
        let mut bytes = Vec::new();
        write_receiver_reports(&mut bytes, 1, &[]);
        write_nack(&mut bytes, 1, 2, &[65_534, 65_535, 3, 40]);
        write_pli(&mut bytes, 1, 3);
        let read = oracle(&bytes);
        let nack = read[1].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        let sequences: Vec<u16> = nack.nacks.iter().flat_map(NackPair::packet_list).collect();
        assert_eq!((nack.media_ssrc, sequences), (2, vec![65_534, 65_535, 3, 40]));
        assert_eq!(
            read[2]
                .as_any()
                .downcast_ref::<PictureLossIndication>()
                .unwrap()
                .media_ssrc,
            3
        );
        let mut own = vec![];
        parse(&bytes, |item| match item {
            Item::Nack { media: 2, pairs } => own.extend(nacked(pairs)),
            Item::KeyFrame { media, command } => assert_eq!((media, command), (3, None)),
            other => panic!("{other:?}"),
        });
        assert_eq!(own, [65_534, 65_535, 3, 40]);
    }

    #[test]
    fn reports_survive_the_wire() {
        let info = SenderInfo {
            ssrc: 9,
            ntp: ntp_of_unix(1_700_000_000_500_000),
            timestamp: 5,
            packets: 6,
            octets: 7,
        };
        let block = ReportBlock {
            ssrc: 4,
            fraction_lost: 3,
            lost: 2,
            highest: 1,
            jitter: 8,
            last_sr: 9,
            delay: 10,
        };
        let mut bytes = Vec::new();
        write_sender_report(&mut bytes, &info, "cname");
        write_receiver_reports(&mut bytes, 1, &[block; 33]);
        assert_eq!(oracle(&bytes).len(), 4);
        let (mut senders, mut blocks) = (vec![], vec![]);
        parse(&bytes, |item| match item {
            Item::Sender(info) => senders.push(info),
            Item::Report(report) => blocks.push(report),
            other => panic!("{other:?}"),
        });
        assert_eq!((senders, blocks), (vec![info], vec![block; 33]));
        assert_eq!(info.ntp as u32, 1 << 31, "half a second");
    }

    #[test]
    fn a_full_intra_request_and_an_estimate_are_read() {
        use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
        use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
        use rtc_shared::marshal::Marshal;
        let fir = FullIntraRequest {
            sender_ssrc: 1,
            media_ssrc: 0,
            fir: vec![FirEntry {
                ssrc: 77,
                sequence_number: 1,
            }],
        };
        let remb = ReceiverEstimatedMaximumBitrate {
            sender_ssrc: 1,
            bitrate: 500_000.0,
            ssrcs: vec![77],
        };
        let mut bytes = fir.marshal().unwrap().to_vec();
        let mut ours = Vec::new();
        write_fir(&mut ours, 1, 77, 1);
        assert_eq!(ours, bytes);
        bytes.extend_from_slice(&remb.marshal().unwrap());
        let mut read = vec![];
        parse(&bytes, |item| read.push(format!("{item:?}")));
        assert_eq!(read[0], "KeyFrame { media: 77, command: Some(1) }");
        assert!(
            read[1].starts_with("Remb { bitrate: 49") || read[1].starts_with("Remb { bitrate: 50"),
            "{}",
            read[1]
        );
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 8..200), kind in 199u8..208) {
            bytes[0] = 0x80 | (bytes[0] & 0x1f);
            bytes[1] = kind;
            bytes[2] = 0;
            let mut count = 0;
            parse(&bytes, |item| {
                count += 1;
                if let Item::Nack { pairs, .. } = item {
                    let _ = nacked(pairs).count();
                }
            });
            prop_assert!(count <= MAX_ITEMS);
        }
    }
}
