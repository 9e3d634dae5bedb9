//! A shard: one thread, one port per address for UDP and TCP, one core. Control talks to it through a bounded mailbox, and
//! shards of one process to each other through rings.

pub mod mailbox;
mod mesh;
mod ring;
mod socket;
pub mod tcp;
mod waker;
mod worker;

pub use crate::core::gauges::Gauges;
pub use crate::core::io::{Command, CommandResult, Event, Profile, Reply, ShardId};
pub use crate::core::participant::Carried;
pub use crate::core::paths::PathFigures;
pub use crate::core::tally::Tally;
pub use mailbox::ShardHandle;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The DTLS certificate of this process; its fingerprint stands in every SDP answer.
pub use crate::core::transport::DtlsIdentity as DtlsCertificate;

/// How a shard is set up.
#[derive(Clone)]
pub struct ShardConfig {
    pub id: ShardId,
    /// Where to listen; port 0 picks a free one. One IPv4 and one IPv6 address at most make sense.
    pub bind: Vec<SocketAddr>,
    /// Addresses that clients are told to use; when empty the bound address, or this machine's when that is a wildcard.
    pub announce: Vec<IpAddr>,
    /// Whether several datagrams for one destination may go out in one segmented send, where the system can.
    pub segments: bool,
    pub certificate: Arc<DtlsCertificate>,
    /// Seed of the shard's randomness (ICE credentials, SSRCs, first sequence numbers): from the system, or fixed in tests.
    pub seed: [u8; 32],
}

/// Why a shard could not start.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("no address to listen on was given")]
    NoAddress,
    #[error("one shard can't listen on so many addresses")]
    TooManyAddresses,
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("no address can be announced to clients; give one with --announce")]
    NothingToAnnounce,
    #[error("cannot make the DTLS certificate: {0}")]
    Certificate(String),
    #[error("cannot start the shard's thread")]
    Thread(#[source] std::io::Error),
}

/// What a shard has counted since it began, and what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardFigures {
    pub tally: Tally,
    pub gauges: Gauges,
    /// Datagrams that the kernel did not take.
    pub unsent: u64,
    /// Packets of other shards that came too late to be forwarded.
    pub late: u64,
    /// Events that wait for control, and those that it never took.
    pub backlog: usize,
    pub lost_events: u64,
    /// The thread's id at the system, where it has such: `/proc/self/task` says what it has used.
    pub thread: Option<u32>,
}

/// How a shard's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardExit {
    /// [`ShardHandle::stop`] was called, or every handle was dropped.
    Stopped,
    /// A bug of ours; the log has the message. The shard takes no more commands.
    Panicked,
    /// The socket failed for good.
    SocketFailed,
}

/// Makes this process's DTLS certificate: self-signed, ECDSA P-256, known to peers by its fingerprint alone (RFC 8122).
///
/// # Errors
/// The cryptographic provider failed.
pub fn generate_certificate() -> Result<Arc<DtlsCertificate>, ShardError> {
    DtlsCertificate::generate()
        .map(Arc::new)
        .map_err(|error| ShardError::Certificate(error.to_string()))
}

/// A shard that runs, and its thread.
pub type Started = (ShardHandle, JoinHandle<ShardExit>);

/// Starts a process's shards: binds their sockets, connects each with each, and starts their threads. Events go to `events`; when
/// that is full they wait, bounded.
///
/// # Errors
/// An address can't be bound, or nothing can be announced. No thread runs then.
pub fn spawn(
    configs: &[ShardConfig],
    events: &tokio::sync::mpsc::Sender<(ShardId, Event)>,
) -> Result<Vec<Started>, ShardError> {
    worker::spawn(configs, events)
}

#[cfg(test)]
mod tests;
