//! Section: the media plane's shards and their ports.

use super::{ConfigError, Report};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Shards of one server. Each is connected with each, so their memory grows with the square; and a network card of 10 Gbit/s is
/// full before this many cores are.
pub const MAX_SHARDS: usize = 16;
const DEFAULT_PORT: u16 = 7443;

/// Sockets of one shard: one of IPv4, one of IPv6.
const MAX_ADDRESSES: usize = 2;

/// The shards, their ports, and what clients are told of them.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Address of the media for UDP and TCP, once for IPv4 and once for IPv6. It is the first shard's; the others take the ports that
    /// follow it. Port 0 means a free one.
    #[arg(id = "media.listen", long = "media", env = "INVIGIL_MEDIA", value_name = "ADDRESS", value_delimiter = ',',
          default_values_t = Self::default().bind)]
    #[serde(rename = "listen")]
    pub bind: Vec<SocketAddr>,
    /// Address that clients are told to send media to; for servers behind NAT. May be repeated. Without it: the listening addresses,
    /// or this machine's.
    #[arg(
        id = "media.announce",
        long = "announce",
        env = "INVIGIL_ANNOUNCE",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub announce: Vec<IpAddr>,
    /// Send every datagram by itself, without the kernel's UDP segmentation: for network cards and tunnels that lose segmented
    /// sends without an error. Costs about half as much CPU again.
    #[arg(id = "media.no_segments", long = "no-segments", env = "INVIGIL_NO_SEGMENTS", value_name = "BOOL",
          action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = clap::builder::BoolishValueParser::new())]
    pub no_segments: bool,
    /// Threads that forward media, each with a port of its own, 1 to 16; one for each core when not given.
    #[arg(id = "media.shards", long = "shards", env = "INVIGIL_SHARDS", value_name = "N")]
    pub shards: Option<usize>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            bind: vec![
                (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(),
                (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            ],
            announce: vec![],
            no_segments: false,
            shards: None,
        }
    }
}

impl MediaConfig {
    /// `development`: media on this machine only is what is wanted.
    pub(super) fn check(&self, development: bool, report: &mut Report) {
        let listen = "media.listen";
        if !(1..=MAX_ADDRESSES).contains(&self.bind.len()) {
            report.mistake(
                listen,
                "one address is needed, and a second one of the other IP version is possible",
            );
        } else if let [first, second] = self.bind[..]
            && first.is_ipv4() == second.is_ipv4()
        {
            report.mistake(listen, "of two addresses one has to be IPv4 and one IPv6");
        }
        if let Err(Unusable { setting, words }) = self.ports() {
            report.mistake(setting, words);
        }
        let announce = "media.announce";
        for ip in &self.announce {
            if ip.is_unspecified() || ip.is_multicast() {
                report.mistake(announce, format!("{ip} is no address that a client can send to"));
            } else if !self.bind.iter().any(|bound| bound.is_ipv4() == ip.is_ipv4()) {
                let version = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
                report.mistake(
                    announce,
                    format!("{ip}: the media listen on no {version} address; add one to {listen}"),
                );
            }
        }
        for (setting, ip) in self.told().filter(|(_, ip)| ip.is_loopback() && !development) {
            report.mistake(
                setting,
                format!(
                    "clients would be told to send their media to {ip}, which on each machine means itself: nobody else's would \
                     arrive. Announce the address that clients reach this server by, or set --development where all of them run \
                     on this machine"
                ),
            );
        }
    }

    /// What clients are told as far as the settings say it, each with the setting that does.
    fn told(&self) -> impl Iterator<Item = (&'static str, IpAddr)> {
        let announced = self.announce.iter().map(|ip| ("media.announce", *ip));
        let listening = self.bind.iter().map(SocketAddr::ip).filter(|ip| {
            let covered = self
                .announce
                .iter()
                .any(|announced| announced.is_ipv4() == ip.is_ipv4());
            !covered && !ip.is_unspecified()
        });
        announced.chain(listening.map(|ip| ("media.listen", ip)))
    }

    /// Where each shard listens.
    ///
    /// # Errors
    /// There are too many or no shards, or not enough ports behind the first one.
    pub fn addresses(&self) -> Result<Vec<Vec<SocketAddr>>, ConfigError> {
        self.ports().map_err(|unusable| ConfigError::Invalid(unusable.words))
    }

    fn ports(&self) -> Result<Vec<Vec<SocketAddr>>, Unusable> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let shards = self.shards.unwrap_or_else(|| cores().min(MAX_SHARDS));
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(Unusable {
                setting: "media.shards",
                words: "1 to 16 shards are possible",
            });
        }
        let address = |first: &SocketAddr, shard: usize| {
            let port = match first.port() {
                0 => Some(0),
                port => u16::try_from(shard).ok().and_then(|shard| port.checked_add(shard)),
            };
            let port = port.ok_or(Unusable {
                setting: "media.listen",
                words: "the port leaves too few behind it for the other shards",
            })?;
            Ok(SocketAddr::new(first.ip(), port))
        };
        (0..shards)
            .map(|shard| self.bind.iter().map(|first| address(first, shard)).collect())
            .collect()
    }
}

/// A setting and what is wrong with it.
#[derive(Debug)]
struct Unusable {
    setting: &'static str,
    words: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bind: &[&str], shards: Option<usize>) -> MediaConfig {
        MediaConfig {
            bind: bind.iter().map(|address| address.parse().unwrap()).collect(),
            announce: vec![],
            no_segments: false,
            shards,
        }
    }

    fn ports(bind: &[&str], shards: Option<usize>) -> Vec<Vec<u16>> {
        let addresses = config(bind, shards).addresses().unwrap();
        let ports = |addresses: &Vec<SocketAddr>| addresses.iter().map(SocketAddr::port).collect();
        addresses.iter().map(ports).collect()
    }

    #[test]
    fn each_shard_has_the_next_port_of_each_family() {
        let both = ["0.0.0.0:7443", "[::]:7450"];
        assert_eq!(ports(&both, Some(3)), [[7443, 7450], [7444, 7451], [7445, 7452]]);
        assert_eq!(ports(&["127.0.0.1:0"], Some(2)), [[0], [0]]);
        let usual = ports(&["127.0.0.1:0"], None).len();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(usual, cores.min(MAX_SHARDS));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(config(&["0.0.0.0:65535"], Some(1)).addresses().is_ok());
        assert!(config(&["0.0.0.0:65535"], Some(2)).addresses().is_err());
        assert!(config(&["0.0.0.0:7443"], Some(0)).addresses().is_err());
        assert!(config(&["0.0.0.0:7443"], Some(MAX_SHARDS + 1)).addresses().is_err());
    }
}
