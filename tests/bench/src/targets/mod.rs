//! The SFUs under the same load.

mod child;
mod invigil;
pub mod str0m_peer;

use anyhow::Result;
use std::path::Path;

/// A running SFU in a process of its own.
pub trait Target {
    /// Takes a publisher's offer; returns the answer.
    fn publish(&mut self, index: usize, offer: &str) -> Result<String>;
    /// Takes a subscriber's offer, which has an m-line for every publisher.
    fn play(&mut self, index: usize, offer: &str) -> Result<String>;
    /// Whose CPU and memory are measured.
    fn pid(&self) -> u32;
}

/// The table's rows, in its order; `bare` is no SFU but the floor.
pub const NAMES: &[&str] = &["bare", "invigil", "str0m"];

/// Starts an SFU for `people` publishers. `segments`: our own may use segmented sends.
pub fn start(name: &str, sfu: &Path, folder: &Path, people: usize, segments: bool) -> Result<Box<dyn Target>> {
    match name {
        "invigil" => Ok(Box::new(invigil::Invigil::start(sfu, folder, people, segments)?)),
        _ => Ok(Box::new(child::Child::start(name)?)),
    }
}
