//! The two desktop apps, thin: windows, capture and client are joined here, and nothing is decided twice.
//!
//! All state lives in Rust. A window draws the newest view and sends commands, so that a killed web process is back with
//! what it showed. `candidate` and `proctor` hold state machines without Tauri, clocks or sockets; their actors run them.

pub mod authority;
#[cfg(feature = "proctor")]
mod browser;
pub mod call;
pub mod clock;
pub mod environment;
pub mod known_servers;
pub mod link;
pub mod measure;
pub mod media_port;
pub mod media_queue;
pub mod options;
pub mod server;
pub mod ui_port;
pub mod window;

#[cfg(test)]
mod grants;

#[cfg(feature = "candidate")]
pub mod candidate;
#[cfg(feature = "proctor")]
pub mod proctor;
