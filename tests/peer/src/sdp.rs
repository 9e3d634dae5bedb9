//! Offers and answers written by hand, and what matters of the other side's: enough for any SFU.

use anyhow::{Context, Result, bail};
use invigil_sfu::core::transport::credentials::{Fingerprint, IceCredentials};
use invigil_sfu::core::transport::dtls::DtlsRole;
use invigil_shared::frame_info::FRAME_INFO_URI;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Payload types of our offers: H.264, its retransmissions, Opus.
pub const VIDEO: u8 = 102;
pub const VIDEO_RTX: u8 = 103;
pub const AUDIO: u8 = 111;
/// Ids of the header extensions in our offers.
pub const MID_ID: u8 = 1;
pub const TRANSPORT_CC_ID: u8 = 3;
pub const FRAME_INFO_ID: u8 = 4;

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Audio,
    Video,
}

/// One m-line of an offer.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub media: Media,
    /// The SSRC that is sent (its retransmissions have the next number); none to receive.
    pub ssrc: Option<u32>,
}

impl Line {
    pub fn send(media: Media, ssrc: u32) -> Self {
        Self {
            media,
            ssrc: Some(ssrc),
        }
    }

    /// `video` lines of video and then `audio` of audio that are received.
    pub fn receive(video: usize, audio: usize) -> Vec<Self> {
        let line = |media| Self { media, ssrc: None };
        let video = std::iter::repeat_n(line(Media::Video), video);
        video.chain(std::iter::repeat_n(line(Media::Audio), audio)).collect()
    }
}

/// What stands in everything that one endpoint says.
pub struct Own<'a> {
    pub ice: &'a IceCredentials,
    pub fingerprint: Fingerprint,
    pub address: SocketAddr,
    /// Whether our own header extension is offered: where a frame begins and ends, and when it was captured.
    pub frame_info: bool,
}

pub fn offer(own: &Own<'_>, lines: &[Line]) -> String {
    let mut out = head((0..lines.len()).map(|mid| mid.to_string()));
    for (mid, line) in lines.iter().enumerate() {
        let (name, formats) = match line.media {
            Media::Audio => ("audio", format!("{AUDIO}")),
            Media::Video => ("video", format!("{VIDEO} {VIDEO_RTX}")),
        };
        let direction = if line.ssrc.is_some() { "sendonly" } else { "recvonly" };
        section(
            &mut out,
            own,
            (name, &formats),
            &mid.to_string(),
            (direction, "actpass"),
        );
        let frame_info = if own.frame_info {
            format!("a=extmap:{FRAME_INFO_ID} {FRAME_INFO_URI}\r\n")
        } else {
            String::new()
        };
        // Writing into a String can't fail.
        let _ = write!(
            out,
            "a=extmap:{MID_ID} {MID}\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n{frame_info}"
        );
        let _ = match line.media {
            Media::Audio => write!(
                out,
                "a=rtpmap:{AUDIO} opus/48000/2\r\na=rtcp-fb:{AUDIO} transport-cc\r\n\
                 a=fmtp:{AUDIO} minptime=10;useinbandfec=1;usedtx=1\r\n"
            ),
            Media::Video => write!(
                out,
                "a=rtpmap:{VIDEO} H264/90000\r\na=rtcp-fb:{VIDEO} transport-cc\r\na=rtcp-fb:{VIDEO} nack\r\n\
                 a=rtcp-fb:{VIDEO} nack pli\r\na=fmtp:{VIDEO} {FMTP}\r\n\
                 a=rtpmap:{VIDEO_RTX} rtx/90000\r\na=fmtp:{VIDEO_RTX} apt={VIDEO}\r\n"
            ),
        };
        if let Some(ssrc) = line.ssrc {
            let _ = write!(out, "a=msid:load {name}-{mid}\r\n");
            if line.media == Media::Video {
                let rtx = ssrc + 1;
                let _ = write!(out, "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{rtx} cname:load\r\n");
            }
            let _ = write!(out, "a=ssrc:{ssrc} cname:load\r\n");
        }
    }
    out
}

/// Accepts all that an offer wants to send to us, with its own numbers.
pub fn answer(own: &Own<'_>, remote: &Remote) -> String {
    let mut out = head(remote.sections.iter().map(|section| section.mid.clone()));
    for offered in &remote.sections {
        let codec = |name: &str| {
            offered
                .codecs
                .iter()
                .find(|codec| codec.name.eq_ignore_ascii_case(name))
        };
        let Some(codec) = codec("H264").or_else(|| codec("opus")) else {
            let _ = write!(
                out,
                "m={} 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{}\r\n",
                offered.media, offered.mid
            );
            continue;
        };
        let formats = codec
            .rtx
            .map_or(format!("{}", codec.pt), |rtx| format!("{} {rtx}", codec.pt));
        section(
            &mut out,
            own,
            (&offered.media, &formats),
            &offered.mid,
            ("recvonly", "active"),
        );
        let _ = write!(out, "a=rtpmap:{} {}\r\n", codec.pt, codec.rtpmap);
        for feedback in &codec.feedback {
            let _ = write!(out, "a=rtcp-fb:{} {feedback}\r\n", codec.pt);
        }
        if !codec.fmtp.is_empty() {
            let _ = write!(out, "a=fmtp:{} {}\r\n", codec.pt, codec.fmtp);
        }
        if let Some(rtx) = codec.rtx {
            let _ = write!(out, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={}\r\n", codec.pt);
        }
        for (id, uri) in offered
            .extensions
            .iter()
            .filter(|(_, uri)| uri == MID || uri == TRANSPORT_CC)
        {
            let _ = write!(out, "a=extmap:{id} {uri}\r\n");
        }
    }
    out
}

fn head(mids: impl Iterator<Item = String>) -> String {
    let mids: String = mids.map(|mid| format!(" {mid}")).collect();
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\na=msid-semantic: WMS *\r\n"
    )
}

fn section(out: &mut String, own: &Own<'_>, media: (&str, &str), mid: &str, (direction, setup): (&str, &str)) {
    let (ice, address) = (own.ice, own.address);
    let _ = write!(
        out,
        "m={} 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:{setup}\r\na=mid:{mid}\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
        media.0,
        media.1,
        ice.ufrag,
        ice.pwd,
        own.fingerprint,
        address.ip(),
        address.port(),
    );
}

/// A codec as the other side names it.
#[derive(Clone, Debug, Default)]
pub struct Codec {
    pub pt: u8,
    pub name: String,
    /// `H264/90000`.
    pub rtpmap: String,
    pub fmtp: String,
    pub feedback: Vec<String>,
    /// The payload type of its retransmissions.
    pub rtx: Option<u8>,
}

/// An m-line of the other side.
#[derive(Clone, Debug, Default)]
pub struct Section {
    pub media: String,
    pub mid: String,
    pub codecs: Vec<Codec>,
    pub extensions: Vec<(u8, String)>,
    /// What it sends, with the source of the retransmissions.
    pub sources: Vec<(u32, Option<u32>)>,
}

impl Section {
    pub fn extension(&self, uri: &str) -> Option<u8> {
        self.extensions
            .iter()
            .find(|(_, known)| known == uri)
            .map(|(id, _)| *id)
    }

    pub fn transport_cc(&self) -> Option<u8> {
        self.extension(TRANSPORT_CC)
    }
}

/// What an offer or an answer says of the other side.
#[derive(Clone, Debug)]
pub struct Remote {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    /// Our role: the other one than the other side's.
    pub role: DtlsRole,
    pub address: SocketAddr,
    pub sections: Vec<Section>,
}

/// Reads an offer or an answer. `family`: of the addresses that we can reach.
pub fn parse(text: &str, family: IpAddr) -> Result<Remote> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
            .with_context(|| format!("the SDP has no {name}\n{text}"))
    };
    let reachable = |line: &str| {
        let words: Vec<&str> = line.trim().strip_prefix("a=candidate:")?.split(' ').collect();
        let udp = words.get(2)?.eq_ignore_ascii_case("udp");
        let address = SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
        (udp && address.is_ipv4() == family.is_ipv4()).then_some(address)
    };
    let address = text.lines().find_map(reachable);
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(line) = line.strip_prefix("m=") {
            let media = line.split(' ').next().unwrap_or_default().to_owned();
            sections.push(Section {
                media,
                ..Section::default()
            });
        } else if let Some(section) = sections.last_mut() {
            attribute(section, line);
        }
    }
    if sections.is_empty() {
        bail!("the SDP has no m-line\n{text}");
    }
    Ok(Remote {
        ice: IceCredentials::from_peer(value("a=ice-ufrag:")?, value("a=ice-pwd:")?).context("bad ICE credentials")?,
        fingerprint: Fingerprint::parse(value("a=fingerprint:")?).context("bad fingerprint")?,
        // In an offer `actpass` leaves it to us, and our answers are active.
        role: if value("a=setup:")? == "active" {
            DtlsRole::Server
        } else {
            DtlsRole::Client
        },
        address: address.with_context(|| format!("the SDP has no candidate that can be reached\n{text}"))?,
        sections,
    })
}

fn attribute(section: &mut Section, line: &str) {
    let Some((name, value)) = line.strip_prefix("a=").and_then(|line| line.split_once(':')) else {
        return;
    };
    let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
    let number = first.parse::<u8>();
    match (name, number) {
        ("mid", _) => value.clone_into(&mut section.mid),
        ("rtpmap", Ok(pt)) => section.codecs.push(Codec {
            pt,
            name: rest.split('/').next().unwrap_or_default().to_owned(),
            rtpmap: rest.to_owned(),
            ..Codec::default()
        }),
        ("fmtp", Ok(pt)) => {
            let repaired = rest.trim().strip_prefix("apt=").and_then(|apt| apt.parse::<u8>().ok());
            match repaired {
                Some(repaired) => with(section, repaired, |codec| codec.rtx = Some(pt)),
                None => with(section, pt, |codec| rest.clone_into(&mut codec.fmtp)),
            }
        }
        ("rtcp-fb", Ok(pt)) => with(section, pt, |codec| codec.feedback.push(rest.to_owned())),
        ("extmap", _) => {
            if let Ok(id) = first.split('/').next().unwrap_or_default().parse() {
                section.extensions.push((id, rest.to_owned()));
            }
        }
        ("ssrc-group", _) if first == "FID" => {
            let mut ssrcs = rest.split(' ').filter_map(|ssrc| ssrc.parse::<u32>().ok());
            if let (Some(ssrc), rtx) = (ssrcs.next(), ssrcs.next()) {
                section
                    .sources
                    .retain(|(known, _)| *known != ssrc && Some(*known) != rtx);
                section.sources.push((ssrc, rtx));
            }
        }
        ("ssrc", _) => {
            if let Ok(ssrc) = first.parse::<u32>()
                && !section
                    .sources
                    .iter()
                    .any(|(known, rtx)| *known == ssrc || *rtx == Some(ssrc))
            {
                section.sources.push((ssrc, None));
            }
        }
        _ => {}
    }
}

fn with(section: &mut Section, pt: u8, change: impl FnOnce(&mut Codec)) {
    if let Some(codec) = section.codecs.iter_mut().find(|codec| codec.pt == pt) {
        change(codec);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may panic: that is how it fails
    use super::*;
    use std::net::Ipv4Addr;

    fn own(ice: &IceCredentials) -> Own<'_> {
        Own {
            ice,
            fingerprint: Fingerprint::of_certificate(b"any"),
            address: "127.0.0.1:4000".parse().unwrap(),
            frame_info: true,
        }
    }

    #[test]
    fn what_is_offered_is_read_back() {
        let ice = IceCredentials::from_random(rand::random());
        let lines = [Line::send(Media::Video, 1_000), Line::send(Media::Audio, 1_002)];
        let remote = parse(&offer(&own(&ice), &lines), Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(remote.address, "127.0.0.1:4000".parse::<SocketAddr>().unwrap());
        assert_eq!(remote.ice, ice);
        assert_eq!(remote.sections[0].sources, [(1_000, Some(1_001))]);
        assert_eq!(remote.sections[1].sources, [(1_002, None)]);
        assert_eq!(remote.sections[0].codecs[0].rtx, Some(VIDEO_RTX));
        assert_eq!(remote.sections[0].extension(FRAME_INFO_URI), Some(FRAME_INFO_ID));
        let answered = parse(&answer(&own(&ice), &remote), Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(answered.sections.len(), 2);
        assert_eq!(answered.sections[1].codecs[0].name, "opus");
        assert_eq!(answered.sections[0].transport_cc(), Some(TRANSPORT_CC_ID));
    }
}
