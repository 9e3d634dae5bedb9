//! FrameInfo: what is read is what would be written.
#![no_main]

use invigil_shared::frame_info::{FrameInfo, MAX_LEN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(info) = FrameInfo::read(data) else { return };
    let mut bytes = [0; MAX_LEN];
    let length = info.write(&mut bytes);
    assert_eq!(FrameInfo::read(&bytes[..length]), Some(info));
});
