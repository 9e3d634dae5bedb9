//! RFC 4571 framing: a datagram behind its length, two bytes, big-endian.

use crate::core::transport::stun;

/// Bytes of a frame's head.
pub const HEAD: usize = 2;
/// Longest datagram in a frame: what is read of one from UDP.
pub const MAX_FRAME: usize = crate::shard::socket::MAX_DATAGRAM;

/// A stream that is not, or is no longer, framed datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes")]
    TooLong(usize),
}

/// How many of `bytes` form whole frames. The rest is the beginning of the next one, which fits into [`HEAD`] + [`MAX_FRAME`].
///
/// # Errors
/// A frame says that it is longer than [`MAX_FRAME`]; nothing after its head can be trusted.
pub fn whole_frames(bytes: &[u8]) -> Result<usize, FrameError> {
    let mut at = 0;
    while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(u16::from_be_bytes(*head));
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        if bytes.len() < at + HEAD + length {
            break;
        }
        at += HEAD + length;
    }
    Ok(at)
}

/// Hands on each datagram of whole frames. Empty ones (RFC 4571 section 2) are passed over.
pub fn each_frame(mut frames: &mut [u8], mut each: impl FnMut(&mut [u8])) {
    while let Some((head, rest)) = frames.split_first_chunk_mut() {
        let Some((datagram, rest)) = rest.split_at_mut_checked(usize::from(u16::from_be_bytes(*head))) else {
            return;
        };
        if !datagram.is_empty() {
            each(datagram);
        }
        frames = rest;
    }
}

/// Appends a frame. `datagram` is at most 65,535 bytes; ours are below [`MAX_FRAME`].
pub fn push_frame(into: &mut Vec<u8>, datagram: &[u8]) {
    let Ok(length) = u16::try_from(datagram.len()) else {
        return;
    };
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(datagram);
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A whole frame with a STUN Binding request in it, of this many bytes with its head.
    Media(usize),
    /// Something else: on the HTTPS port, HTTP.
    Other,
    /// More bytes are needed.
    More,
}

/// Looks at how a connection begins. No request line of HTTP begins as a framed Binding request does: its first two letters
/// would be a length beyond [`stun::MAX_REQUEST`].
pub fn look(bytes: &[u8]) -> Look {
    let expected = [(2, 0x00), (3, 0x01), (6, 0x21), (7, 0x12), (8, 0xA4), (9, 0x42)];
    if expected
        .iter()
        .any(|&(at, byte)| bytes.get(at).is_some_and(|found| *found != byte))
    {
        return Look::Other;
    }
    let length = match *bytes {
        [] => return Look::More,
        [high] => usize::from(high) << 8 | 0xff,
        [high, low, ..] => usize::from(u16::from_be_bytes([high, low])),
    };
    let longest = if bytes.len() == 1 {
        stun::MAX_REQUEST | 0xff
    } else {
        stun::MAX_REQUEST
    };
    if !(stun::HEADER_LEN..=longest).contains(&length) {
        Look::Other
    } else if bytes.len() < HEAD + length {
        Look::More
    } else {
        Look::Media(HEAD + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What a connection does: fills a buffer as bytes come, hands on what is whole, keeps the rest.
    fn through(stream: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, FrameError> {
        let (mut got, mut buffer, mut at) = (Vec::new(), Vec::new(), 0);
        for end in cuts.iter().copied().chain([stream.len()]) {
            let end = end.clamp(at, stream.len());
            buffer.extend_from_slice(&stream[at..end]);
            at = end;
            let whole = whole_frames(&buffer)?;
            let rest = buffer.split_off(whole);
            each_frame(&mut buffer, |datagram| got.push(datagram.to_vec()));
            assert!(rest.len() < HEAD + MAX_FRAME, "what is kept is less than a frame");
            buffer = rest;
        }
        Ok(got)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            datagrams in vec(vec(any::<u8>(), 0..300), 0..20),
            mut cuts in vec(0usize..6_000, 0..40),
        ) {
            let mut stream = Vec::new();
            for datagram in &datagrams {
                push_frame(&mut stream, datagram);
            }
            cuts.sort_unstable();
            let sent: Vec<_> = datagrams.into_iter().filter(|datagram| !datagram.is_empty()).collect();
            prop_assert_eq!(through(&stream, &cuts), Ok(sent));
        }

        #[test]
        fn garbage_is_bounded(mut stream in vec(any::<u8>(), 0..9_000)) {
            if let Ok(whole) = whole_frames(&stream) {
                prop_assert!(stream.len() - whole < HEAD + MAX_FRAME);
                let mut bytes = 0;
                each_frame(&mut stream[..whole], |datagram| bytes += datagram.len());
                prop_assert!(bytes <= whole);
            }
            // Also what was never checked.
            each_frame(&mut stream, |datagram| assert!(!datagram.is_empty()));
        }

        #[test]
        fn http_is_never_taken_for_media(method in "[A-Z]{3,7}", rest in vec(any::<u8>(), 0..40)) {
            let line = [method.as_bytes(), b" /", &rest].concat();
            for length in 1..line.len() {
                prop_assert_eq!(look(&line[..length]), Look::Other);
            }
        }
    }

    #[test]
    fn a_frame_that_is_too_long_ends_the_stream() {
        let mut stream = Vec::new();
        push_frame(&mut stream, &[1; MAX_FRAME]);
        assert_eq!(whole_frames(&stream), Ok(HEAD + MAX_FRAME));
        push_frame(&mut stream, &[1; MAX_FRAME + 1]);
        assert_eq!(whole_frames(&stream), Err(FrameError::TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn a_binding_request_is_media_once_it_is_whole() {
        let mut request = vec![0; 100];
        request[..2].copy_from_slice(&[0, 1]);
        request[2..4].copy_from_slice(&80u16.to_be_bytes());
        request[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        let mut framed = Vec::new();
        push_frame(&mut framed, &request);
        for length in 0..framed.len() {
            assert_eq!(look(&framed[..length]), Look::More, "{length}");
        }
        assert_eq!(look(&framed), Look::Media(102));
        framed.extend_from_slice(&[7; 9]);
        assert_eq!(look(&framed), Look::Media(102));
        // A length that no request has, a response, another cookie.
        for (at, byte) in [(0, 0xff), (0, 6), (1, 1), (2, 1), (3, 0), (9, 0)] {
            let mut other = framed.clone();
            other[at] = byte;
            assert_eq!(look(&other), Look::Other, "byte {at}");
        }
    }
}
