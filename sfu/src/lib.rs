//! The SFU: forwards candidates' camera, microphone and screen to proctors, and keeps what happened.
//!
//! Arrows point one way: `core` <- `shard` <- `control` / `signal` / `api` <- `server`. `core` never sees tokio, sockets, the
//! clock or the database.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clippy.toml's bans are for `core`, which denies them

pub mod api;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod doctor;
pub mod mail;
pub mod outgoing;
pub mod retention;
pub mod server;
pub mod shard;
pub mod shutdown;
pub mod signal;
pub mod store;
pub mod telemetry;
pub mod webhook;
