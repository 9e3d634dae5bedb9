//! A WebRTC client so light that one core plays hundreds: ICE (controlling), DTLS and SRTP on a UDP socket of its own, offers
//! written by hand, retransmission in both directions. No codec: whoever uses it brings the payloads.
//!
//! The load generator and the bench stand on it, because a generator that takes the core of the server measures itself.

pub mod incoming;
pub mod outgoing;
pub mod sdp;
pub mod wire;
