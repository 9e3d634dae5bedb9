//! Fragments of SDP that WHIP and WHEP exchange by `PATCH`: trickled candidates and ICE restarts (RFC 8840 section 9, RFC 9725
//! section 4.3).

use super::super::credentials::IceCredentials;
use super::answer::candidates;
use super::attributes::token;
use super::{MAX_MEDIA, Offer, SdpError, SectionPlan};
use std::net::SocketAddr;

/// Longest fragment: the 64 candidates of a machine with many addresses are about 8 KB.
pub const MAX_FRAGMENT: usize = 16 * 1024;

/// What a peer's fragment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The ICE session that it is about; none when it names none.
    pub ice: Option<IceCredentials>,
    /// Candidates in it. They are read for their grammar only: an ICE-lite agent learns its peer's addresses from checks.
    pub candidates: usize,
    /// The peer has no more.
    pub ended: bool,
}

impl Fragment {
    /// Parses a body of `application/trickle-ice-sdpfrag`. Attributes that are not about ICE are passed over.
    ///
    /// # Errors
    /// [`SdpError`] when it is too large, has another line than `a=` and `m=`, a candidate of a wrong grammar, or speaks of
    /// two ICE sessions: all m-lines are in one bundle.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_FRAGMENT {
            return Err(SdpError::TooLarge);
        }
        let (mut ufrag, mut pwd, mut lines) = (None, None, 0);
        let mut fragment = Self {
            ice: None,
            candidates: 0,
            ended: false,
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(media) = line.strip_prefix("m=") {
                lines += 1;
                if media.split(' ').filter(|part| !part.is_empty()).count() < 4 {
                    return Err(SdpError::Malformed);
                }
                continue;
            }
            let attribute = line.strip_prefix("a=").ok_or(SdpError::Malformed)?;
            let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            match name {
                "ice-ufrag" => once(&mut ufrag, value.trim())?,
                "ice-pwd" => once(&mut pwd, value.trim())?,
                "candidate" => {
                    check_candidate(value).ok_or(SdpError::Attribute("candidate"))?;
                    fragment.candidates += 1;
                }
                "end-of-candidates" => fragment.ended = true,
                _ => token(name).map(drop).ok_or(SdpError::Malformed)?,
            }
        }
        if lines > MAX_MEDIA {
            return Err(SdpError::TooMany("m-lines"));
        }
        fragment.ice = match (ufrag, pwd) {
            (None, None) => None,
            (Some(ufrag), Some(pwd)) => {
                Some(IceCredentials::from_peer(ufrag, pwd).ok_or(SdpError::Attribute("ice credentials"))?)
            }
            _ => return Err(SdpError::Attribute("ice credentials")),
        };
        if fragment.ice.is_none() && fragment.candidates == 0 && !fragment.ended {
            return Err(SdpError::NothingAcceptable);
        }
        Ok(fragment)
    }
}

/// A value that stands in each m-line of the bundle, and has to be the same in all.
fn once<'a>(known: &mut Option<&'a str>, value: &'a str) -> Result<(), SdpError> {
    match known.replace(value) {
        Some(before) if before != value => Err(SdpError::Attribute("ice credentials")),
        _ => Ok(()),
    }
}

/// `candidate-attribute` (RFC 8839 section 5.1). The address is not looked at: it may be a name that only the peer knows.
fn check_candidate(value: &str) -> Option<()> {
    let mut parts = value.split(' ').filter(|part| !part.is_empty());
    let foundation = parts.next()?;
    let component: u16 = parts.next()?.parse().ok()?;
    let transport = parts.next()?;
    let _priority: u32 = parts.next()?.parse().ok()?;
    let _address = parts.next()?;
    let _port: u16 = parts.next()?.parse().ok()?;
    let right = foundation.len() <= 32
        && token(foundation).is_some()
        && (1..=256).contains(&component)
        && token(transport).is_some()
        && parts.next()? == "typ"
        && token(parts.next()?).is_some();
    right.then_some(())
}

/// The m-line that carries the transport: the first that the answer takes (RFC 9143 section 7.3.1), as it stands in fragments.
pub fn tagged_line(offer: &Offer, plan: &[SectionPlan]) -> String {
    let taken = offer
        .media
        .iter()
        .zip(plan)
        .find_map(|(section, plan)| Some((section, plan.codec.as_ref()?)));
    taken.map_or_else(String::new, |(section, chosen)| {
        format!(
            "m={} 9 {} {}\r\na=mid:{}\r\n",
            section.media, section.proto, chosen.pt, section.mid
        )
    })
}

/// Our side of a new ICE session, below the m-line that [`tagged_line`] made.
pub fn write_fragment(tagged: &str, local: &IceCredentials, addresses: &[SocketAddr]) -> String {
    let mut out = format!(
        "a=ice-lite\r\n{tagged}a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        local.ufrag, local.pwd
    );
    // Writing into a String can't fail.
    let _ = candidates(&mut out, addresses, true);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "vw5LmwG4y/e6dPP/zAP9Gp5k";

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let trickled = format!(
            "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:{PWD}\r\n\
             a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
             a=candidate:473322822 1 tcp 1518280447 8f5b.local 9 typ host tcptype active generation 0\r\n\
             a=end-of-candidates\r\n"
        );
        let fragment = Fragment::parse(&trickled).unwrap();
        assert_eq!(fragment.ice, IceCredentials::from_peer("EsAw", PWD));
        assert_eq!((fragment.candidates, fragment.ended), (2, true));
        let ours = IceCredentials::from_random([7; 32]);
        let tagged = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
        let text = write_fragment(tagged, &ours, &["192.0.2.1:7443".parse().unwrap()]);
        let again = Fragment::parse(&text).unwrap();
        // One address, by UDP and by TCP.
        assert_eq!((again.ice, again.candidates, again.ended), (Some(ours), 2, true));
    }

    #[test]
    fn what_is_not_a_fragment_is_refused() {
        let other = format!("a=ice-ufrag:EsAw\r\na=ice-pwd:{PWD}\r\na=ice-ufrag:Else\r\n");
        let long = "a=x\r\n".repeat(MAX_FRAGMENT / 4);
        for (text, error) in [
            ("", SdpError::NothingAcceptable),
            ("a=mid:0\r\n", SdpError::NothingAcceptable),
            ("v=0\r\n", SdpError::Malformed),
            ("m=audio\r\na=end-of-candidates", SdpError::Malformed),
            ("a=\u{0}:1\r\na=end-of-candidates", SdpError::Malformed),
            ("a=ice-ufrag:EsAw\r\n", SdpError::Attribute("ice credentials")),
            (
                "a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n",
                SdpError::Attribute("ice credentials"),
            ),
            (&other, SdpError::Attribute("ice credentials")),
            (
                "a=candidate:1 1 udp 1 192.0.2.1 70000 typ host",
                SdpError::Attribute("candidate"),
            ),
            (
                "a=candidate:1 1 udp 1 192.0.2.1 7000 host",
                SdpError::Attribute("candidate"),
            ),
            ("a=candidate:", SdpError::Attribute("candidate")),
            (&long, SdpError::TooLarge),
        ] {
            assert_eq!(Fragment::parse(text), Err(error), "{text:.40}");
        }
    }
}
