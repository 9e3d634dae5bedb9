//! `invigil://HOST:PORT/KIND?name=value&...`: a link that an app takes as one pasted text. It names a server, perhaps its certificate, and
//! what to do there.

use std::collections::BTreeMap;

const SCHEME: &str = "invigil://";
/// Of a DNS name (RFC 1035 section 2.3.4), and of anything that stands behind it.
const MAX_AUTHORITY: usize = 255;
const MAX_VALUE: usize = 128;

/// A link that was taken apart.
pub(crate) struct Link {
    pub authority: String,
    pub certificate_sha256: Option<String>,
    /// The other parameters. Those of a later version are among them.
    pub values: BTreeMap<String, String>,
}

impl Link {
    /// None for what is no link of this kind.
    pub fn parse(text: &str, kind: &str) -> Option<Self> {
        let (authority, rest) = text.trim().strip_prefix(SCHEME)?.split_once('/')?;
        let query = rest.strip_prefix(kind)?.strip_prefix('?')?;
        let host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if authority.is_empty() || authority.len() > MAX_AUTHORITY || !authority.chars().all(host) {
            return None;
        }
        let mut values = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if value.is_empty() || value.len() > MAX_VALUE || !value.chars().all(plain) {
                return None;
            }
            values.insert(name.to_owned(), value.to_owned());
        }
        let certificate_sha256 = values.remove("sha256");
        let hash = |pin: &String| pin.len() == 64 && crate::chain::unhex(pin).is_some();
        if certificate_sha256.as_ref().is_some_and(|pin| !hash(pin)) {
            return None;
        }
        Some(Self {
            authority: authority.to_owned(),
            certificate_sha256,
            values,
        })
    }

    pub fn text(authority: &str, kind: &str, values: &[(&str, &str)], certificate_sha256: Option<&str>) -> String {
        let pin = certificate_sha256.map(|pin| ("sha256", pin));
        let pairs: Vec<String> = values
            .iter()
            .copied()
            .chain(pin)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{SCHEME}{authority}/{kind}?{}", pairs.join("&"))
    }
}
