//! The whole core in memory, with peers that do real ICE, DTLS and SRTP.

mod forwarding;
mod isolation;
mod recovery;
pub(crate) mod world;
