//! RTP and what is read of payloads: nothing panics, and every slice lies in the packet.
#![no_main]

use invigil_sfu::core::h264::begins_key_frame;
use invigil_sfu::core::rtp::RtpHeader;
use invigil_sfu::core::transport::srtp::rtp_header_len;
use invigil_sfu::core::vp8::Vp8;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let length = rtp_header_len(packet);
    let Some(header) = RtpHeader::parse(packet) else { return };
    assert!(length.is_some_and(|length| length <= packet.len()));
    let within = |slice: &[u8]| {
        packet.as_ptr_range().start <= slice.as_ptr() && slice.as_ptr_range().end <= packet.as_ptr_range().end
    };
    let payload = header.payload_of(packet);
    assert!(within(payload));
    for id in 1..=255 {
        if let Some(data) = header.extension(packet, id) {
            assert!(within(data));
        }
    }
    begins_key_frame(payload);
    if let Some(vp8) = Vp8::parse(payload) {
        let mut changed = payload.to_vec();
        vp8.shift_picture_id(&mut changed, 77);
        assert_eq!(changed.len(), payload.len());
    }
});
