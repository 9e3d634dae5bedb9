//! What we take of each m-line: one codec, the extensions that we know, and what may flow.

use super::attributes::parameter;
use super::offer::{CodecOffer, ExtensionOffer, MediaDirection, MediaKind, MediaSection, Offer};
use invigil_shared::frame_info::FRAME_INFO_URI;

/// The codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Constrained baseline, packetization mode 1.
    H264,
    Vp8,
    Opus,
}

impl Codec {
    /// As in `a=rtpmap` and in our protocol.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "H264",
            Codec::Vp8 => "VP8",
            Codec::Opus => "opus",
        }
    }
    /// RTP clock, Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::H264 | Codec::Vp8 => 90_000,
        }
    }
}

/// The one codec of an m-line, with the offer's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenCodec {
    pub codec: Codec,
    pub pt: u8,
    /// Retransmissions (RFC 4588), when offered. Always, by our own clients.
    pub rtx_pt: Option<u8>,
    /// The offer's parameters, which the answer repeats.
    pub fmtp: String,
    /// Of the offered feedback, what we do.
    pub feedback: Vec<&'static str>,
}

/// The ids of the header extensions that we know (RFC 8285), 1 to 14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143).
    pub mid: Option<u8>,
    /// `..:sdes:rtp-stream-id` (RFC 8852).
    pub rid: Option<u8>,
    /// `..:sdes:repaired-rtp-stream-id` (RFC 8852).
    pub repaired_rid: Option<u8>,
    /// Transport-wide sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub transport_cc: Option<u8>,
    /// `abs-capture-time`.
    pub capture_time: Option<u8>,
    /// Client-to-mixer audio level (RFC 6464).
    pub audio_level: Option<u8>,
    /// Our own [`invigil_shared::frame_info`].
    pub frame_info: Option<u8>,
}

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

impl ExtensionIds {
    fn choose(section: &MediaSection) -> Self {
        let mut ids = Self::default();
        for ExtensionOffer { id, uri, .. } in &section.extensions {
            // Ids above 14 need two-byte headers in every packet that carries one: not worth it for what we read.
            let Some(id) = u8::try_from(*id).ok().filter(|id| (1..=14).contains(id)) else {
                continue;
            };
            let slot = match uri.as_str() {
                MID => &mut ids.mid,
                RID if section.kind == MediaKind::Video => &mut ids.rid,
                REPAIRED_RID if section.kind == MediaKind::Video => &mut ids.repaired_rid,
                TRANSPORT_CC => &mut ids.transport_cc,
                CAPTURE_TIME => &mut ids.capture_time,
                AUDIO_LEVEL if section.kind == MediaKind::Audio => &mut ids.audio_level,
                FRAME_INFO_URI => &mut ids.frame_info,
                _ => continue,
            };
            slot.get_or_insert(id);
        }
        ids
    }

    /// The chosen ids with their URIs, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'static str)> {
        let mut all = [
            (self.mid, MID),
            (self.rid, RID),
            (self.repaired_rid, REPAIRED_RID),
            (self.transport_cc, TRANSPORT_CC),
            (self.capture_time, CAPTURE_TIME),
            (self.audio_level, AUDIO_LEVEL),
            (self.frame_info, FRAME_INFO_URI),
        ];
        all.sort_unstable();
        all.into_iter().filter_map(|(id, uri)| Some((id?, uri)))
    }
}

/// What becomes of one m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPlan {
    /// None: the m-line is refused with port 0.
    pub codec: Option<ChosenCodec>,
    /// Where we only send: what else the line may carry, because what will be watched on it may change.
    pub others: Vec<ChosenCodec>,
    pub extensions: ExtensionIds,
    /// The peer sends on it.
    pub receives: bool,
    /// We may send on it: the answer says so where the caller gives a [`super::SendStream`].
    pub may_send: bool,
}

/// Decides about each m-line of an offer, in its order. `preference` ranks video codecs; those that are not in it are not
/// taken.
pub fn plan(offer: &Offer, preference: &[Codec]) -> Vec<SectionPlan> {
    plan_for(offer, &[], preference)
}

/// The same where the n-th video m-line that we may send on is to carry `wanted[n]`: what we send has to be what the
/// publication is encoded in. An m-line that can't carry it is refused, and the next one is tried.
pub fn plan_for(offer: &Offer, wanted: &[Option<Codec>], preference: &[Codec]) -> Vec<SectionPlan> {
    let mut carried = 0;
    let each = |section: &MediaSection| {
        let video = section.kind == MediaKind::Video;
        let planned = match wanted.get(carried).copied().flatten().filter(|_| video) {
            Some(codec) => plan_section(section, &[codec], preference),
            None => plan_section(section, preference, preference),
        };
        carried += usize::from(video && planned.may_send);
        planned
    };
    offer.media.iter().map(each).collect()
}

fn plan_section(section: &MediaSection, first: &[Codec], preference: &[Codec]) -> SectionPlan {
    let find = |codec: Codec| {
        section
            .codecs
            .iter()
            .find(|offered| offers(offered, codec))
            .map(|offered| choose(codec, offered))
    };
    let codec = match section.kind {
        MediaKind::Video => first
            .iter()
            .filter(|codec| **codec != Codec::Opus)
            .find_map(|codec| find(*codec)),
        MediaKind::Audio => find(Codec::Opus),
        MediaKind::Other => None,
    };
    let taken = section.usable && codec.is_some();
    let only_sends = taken && section.kind == MediaKind::Video && section.direction == MediaDirection::RecvOnly;
    let others = preference
        .iter()
        .filter(|other| only_sends && codec.as_ref().is_some_and(|first| first.codec != **other))
        .filter_map(|other| find(*other))
        .collect();
    SectionPlan {
        others,
        codec: codec.filter(|_| taken),
        extensions: if taken {
            ExtensionIds::choose(section)
        } else {
            ExtensionIds::default()
        },
        receives: taken && section.direction.sends(),
        may_send: taken && section.direction.receives(),
    }
}

fn offers(offered: &CodecOffer, codec: Codec) -> bool {
    offered.name.eq_ignore_ascii_case(codec.name())
        && offered.clock_rate == codec.clock_rate()
        && match codec {
            Codec::H264 => {
                parameter(&offered.fmtp, "packetization-mode") == Some("1")
                    && parameter(&offered.fmtp, "profile-level-id").is_some_and(is_constrained_baseline)
            }
            Codec::Vp8 => true,
            Codec::Opus => offered.channels == 2,
        }
}

/// profile_idc 66 with constraint_set1 (RFC 6184 section 8.1, table 5): what every decoder plays. 42e0.. and 42c0..
fn is_constrained_baseline(profile_level_id: &str) -> bool {
    let byte = |at: usize| u8::from_str_radix(profile_level_id.get(at..at + 2)?, 16).ok();
    profile_level_id.len() == 6
        && byte(0) == Some(0x42)
        && byte(2).is_some_and(|flags| flags & 0x40 != 0)
        && byte(4).is_some()
}

fn choose(codec: Codec, offered: &CodecOffer) -> ChosenCodec {
    let wanted: &[&'static str] = match codec {
        Codec::Opus => &["transport-cc"],
        Codec::H264 | Codec::Vp8 => &["nack", "nack pli", "ccm fir", "transport-cc"],
    };
    let feedback = wanted
        .iter()
        .copied()
        .filter(|ours| offered.feedback.iter().any(|theirs| theirs == ours))
        .collect();
    ChosenCodec {
        codec,
        pt: offered.pt,
        rtx_pt: offered.rtx,
        fmtp: offered.fmtp.clone(),
        feedback,
    }
}
