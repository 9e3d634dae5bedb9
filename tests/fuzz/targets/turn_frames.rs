//! TURN on a stream: the same messages however TCP cuts it, none longer than is taken, and padded again they are the stream.
#![no_main]

use invigil_shared::turn_frames::{MAX_MESSAGE, first, padding};
use libfuzzer_sys::fuzz_target;

/// What a client does with the pieces that it reads: hands on what is whole, keeps the rest, ends at the first error.
fn through<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut got, mut buffer) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match first(&buffer) {
                Ok(Some(span)) => {
                    assert!(span.message <= span.whole && span.whole <= MAX_MESSAGE);
                    got.push(buffer[..span.message].to_vec());
                    assert_eq!(padding(&buffer[..span.message]).len(), span.whole - span.message);
                    buffer.drain(..span.whole);
                }
                Ok(None) => break,
                Err(_) => return (got, false),
            }
        }
        assert!(buffer.len() < MAX_MESSAGE, "a whole message was kept");
    }
    (got, true)
}

fuzz_target!(|input: &[u8]| {
    // The first byte says how TCP cuts what follows.
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let got = through(stream.chunks(usize::from(cut) + 1));
    assert_eq!(got, through(stream.chunks(1)));
});
