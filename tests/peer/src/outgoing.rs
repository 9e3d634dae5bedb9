//! A stream that is sent: its numbers, and what is kept so that a loss can be mended.

use invigil_sfu::core::rtp::{ExtensionList, write_header};
use std::collections::VecDeque;

/// Packets that are kept for retransmission: a second of the fastest stream.
const KEPT: usize = 256;

struct Kept {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

pub struct OutStream {
    pub ssrc: u32,
    pub payload_type: u8,
    /// Payload type of the retransmissions; their SSRC is the next number after the stream's.
    pub rtx: Option<u8>,
    pub packets: u32,
    pub octets: u32,
    pub timestamp: u32,
    sequence: u16,
    rtx_sequence: u16,
    kept: VecDeque<Kept>,
}

impl OutStream {
    pub fn new(ssrc: u32, payload_type: u8, rtx: Option<u8>) -> Self {
        Self {
            ssrc,
            payload_type,
            rtx,
            packets: 0,
            octets: 0,
            timestamp: 0,
            // Below 2^15, so that an early loss can't make the receiver guess the roll-over counter wrong.
            sequence: rand::random::<u16>() & 0x7fff,
            rtx_sequence: rand::random::<u16>() & 0x7fff,
            kept: VecDeque::new(),
        }
    }

    /// Writes the next packet into `out`, which is cleared; returns the header's length. `payload` appends the rest.
    pub fn packet(
        &mut self,
        out: &mut Vec<u8>,
        (marker, timestamp): (bool, u32),
        extensions: &ExtensionList,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        out.clear();
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let numbers = (sequence, timestamp, self.ssrc);
        let header = write_header(out, (marker, self.payload_type), numbers, extensions);
        payload(out);
        self.timestamp = timestamp;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((out.len() - header) as u32);
        if self.rtx.is_some() {
            let mut old = if self.kept.len() < KEPT {
                Vec::new()
            } else {
                self.kept.pop_front().map(|kept| kept.payload).unwrap_or_default()
            };
            old.clear();
            old.extend_from_slice(&out[header..]);
            self.kept.push_back(Kept {
                sequence,
                timestamp,
                marker,
                payload: old,
            });
        }
        header
    }

    /// Writes the retransmission of a packet into `out` (RFC 4588 section 4); none when it is no longer kept.
    pub fn again(&mut self, out: &mut Vec<u8>, sequence: u16, extensions: &ExtensionList) -> Option<usize> {
        let payload_type = self.rtx?;
        let kept = self.kept.iter().rev().find(|kept| kept.sequence == sequence)?;
        out.clear();
        let numbers = (self.rtx_sequence, kept.timestamp, self.ssrc + 1);
        let header = write_header(out, (kept.marker, payload_type), numbers, extensions);
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&kept.payload);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may panic: that is how it fails
    use super::*;
    use invigil_sfu::core::rtp::RtpHeader;

    #[test]
    fn a_packet_comes_again_with_its_number_before_it_and_is_forgotten_later() {
        let mut stream = OutStream::new(1_000, 102, Some(103));
        let none = ExtensionList::default();
        let mut out = Vec::new();
        stream.packet(&mut out, (true, 90), &none, |out| out.extend_from_slice(b"one"));
        let first = RtpHeader::parse(&out).unwrap();
        stream.packet(&mut out, (false, 180), &none, |out| out.extend_from_slice(b"two"));
        assert!(stream.again(&mut out, first.sequence, &none).is_some());
        let again = RtpHeader::parse(&out).unwrap();
        assert_eq!(
            (again.ssrc, again.payload_type, again.timestamp, again.marker),
            (1_001, 103, 90, true)
        );
        assert_eq!(
            again.payload_of(&out),
            [&first.sequence.to_be_bytes()[..], b"one"].concat()
        );
        for _ in 0..KEPT {
            stream.packet(&mut out, (false, 0), &none, |_| {});
        }
        assert!(stream.again(&mut out, first.sequence, &none).is_none());
    }
}
