//! A host of its own on this machine: a network namespace with one cable (veth) to us. Needs root.

use anyhow::{Context, Result, bail};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Networks for tests, each with one cable.
const NUMBERS: u8 = 250;

/// A namespace whose cable can be pulled. Removed with all that it has when dropped.
pub struct Namespace {
    pub name: String,
    outside: String,
    inside: String,
    /// Our end of the cable.
    pub outside_address: String,
    /// The other host's.
    pub inside_address: String,
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("can't start ip (package iproute2)")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "ip {}: {} (network namespaces need root: CAP_NET_ADMIN and CAP_SYS_ADMIN)",
            arguments.join(" "),
            said.trim()
        );
    }
    Ok(())
}

/// A command that runs inside the namespace of this name.
pub fn command_within(namespace: &str, program: &std::path::Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

impl Namespace {
    /// The first free one of 250: each names a network 198.18.NUMBER.0/24 (RFC 2544, for tests only), and several runs of the tests may
    /// have theirs at once.
    pub fn create() -> Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "invigil-{}-{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        ip(&["netns", "add", &name])?;
        let mut number = 1_u8;
        let outside = loop {
            let (outside, inside) = (format!("ivo{number}"), format!("ivi{number}"));
            // Whoever makes the cable has the number.
            let cable = ["type", "veth", "peer", "name", &inside, "netns", &name];
            match ip(&[&["link", "add", &outside], &cable[..]].concat()) {
                Ok(()) => break outside,
                Err(error) if number < NUMBERS && error.to_string().contains("File exists") => number += 1,
                Err(error) => {
                    let _ = ip(&["netns", "delete", &name]);
                    return Err(error);
                }
            }
        };
        let inside = format!("ivi{number}");
        let namespace = Self {
            name,
            outside,
            inside,
            outside_address: format!("198.18.{number}.1"),
            inside_address: format!("198.18.{number}.2"),
        };
        let (outside, address) = (namespace.outside.as_str(), namespace.outside_address.as_str());
        ip(&["address", "add", &format!("{address}/24"), "dev", outside])?;
        ip(&["link", "set", outside, "up"])?;
        namespace.address("add", &namespace.inside_address)?;
        namespace.within(&["link", "set", &namespace.inside, "up"])?;
        namespace.within(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    fn within(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name], arguments].concat())
    }

    fn address(&self, what: &str, address: &str) -> Result<()> {
        self.within(&["address", what, &format!("{address}/24"), "dev", &self.inside])
    }

    /// The other host gets another address of the same network, and its old one is gone: as when it changes from one network to
    /// another.
    pub fn change_address(&mut self) -> Result<()> {
        let (network, _) = self.outside_address.rsplit_once('.').context("no IPv4 address")?;
        let new = format!("{network}.3");
        let old = std::mem::replace(&mut self.inside_address, new);
        // The old one first: what is added beside it would be a second one that goes with it.
        self.address("delete", &old)?;
        self.address("add", &self.inside_address)
    }

    /// A command that runs inside.
    pub fn command(&self, program: &std::path::Path) -> Command {
        command_within(&self.name, program)
    }

    /// Pulls the cable.
    pub fn cut(&self) -> Result<()> {
        ip(&["link", "set", &self.outside, "down"])
    }

    /// Plugs it in again.
    pub fn mend(&self) -> Result<()> {
        ip(&["link", "set", &self.outside, "up"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["link", "delete", &self.outside]);
        let _ = ip(&["netns", "delete", &self.name]);
    }
}
