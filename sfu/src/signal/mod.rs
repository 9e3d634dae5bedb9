//! Signalling: one WebSocket per client, JSON messages of `invigil-shared`.

mod connection;
mod listener;
mod rate_limit;
mod session;

pub use listener::upgrade;
