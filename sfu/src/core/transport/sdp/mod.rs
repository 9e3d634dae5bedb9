//! SDP offers read into what we need of them, and the answers that an ICE-lite SFU gives (RFC 9429, RFC 8866).
//!
//! The client always offers. An answer takes one codec per m-line, only header extensions that we read or write, and
//! refuses what is not media in the one bundle.

mod answer;
mod attributes;
mod fragment;
mod offer;
mod plan;
#[cfg(test)]
mod tests;

pub use answer::{AnswerParams, SendStream, tcp_candidate, write_answer};
pub use fragment::{Fragment, MAX_FRAGMENT, tagged_line, write_fragment};
pub use offer::{CodecOffer, ExtensionOffer, MediaDirection, MediaKind, MediaSection, Offer, Setup, SsrcOffer};
pub use plan::{ChosenCodec, Codec, ExtensionIds, SectionPlan, plan, plan_for};

use invigil_shared::error::{ErrorBody, ErrorCode};

/// m-lines of one offer: two pools of 68 slots, and some.
pub const MAX_MEDIA: usize = 160;
/// Payload types of one m-line: there are 128.
pub const MAX_FORMATS: usize = 128;
/// Header extensions of one m-line: one-byte headers have 14 ids, browsers offer about as many.
pub const MAX_EXTENSIONS: usize = 32;
/// `a=ssrc` sources of one m-line: 3 layers with RTX, twice.
pub const MAX_SSRCS: usize = 12;
/// Characters of an identifier: a mid, a rid, a stream.
pub const MAX_TOKEN: usize = 64;
/// Characters of an `a=fmtp` that we keep.
pub const MAX_FMTP: usize = 256;

/// Why an offer gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`invigil_shared::limits::MAX_SDP`].
    #[error("too large")]
    TooLarge,
    /// Not SDP.
    #[error("not SDP")]
    Malformed,
    /// More m-lines, formats, extensions or sources than the bounds.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// An attribute that is needed is missing or not of its grammar.
    #[error("missing or malformed {0}")]
    Attribute(&'static str),
    /// There is no `a=fingerprint` with SHA-256.
    #[error("no fingerprint")]
    NoFingerprint,
    /// An m-line that a browser sends on is no publication of ours, for this reason.
    #[error("{0}")]
    Publication(&'static str),
    /// Nothing in the offer is what we do.
    #[error("nothing acceptable")]
    NothingAcceptable,
}

impl SdpError {
    pub fn code(self) -> ErrorCode {
        match self {
            SdpError::TooLarge => ErrorCode::TooLarge,
            SdpError::NoFingerprint => ErrorCode::FingerprintMismatch,
            SdpError::Publication(_) => ErrorCode::PublicationInvalid,
            _ => ErrorCode::SdpInvalid,
        }
    }
}

impl From<SdpError> for ErrorBody {
    fn from(error: SdpError) -> Self {
        ErrorBody::from(error.code()).with("reason", error)
    }
}
