//! The media plane without I/O: no socket, no clock, no async, no database. Datagrams, commands and time are arguments;
//! datagrams and events come out. One [`shard`](crate::shard) thread owns one [`Shard`].

pub mod browser;
pub mod budget;
mod commands;
pub mod demux;
mod feedback;
pub mod forward_table;
pub mod forwarder;
pub mod h264;
mod ingest;
pub mod io;
pub mod keyframe;
pub mod layer_selector;
pub mod media;
mod offers;
pub mod pacer;
pub mod participant;
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
pub mod tap;
mod tick;
pub mod transport;
pub mod twcc;
pub mod vp8;

#[cfg(test)]
pub(crate) mod tests;

pub use state::{CoreConfig, Shard};
