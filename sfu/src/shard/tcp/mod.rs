//! Datagrams over TCP, for networks that let no UDP through: ICE-TCP (RFC 6544) on the same port numbers as the UDP sockets,
//! and the same inside TLS on the HTTPS port.
//!
//! The core knows nothing of it. A connection's datagrams come from an address of its own: the peer's, with the connection's
//! number as IPv6 flow label. No UDP socket ever reports a flow label, so nothing that arrives by UDP can take a connection's
//! place, and the address that a STUN answer names is still the peer's own. What the core sends to such an address goes to the
//! connection's bounded queue. Sockets are read and written on tokio's tasks; whole frames cross to the shard's thread, one
//! buffer per connection at a time, so that a connection that floods waits for itself alone.

mod admission;
mod connection;
mod door;
mod framing;
mod lane;
mod line;
mod listener;

pub use door::Door;
pub use framing::{Look, look};
pub use lane::TcpGate;
pub(super) use lane::{TcpLane, lane};
pub(super) use listener::bind;
pub use listener::tune;

/// For the fuzz target, which has no sockets.
pub use framing::{FrameError, each_frame, whole_frames};

#[cfg(test)]
mod tests;
