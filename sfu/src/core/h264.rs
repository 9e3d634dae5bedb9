//! What a packet of H.264 says of its frame (RFC 6184), for browsers, which don't send FrameInfo.

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Units looked at in one aggregate: parameter sets and a slice come first.
const MAX_UNITS: usize = 16;

/// Whether the packet begins a frame that can be decoded by itself: parameter sets, or the first piece of an IDR slice.
pub fn begins_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    match first & 0x1f {
        IDR | SPS => true,
        STAP_A => {
            let mut rest = &payload[1..];
            for _ in 0..MAX_UNITS {
                let Some(size) = rest.first_chunk().map(|size| usize::from(u16::from_be_bytes(*size))) else {
                    break;
                };
                let Some(unit) = rest.get(2..2 + size) else { break };
                if unit.first().is_some_and(|kind| matches!(kind & 0x1f, IDR | SPS)) {
                    return true;
                }
                rest = &rest[2 + size..];
            }
            false
        }
        FU_A => payload
            .get(1)
            .is_some_and(|fragment| fragment & 0x80 != 0 && fragment & 0x1f == IDR),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn key_frames_are_recognised_in_every_packetisation() {
        assert!(begins_key_frame(&[0x65, 1, 2]));
        assert!(begins_key_frame(&[0x67, 1, 2]));
        assert!(begins_key_frame(&[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1]));
        assert!(begins_key_frame(&[0x78, 0, 1, 0x09, 0, 2, 0x65, 1]));
        assert!(begins_key_frame(&[0x7c, 0x85, 1]));
        assert!(!begins_key_frame(&[0x7c, 0x05, 1]), "a later fragment");
        assert!(!begins_key_frame(&[0x61, 1]));
        assert!(!begins_key_frame(&[0x78, 0, 2, 0x61, 1]));
        assert!(
            !begins_key_frame(&[0x78, 0xff, 0xff, 0x67]),
            "a length beyond the packet"
        );
        assert!(!begins_key_frame(&[]));
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            begins_key_frame(&bytes);
        }
    }
}
