//! An offer as the SFU sees it: credentials, fingerprint and, for each m-line, codecs, extensions and sources.

use super::super::credentials::{Fingerprint, IceCredentials};
use super::super::dtls::DtlsRole;
use super::attributes::{extmap, for_payload, msid, parameter, payload_type, rid, rtpmap, simulcast_send, token};
use super::{MAX_EXTENSIONS, MAX_FMTP, MAX_FORMATS, MAX_MEDIA, MAX_SSRCS, SdpError};
use invigil_shared::limits::{MAX_LAYERS, MAX_SDP};
use rtc_sdp::SessionDescription;
use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;
use std::io::Cursor;

/// `a=setup` of the offer (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    ActPass,
    Active,
    Passive,
}

/// What an m-line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Audio,
    Video,
    /// Data channels and everything else: always refused.
    Other,
}

/// As the offerer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaDirection {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl MediaDirection {
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaDirection::SendRecv => "sendrecv",
            MediaDirection::SendOnly => "sendonly",
            MediaDirection::RecvOnly => "recvonly",
            MediaDirection::Inactive => "inactive",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        use MediaDirection::{Inactive, RecvOnly, SendOnly, SendRecv};
        [SendRecv, SendOnly, RecvOnly, Inactive]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }

    /// The same flow as the other side sees it.
    pub fn reversed(self) -> Self {
        match self {
            MediaDirection::SendOnly => MediaDirection::RecvOnly,
            MediaDirection::RecvOnly => MediaDirection::SendOnly,
            both => both,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, MediaDirection::SendRecv | MediaDirection::SendOnly)
    }
    pub fn receives(self) -> bool {
        matches!(self, MediaDirection::SendRecv | MediaDirection::RecvOnly)
    }
}

/// One payload type with its name; RTX is folded into the codec that it repairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecOffer {
    pub pt: u8,
    /// As written: `H264`, `VP8`, `opus`.
    pub name: String,
    pub clock_rate: u32,
    pub channels: u8,
    /// The parameters of `a=fmtp`; empty when there are none.
    pub fmtp: String,
    /// `nack`, `nack pli`, `ccm fir`, `transport-cc` ..
    pub feedback: Vec<String>,
    /// The payload type of its retransmissions (RFC 4588).
    pub rtx: Option<u8>,
}

/// A source that the offerer announces; none are announced for rid simulcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsrcOffer {
    pub ssrc: u32,
    /// The source that retransmits it, from the FID group.
    pub rtx: Option<u32>,
}

/// A header extension (RFC 8285 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionOffer {
    pub id: u16,
    /// None means the direction of the m-line.
    pub direction: Option<MediaDirection>,
    pub uri: String,
}

/// One m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSection {
    pub mid: String,
    pub kind: MediaKind,
    /// `audio`, `video`, `application` .., as in the m-line, and its protocol and formats: a refusal repeats them.
    pub media: String,
    pub proto: String,
    pub formats: Vec<String>,
    /// Whether it can be taken at all: not disabled by port 0, over DTLS-SRTP, in the bundle.
    pub usable: bool,
    pub direction: MediaDirection,
    /// In the order of the m-line: the offerer's preference.
    pub codecs: Vec<CodecOffer>,
    pub extensions: Vec<ExtensionOffer>,
    pub ssrcs: Vec<SsrcOffer>,
    /// Stream and track of `a=msid`.
    pub msid: Option<(String, Option<String>)>,
    /// The rids that are sent as simulcast, in the order of `a=simulcast`, at most [`MAX_LAYERS`].
    pub rids: Vec<String>,
}

/// A parsed offer.
#[derive(Clone, Debug)]
pub struct Offer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    pub setup: Setup,
    /// Extension headers of one and two bytes may be mixed (RFC 8285 section 6).
    pub extmap_allow_mixed: bool,
    pub media: Vec<MediaSection>,
}

fn value<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|attribute| attribute.key == key)?
        .value
        .as_deref()
}

fn values<'a>(attributes: &'a [Attribute], key: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.key == key)
        .filter_map(|attribute| attribute.value.as_deref())
}

fn has(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}

impl Offer {
    /// Parses an offer.
    ///
    /// # Errors
    /// [`SdpError`] when it is too large, not SDP, over a bound, or lacks ICE credentials, a SHA-256 fingerprint or mids.
    pub fn parse(sdp: &str) -> Result<Self, SdpError> {
        if sdp.len() > MAX_SDP {
            return Err(SdpError::TooLarge);
        }
        if sdp.lines().filter(|line| line.starts_with("m=")).count() > MAX_MEDIA {
            return Err(SdpError::TooMany("m-lines"));
        }
        let parsed =
            SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes())).map_err(|_| SdpError::Malformed)?;
        let session = &parsed.attributes;
        let bundle: Option<Vec<&str>> = values(session, "group").find_map(|group| {
            let mut parts = group.split(' ').filter(|part| !part.is_empty());
            (parts.next() == Some("BUNDLE")).then(|| parts.collect())
        });
        let mut media: Vec<MediaSection> = Vec::with_capacity(parsed.media_descriptions.len());
        for description in &parsed.media_descriptions {
            let section = section(description, session, bundle.as_deref(), parsed.media_descriptions.len())?;
            if media.iter().any(|other| other.mid == section.mid) {
                return Err(SdpError::Attribute("mid"));
            }
            media.push(section);
        }
        // In a bundle all m-lines share the transport of the first one that is in it (RFC 9143 section 7.3.1).
        let tagged = media
            .iter()
            .position(|section| section.usable)
            .ok_or(SdpError::NothingAcceptable)?;
        let tagged = &parsed.media_descriptions[tagged].attributes;
        let of_transport = |key: &str| value(tagged, key).or_else(|| value(session, key));
        let ice = of_transport("ice-ufrag")
            .zip(of_transport("ice-pwd"))
            .and_then(|(ufrag, pwd)| IceCredentials::from_peer(ufrag.trim(), pwd.trim()))
            .ok_or(SdpError::Attribute("ice credentials"))?;
        let fingerprint = values(tagged, "fingerprint")
            .chain(values(session, "fingerprint"))
            .find_map(Fingerprint::parse)
            .ok_or(SdpError::NoFingerprint)?;
        let setup = match of_transport("setup").map(str::trim) {
            Some("actpass") => Setup::ActPass,
            Some("active") => Setup::Active,
            Some("passive") => Setup::Passive,
            _ => return Err(SdpError::Attribute("setup")),
        };
        let extmap_allow_mixed = has(session, "extmap-allow-mixed");
        Ok(Self {
            ice,
            fingerprint,
            setup,
            extmap_allow_mixed,
            media,
        })
    }

    /// The role that we take: client wherever the offer leaves the choice, because then the first flight is ours and
    /// nobody waits for the next ICE check.
    pub fn answer_role(&self) -> DtlsRole {
        match self.setup {
            Setup::ActPass | Setup::Passive => DtlsRole::Client,
            Setup::Active => DtlsRole::Server,
        }
    }
}

fn section(
    description: &MediaDescription,
    session: &[Attribute],
    bundle: Option<&[&str]>,
    count: usize,
) -> Result<MediaSection, SdpError> {
    let attributes = &description.attributes;
    let name = &description.media_name;
    let mid = value(attributes, "mid")
        .and_then(|mid| token(mid.trim()))
        .ok_or(SdpError::Attribute("mid"))?;
    let kind = match name.media.as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => MediaKind::Other,
    };
    if name.formats.len() > MAX_FORMATS {
        return Err(SdpError::TooMany("formats"));
    }
    let proto = name.protos.join("/");
    if token(&name.media).is_none()
        || name
            .protos
            .iter()
            .chain(&name.formats)
            .any(|part| token(part).is_none())
    {
        return Err(SdpError::Malformed);
    }
    let in_bundle = bundle.map_or(count == 1, |mids| mids.contains(&mid));
    let disabled = name.port.value == 0 && !has(attributes, "bundle-only");
    let dtls_srtp = matches!(
        proto.as_str(),
        "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP"
    );
    let usable = kind != MediaKind::Other && in_bundle && !disabled && dtls_srtp && has(attributes, "rtcp-mux");
    let direction = [attributes, session]
        .into_iter()
        .flatten()
        .find_map(|attribute| MediaDirection::parse(&attribute.key))
        .unwrap_or(MediaDirection::SendRecv);
    let extensions: Vec<ExtensionOffer> = values(attributes, "extmap")
        .chain(values(session, "extmap"))
        .filter_map(extmap)
        .map(|(id, direction, uri)| ExtensionOffer {
            id,
            direction,
            uri: uri.to_owned(),
        })
        .collect();
    if extensions.len() > MAX_EXTENSIONS {
        return Err(SdpError::TooMany("extensions"));
    }
    let own = |part: &str| part.to_owned();
    Ok(MediaSection {
        mid: own(mid),
        kind,
        media: name.media.clone(),
        proto,
        formats: name.formats.clone(),
        usable,
        direction,
        codecs: if usable {
            codecs(&name.formats, attributes)
        } else {
            Vec::new()
        },
        extensions,
        ssrcs: sources(attributes)?,
        msid: values(attributes, "msid")
            .find_map(msid)
            .map(|(stream, track)| (own(stream), track.map(own))),
        rids: rids(attributes),
    })
}

fn codecs(formats: &[String], attributes: &[Attribute]) -> Vec<CodecOffer> {
    let mut codecs: Vec<CodecOffer> = Vec::new();
    for pt in formats.iter().filter_map(|format| payload_type(format)) {
        let Some((_, name, clock_rate, channels)) =
            values(attributes, "rtpmap").filter_map(rtpmap).find(|map| map.0 == pt)
        else {
            continue;
        };
        let mine = |line: &(Option<u8>, &str)| line.0.is_none_or(|of| of == pt);
        let fmtp = values(attributes, "fmtp")
            .filter_map(|line| for_payload(line, MAX_FMTP))
            .find(|line| line.0 == Some(pt));
        let feedback = values(attributes, "rtcp-fb")
            .filter_map(|line| for_payload(line, MAX_FMTP))
            .filter(mine);
        codecs.push(CodecOffer {
            pt,
            name: name.to_owned(),
            clock_rate,
            channels,
            fmtp: fmtp.map(|(_, text)| text.to_owned()).unwrap_or_default(),
            feedback: feedback.map(|(_, text)| text.to_owned()).collect(),
            rtx: None,
        });
    }
    let is_rtx = |codec: &CodecOffer| codec.name.eq_ignore_ascii_case("rtx");
    let repairs: Vec<(u8, u8)> = codecs
        .iter()
        .filter(|codec| is_rtx(codec))
        .filter_map(|codec| Some((parameter(&codec.fmtp, "apt").and_then(payload_type)?, codec.pt)))
        .collect();
    codecs.retain(|codec| !is_rtx(codec));
    for codec in &mut codecs {
        codec.rtx = repairs.iter().find(|(of, _)| *of == codec.pt).map(|(_, pt)| *pt);
    }
    codecs
}

fn sources(attributes: &[Attribute]) -> Result<Vec<SsrcOffer>, SdpError> {
    let mut sources: Vec<SsrcOffer> = Vec::new();
    for line in values(attributes, "ssrc") {
        let Some(ssrc) = line.split(' ').next().and_then(|ssrc| ssrc.parse().ok()) else {
            continue;
        };
        if sources.iter().all(|known| known.ssrc != ssrc) {
            sources.push(SsrcOffer { ssrc, rtx: None });
        }
        if sources.len() > MAX_SSRCS {
            return Err(SdpError::TooMany("sources"));
        }
    }
    for group in values(attributes, "ssrc-group") {
        let mut parts = group.split(' ').filter(|part| !part.is_empty());
        if parts.next() != Some("FID") {
            continue;
        }
        let mut next = || parts.next()?.parse::<u32>().ok();
        let Some((first, repair)) = next().zip(next()).filter(|(first, repair)| first != repair) else {
            continue;
        };
        if let Some(source) = sources.iter_mut().find(|source| source.ssrc == first) {
            source.rtx = Some(repair);
            sources.retain(|source| source.ssrc != repair);
        }
    }
    Ok(sources)
}

fn rids(attributes: &[Attribute]) -> Vec<String> {
    let declared: Vec<&str> = values(attributes, "rid")
        .filter_map(|line| {
            let mut parts = line.split(' ');
            let id = rid(parts.next()?)?;
            (parts.next()? == "send").then_some(id)
        })
        .collect();
    let mut rids: Vec<String> = Vec::new();
    for id in value(attributes, "simulcast").into_iter().flat_map(simulcast_send) {
        if rids.len() < MAX_LAYERS && declared.contains(&id) && rids.iter().all(|known| known != id) {
            rids.push(id.to_owned());
        }
    }
    rids
}
