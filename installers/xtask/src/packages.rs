//! Debian packages: what is missing, why it is needed, and its installation as root or through sudo.

use crate::run;
use anyhow::{Context, Result, bail};
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Demo,
    Test,
    /// To measure other SFUs beside ours.
    Peers,
}

struct Group {
    why: &'static str,
    packages: &'static [&'static str],
    tests_only: bool,
}

const GROUPS: &[Group] = &[
    Group {
        why: "to compile (C compilers, codecs and crypto from source, headers of the window toolkit, sound and camera)",
        packages: &[
            "build-essential",
            "pkg-config",
            "cmake",
            "nasm",
            "clang",
            "libclang-dev",
            "libwebkit2gtk-4.1-dev",
            "librsvg2-dev",
            "libxdo-dev",
            "libayatana-appindicator3-dev",
            "libasound2-dev",
            "libxcb-shm0-dev",
            "libxcb-randr0-dev",
            "libv4l-dev",
            "file",
        ],
        tests_only: false,
    },
    Group {
        why: "to decode H.264 in the windows",
        packages: &[
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-libav",
        ],
        tests_only: false,
    },
    Group {
        why: "to show the demo (nested and virtual screens, a window manager, sound without a card)",
        packages: &[
            "xvfb",
            "xserver-xephyr",
            "openbox",
            "x11-utils",
            "x11-xserver-utils",
            "imagemagick",
            "dbus-x11",
            "fonts-dejavu-core",
            "pulseaudio",
            "pulseaudio-utils",
            "libasound2-plugins",
            "sox",
            "xdotool",
            "procps",
        ],
        tests_only: false,
    },
    Group {
        why: "to test (browsers, GStreamer, a TURN server, a mail server and a database as peers that we did not write, a driver for the windows, small machines with a camera and with systemd, networks, a home for schemathesis)",
        packages: &[
            "chromium",
            "firefox-esr",
            "python3-aiosmtpd",
            "python3-gi",
            "python3-venv",
            "gir1.2-gst-plugins-base-1.0",
            "gir1.2-gst-plugins-bad-1.0",
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-nice",
            "coturn",
            "postgresql",
            "webkit2gtk-driver",
            "wmctrl",
            "xterm",
            "at-spi2-core",
            "alsa-utils",
            "qemu-system-x86",
            "busybox-static",
            "debootstrap",
            "cpio",
            "kmod",
            "v4l-utils",
            "iproute2",
        ],
        tests_only: true,
    },
];

const PEERS: &[Group] = &[Group {
    why: "to measure ourselves against another SFU, and to count its system calls",
    packages: &["janus", "strace"],
    tests_only: true,
}];

fn groups(purpose: Purpose) -> impl Iterator<Item = &'static Group> {
    let all = if purpose == Purpose::Peers { PEERS } else { GROUPS };
    all.iter()
        .filter(move |group| purpose != Purpose::Demo || !group.tests_only)
}

/// Installs what is missing for `purpose`, after saying what and why.
pub fn ensure(purpose: Purpose) -> Result<()> {
    node()?;
    if !run::exists("dpkg-query") || !run::exists("apt-get") {
        return by_hand(purpose);
    }
    let mut missing = Vec::new();
    for group in groups(purpose) {
        let absent: Vec<&str> = group.packages.iter().copied().filter(|p| !installed(p)).collect();
        if !absent.is_empty() {
            println!("Missing {}:\n    {}", group.why, absent.join(" "));
            missing.extend(absent);
        }
    }
    if missing.is_empty() {
        println!("Every Debian package that is needed is here.");
        return Ok(());
    }
    install(&missing)
}

/// Installs one more package when it is missing.
pub fn ensure_one(package: &str, why: &str) -> Result<()> {
    if installed(package) {
        return Ok(());
    }
    println!("Missing {why}:\n    {package}");
    install(&[package])
}

fn install(missing: &[&str]) -> Result<()> {
    let mut prefix: Vec<&str> = Vec::new();
    if !is_root() {
        if !run::exists("sudo") {
            bail!(
                "these packages have to be installed by root: apt-get install {}",
                missing.join(" ")
            );
        }
        prefix.push("sudo");
    }
    println!("Installing {} packages with apt-get.", missing.len());
    apt(&prefix, &["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt(&prefix, &install.iter().chain(missing).copied().collect::<Vec<_>>())
}

fn is_root() -> bool {
    run::output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

/// A program that only root can do its work with, through sudo when we are not; it finds our cache folder.
pub fn as_root(program: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if !run::exists("sudo") {
        bail!("{program} has to run as root, and there is no sudo");
    }
    let mut command = Command::new("sudo");
    command.args(["--preserve-env=HOME,XDG_CACHE_HOME", program]);
    Ok(command)
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    let words: Vec<&str> = prefix
        .iter()
        .copied()
        .chain(["apt-get"])
        .chain(arguments.iter().copied())
        .collect();
    let (program, rest) = words.split_first().context("no command")?;
    run::check(
        Command::new(program)
            .args(rest)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn installed(package: &str) -> bool {
    run::output("dpkg-query", &["--show", "--showformat=${db:Status-Status}", package])
        .is_some_and(|s| s.contains("installed") && !s.contains("not-installed"))
}

fn node() -> Result<()> {
    let version =
        run::output("node", &["--version"]).context("Node.js is not installed: version 20 or newer is needed")?;
    let major: u32 = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|m| m.parse().ok())
        .unwrap_or(0);
    if major < 20 {
        bail!("Node.js {} is too old: version 20 or newer is needed", version.trim());
    }
    if !run::exists("npm") {
        bail!("npm is not installed: it comes with Node.js");
    }
    Ok(())
}

fn by_hand(purpose: Purpose) -> Result<()> {
    println!("This is no Debian or Ubuntu. Install by hand, by the names of your system:");
    for group in groups(purpose) {
        println!("  {}:\n    {}", group.why, group.packages.join(" "));
    }
    if cfg!(target_os = "linux") {
        println!("Going on; what is missing will show itself.");
        return Ok(());
    }
    bail!(
        "the demo and the tests run on Linux; the apps build on Windows and macOS with `npm ci && npm run build` in ui/ and `cargo build`"
    )
}
