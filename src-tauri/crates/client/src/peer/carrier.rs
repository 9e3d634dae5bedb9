//! What carries a transport: UDP, or where a network lets none through, ICE-TCP to the server's media port (RFC 6544), and last
//! ICE-TCP inside TLS on the port of signalling; and where none of them gets through, or policy wants it, a TURN server.
//!
//! UDP always goes first. A client that hears nothing for a moment opens TCP beside it, and a little later TLS; whatever answers
//! first carries the transport, so nothing waits where UDP works.

use invigil_shared::signal::{TLS_BY_SIGNALLING, TLS_CANDIDATE};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// In the order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    #[default]
    Udp,
    Tcp,
    Tls,
    /// A TURN server, whatever leads there.
    Relay,
}

/// How long UDP has to itself. A check comes back within a round trip; on slower paths TCP joins the race, two round trips late.
const TCP_AFTER: Duration = Duration::from_millis(250);
/// TLS joins when TCP has had the time of its handshake and a check.
const TLS_AFTER: Duration = Duration::from_millis(750);
/// A relay is for where nothing else is left: after TLS has had a second and more for its handshakes.
const RELAY_AFTER: Duration = Duration::from_millis(2_500);

impl Carrier {
    /// Whether this carrier should be tried now: `since` the negotiation, during which nothing was heard. `last` carried before:
    /// what was needed once on a network is tried at once.
    pub fn is_due(self, since: Duration, last: Self) -> bool {
        let wait = match self {
            Self::Udp => Duration::ZERO,
            _ if self <= last => Duration::ZERO,
            Self::Tcp => TCP_AFTER,
            Self::Tls => TLS_AFTER,
            Self::Relay => RELAY_AFTER,
        };
        since >= wait
    }
}

/// Where a candidate of the server's leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    /// The host and port of signalling, inside TLS.
    Tls,
}

impl Target {
    /// Reads a passive TCP candidate (RFC 8839 section 5.1, RFC 6544 section 4.5); none for any other.
    pub fn parse(candidate: &str) -> Option<Self> {
        let text = candidate.strip_prefix("a=").unwrap_or(candidate);
        let mut words = text.strip_prefix("candidate:")?.split_ascii_whitespace();
        let (transport, ip, port) = (words.nth(2)?, words.nth(1)?, words.next()?);
        let address = SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?);
        // `typ host`, then pairs of names and values.
        if !transport.eq_ignore_ascii_case("tcp") || words.next()? != "typ" || words.next()? != "host" {
            return None;
        }
        let (mut passive, mut tls) = (false, None);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "tcptype" => passive = value == "passive",
                TLS_CANDIDATE => tls = Some(value == TLS_BY_SIGNALLING),
                _ => {}
            }
        }
        match tls {
            _ if !passive => None,
            None => Some(Self::Tcp(address)),
            Some(true) => Some(Self::Tls),
            // A place that only a newer client knows.
            Some(false) => None,
        }
    }

    pub fn carrier(self) -> Carrier {
        match self {
            Self::Tcp(_) => Carrier::Tcp,
            Self::Tls => Carrier::Tls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn udp_has_a_head_start_that_a_network_without_it_can_lose() {
        use Carrier::{Relay, Tcp, Tls, Udp};
        let due = |since, last| [Udp, Tcp, Tls, Relay].map(|carrier| carrier.is_due(MS(since), last));
        assert_eq!(due(0, Udp), [true, false, false, false]);
        assert_eq!(due(250, Udp), [true, true, false, false]);
        assert_eq!(due(750, Udp), [true, true, true, false]);
        assert_eq!(due(2_500, Udp), [true; 4]);
        assert_eq!(due(0, Tcp), [true, true, false, false]);
        assert_eq!(due(0, Tls), [true, true, true, false]);
    }

    #[test]
    fn passive_tcp_candidates_are_read_and_nothing_else() {
        let plain = "candidate:T1 1 tcp 2124414975 192.0.2.1 7443 typ host tcptype passive";
        let address = "192.0.2.1:7443".parse().unwrap();
        assert_eq!(Target::parse(plain), Some(Target::Tcp(address)));
        assert_eq!(Target::parse(&format!("a={plain}")), Some(Target::Tcp(address)));
        let v6 = "candidate:T1 1 TCP 1 2001:db8::1 7443 typ host tcptype passive generation 0";
        assert_eq!(
            Target::parse(v6),
            Some(Target::Tcp("[2001:db8::1]:7443".parse().unwrap()))
        );
        let tls = "candidate:T9 1 tcp 1 0.0.0.0 9 typ host tcptype passive invigil-tls signalling";
        assert_eq!(Target::parse(tls), Some(Target::Tls));
        for other in [
            "",
            "candidate:1 1 udp 2130706431 192.0.2.1 7443 typ host",
            "candidate:T1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "candidate:T1 1 tcp 1 192.0.2.1 7443 typ host",
            "candidate:T1 1 tcp 1 192.0.2.1 7443 typ srflx tcptype passive",
            "candidate:T1 1 tcp 1 exam.example 7443 typ host tcptype passive",
            "candidate:T1 1 tcp 1 192.0.2.1 77443 typ host tcptype passive",
            "candidate:T9 1 tcp 1 0.0.0.0 9 typ host tcptype passive invigil-tls elsewhere",
        ] {
            assert_eq!(Target::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", words in proptest::collection::vec("[a-z0-9.:]{0,12}", 0..14)) {
            let _ = Target::parse(&text);
            let _ = Target::parse(&format!("candidate:{}", words.join(" ")));
        }
    }
}
