//! The SFUs under the same load.

mod child;
mod invigil;
mod janus;
mod offers;
pub mod rtc_peer;
pub mod str0m_peer;

use anyhow::Result;
use invigil_peer::sdp::{self, Line};
use invigil_peer::wire::Endpoint;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// A running SFU in a process of its own.
pub trait Target {
    /// Where the load's sockets are bound, so that this SFU reaches them.
    fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }
    /// Takes a publisher's offer; returns the answer.
    fn publish(&mut self, index: usize, offer: &str) -> Result<String>;
    /// Takes a subscriber's offer, which has an m-line for everything that is to be forwarded; returns the answer.
    fn watch(&mut self, index: usize, offer: &str) -> Result<String>;
    /// Connects a subscriber. An SFU that makes the offers itself does it its own way.
    fn play(&mut self, index: usize, wire: &mut Endpoint, lines: &[Line]) -> Result<()> {
        let answer = self.watch(index, &sdp::offer(&wire.own(false), lines))?;
        wire.connect(&answer).map(drop)
    }
    /// Whose CPU and memory are measured.
    fn pid(&self) -> u32;
}

/// The table's rows, in its order; the first ones are no SFUs but floors.
pub const NAMES: &[&str] = &["bare", "sealed", "invigil", "str0m", "rtc", "janus"];

/// How an SFU is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    pub name: &'static str,
    /// May use segmented sends.
    pub segments: bool,
    /// Whoever receives takes segmented messages whole: a network card with segmentation offload splits them without asking the
    /// processor, and loopback delivers them whole to a socket that wants that.
    pub offload: bool,
    pub shards: usize,
}

impl Setup {
    /// A thread that does no more than any SFU has to.
    pub fn is_floor(&self) -> bool {
        matches!(self.name, "bare" | "sealed")
    }
}

/// The ways in which an SFU is measured. `shards`: what our binary can be told.
pub fn setups(name: &'static str, shards: &[usize]) -> Vec<Setup> {
    let with = |(segments, offload), shards| Setup {
        name,
        segments,
        offload,
        shards,
    };
    // The stricter one first: who knows the CSV's older columns only finds that.
    let sends = [(true, false), (true, true), (false, false)];
    match name {
        "bare" | "sealed" => sends.map(|send| with(send, 1)).to_vec(),
        "invigil" => {
            let shards = shards.iter();
            shards
                .flat_map(|&shards| sends.map(|send| with(send, shards)))
                .collect()
        }
        _ => vec![with((false, false), 1)],
    }
}

/// Why an SFU can't be measured on this machine, if so.
pub fn missing(name: &str) -> Option<&'static str> {
    (name == "janus" && !janus::installed()).then_some("not installed (cargo xtask bench sfu --install-peers)")
}

/// Starts an SFU for `people` publishers.
pub fn start(setup: Setup, sfu: &Path, folder: &Path, people: usize) -> Result<Box<dyn Target>> {
    match setup.name {
        "invigil" => Ok(Box::new(invigil::Invigil::start(sfu, folder, people, setup)?)),
        "janus" => Ok(Box::new(janus::Janus::start(folder, people)?)),
        name => Ok(Box::new(child::Child::start(name)?)),
    }
}

/// Whether our binary, which may be an older one, takes a flag.
pub fn takes(sfu: &Path, flag: &str) -> bool {
    let help = std::process::Command::new(sfu).args(["serve", "--help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(flag))
}
