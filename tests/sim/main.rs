//! Seeded simulations of whole exams: participants around the SFU's core, on paths that lose, delay, reorder and break, on a
//! clock that only the world moves. No socket, no thread, no real time: what a seed does once it does always.
//!
//! `tests/README.md` says how to replay a seed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)] // all of it is a test

mod assembler;
mod candidate;
mod clock;
mod encoder;
mod endpoint;
mod faults;
mod link;
mod mark;
mod oracle;
mod person;
mod proctor;
mod scenarios;
mod sdp;
mod server;
mod trace;
mod world;
