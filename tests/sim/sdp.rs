//! The offers of simulated clients and what they read in answers.

use crate::endpoint::Answer;
use invigil_sfu::core::transport::{Fingerprint, IceCredentials};
use invigil_shared::frame_info::FRAME_INFO_URI;
use std::fmt::Write;

pub const H264: u8 = 102;
pub const RTX: u8 = 103;
pub const OPUS: u8 = 111;
pub const TRANSPORT_CC_ID: u8 = 2;
pub const AUDIO_LEVEL_ID: u8 = 3;
pub const FRAME_INFO_ID: u8 = 4;
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// No certificate has it: with seeded keys nobody looks.
const FINGERPRINT: Fingerprint = Fingerprint([0x5e; 32]);

pub fn video(direction: &str) -> String {
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {H264} {RTX}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtcp-fb:{H264} nack\r\na=rtcp-fb:{H264} nack pli\r\na=rtcp-fb:{H264} transport-cc\r\n\
         a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={H264}\r\n\
         a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\na=extmap:{FRAME_INFO_ID} {FRAME_INFO_URI}\r\n"
    )
}

pub fn audio(direction: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{OPUS} opus/48000/2\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n\
         a=extmap:{AUDIO_LEVEL_ID} {AUDIO_LEVEL}\r\n"
    )
}

pub fn offer(local: &IceCredentials, media: &[String]) -> String {
    let mids: Vec<String> = (0..media.len()).map(|at| at.to_string()).collect();
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=fingerprint:{FINGERPRINT}\r\n",
        mids.join(" ")
    );
    for (mid, section) in mids.iter().zip(media) {
        write!(
            text,
            "{section}a=mid:{mid}\r\na=setup:actpass\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            local.ufrag, local.pwd
        )
        .expect("a string takes everything");
    }
    text
}

/// Reads credentials and the SSRCs of each m-line.
pub fn read_answer(text: &str) -> Option<Answer> {
    let find = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let credentials = IceCredentials::from_peer(find("a=ice-ufrag:")?, find("a=ice-pwd:")?)?;
    let lines = text.split("\r\nm=").skip(1).map(|section| {
        let mut ssrcs: Vec<u32> = Vec::new();
        for line in section.lines().filter_map(|line| line.strip_prefix("a=ssrc:")) {
            if let Some(ssrc) = line.split(' ').next().and_then(|text| text.parse().ok())
                && !ssrcs.contains(&ssrc)
            {
                ssrcs.push(ssrc);
            }
        }
        (ssrcs.first().copied(), ssrcs.get(1).copied())
    });
    Some(Answer {
        credentials,
        lines: lines.collect(),
    })
}
