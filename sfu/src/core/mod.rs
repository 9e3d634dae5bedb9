//! The media plane without I/O: no socket, no clock, no async, no database. Datagrams, commands and time are arguments;
//! datagrams and events come out. One [`shard`](crate::shard) thread owns one [`Shard`].

// Tests make their own time; what ships is told it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod browser;
pub mod budget;
mod commands;
pub mod demux;
mod fan_out;
mod feedback;
pub mod forward_table;
pub mod forwarder;
pub mod gauges;
pub mod h264;
mod ingest;
pub mod io;
pub mod keyframe;
pub mod lane;
pub mod layer_selector;
pub mod media;
pub mod meter;
pub mod network;
mod offers;
pub mod pacer;
pub mod participant;
pub mod paths;
pub mod peer;
pub mod peers;
pub mod publication;
pub mod receiver;
pub mod relay;
pub mod room;
pub mod rtcp;
pub mod rtp;
pub mod rtx;
mod settle;
mod siblings;
mod state;
pub mod subscription;
pub mod tally;
pub mod tap;
mod tick;
pub mod transport;
pub mod twcc;
pub mod vp8;

#[cfg(test)]
pub(crate) mod tests;

/// Clippy has to see each of these, or the bans of clippy.toml are gone: an expectation that is not fulfilled is a warning.
#[cfg(clippy)]
mod bans {
    #[expect(clippy::disallowed_methods)]
    const _: fn() -> std::time::Instant = std::time::Instant::now;
    #[expect(clippy::disallowed_methods)]
    const _: fn() -> std::time::SystemTime = std::time::SystemTime::now;
    #[expect(clippy::disallowed_types)]
    const _: Option<std::collections::HashMap<u8, u8>> = None;
}

pub use fan_out::HOLD;
pub use state::{CoreConfig, MAX_EVENTS, Shard};
