//! RTP packets read where they lie and written where they leave (RFC 3550 section 5, RFC 8285).

/// What a packet's header says, as offsets into the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Where the payload begins and ends, padding left out.
    pub payload: (usize, usize),
    /// Extension profile and where its elements lie.
    extension: Option<(u16, usize, usize)>,
}

const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;

fn word(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}
fn half(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

impl RtpHeader {
    /// Reads a plaintext packet; none when a length in it doesn't fit.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (&first, &second) = (packet.first()?, packet.get(1)?);
        if first >> 6 != 2 {
            return None;
        }
        let (sequence, timestamp, ssrc) = (half(packet, 2)?, word(packet, 4)?, word(packet, 8)?);
        let mut start = 12 + 4 * usize::from(first & 0x0f);
        let mut extension = None;
        if first & 0x10 != 0 {
            let (profile, words) = (half(packet, start)?, half(packet, start + 2)?);
            let end = start + 4 + 4 * usize::from(words);
            extension = Some((profile, start + 4, end));
            start = end;
        }
        let mut end = packet.len();
        if first & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        if start > end {
            return None;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence,
            timestamp,
            ssrc,
            payload: (start, end),
            extension,
        })
    }

    /// The payload of the packet that this header was read from.
    pub fn payload_of<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.payload.0..self.payload.1).unwrap_or_default()
    }

    /// The data of the header extension `id`; none for id 0, which is nobody's.
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        if id == 0 {
            return None;
        }
        let (profile, mut at, end) = self.extension?;
        let two_byte = profile & 0xfff0 == TWO_BYTE;
        if !two_byte && profile != ONE_BYTE {
            return None;
        }
        while at < end {
            let first = *packet.get(at)?;
            if first == 0 {
                at += 1;
                continue;
            }
            let (found, length, data) = if two_byte {
                (first, usize::from(*packet.get(at + 1)?), at + 2)
            } else {
                // RFC 8285 section 4.2: id 15 ends the list.
                if first >> 4 == 15 {
                    return None;
                }
                (first >> 4, usize::from(first & 0x0f) + 1, at + 1)
            };
            if data + length > end {
                return None;
            }
            if found == id {
                return packet.get(data..data + length);
            }
            at = data + length;
        }
        None
    }
}

/// Room for the elements of one packet: five small ones, in either form.
const MAX_ELEMENTS: usize = 112;

/// Header extensions of one packet that is being written, in the form in which they leave: one-byte headers, or two-byte
/// ones from the first element on that needs them (RFC 8285 sections 4.2 and 4.3).
pub struct ExtensionList {
    bytes: [u8; MAX_ELEMENTS],
    length: usize,
    two_byte: bool,
}

impl Default for ExtensionList {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_ELEMENTS],
            length: 0,
            two_byte: false,
        }
    }
}

impl ExtensionList {
    /// Adds an element; id 0 (not negotiated), data over 64 bytes, and what no longer fits are left out.
    pub fn push(&mut self, id: u8, data: &[u8]) {
        if id == 0 || data.len() > 64 {
            return;
        }
        if !self.two_byte && (id > 14 || !(1..=16).contains(&data.len())) && !self.widen() {
            return;
        }
        let at = self.length + 1 + usize::from(self.two_byte);
        let Some(room) = self.bytes.get_mut(self.length..at + data.len()) else {
            return;
        };
        if self.two_byte {
            (room[0], room[1]) = (id, data.len() as u8);
            room[2..].copy_from_slice(data);
        } else {
            room[0] = id << 4 | (data.len() as u8 - 1);
            room[1..].copy_from_slice(data);
        }
        self.length = at + data.len();
    }

    /// Adds `count` bytes of padding (RFC 8285 section 4.2), as far as there is room.
    pub fn pad(&mut self, count: usize) {
        if self.length > 0 {
            self.length = (self.length + count).min(MAX_ELEMENTS);
        }
    }

    /// Gives the elements two-byte headers; false when there is no room for that.
    fn widen(&mut self) -> bool {
        let (mut wide, mut at, mut end) = ([0; MAX_ELEMENTS], 0, 0);
        while at < self.length {
            let (id, length) = (self.bytes[at] >> 4, usize::from(self.bytes[at] & 0x0f) + 1);
            let Some(room) = wide.get_mut(end..end + 2 + length) else {
                return false;
            };
            (room[0], room[1]) = (id, length as u8);
            room[2..].copy_from_slice(&self.bytes[at + 1..at + 1 + length]);
            (at, end) = (at + 1 + length, end + 2 + length);
        }
        (self.bytes, self.length, self.two_byte) = (wide, end, true);
        true
    }
}

/// Appends a header with its extensions to `out`; returns the header's length.
pub fn write_header(
    out: &mut Vec<u8>,
    (marker, payload_type): (bool, u8),
    (sequence, timestamp, ssrc): (u16, u32, u32),
    extensions: &ExtensionList,
) -> usize {
    let mut head = [0; 16];
    let some = extensions.length > 0;
    head[0] = 0x80 | u8::from(some) << 4;
    head[1] = u8::from(marker) << 7 | (payload_type & 0x7f);
    head[2..4].copy_from_slice(&sequence.to_be_bytes());
    head[4..8].copy_from_slice(&timestamp.to_be_bytes());
    head[8..12].copy_from_slice(&ssrc.to_be_bytes());
    if !some {
        out.extend_from_slice(&head[..12]);
        return 12;
    }
    // Behind the elements the list holds zeros: they are the padding.
    let length = extensions.length.next_multiple_of(4);
    let profile = if extensions.two_byte { TWO_BYTE } else { ONE_BYTE };
    head[12..14].copy_from_slice(&profile.to_be_bytes());
    head[14..16].copy_from_slice(&((length / 4) as u16).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&extensions.bytes[..length]);
    16 + length
}

/// The index nearest to `reference` whose low 16 bits are `sequence`.
pub fn unwrap_sequence(reference: u64, sequence: u16) -> u64 {
    let ahead = sequence.wrapping_sub(reference as u16) as i16;
    reference.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        for ids in [[3u8, 4], [3, 20]] {
            let mut list = ExtensionList::default();
            list.push(ids[0], b"mid");
            list.push(ids[1], &[1, 2]);
            list.push(0, b"never");
            list.pad(5);
            let mut packet = Vec::new();
            let header = write_header(&mut packet, (true, 102), (7, 8, 9), &list);
            packet.extend_from_slice(b"payload");
            let read = RtpHeader::parse(&packet).unwrap();
            assert_eq!(read.payload.0, header);
            assert_eq!((read.marker, read.payload_type), (true, 102));
            assert_eq!((read.sequence, read.timestamp, read.ssrc), (7, 8, 9));
            assert_eq!(read.extension(&packet, ids[0]), Some(&b"mid"[..]));
            assert_eq!(read.extension(&packet, ids[1]), Some(&[1u8, 2][..]));
            assert_eq!(read.extension(&packet, 9), None);
            assert_eq!(read.payload_of(&packet), b"payload");
        }
    }

    #[test]
    fn elements_of_every_size_are_read_back_and_what_does_not_fit_leaves_the_others_whole() {
        let cases: [(&[usize], usize); 6] = [
            (&[1, 16, 3], 3),
            (&[2, 17, 5], 3),
            (&[0, 4], 2),
            (&[64, 40, 9], 2),
            (&[16; 7], 6),
            (&[15, 16, 16, 16, 16, 16, 17], 6),
        ];
        for (sizes, fit) in cases {
            let data = |at: usize| vec![at as u8 + 1; sizes[at]];
            let mut list = ExtensionList::default();
            for at in 0..sizes.len() {
                list.push(at as u8 + 1, &data(at));
            }
            list.push(13, &[0; 65]);
            let mut packet = Vec::new();
            let header = write_header(&mut packet, (false, 1), (1, 2, 3), &list);
            assert_eq!((header, header % 4), (packet.len(), 0));
            packet.push(7);
            let read = RtpHeader::parse(&packet).unwrap();
            assert_eq!(read.payload_of(&packet), [7]);
            for at in 0..sizes.len() {
                let wanted = (at < fit).then(|| data(at));
                assert_eq!(read.extension(&packet, at as u8 + 1), wanted.as_deref(), "{sizes:?}");
            }
            assert_eq!(read.extension(&packet, 13), None);
        }
    }

    #[test]
    fn padding_is_no_payload_and_too_much_of_it_is_refused() {
        let mut packet = Vec::new();
        write_header(&mut packet, (false, 96), (1, 2, 3), &ExtensionList::default());
        packet[0] |= 0x20;
        packet.extend_from_slice(&[5, 5, 0, 0, 3]);
        assert_eq!(RtpHeader::parse(&packet).unwrap().payload_of(&packet), [5, 5]);
        *packet.last_mut().unwrap() = 200;
        assert_eq!(RtpHeader::parse(&packet), None);
    }

    #[test]
    fn sequence_numbers_unwrap_both_ways() {
        assert_eq!(unwrap_sequence(65_536 + 65_535, 2), 2 * 65_536 + 2);
        assert_eq!(unwrap_sequence(2 * 65_536 + 2, 65_535), 65_536 + 65_535);
        assert_eq!(unwrap_sequence(70_000, 70_000u64 as u16), 70_000);
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128), id in 0u8..20) {
            if let Some(header) = RtpHeader::parse(&bytes) {
                let _ = header.extension(&bytes, id);
                prop_assert!(header.payload.1 <= bytes.len());
            }
        }
    }
}
