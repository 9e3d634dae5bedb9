//! The screen source on a real X server: colours, resizes, a server that dies.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]

mod support;

use invigil_capture::{Picture, ScreenConfig, ScreenSource, SourceEvent, displays, now_us};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use support::{wait, x_server};

fn run(display: &str, program: &str, arguments: &[&str]) {
    let out = Command::new(program)
        .args(arguments)
        .env("DISPLAY", display)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

fn colour(picture: &Picture) -> (u8, u8, u8) {
    let middle = (picture.height() / 2 * picture.width() + picture.width() / 2) as usize;
    let chroma = (picture.height() / 4 * (picture.width() / 2) + picture.width() / 4) as usize;
    (
        picture.planes.y[middle],
        picture.planes.u[chroma],
        picture.planes.v[chroma],
    )
}

fn near(a: (u8, u8, u8), b: (u8, u8, u8)) -> bool {
    a.0.abs_diff(b.0) <= 2 && a.1.abs_diff(b.1) <= 2 && a.2.abs_diff(b.2) <= 2
}

type Events = Receiver<SourceEvent<Arc<Picture>>>;

fn picture_with(events: &Events, what: &str, wanted: impl Fn(&Picture) -> bool) -> Arc<Picture> {
    wait(events, what, |event| match event {
        SourceEvent::Captured(picture) if wanted(&picture) => Some(picture),
        SourceEvent::Failed(problem) => panic!("{problem} while waiting for {what}"),
        _ => None,
    })
}

#[test]
fn colours_resizes_and_a_dead_server() {
    // SAFETY: the only test of this process; no other thread runs yet.
    #[allow(unsafe_code)]
    unsafe {
        std::env::remove_var("DISPLAY");
    }
    assert_eq!(displays().unwrap_err().code, "screen_unsupported");
    let (mut server, display) = x_server("1280x800x24");
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("DISPLAY", &display);
    }
    let found = displays().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");

    let (tell, events) = channel();
    let source = ScreenSource::start(ScreenConfig { display: None, fps: 20 }, move |e| drop(tell.send(e))).unwrap();
    let live = wait(&events, "Live", |e| {
        if let SourceEvent::Live(f) = e { Some(f) } else { None }
    });
    assert_eq!((live.width, live.height, live.fps), (1280, 800, 20));

    // Red, green, blue in BT.601 limited range (ITU-R BT.601-7 section 2.5).
    for (name, yuv) in [
        ("#ff0000", (81, 90, 240)),
        ("#00ff00", (145, 54, 34)),
        ("#0000ff", (41, 240, 110)),
    ] {
        run(&display, "xsetroot", &["-solid", name]);
        let shown = picture_with(&events, name, |p| near(colour(p), yuv));
        assert!(now_us() - shown.captured_at < 5_000_000);
    }

    // Nothing changes: pictures go on, say so, and stay fresh.
    let still = picture_with(&events, "an unchanged picture", |p| !p.changed);
    let later = picture_with(&events, "another one", |p| {
        !p.changed && p.captured_at > still.captured_at
    });
    assert!(Arc::ptr_eq(&still.planes, &later.planes));

    for (size, timing) in [
        ("640x480", "25.18 640 656 752 800 480 490 492 525"),
        ("1024x768", "65 1024 1048 1184 1344 768 771 777 806"),
    ] {
        let mode: Vec<&str> = ["--newmode", size].into_iter().chain(timing.split(' ')).collect();
        run(&display, "xrandr", &mode);
        run(&display, "xrandr", &["--addmode", "screen", size]);
    }
    for (size, width, height) in [("640x480", 640, 480), ("1024x768", 1024, 768), ("1280x800", 1280, 800)] {
        run(&display, "xrandr", &["--output", "screen", "--mode", size]);
        let resized = picture_with(&events, size, |p| (p.width(), p.height()) == (width, height));
        assert_eq!(resized.planes.y.len(), (width * height) as usize);
        run(&display, "xsetroot", &["-solid", "#ffffff"]);
        picture_with(&events, "white at its new size", |p| near(colour(p), (235, 128, 128)));
        run(&display, "xsetroot", &["-solid", "#000000"]);
        picture_with(&events, "black at its new size", |p| near(colour(p), (16, 128, 128)));
    }

    server.end();
    let killed_at = now_us();
    wait(&events, "screen_gone", |event| match event {
        SourceEvent::Failed(problem) => {
            assert_eq!(problem.code, "screen_gone");
            Some(())
        }
        SourceEvent::Captured(picture) => {
            assert!(
                picture.captured_at <= killed_at,
                "a picture of a dead server claims to be live"
            );
            None
        }
        _ => None,
    });
    match events.recv_timeout(Duration::from_secs(3)) {
        Err(RecvTimeoutError::Timeout) => {}
        other => panic!("after screen_gone came {other:?}"),
    }
    source.stop();
    wait(&events, "Stopped", |e| matches!(e, SourceEvent::Stopped).then_some(()));
    assert!(matches!(
        events.recv_timeout(support::PATIENCE),
        Err(RecvTimeoutError::Disconnected)
    ));
}
