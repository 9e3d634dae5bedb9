//! An opened packet on its way through the core: what the forwarder may know of it, and its opaque payload.

pub use crate::core::transport::sdp::Codec;
use crate::core::vp8::Vp8;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;

/// What is known of a packet besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    pub timestamp: u32,
    pub marker: bool,
    pub frame: FrameInfo,
    /// RFC 6464: voice activity flag and level, as sent.
    pub audio_level: Option<u8>,
    /// For VP8, whose picture id has to be rewritten.
    pub vp8: Option<Vp8>,
}

impl Default for Meta {
    fn default() -> Self {
        let frame = FrameInfo {
            key: false,
            start: false,
            end: false,
            layer: Layer::Low,
            temporal: 0,
            captured: None,
        };
        Self {
            timestamp: 0,
            marker: false,
            frame,
            audio_level: None,
            vp8: None,
        }
    }
}

/// A packet of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its number in the publisher's numbering, which grows without wrapping.
    pub index: u64,
    pub meta: Meta,
    pub payload: &'a [u8],
}

/// The codec that `video/H264` and the like name, in any case of letters.
pub fn codec_of_mime(mime: &str) -> Option<Codec> {
    [Codec::H264, Codec::Vp8, Codec::Opus]
        .into_iter()
        .find(|codec| mime_of(*codec).eq_ignore_ascii_case(mime))
}

/// How the protocol calls a codec.
pub fn mime_of(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "video/H264",
        Codec::Vp8 => "video/VP8",
        Codec::Opus => "audio/opus",
    }
}
