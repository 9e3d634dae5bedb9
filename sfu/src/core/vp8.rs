//! What a packet of VP8 says of its frame (RFC 7741), for browsers, and its picture id, which has to stay continuous for
//! the receiver when the forwarder changes the layer.

/// The payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// The packet begins a frame that can be decoded by itself.
    pub key_start: bool,
    /// The packet begins a frame.
    pub start: bool,
    pub temporal: u8,
    /// Where the picture id lies, its value, and whether it has 15 bits instead of 7.
    pub picture_id: Option<(usize, u16, bool)>,
}

impl Vp8 {
    /// Reads a payload's descriptor; none when it is cut.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let (mut picture_id, mut temporal) = (None, 0);
        if first & 0x80 != 0 {
            let extension = *payload.get(at)?;
            at += 1;
            if extension & 0x80 != 0 {
                let high = *payload.get(at)?;
                if high & 0x80 != 0 {
                    let value = u16::from(high & 0x7f) << 8 | u16::from(*payload.get(at + 1)?);
                    picture_id = Some((at, value, true));
                    at += 2;
                } else {
                    picture_id = Some((at, u16::from(high), false));
                    at += 1;
                }
            }
            at += usize::from(extension & 0x40 != 0);
            if extension & 0x30 != 0 {
                temporal = *payload.get(at)? >> 6;
                at += 1;
            }
        }
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        // RFC 7741 section 4.3: P is the inverse key frame flag.
        let key_start = start && payload.get(at)? & 1 == 0;
        Some(Self {
            key_start,
            start,
            temporal,
            picture_id,
        })
    }

    /// Moves the picture id by `delta` in a copy of the payload.
    pub fn shift_picture_id(&self, payload: &mut [u8], delta: u16) {
        let Some((at, value, long)) = self.picture_id else {
            return;
        };
        let shifted = value.wrapping_add(delta);
        if long {
            if let Some(bytes) = payload.get_mut(at..at + 2) {
                bytes.copy_from_slice(&(shifted & 0x7fff | 0x8000).to_be_bytes());
            }
        } else if let Some(byte) = payload.get_mut(at) {
            *byte = (shifted & 0x7f) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_descriptor_is_read() {
        let read = Vp8::parse(&[0x90, 0xe0, 0x81, 0x02, 7, 0x40, 0x00]).unwrap();
        assert!(read.key_start && read.start);
        assert_eq!((read.temporal, read.picture_id), (1, Some((2, 0x102, true))));
        assert!(!Vp8::parse(&[0x10, 0x01]).unwrap().key_start);
        assert!(
            !Vp8::parse(&[0x00, 0x00]).unwrap().start,
            "not the first partition's first packet"
        );
        assert_eq!(Vp8::parse(&[0x90, 0x80]), None);
    }

    #[test]
    fn the_picture_id_moves_within_its_width() {
        let mut payload = [0x90, 0x80, 0xff, 0xff, 0x00];
        let read = Vp8::parse(&payload).unwrap();
        read.shift_picture_id(&mut payload, 2);
        assert_eq!(Vp8::parse(&payload).unwrap().picture_id, Some((2, 1, true)));
        let mut short = [0x90, 0x80, 0x7f, 0x00];
        Vp8::parse(&short).unwrap().shift_picture_id(&mut short, 1);
        assert_eq!(Vp8::parse(&short).unwrap().picture_id, Some((2, 0, false)));
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            if let Some(read) = Vp8::parse(&bytes) {
                read.shift_picture_id(&mut bytes, 77);
            }
        }
    }
}
