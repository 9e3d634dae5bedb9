//! Section: STUN and TURN servers that clients are told of.

use super::{ConfigError, Report};
use crate::core::network::Network;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs;
use std::path::PathBuf;

/// Below this a shared secret can be guessed from one credential.
const MIN_SECRET: usize = 16;
/// Longest URL: a host name of 253 bytes with all that stands round it.
const MAX_URL: usize = 320;

/// Servers that clients are told of.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IceConfig {
    /// A STUN server that browsers are told of, `stun:HOST[:PORT]`. May be repeated.
    #[arg(
        id = "ice.stun",
        long = "stun",
        env = "INVIGIL_STUN",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub stun: Vec<String>,
    /// A TURN server for networks that let nothing else through, `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:...`. May be
    /// repeated; needs the file of the secret.
    #[arg(
        id = "ice.turn",
        long = "turn",
        env = "INVIGIL_TURN",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub turn: Vec<String>,
    /// File with the secret that the TURN servers share with this one (coturn: static-auth-secret). Credentials are made from it
    /// for each client and expire; the secret itself never leaves.
    #[arg(
        id = "ice.turn_secret_file",
        long = "turn-secret-file",
        env = "INVIGIL_TURN_SECRET_FILE",
        value_name = "FILE"
    )]
    pub turn_secret_file: Option<PathBuf>,
    /// Seconds that a TURN credential is good for, 600 to 172800: as long as an exam for browsers, which get one and are asked for it
    /// again every ten minutes. Our own clients get others in time.
    #[arg(id = "ice.turn_credential_s", long = "turn-credential-s", env = "INVIGIL_TURN_CREDENTIAL_S", value_name = "N",
          default_value_t = DEFAULT_CREDENTIAL_S)]
    pub turn_credential_s: i64,
    /// Where the TURN servers' relayed media comes from: an address, or a range as 192.0.2.0/28. May be repeated. When set, exams
    /// for relays only take media from nowhere else; without it, that is left to the clients.
    #[arg(
        id = "ice.relay_addresses",
        long = "relay-address",
        env = "INVIGIL_RELAY_ADDRESSES",
        value_name = "IP[/N]",
        value_delimiter = ','
    )]
    pub relay_addresses: Vec<String>,
}

const DEFAULT_CREDENTIAL_S: i64 = 43_200;

impl Default for IceConfig {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret_file: None,
            turn_credential_s: DEFAULT_CREDENTIAL_S,
            relay_addresses: Vec::new(),
        }
    }
}

impl IceConfig {
    /// `development`: tests don't wait for hours.
    pub(super) fn check(&self, development: bool, report: &mut Report) {
        for (setting, urls, read) in [
            ("ice.stun", &self.stun, stun_url as fn(&str) -> Result<(), String>),
            ("ice.turn", &self.turn, turn_url),
        ] {
            for text in urls {
                if let Err(why) = read(text) {
                    report.mistake(setting, format!("{text:?}: {why}"));
                }
            }
        }
        for text in &self.relay_addresses {
            if let Err(why) = text.parse::<Network>() {
                report.mistake(
                    "ice.relay_addresses",
                    format!("{text:?}: {why}; for example 192.0.2.7 or 192.0.2.0/28"),
                );
            }
        }
        if let Err(error) = self.secret() {
            report.mistake("ice.turn_secret_file", error.to_string());
        }
        let least = if development { 4 } else { 600 };
        if !(least..=172_800).contains(&self.turn_credential_s) {
            report.mistake(
                "ice.turn_credential_s",
                "600 to 172800 seconds are possible; choose at least the length of an exam",
            );
        }
    }

    /// Where relayed media comes from.
    ///
    /// # Errors
    /// One of them is no address and no range.
    pub fn relays(&self) -> Result<Vec<Network>, ConfigError> {
        let parsed = self.relay_addresses.iter().map(|text| text.parse());
        parsed.collect::<Result<_, _>>().map_err(ConfigError::Invalid)
    }

    /// The shared secret, without the line's end.
    ///
    /// # Errors
    /// There are TURN servers and no secret, or the file can't be read or holds too short a one.
    pub fn secret(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(path) = &self.turn_secret_file else {
            return match self.turn.is_empty() {
                true => Ok(None),
                false => Err(ConfigError::Invalid(
                    "TURN servers need it: a file with the secret that they share with this server",
                )),
            };
        };
        let text = fs::read(path).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?;
        let secret = text.trim_ascii().to_vec();
        if secret.len() < MIN_SECRET {
            return Err(ConfigError::Content {
                path: path.clone(),
                reason: format!("a secret has at least {MIN_SECRET} bytes"),
            });
        }
        Ok(Some(secret))
    }
}

fn stun_url(text: &str) -> Result<(), String> {
    url(text, &["stun", "stuns"], false)
}

fn turn_url(text: &str) -> Result<(), String> {
    url(text, &["turn", "turns"], true)
}

/// Checks a URL of RFC 7064 or RFC 7065: what goes to browsers in a header has no room for surprises.
fn url(text: &str, schemes: &[&str], takes_transport: bool) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("{what}; for example {}:turn.example.org:3478", schemes[0]));
    if text.len() > MAX_URL {
        return refuse("it is too long");
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return refuse("a URL begins with its scheme");
    };
    if !schemes.contains(&scheme) {
        return refuse("the scheme is another");
    }
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, None), |(place, query)| (place, Some(query)));
    if query.is_some_and(|query| !takes_transport || !matches!(query, "transport=udp" | "transport=tcp")) {
        return refuse("only ?transport=udp and ?transport=tcp of a TURN URL mean something");
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return refuse("what stands in brackets is no IPv6 address");
            }
            ("v6", rest.strip_prefix(':').or((!rest.is_empty()).then_some("")))
        }
        None => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if host.is_empty() || !host.chars().all(named) {
        return refuse("the host is missing or no name");
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return refuse("the port is no number from 1 to 65535");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_browsers_take_are_taken() {
        for good in [
            "turn:a.example.org",
            "turn:192.0.2.1:3478",
            "turns:a.example.org:443?transport=tcp",
            "turn:[2001:db8::1]:3478?transport=udp",
            "turn:[2001:db8::1]",
        ] {
            assert_eq!(turn_url(good), Ok(()), "{good}");
        }
        assert!(stun_url("stun:a.example.org:3478").is_ok());
        for bad in [
            "",
            "turn",
            "turn:",
            "turn::3478",
            "turn:a.example.org:0",
            "turn:a.example.org:99999",
            "turn:a.example.org:x",
            "turn:a.example.org?transport=sctp",
            "turn:a>\r\nx: y",
            "turn:\"a\"",
            "turn:[::g]:1",
            "turn:[::1]1",
            "stun:a.example.org",
            "http://a.example.org",
        ] {
            assert!(turn_url(bad).is_err(), "{bad}");
        }
        assert!(stun_url("stun:a.example.org?transport=udp").is_err());
    }

    #[test]
    fn relays_need_a_secret_of_some_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let config = |secret: Option<&str>| IceConfig {
            turn: vec!["turn:a.example.org".into()],
            turn_secret_file: secret.map(|secret| {
                fs::write(&file, secret).unwrap();
                file.clone()
            }),
            ..IceConfig::default()
        };
        assert!(config(None).secret().is_err());
        assert!(config(Some("short\n")).secret().is_err());
        let secret = config(Some("0123456789abcdef\n")).secret().unwrap();
        assert_eq!(secret.as_deref(), Some(b"0123456789abcdef".as_slice()));
        assert!(matches!(IceConfig::default().secret(), Ok(None)));
        let missing = IceConfig {
            turn_secret_file: Some(folder.path().join("nothing")),
            ..IceConfig::default()
        };
        assert!(missing.secret().is_err());
    }
}
