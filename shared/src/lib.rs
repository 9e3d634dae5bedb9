//! The protocol that Invigil's candidate client, proctor client and SFU speak.
//!
//! No I/O, no clock, no async: time and randomness are arguments, bytes go in and typed messages come out.

pub mod account;
pub mod api_key;
pub mod bandwidth;
pub mod binding;
pub mod chain;
pub mod codec;
pub mod device;
pub mod error;
pub mod exam;
pub mod frame_info;
pub mod id;
pub mod integrity;
pub mod intent;
pub mod limits;
mod link;
pub mod losses;
pub mod office;
pub mod oidc;
pub mod participation;
pub mod people;
pub mod publication;
pub mod rest;
pub mod role;
pub mod signal;
pub mod sitting;
pub mod stats;
pub mod timeline;
pub mod token;
pub mod turn_frames;
pub mod webhook;

/// The version of this protocol. It is offered as the WebSocket subprotocol [`SUBPROTOCOL`] and in `auth:request`.
pub const PROTOCOL_VERSION: u32 = 1;
/// The WebSocket subprotocol of version 1 (RFC 6455 section 1.9).
pub const SUBPROTOCOL: &str = "invigil.v1";
