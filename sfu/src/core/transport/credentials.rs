//! What two peers must know of each other before a datagram may be believed: ICE credentials and certificate fingerprints.

use std::fmt;
use subtle::ConstantTimeEq;

/// RFC 8839 section 5.4: 4 to 256 characters; ours are shorter and longer ones are nobody's.
const MAX_UFRAG: usize = 256;
const MAX_PWD: usize = 256;
/// RFC 8839 section 5.4.
const MIN_UFRAG: usize = 4;
const MIN_PWD: usize = 22;
/// Random characters of the fragments that we make: 48 bits, so that two transports of a shard don't meet.
pub const OUR_UFRAG_LEN: usize = 8;
/// Characters before them that hold the shard's number, 6 bits each.
const SHARD_LEN: usize = 3;
/// RFC 8839 section 5.1: the characters of fragments and passwords.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters of the passwords that we make: 144 bits (RFC 8445 section 5.3 wants 128).
pub const OUR_PWD_LEN: usize = 24;

/// The user fragment and password of one side of an ICE session (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

impl IceCredentials {
    /// Credentials from what a peer wrote; none when a length or a character is outside of RFC 8839's grammar.
    ///
    /// Some agents write `-` and `_` in fragments; they are let through because they do no harm in our answer.
    pub fn from_peer(ufrag: &str, pwd: &str) -> Option<Self> {
        let fits = |text: &str, min: usize, max: usize| {
            (min..=max).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| is_ice_char(byte) || byte == b'-' || byte == b'_')
        };
        (fits(ufrag, MIN_UFRAG, MAX_UFRAG) && fits(pwd, MIN_PWD, MAX_PWD)).then(|| Self {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
        })
    }

    /// Our own credentials from uniformly random bytes: 8 characters of fragment and 24 of password.
    pub fn from_random(random: [u8; OUR_UFRAG_LEN + OUR_PWD_LEN]) -> Self {
        let text = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
                .collect()
        };
        Self {
            ufrag: text(&random[..OUR_UFRAG_LEN]),
            pwd: text(&random[OUR_UFRAG_LEN..]),
        }
    }

    /// The same, with the shard's number before the fragment.
    pub fn for_shard(shard: u16, random: [u8; OUR_UFRAG_LEN + OUR_PWD_LEN]) -> Self {
        let digits = [shard >> 12, shard >> 6, shard].map(|digit| char::from(ALPHABET[usize::from(digit & 63)]));
        let Self { ufrag, pwd } = Self::from_random(random);
        let ufrag = digits.into_iter().chain(ufrag.chars()).collect();
        Self { ufrag, pwd }
    }
}

/// The shard whose transport a fragment names; none when it is not one of ours.
pub fn shard_of(ufrag: &str) -> Option<u16> {
    if ufrag.len() != SHARD_LEN + OUR_UFRAG_LEN {
        return None;
    }
    ufrag.bytes().take(SHARD_LEN).try_fold(0u16, |number, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        number.checked_mul(64)?.checked_add(u16::try_from(digit).ok()?)
    })
}

/// SHA-256 of a certificate's DER (RFC 8122 section 5).
#[derive(Clone, Copy)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a DER certificate.
    pub fn of_certificate(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// Parses the value of `a=fingerprint`; none for another hash than SHA-256 or another shape.
    pub fn parse(value: &str) -> Option<Self> {
        let (hash, hex) = value.trim().split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let mut out = [0; 32];
        let mut pairs = hex.trim().split(':');
        for byte in &mut out {
            let pair = pairs
                .next()
                .filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(out))
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Fingerprint {
    /// As in `a=fingerprint`: `sha-256 AB:CD:..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_its_text() {
        let made = Fingerprint::of_certificate(b"not a certificate, but bytes");
        let read = Fingerprint::parse(&made.to_string()).unwrap();
        assert!(made.matches(&read));
        assert!(!made.matches(&Fingerprint::of_certificate(b"others")));
        let lower = made.to_string().to_lowercase();
        assert!(Fingerprint::parse(&lower).unwrap().matches(&made));
    }

    #[test]
    fn broken_fingerprints_are_refused() {
        let good = Fingerprint([0xab; 32]).to_string();
        for bad in [
            good.replace("sha-256", "sha-1"),
            format!("{good}:00"),
            good[..good.len() - 3].to_owned(),
            good.replace("AB", "+A"),
            good.replace("AB", "é"),
            "sha-256".to_owned(),
            String::new(),
        ] {
            assert!(Fingerprint::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn credentials_keep_to_the_grammar() {
        let ours = IceCredentials::from_random(std::array::from_fn(|index| (index * 37) as u8));
        assert_eq!(IceCredentials::from_peer(&ours.ufrag, &ours.pwd).unwrap(), ours);
        assert_eq!((ours.ufrag.len(), ours.pwd.len()), (8, 24));
        for shard in [0, 1, 63, 64, 4_095, u16::MAX] {
            let ours = IceCredentials::for_shard(shard, [7; 32]);
            assert_eq!(shard_of(&ours.ufrag), Some(shard));
            assert_eq!(IceCredentials::from_peer(&ours.ufrag, &ours.pwd).unwrap(), ours);
        }
        for other in [
            "",
            "AAA",
            "AAAAAAAAAA",
            "AAAAAAAAAAAA",
            "///AAAAAAAA",
            "A-AAAAAAAAA",
            "éAAAAAAAAA",
        ] {
            assert_eq!(shard_of(other), None, "{other}");
        }
        let pwd = "a".repeat(22);
        assert!(IceCredentials::from_peer("abc", &pwd).is_none());
        assert!(IceCredentials::from_peer("abcd", "short").is_none());
        assert!(IceCredentials::from_peer("ab\rd", &pwd).is_none());
        assert!(IceCredentials::from_peer(&"a".repeat(257), &pwd).is_none());
    }
}
