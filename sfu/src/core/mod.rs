//! The media plane without I/O: no socket, no clock, no async, no database. Datagrams, commands and time are arguments;
//! datagrams and events come out. One [`Shard`](crate::shard) thread owns one core.

pub mod io;
pub mod transport;
