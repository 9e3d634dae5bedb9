//! The focus watcher on a real X server with a real window manager.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // set_var

use invigil_lockdown::{FocusChange, FocusReport, FocusWatcher};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

struct Ended(Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn x_server() -> (Ended, String) {
    let mut server = Command::new("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "640x480x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed");
    let mut number = String::new();
    let mut out = server.stdout.take().unwrap();
    let mut byte = [0];
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        number.push(byte[0].into());
    }
    (Ended(server), format!(":{number}"))
}

fn own_window(display: &str, title: &str) -> Ended {
    let mut command = Command::new("xterm");
    command
        .args(["-title", title, "-e", "sleep", "60"])
        .env("DISPLAY", display)
        .stderr(Stdio::null());
    Ended(command.spawn().expect("xterm is installed"))
}

/// A window of a process that is not below this one, as a candidate's other programs are: its parent ended at once.
fn foreign_window(display: &str, title: &str) -> String {
    let script = format!("(xterm -title '{title}' -e sleep 60 >/dev/null 2>&1 3>&- & echo $! >&3) 3>&1 >/dev/null");
    let disowned = Command::new("setsid")
        .args(["sh", "-c", &script])
        .env("DISPLAY", display)
        .output()
        .unwrap();
    String::from_utf8_lossy(&disowned.stdout).trim().to_owned()
}

/// The watched process is this test; its own windows are an xterm that it starts, foreign ones come from a process that
/// was disowned, as a user's programs are.
#[test]
fn a_foreign_window_takes_the_focus_and_gives_it_back() {
    let (mut server, display) = x_server();
    // SAFETY: the only test of this process, and no other thread runs yet that reads the environment.
    unsafe { std::env::set_var("DISPLAY", &display) };
    assert_eq!(
        FocusWatcher::start(|_| {}).map(|_| ()).unwrap_err().code,
        "focus_unsupported",
        "no window manager yet"
    );
    let _manager = Ended(
        Command::new("openbox")
            .env("DISPLAY", &display)
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let ready = Command::new("timeout")
        .args(["20", "sh", "-c", "until wmctrl -m >/dev/null 2>&1; do :; done"])
        .env("DISPLAY", &display)
        .status();
    assert!(ready.unwrap().success(), "openbox is running");

    let (tell, told) = channel();
    let _watcher = FocusWatcher::start(move |report| drop(tell.send(report))).unwrap();
    // No window at all is active: that is not ours.
    assert!(matches!(
        told.recv_timeout(PATIENCE),
        Ok(FocusReport::Changed(FocusChange::Lost { .. }))
    ));
    let _ours = own_window(&display, "the exam");
    assert!(matches!(
        told.recv_timeout(PATIENCE),
        Ok(FocusReport::Changed(FocusChange::Returned { .. }))
    ));
    let foreign = foreign_window(&display, "Notes");
    match told.recv_timeout(PATIENCE) {
        Ok(FocusReport::Changed(FocusChange::Lost { to, .. })) => assert_eq!(to.as_deref(), Some("Notes")),
        other => panic!("{other:?}"),
    }
    assert!(Command::new("kill").arg(&foreign).status().unwrap().success());
    assert!(matches!(
        told.recv_timeout(PATIENCE),
        Ok(FocusReport::Changed(FocusChange::Returned { .. }))
    ));
    server.0.kill().unwrap();
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(FocusReport::Ended(p)) if p.code == "focus_gone"));
}
