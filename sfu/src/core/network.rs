//! Ranges of addresses, for transports that take media from some only.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A range in CIDR notation (RFC 4632 section 3.1), or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address of a datagram's sender is one of these. An IPv4 address that is mapped into IPv6 is itself.
    pub fn holds(&self, sender: SocketAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.base, sender.ip().to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => (u32::from(base) ^ u32::from(ip)).leading_zeros() >= bits,
            (IpAddr::V6(base), IpAddr::V6(ip)) => (u128::from(base) ^ u128::from(ip)).leading_zeros() >= bits,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let base: IpAddr = ip.parse().map_err(|_| "it is no IP address")?;
        let base = base.to_canonical();
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or("its prefix is too long or no number")?,
        };
        Ok(Self { base, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, ip: &str) -> bool {
        network
            .parse::<Network>()
            .unwrap()
            .holds(SocketAddr::new(ip.parse().unwrap(), 9))
    }

    #[test]
    fn a_range_holds_what_begins_with_its_prefix() {
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("192.0.2.0/25", "192.0.2.127") && !holds("192.0.2.0/25", "192.0.2.128"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("192.0.2.7", "::ffff:192.0.2.7") && holds("::ffff:192.0.2.7", "192.0.2.7"));
        for bad in [
            "",
            "a",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/-1",
            "192.0.2.0/",
            "192.0.2.1:9",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
