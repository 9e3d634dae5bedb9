//! What the hand-made peers offer: the lines of their SDP.

use super::THEIRS;
use crate::core::transport::credentials::IceCredentials;
use invigil_shared::frame_info::FRAME_INFO_URI;
use std::fmt::Write;

pub(crate) const H264: u8 = 102;
pub(crate) const RTX: u8 = 103;
pub(crate) const OPUS: u8 = 111;
pub(crate) const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const FRAME_INFO_ID: u8 = 4;
pub(crate) const TRANSPORT_CC_ID: u8 = 2;

/// Two video lines and one of audio, sending.
pub(crate) fn publisher_media() -> Vec<String> {
    vec![video("sendonly", true), video("sendonly", true), audio("sendonly")]
}

/// `video` slots and one audio slot, receiving.
pub(crate) fn pool(slots: usize) -> Vec<String> {
    let mut media = vec![video("recvonly", true); slots];
    media.push(audio("recvonly"));
    media
}

pub(crate) fn video(direction: &str, native: bool) -> String {
    let mut text = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {H264} {RTX}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtcp-fb:{H264} nack\r\na=rtcp-fb:{H264} nack pli\r\na=rtcp-fb:{H264} transport-cc\r\n\
         a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={H264}\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n"
    );
    if native {
        write!(text, "a=extmap:{FRAME_INFO_ID} {FRAME_INFO_URI}\r\n").unwrap();
    }
    text
}

pub(crate) fn audio(direction: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{OPUS} opus/48000/2\r\na=extmap:3 {AUDIO_LEVEL}\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n"
    )
}

pub(crate) fn offer(local: &IceCredentials, media: &[String]) -> String {
    let mids: Vec<String> = (0..media.len()).map(|at| at.to_string()).collect();
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    write!(text, "a=fingerprint:{}\r\n", THEIRS.fingerprint()).unwrap();
    for (mid, section) in mids.iter().zip(media) {
        write!(text, "{section}a=mid:{mid}\r\na=setup:actpass\r\n").unwrap();
        write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", local.ufrag, local.pwd).unwrap();
    }
    text
}
