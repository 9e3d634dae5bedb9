//! The answer's text (RFC 9429 section 5.3). Written line by line: nothing of the offer goes in that was not checked.

use super::super::credentials::{Fingerprint, IceCredentials};
use super::super::dtls::DtlsRole;
use super::offer::{MediaDirection, MediaSection, Offer};
use super::plan::{ChosenCodec, SectionPlan};
use super::{MAX_TOKEN, SdpError};
use invigil_shared::limits::MAX_SDP;
use std::fmt::Write;
use std::net::SocketAddr;

/// What we send on an m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendStream {
    pub ssrc: u32,
    /// The source of its retransmissions; written only where RTX was negotiated.
    pub rtx_ssrc: Option<u32>,
    /// RTCP's canonical name: letters, digits, `-`.
    pub cname: String,
    /// `a=msid`: streams with one name are played in sync.
    pub stream: String,
    pub track: String,
}

/// What is the same for all m-lines of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerParams<'a> {
    /// `o=`: a number of the session, below 2^62, and how often it was answered before.
    pub session_id: u64,
    pub session_version: u64,
    pub local: &'a IceCredentials,
    pub fingerprint: Fingerprint,
    /// [`Offer::answer_role`].
    pub role: DtlsRole,
    /// The addresses of the shard, as peers reach them.
    pub candidates: &'a [SocketAddr],
    /// Whether they stand in the answer for TCP as well, behind UDP. Our own client takes those from signalling.
    pub tcp: bool,
}

/// Writes the answer to `offer` as planned. `sends` has what we send per m-line; a shorter slice means nothing for the rest.
///
/// # Errors
/// [`SdpError::NothingAcceptable`] when every m-line would be refused, [`SdpError::TooLarge`] past `MAX_SDP`.
pub fn write_answer(
    offer: &Offer,
    plan: &[SectionPlan],
    params: &AnswerParams<'_>,
    sends: &[Option<SendStream>],
) -> Result<String, SdpError> {
    let mut out = String::with_capacity(1_024 + 1_024 * offer.media.len());
    // Writing into a String can't fail.
    text(&mut out, offer, plan, params, sends).map_err(|_| SdpError::Malformed)?;
    if plan.iter().all(|section| section.codec.is_none()) {
        return Err(SdpError::NothingAcceptable);
    }
    if out.len() > MAX_SDP {
        return Err(SdpError::TooLarge);
    }
    Ok(out)
}

fn text(
    out: &mut String,
    offer: &Offer,
    plan: &[SectionPlan],
    params: &AnswerParams<'_>,
    sends: &[Option<SendStream>],
) -> std::fmt::Result {
    write!(
        out,
        "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        params.session_id, params.session_version
    )?;
    out.write_str("a=ice-lite\r\n")?;
    if offer.extmap_allow_mixed {
        out.write_str("a=extmap-allow-mixed\r\n")?;
    }
    out.write_str("a=group:BUNDLE")?;
    for (section, plan) in offer.media.iter().zip(plan) {
        if plan.codec.is_some() {
            write!(out, " {}", section.mid)?;
        }
    }
    out.write_str("\r\na=msid-semantic: WMS *\r\n")?;
    let mut first = true;
    for (index, (section, plan)) in offer.media.iter().zip(plan).enumerate() {
        let send = sends.get(index).and_then(Option::as_ref).filter(|_| plan.may_send);
        if plan.codec.is_none() {
            refuse(out, section)?;
        } else {
            accept(out, section, plan, params, send, std::mem::take(&mut first))?;
        }
    }
    Ok(())
}

fn refuse(out: &mut String, section: &MediaSection) -> std::fmt::Result {
    write!(out, "m={} 0 {}", section.media, section.proto)?;
    for format in &section.formats {
        write!(out, " {format}")?;
    }
    write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\na=inactive\r\n", section.mid)
}

fn accept(
    out: &mut String,
    section: &MediaSection,
    plan: &SectionPlan,
    params: &AnswerParams<'_>,
    send: Option<&SendStream>,
    tagged: bool,
) -> std::fmt::Result {
    let Some(chosen) = &plan.codec else { return Ok(()) };
    let codecs = || std::iter::once(chosen).chain(&plan.others);
    write!(out, "m={} 9 {}", section.media, section.proto)?;
    for pt in codecs().flat_map(|codec| [Some(codec.pt), codec.rtx_pt]).flatten() {
        write!(out, " {pt}")?;
    }
    write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\n", section.mid)?;
    write!(
        out,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        params.local.ufrag, params.local.pwd
    )?;
    let setup = match params.role {
        DtlsRole::Client => "active",
        DtlsRole::Server => "passive",
    };
    write!(out, "a=fingerprint:{}\r\na=setup:{setup}\r\n", params.fingerprint)?;
    out.write_str("a=rtcp-mux\r\na=rtcp-rsize\r\n")?;
    let direction = match (plan.receives, send.is_some()) {
        (true, true) => MediaDirection::SendRecv,
        (true, false) => MediaDirection::RecvOnly,
        (false, true) => MediaDirection::SendOnly,
        (false, false) => MediaDirection::Inactive,
    };
    write!(out, "a={}\r\n", direction.as_str())?;
    for codec in codecs() {
        formats(out, codec)?;
    }
    for (id, uri) in plan.extensions.iter() {
        let offered = section
            .extensions
            .iter()
            .find(|offered| offered.id == u16::from(id) && offered.uri == uri);
        match offered.and_then(|offered| offered.direction) {
            Some(direction) => write!(out, "a=extmap:{id}/{} {uri}\r\n", direction.reversed().as_str())?,
            None => write!(out, "a=extmap:{id} {uri}\r\n")?,
        }
    }
    if plan.receives && !section.rids.is_empty() {
        for rid in &section.rids {
            write!(out, "a=rid:{rid} recv\r\n")?;
        }
        write!(out, "a=simulcast:recv {}\r\n", section.rids.join(";"))?;
    }
    if let Some(send) = send {
        sources(out, send, chosen.rtx_pt.is_some())?;
    }
    if tagged {
        candidates(out, params.candidates, params.tcp)?;
    }
    Ok(())
}

fn formats(out: &mut String, chosen: &ChosenCodec) -> std::fmt::Result {
    let (codec, pt) = (chosen.codec, chosen.pt);
    let channels = if codec == super::Codec::Opus { "/2" } else { "" };
    write!(
        out,
        "a=rtpmap:{pt} {}/{}{channels}\r\n",
        codec.name(),
        codec.clock_rate()
    )?;
    if !chosen.fmtp.is_empty() {
        write!(out, "a=fmtp:{pt} {}\r\n", chosen.fmtp)?;
    }
    for feedback in &chosen.feedback {
        write!(out, "a=rtcp-fb:{pt} {feedback}\r\n")?;
    }
    if let Some(rtx) = chosen.rtx_pt {
        write!(
            out,
            "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={pt}\r\n",
            codec.clock_rate()
        )?;
    }
    Ok(())
}

/// All of ours, for TCP as well where `tcp` says so, and that there are no more.
pub(super) fn candidates(out: &mut String, addresses: &[SocketAddr], tcp: bool) -> std::fmt::Result {
    for (index, address) in addresses.iter().enumerate() {
        candidate(out, index, *address)?;
    }
    for (index, address) in addresses.iter().enumerate().filter(|_| tcp) {
        write!(out, "a={}\r\n", tcp_candidate(index, *address))?;
    }
    out.write_str("a=end-of-candidates\r\n")
}

fn sources(out: &mut String, send: &SendStream, with_rtx: bool) -> std::fmt::Result {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.+{}".contains(*c))
            .take(MAX_TOKEN)
            .collect()
    };
    let (cname, stream, track) = (clean(&send.cname), clean(&send.stream), clean(&send.track));
    write!(out, "a=msid:{stream} {track}\r\n")?;
    let rtx = send.rtx_ssrc.filter(|_| with_rtx);
    if let Some(rtx) = rtx {
        write!(out, "a=ssrc-group:FID {} {rtx}\r\n", send.ssrc)?;
    }
    for ssrc in [Some(send.ssrc), rtx].into_iter().flatten() {
        write!(
            out,
            "a=ssrc:{ssrc} cname:{cname}\r\na=ssrc:{ssrc} msid:{stream} {track}\r\n"
        )?;
    }
    Ok(())
}

/// A host candidate (RFC 8839 section 5.1). Type preference 126; earlier addresses are preferred (RFC 8445 section 5.1.2.1).
fn candidate(out: &mut String, index: usize, address: SocketAddr) -> std::fmt::Result {
    let local = 65_535u32.saturating_sub(index as u32);
    let priority = 126 << 24 | local << 8 | 255;
    let ip = address.ip().to_canonical();
    write!(
        out,
        "a=candidate:{} 1 udp {priority} {ip} {} typ host\r\n",
        index + 1,
        address.port()
    )
}

/// A passive TCP host candidate (RFC 6544 section 4.5) without its `a=`. Its local preference is 2^13 times 4, for passive, and
/// what is left for the order (section 4.2), so each one stands behind all of UDP.
pub fn tcp_candidate(index: usize, address: SocketAddr) -> String {
    let local = 4 << 13 | 8_191u32.saturating_sub(index as u32);
    let priority = 126 << 24 | local << 8 | 255;
    let (ip, port) = (address.ip().to_canonical(), address.port());
    format!(
        "candidate:T{} 1 tcp {priority} {ip} {port} typ host tcptype passive",
        index + 1
    )
}
