//! Offers written by hand and what matters of the answers: enough for any SFU that answers an offer.

use anyhow::{Context, Result};
use invigil_sfu::core::transport::credentials::{Fingerprint, IceCredentials};
use invigil_sfu::core::transport::dtls::DtlsRole;
use std::fmt::Write;
use std::net::SocketAddr;

pub const PAYLOAD_TYPE: u8 = 102;
/// Ids of the header extensions that we offer.
pub const MID_ID: u8 = 1;
pub const TRANSPORT_CC_ID: u8 = 3;

/// What stands in every offer of one endpoint.
pub struct Own<'a> {
    pub ice: &'a IceCredentials,
    pub fingerprint: Fingerprint,
    pub address: SocketAddr,
}

/// One H.264 stream that is sent, with RTX.
pub fn publish(own: &Own<'_>, ssrc: u32) -> String {
    let mut out = head(1);
    section(&mut out, own, 0, "sendonly");
    let rtx = ssrc + 1;
    let _ = write!(
        out,
        "a=msid:bench camera\r\na=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:bench\r\na=ssrc:{rtx} cname:bench\r\n"
    );
    out
}

/// Room for `count` H.264 streams that are received.
pub fn play(own: &Own<'_>, count: usize) -> String {
    let mut out = head(count);
    for index in 0..count {
        section(&mut out, own, index, "recvonly");
    }
    out
}

fn head(sections: usize) -> String {
    let mids: String = (0..sections).map(|mid| format!(" {mid}")).collect();
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\na=msid-semantic: WMS *\r\n"
    )
}

fn section(out: &mut String, own: &Own<'_>, mid: usize, direction: &str) {
    let (pt, rtx) = (PAYLOAD_TYPE, PAYLOAD_TYPE + 1);
    let (ice, address) = (own.ice, own.address);
    // Writing into a String can't fail.
    let _ = write!(
        out,
        "m=video 9 UDP/TLS/RTP/SAVPF {pt} {rtx}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:actpass\r\na=mid:{mid}\r\n\
         a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:{TRANSPORT_CC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:{pt} H264/90000\r\na=rtcp-fb:{pt} transport-cc\r\na=rtcp-fb:{pt} nack\r\na=rtcp-fb:{pt} nack pli\r\n\
         a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n\
         a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
        ice.ufrag,
        ice.pwd,
        own.fingerprint,
        address.ip(),
        address.port(),
    );
}

/// What an answer says of the server.
pub struct Answer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    /// Our role: the other one than the answer's.
    pub role: DtlsRole,
    pub address: SocketAddr,
}

pub fn parse(answer: &str) -> Result<Answer> {
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
            .with_context(|| format!("the answer has no {name}\n{answer}"))
    };
    let candidate: Vec<&str> = value("a=candidate:")?.split(' ').collect();
    let address = candidate.get(4).zip(candidate.get(5)).context("a short candidate")?;
    Ok(Answer {
        ice: IceCredentials::from_peer(value("a=ice-ufrag:")?, value("a=ice-pwd:")?).context("bad ICE credentials")?,
        fingerprint: Fingerprint::parse(value("a=fingerprint:")?).context("bad fingerprint")?,
        role: if value("a=setup:")? == "active" {
            DtlsRole::Server
        } else {
            DtlsRole::Client
        },
        address: format!("{}:{}", address.0, address.1).parse()?,
    })
}
