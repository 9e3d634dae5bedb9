//! STUN messages and ChannelData on a stream (RFC 8656 sections 2.1 and 12.5): TURN over TCP and TLS has no frames of its own, the
//! length of each stands in its head, and ChannelData is padded to four bytes there.

/// The longest that is taken: an IP packet's worth of data in an indication. Media are far below it.
pub const MAX_MESSAGE: usize = 4_096;
/// RFC 8489 section 5.
const STUN_HEAD: usize = 20;
/// RFC 8656 section 12.4.
const CHANNEL_HEAD: usize = 4;
/// Bytes that say what follows and how long it is.
const LENGTH: usize = 4;

/// Where the first message of a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes of the message, as it would be in a datagram.
    pub message: usize,
    /// Bytes of the stream that it takes, with padding.
    pub whole: usize,
}

/// The stream is no TURN: nothing behind this can be found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("neither STUN nor ChannelData")]
    Kind,
    #[error("a length that no STUN message has")]
    Length,
    #[error("longer than {MAX_MESSAGE} bytes")]
    TooLong,
}

/// Finds the first message; none when more bytes are needed.
///
/// # Errors
/// The bytes are not what TURN has on a stream.
pub fn first(stream: &[u8]) -> Result<Option<Span>, FrameError> {
    let Some(&head) = stream.first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let span = match head[0] >> 6 {
        0b00 if length % 4 != 0 => return Err(FrameError::Length),
        0b00 => Span {
            message: STUN_HEAD + length,
            whole: STUN_HEAD + length,
        },
        // RFC 8656 section 12: 0x4000 to 0x4FFF.
        0b01 if head[0] <= 0x4f => Span {
            message: CHANNEL_HEAD + length,
            whole: CHANNEL_HEAD + length.next_multiple_of(4),
        },
        _ => return Err(FrameError::Kind),
    };
    if span.whole > MAX_MESSAGE {
        return Err(FrameError::TooLong);
    }
    Ok((stream.len() >= span.whole).then_some(span))
}

/// Bytes of padding behind a message that goes onto a stream.
pub fn padding(message: &[u8]) -> &'static [u8] {
    let missing = message.len().next_multiple_of(4) - message.len();
    &[0; 3][..missing]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun(attributes: usize) -> Vec<u8> {
        let mut message = vec![0, 1];
        message.extend((attributes as u16).to_be_bytes());
        message.resize(STUN_HEAD + attributes, 7);
        message
    }

    fn channel(data: usize) -> Vec<u8> {
        let mut message = vec![0x40, 3];
        message.extend((data as u16).to_be_bytes());
        message.resize(CHANNEL_HEAD + data, 9);
        message
    }

    #[test]
    fn what_is_no_turn_ends_the_stream() {
        assert_eq!(first(b"HTTP/1.1 200 OK"), Err(FrameError::TooLong)); // "H" could begin ChannelData
        assert_eq!(first(&[0x16, 3, 1, 0x7b]), Err(FrameError::Length));
        assert_eq!(first(&[0x50, 0, 0, 0]), Err(FrameError::Kind));
        assert_eq!(first(&[0x80, 0, 0, 0]), Err(FrameError::Kind));
        assert_eq!(first(&[0x40, 0, 0xff, 0xff]), Err(FrameError::TooLong));
        assert_eq!(first(&stun(2)[..4]), Err(FrameError::Length));
        let fits = MAX_MESSAGE - CHANNEL_HEAD;
        assert!(first(&channel(fits)).unwrap().is_some());
        assert_eq!(first(&channel(fits + 1)), Err(FrameError::TooLong));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(kinds in proptest::collection::vec((any::<bool>(), 0usize..300), 0..12)) {
            let messages: Vec<_> = kinds.iter().map(|&(data, n)| if data { channel(n) } else { stun(n / 4 * 4) }).collect();
            let mut stream = Vec::new();
            for message in &messages {
                stream.extend_from_slice(message);
                stream.extend_from_slice(padding(message));
            }
            let (mut rest, mut got) = (&stream[..], Vec::new());
            while let Some(span) = first(rest).unwrap() {
                for short in 0..span.whole {
                    prop_assert_eq!(first(&rest[..short]), Ok(None));
                }
                got.push(rest[..span.message].to_vec());
                rest = &rest[span.whole..];
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(got, messages);
        }
    }
}
