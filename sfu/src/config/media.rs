//! Section: the media plane's shards and their ports.

use super::ConfigError;
use std::net::{IpAddr, SocketAddr};

/// Shards of one server. Each is connected with each, so their memory grows with the square; and a network card of 10 Gbit/s is
/// full before this many cores are.
pub const MAX_SHARDS: usize = 16;

#[derive(Clone, Debug, clap::Args)]
pub struct MediaConfig {
    /// Address of the media for UDP and TCP, once for IPv4 and once for IPv6. It is the first shard's; the others take the ports that
    /// follow it. Port 0 means a free one.
    #[arg(long = "media", env = "INVIGIL_MEDIA", value_name = "ADDRESS", value_delimiter = ',',
          default_values = ["0.0.0.0:7443", "[::]:7443"])]
    pub bind: Vec<SocketAddr>,
    /// Address that clients are told to send media to; for servers behind NAT. May be repeated.
    #[arg(
        long = "announce",
        env = "INVIGIL_ANNOUNCE",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub announce: Vec<IpAddr>,
    /// Send every datagram by itself, without the kernel's UDP segmentation: for network cards and tunnels that lose segmented
    /// sends without an error. Costs about half as much CPU again.
    #[arg(long, env = "INVIGIL_NO_SEGMENTS")]
    pub no_segments: bool,
    /// Threads that forward media, each with a port of its own; one for each core when not given.
    #[arg(long, env = "INVIGIL_SHARDS", value_name = "N")]
    pub shards: Option<usize>,
}

impl MediaConfig {
    /// Where each shard listens.
    ///
    /// # Errors
    /// There are too many or no shards, or not enough ports behind the first one.
    pub fn addresses(&self) -> Result<Vec<Vec<SocketAddr>>, ConfigError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let shards = self.shards.unwrap_or_else(|| cores().min(MAX_SHARDS));
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(ConfigError::Invalid("--shards takes 1 to 16"));
        }
        let address = |first: &SocketAddr, shard: usize| {
            let port = match first.port() {
                0 => Some(0),
                port => u16::try_from(shard).ok().and_then(|shard| port.checked_add(shard)),
            };
            let port = port.ok_or(ConfigError::Invalid(
                "--media leaves too few ports for the other shards",
            ))?;
            Ok(SocketAddr::new(first.ip(), port))
        };
        (0..shards)
            .map(|shard| self.bind.iter().map(|first| address(first, shard)).collect())
            .collect()
    }
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
