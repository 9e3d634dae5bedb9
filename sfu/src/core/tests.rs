//! The whole core in memory, with peers that do real ICE, DTLS and SRTP.

mod fan_out;
mod forwarding;
mod isolation;
mod muting;
mod narrow;
mod paths;
mod recovery;
mod relayed;
mod reports;
mod shards;
mod simulcast;
pub(crate) mod world;
