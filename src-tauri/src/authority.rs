//! What a person types as the server's address, brought to `host` or `host:port`.

/// Longest host and port: a DNS name (RFC 1035 section 2.3.4) and a port.
const MAX: usize = 255 + 6;

/// `https://Exam.example.org:8443/` and `exam.example.org:8443` are the same server. None when it can't be one: another
/// scheme, a path, or characters that no host name has.
pub fn parse(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let rest = match typed.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        Some(_) => return None,
        None => typed,
    };
    let host = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
    let name_end = host
        .rfind(']')
        .map_or_else(|| host.rfind(':').unwrap_or(host.len()), |bracket| bracket + 1);
    let (name, port) = host.split_at(name_end);
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    let name_ok = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'),
    };
    (host.len() <= MAX && port_ok && name_ok).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_ways_that_people_write_a_server() {
        for typed in [
            "exam.example.org:8443",
            " https://Exam.example.org:8443/ ",
            "HTTPS://exam.example.org:8443",
        ] {
            assert_eq!(parse(typed).as_deref(), Some("exam.example.org:8443"));
        }
        assert_eq!(parse("[::1]:443").as_deref(), Some("[::1]:443"));
        assert_eq!(parse("127.0.0.1").as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn what_is_no_server() {
        let bad = [
            "",
            "http://exam",
            "exam/path",
            "exam:0",
            "exam:99999",
            "a b",
            "user@exam",
            "[::1",
            "[zz]:1",
            "exam:",
        ];
        for typed in bad {
            assert_eq!(parse(typed), None, "{typed}");
        }
        assert_eq!(parse(&"a".repeat(300)), None);
    }
}
