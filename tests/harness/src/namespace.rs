//! A host of its own on this machine: a network namespace with one cable (veth) to us. Needs root.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// A namespace whose cable can be pulled. Removed with all that it has when dropped.
pub struct Namespace {
    pub name: String,
    outside: String,
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
    /// `number`, 1 to 250, keeps several apart: it names the network 198.18.NUMBER.0/24 (RFC 2544, for tests only).
    pub fn create(number: u8) -> Result<Self> {
        let name = format!("invigil-{}-{number}", std::process::id());
        let (outside, inside) = (format!("ivo{number}"), format!("ivi{number}"));
        let (outside_address, inside_address) = (format!("198.18.{number}.1"), format!("198.18.{number}.2"));
        ip(&["netns", "add", &name])?;
        let namespace = Self {
            name,
            outside,
            outside_address,
            inside_address,
        };
        let (outside, address) = (namespace.outside.as_str(), namespace.outside_address.as_str());
        ip(&[
            "link",
            "add",
            outside,
            "type",
            "veth",
            "peer",
            "name",
            &inside,
            "netns",
            &namespace.name,
        ])?;
        ip(&["address", "add", &format!("{address}/24"), "dev", outside])?;
        ip(&["link", "set", outside, "up"])?;
        let within = |arguments: &[&str]| ip(&[&["-n", &namespace.name], arguments].concat());
        within(&[
            "address",
            "add",
            &format!("{}/24", namespace.inside_address),
            "dev",
            &inside,
        ])?;
        within(&["link", "set", &inside, "up"])?;
        within(&["link", "set", "lo", "up"])?;
        Ok(namespace)
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
