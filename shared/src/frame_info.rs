//! FrameInfo: all that a forwarder may know of a frame, in a small RTP header extension (RFC 8285).
//!
//! Layout, network order: byte 0 flags (bit 0 key, bit 1 first packet, bit 2 last packet, bit 3 captured follows),
//! byte 1 layer (2 bits) and temporal id (6 bits), bytes 2 to 8 `captured` when flagged: microseconds since the Unix epoch,
//! server time, 56 bits. A packet that is not the first of its frame carries 2 bytes.

use crate::publication::Layer;

/// URI of the extension in SDP's `a=extmap`.
pub const FRAME_INFO_URI: &str = "urn:invigil:frame-info:1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// The frame can be decoded by itself.
    pub key: bool,
    /// This packet is the frame's first.
    pub start: bool,
    /// This packet is the frame's last.
    pub end: bool,
    pub layer: Layer,
    /// 0 is the base; higher may be dropped.
    pub temporal: u8,
    /// When the picture was captured; microseconds since the Unix epoch, server time.
    pub captured: Option<i64>,
}

/// Longest encoding.
pub const MAX_LEN: usize = 9;

impl FrameInfo {
    /// Writes the extension's data; the returned length is 2 or 9.
    pub fn write(&self, out: &mut [u8; MAX_LEN]) -> usize {
        let captured = self.captured.filter(|_| self.start);
        out[0] = u8::from(self.key)
            | u8::from(self.start) << 1
            | u8::from(self.end) << 2
            | u8::from(captured.is_some()) << 3;
        out[1] = (self.layer as u8) << 6 | (self.temporal & 0x3f);
        match captured {
            Some(at) => {
                out[2..9].copy_from_slice(&at.to_be_bytes()[1..]);
                9
            }
            None => 2,
        }
    }

    /// Reads the extension's data; none when it is not of this version's shape.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (&flags, &ids) = (data.first()?, data.get(1)?);
        let layer = *Layer::ALL.get((ids >> 6) as usize)?;
        let start = flags & 2 != 0;
        let captured = if flags & 8 != 0 {
            if !start {
                return None; // only a frame's first packet says when it was captured
            }
            let mut wide = [0u8; 8];
            wide[1..].copy_from_slice(data.get(2..9)?);
            Some(i64::from_be_bytes(wide))
        } else {
            None
        };
        Some(Self {
            key: flags & 1 != 0,
            start,
            end: flags & 4 != 0,
            layer,
            temporal: ids & 0x3f,
            captured,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_time_without_a_start_is_not_ours() {
        let first = [0b1010, 0x80, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(FrameInfo::read(&first).map(|info| info.captured.is_some()), Some(true));
        let later = [0b1100, 0x80, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(FrameInfo::read(&later), None);
    }
}
