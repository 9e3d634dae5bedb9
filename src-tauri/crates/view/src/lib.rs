//! What the two windows show. All state lives in Rust: a window draws the newest view and sends commands, so that a killed
//! web process loses nothing. Types only; the words come from the UI's catalogue, keyed by code.

pub mod account;
pub mod candidate;
pub mod common;
pub mod media;
pub mod office;
pub mod people;
pub mod proctor;
pub mod systems;
