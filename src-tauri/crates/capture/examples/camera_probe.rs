//! Runs inside the VM of tests/vm: our camera source against the kernel's virtual camera. Every line that begins with
//! `probe: ` on the console is a finding; the host's script passes only when all of them are there.

use invigil_capture::{CameraConfig, CameraSource, Picture, SourceEvent, cameras};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Everything is slow under emulation.
const PATIENCE: Duration = Duration::from_secs(60);

type Event = SourceEvent<Arc<Picture>>;

#[allow(clippy::print_stdout)] // the console is its output
fn say(line: &str) {
    println!("probe: {line}");
}

fn main() -> ExitCode {
    match probe() {
        Ok(()) => {
            say("passed");
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&format!("FAILED {why}"));
            ExitCode::FAILURE
        }
    }
}

fn probe() -> Result<(), String> {
    let found = cameras().map_err(|e| e.to_string())?;
    if found.len() != 1 || !found[0].name.contains("vivid") {
        return Err(format!("expected one vivid camera: {found:?}"));
    }
    say("formats ok");
    let (tell, events) = channel();
    let config = CameraConfig {
        width: 640,
        height: 360,
        fps: 15,
        ..CameraConfig::default()
    };
    let source = CameraSource::start(config, move |event| drop(tell.send(event))).map_err(|e| e.to_string())?;
    let live = wait(&events, "Live", |e| {
        if let Event::Live(f) = e { Some(f.clone()) } else { None }
    })?;
    say(&format!("live {}x{}", live.width, live.height));
    pictures(&events)?;
    say("20 pictures, all changed");

    // vivid's control `disconnect` makes every call answer ENODEV, as a pulled cable does.
    press("/dev/video0", "Disconnect")?;
    let problem = wait(&events, "the unplug", |e| {
        if let Event::Failed(p) = e {
            Some(p.clone())
        } else {
            None
        }
    })?;
    say(&format!("unplugged {}", problem.code));
    Command::new("/bin/rmmod")
        .arg("vivid")
        .status()
        .map_err(|e| e.to_string())?;
    let insert = [
        "/modules/vivid.ko",
        "n_devs=1",
        "node_types=0x1",
        "input_types=0x0",
        "num_inputs=1",
    ];
    Command::new("/bin/insmod")
        .args(insert)
        .status()
        .map_err(|e| e.to_string())?;
    wait(&events, "Live again", |e| matches!(e, Event::Live(_)).then_some(()))?;
    pictures(&events)?;
    say("back after replug");

    drop(source);
    wait(&events, "Stopped", |e| matches!(e, Event::Stopped).then_some(()))?;
    if events.recv_timeout(Duration::from_secs(2)).is_ok() {
        return Err("an event after Stopped".into());
    }
    say("no pictures after removal");

    // The last handle closes a moment after Stopped: the module can go when nobody uses it any more.
    let deadline = Instant::now() + PATIENCE;
    while !Command::new("/bin/rmmod")
        .arg("vivid")
        .status()
        .map_err(|e| e.to_string())?
        .success()
    {
        if Instant::now() > deadline {
            return Err("the camera is still held after Stopped".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (tell, events) = channel();
    let _none = CameraSource::start(CameraConfig::default(), move |e| drop(tell.send(e))).map_err(|e| e.to_string())?;
    let problem = wait(&events, "a failure", |e| {
        if let Event::Failed(p) = e {
            Some(p.clone())
        } else {
            None
        }
    })?;
    say(&format!("absent {}", problem.code));
    Ok(())
}

/// 20 pictures in a row of the wanted size; vivid's counter and moving bar make each differ.
fn pictures(events: &Receiver<Event>) -> Result<(), String> {
    let mut last = 0;
    for n in 0..20 {
        let picture = wait(events, "a picture", |e| {
            if let Event::Captured(p) = e {
                Some(p.clone())
            } else {
                None
            }
        })?;
        if (picture.width(), picture.height()) != (640, 360) {
            return Err(format!("picture {n} is {}x{}", picture.width(), picture.height()));
        }
        if !picture.changed || picture.captured_at <= last {
            return Err(format!(
                "picture {n}: changed {}, at {} after {last}",
                picture.changed, picture.captured_at
            ));
        }
        let (low, high) = (picture.planes.y.iter().min(), picture.planes.y.iter().max());
        if high.zip(low).is_none_or(|(h, l)| h - l < 50) {
            return Err(format!("picture {n} is flat"));
        }
        last = picture.captured_at;
    }
    Ok(())
}

fn wait<R>(events: &Receiver<Event>, what: &str, mut wanted: impl FnMut(&Event) -> Option<R>) -> Result<R, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = events.recv_timeout(left).map_err(|e| format!("no {what}: {e}"))?;
        if let Some(found) = wanted(&event) {
            return Ok(found);
        }
        if let (Event::Failed(problem), true) = (&event, what != "Live again") {
            return Err(format!("{problem} while waiting for {what}"));
        }
    }
}

/// Presses a button among the driver's controls.
fn press(device: &str, button: &str) -> Result<(), String> {
    let device = v4l::Device::with_path(device).map_err(|e| e.to_string())?;
    let controls = device.query_controls().map_err(|e| e.to_string())?;
    let found = controls
        .iter()
        .find(|c| c.name == button)
        .ok_or_else(|| format!("no control {button}"))?;
    let pressed = v4l::Control {
        id: found.id,
        value: v4l::control::Value::Integer(1),
    };
    device.set_control(pressed).map_err(|e| e.to_string())
}
