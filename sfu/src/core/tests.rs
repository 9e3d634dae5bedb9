//! The whole core in memory, with peers that do real ICE, DTLS and SRTP.

mod forwarding;
mod isolation;
mod recovery;
mod shards;
pub(crate) mod world;
