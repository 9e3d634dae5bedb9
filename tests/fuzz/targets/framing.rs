//! What comes over a connection (RFC 4571): the same datagrams however TCP cuts the stream, none of them empty, nothing kept but the
//! beginning of a frame; and a first look that doesn't change its mind.
#![no_main]

use invigil_sfu::shard::tcp::{Look, each_frame, look, whole_frames};
use libfuzzer_sys::fuzz_target;

/// What a connection does with the pieces that it reads: hands on what is whole, keeps the rest, ends at the first error.
fn through<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut got, mut buffer) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let Ok(whole) = whole_frames(&buffer) else {
            return (got, false);
        };
        let rest = buffer.split_off(whole);
        each_frame(&mut buffer, |datagram| {
            assert!(!datagram.is_empty());
            got.push(datagram.to_vec());
        });
        if let Some(head) = rest.first_chunk() {
            assert!(
                rest.len() < 2 + usize::from(u16::from_be_bytes(*head)),
                "a whole frame was kept"
            );
        }
        buffer = rest;
    }
    (got, true)
}

fuzz_target!(|input: &[u8]| {
    // The first byte says how TCP cuts what follows.
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let (got, sound) = through(stream.chunks(usize::from(cut) + 1));
    let (single, also_sound) = through(stream.chunks(1));
    assert_eq!(sound, also_sound);
    // What stood before an error in one piece is lost with it.
    assert!(if sound { got == single } else { single.starts_with(&got) });

    let mut before = Look::More;
    for length in 0..=stream.len().min(2_048) {
        let now = look(&stream[..length]);
        assert!(before == Look::More || now == before, "{before:?} became {now:?}");
        if let Look::Media(bytes) = now {
            assert!(bytes <= length && whole_frames(&stream[..bytes]) == Ok(bytes));
        }
        before = now;
    }
    // Also what was never checked.
    each_frame(&mut stream.to_vec(), |datagram| assert!(!datagram.is_empty()));
});
