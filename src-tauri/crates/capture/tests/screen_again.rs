//! A screen that comes back: the source recovers by itself, and leaves no shared memory behind.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]

mod support;

use invigil_capture::{ScreenConfig, ScreenSource, SourceEvent};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use support::{Running, wait, x_server};

fn segments() -> Vec<String> {
    let list = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let own = std::process::id().to_string();
    let made_by_us = |line: &&str| line.split_whitespace().nth(4) == Some(own.as_str());
    list.lines().filter(made_by_us).map(str::to_owned).collect()
}

#[test]
fn the_source_comes_back_with_its_server() {
    let (mut server, display) = x_server("320x240x24");
    // SAFETY: the only test of this process; no other thread runs yet.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("DISPLAY", &display);
    }
    let (tell, events) = channel();
    let source = ScreenSource::start(ScreenConfig { display: None, fps: 20 }, move |e| drop(tell.send(e))).unwrap();
    wait(&events, "a picture", |e| {
        matches!(e, SourceEvent::Captured(_)).then_some(())
    });
    let segment = segments();
    assert_eq!(segment.len(), 1, "pixels come through one segment: {segment:?}");
    // Field 3 of /proc/sysvipc/shm is the mode in octal; 1000 marks a segment that is removed with its last user.
    assert_eq!(segment[0].split_whitespace().nth(2), Some("1600"));

    server.end();
    wait(&events, "screen_gone", |e| {
        matches!(e, SourceEvent::Failed(p) if p.code == "screen_gone").then_some(())
    });
    let child = Command::new("Xvfb")
        .args([&display, "-screen", "0", "400x300x24", "-nolisten", "tcp", "-noreset"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Running(child);
    wait(&events, "Starting", |e| {
        matches!(e, SourceEvent::Starting).then_some(())
    });
    wait(&events, "Live", |e| {
        matches!(e, SourceEvent::Live(f) if (f.width, f.height) == (400, 300)).then_some(())
    });
    wait(&events, "a picture", |e| {
        matches!(e, SourceEvent::Captured(p) if p.width() == 400).then_some(())
    });
    drop(source);
    wait(&events, "Stopped", |e| matches!(e, SourceEvent::Stopped).then_some(()));
}
