//! Candidates and proctors so light that one machine plays hundreds: a WebSocket each, canned media, and transports by hand
//! (`invigil-peer`) on one thread. They really speak ICE, DTLS, SRTP and the protocol; they have no codec, no estimator
//! and no pacer.

pub mod candidate;
pub mod engine;
pub mod link;
pub mod proctor;
mod receive;
mod send;

pub use engine::{Engine, Snapshot};
pub use receive::Received;
pub use send::Sent;
