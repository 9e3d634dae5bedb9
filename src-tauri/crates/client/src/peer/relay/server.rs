//! TURN servers as their URLs name them (RFC 7065).

use crate::trust::Authority;
use invigil_shared::signal::IceServer;

/// How a TURN server is reached, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LegKind {
    Udp,
    Tcp,
    Tls,
}

/// Ways to relays of one transport: a few servers, each by a few ways.
const MAX_WAYS: usize = 8;

/// One way to a TURN server, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TurnServer {
    pub at: Authority,
    pub kind: LegKind,
    pub username: String,
    pub credential: String,
}

impl TurnServer {
    /// All that this client can use, the quickest first.
    pub fn of(servers: &[IceServer]) -> Vec<Self> {
        let mut ways = Vec::new();
        for server in servers {
            let (Some(username), Some(credential)) = (&server.username, &server.credential) else {
                continue;
            };
            for (at, kind) in server.urls.iter().filter_map(|url| parse(url)) {
                ways.push(Self {
                    at,
                    kind,
                    username: username.clone(),
                    credential: credential.clone(),
                });
            }
        }
        ways.sort_by_key(|way| way.kind);
        ways.truncate(MAX_WAYS);
        ways
    }
}

fn parse(url: &str) -> Option<(Authority, LegKind)> {
    let (scheme, rest) = url.split_once(':')?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // RFC 7065 section 3.2: TLS over UDP would be DTLS, which nothing here speaks.
    let (kind, port) = match (scheme, query) {
        ("turn", "" | "transport=udp") => (LegKind::Udp, 3_478),
        ("turn", "transport=tcp") => (LegKind::Tcp, 3_478),
        ("turns", "" | "transport=tcp") => (LegKind::Tls, 5_349),
        _ => return None,
    };
    let bare = match place.strip_prefix('[') {
        Some(_) => place.ends_with(']'),
        None => !place.contains(':'),
    };
    let mut at = Authority::parse(place).ok()?;
    if bare {
        at.port = port;
    }
    Some((at, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_lead_to_servers_and_what_cannot_be_spoken_is_left_out() {
        let servers = [
            IceServer {
                urls: vec!["stun:a.example".to_owned(), "turn:nobody.example".to_owned()],
                username: None,
                credential: None,
            },
            IceServer {
                urls: [
                    "turns:a.example:443?transport=tcp",
                    "turn:a.example?transport=tcp",
                    "turn:192.0.2.1:99",
                    "turns:[2001:db8::1]",
                    "turns:a.example?transport=udp",
                    "stun:a.example",
                    "turn:a b",
                ]
                .map(str::to_owned)
                .to_vec(),
                username: Some("u".to_owned()),
                credential: Some("p".to_owned()),
            },
        ];
        let ways: Vec<_> = TurnServer::of(&servers)
            .into_iter()
            .map(|way| (way.at.to_string(), way.kind))
            .collect();
        let wanted = [
            ("192.0.2.1:99", LegKind::Udp),
            ("a.example:3478", LegKind::Tcp),
            ("a.example:443", LegKind::Tls),
            ("[2001:db8::1]:5349", LegKind::Tls),
        ];
        assert_eq!(ways, wanted.map(|(at, kind)| (at.to_owned(), kind)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", rest in "[a-z0-9.:?=\\[\\]]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&format!("turn:{rest}"));
        }
    }
}
