//! Frames of both directions: what is read can be written and read again, and says the same.
#![no_main]

use invigil_shared::codec::{decode_client, decode_server, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(frame) = decode_client(text) {
        let written = encode(&frame).expect("what was read can be written");
        let again = decode_client(&written).expect("what was written can be read");
        assert_eq!(encode(&again).expect("twice"), written);
    }
    if let Ok(frame) = decode_server(text) {
        let written = encode(&frame).expect("what was read can be written");
        let again = decode_server(&written).expect("what was written can be read");
        assert_eq!(encode(&again).expect("twice"), written);
    }
});
