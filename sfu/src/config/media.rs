//! Section: the media plane's UDP port.

use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, clap::Args)]
pub struct MediaConfig {
    /// UDP address of the media; port 0 picks a free one. May be given once for IPv4 and once for IPv6.
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
}
