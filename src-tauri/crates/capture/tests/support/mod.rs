//! Real servers for the tests, each ended by its own process id.
#![allow(dead_code)] // each test file uses its part

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Longest wait for anything that should happen at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Running(pub Child);

impl Running {
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// An X server on a free display number.
pub fn x_server(size: &str) -> (Running, String) {
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed");
    let mut out = server.stdout.take().expect("piped");
    let mut number = String::new();
    let mut byte = [0];
    while out.read(&mut byte).expect("Xvfb names its display") == 1 && byte[0] != b'\n' {
        number.push(byte[0].into());
    }
    (Running(server), format!(":{number}"))
}

/// Waits for an event that `wanted` accepts, dropping others.
pub fn wait<T, R>(events: &Receiver<T>, what: &str, mut wanted: impl FnMut(T) -> Option<R>) -> R {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => {
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            Err(RecvTimeoutError::Timeout) => panic!("no {what} within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the source ended before {what}"),
        }
    }
}

/// PulseAudio with its own runtime directory, a null sink `vmic` whose monitor is the default source, and a sink `vspk`.
pub struct Pulse {
    pub daemon: Running,
    folder: std::path::PathBuf,
}

impl Pulse {
    /// Sets this process's environment so that ALSA's default goes there: call it first, in a process with one test.
    pub fn start(folder: &Path) -> Self {
        let alsa = folder.join("asound.conf");
        std::fs::write(&alsa, "pcm.!default { type pulse }\nctl.!default { type pulse }\n").unwrap();
        // ALSA_CONFIG_PATH replaces the whole configuration: the system's comes first.
        let all = "</usr/share/alsa/alsa.conf>\n<".to_owned() + alsa.to_str().unwrap() + ">\n";
        let config = folder.join("alsa.conf");
        std::fs::write(&config, all).unwrap();
        for (name, value) in [
            ("XDG_RUNTIME_DIR", folder.to_path_buf()),
            ("PULSE_RUNTIME_PATH", folder.join("pulse")),
            (
                "PULSE_SERVER",
                format!("unix:{}", folder.join("native").display()).into(),
            ),
            ("HOME", folder.to_path_buf()),
            ("ALSA_CONFIG_PATH", config),
        ] {
            // SAFETY: the only test of this process, before it starts a thread that reads the environment.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var(name, value);
            }
        }
        Self {
            daemon: Self::daemon(folder),
            folder: folder.to_path_buf(),
        }
    }

    fn daemon(folder: &Path) -> Running {
        std::fs::create_dir_all(folder.join("pulse")).unwrap();
        let socket = format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}",
            folder.join("native").display()
        );
        let child = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--disallow-exit=0",
                "--use-pid-file=no",
                "--log-target=stderr",
            ])
            .args([
                "-L",
                &socket,
                "-L",
                "module-null-sink sink_name=vmic rate=48000",
                "-L",
                "module-null-sink sink_name=vspk rate=48000",
            ])
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio is installed");
        let running = Running(child);
        let deadline = Instant::now() + PATIENCE;
        while !Command::new("pactl")
            .arg("info")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < deadline, "PulseAudio did not come up");
        }
        pactl(&["set-default-source", "vmic.monitor"]);
        pactl(&["set-default-sink", "vspk"]);
        running
    }

    pub fn restart(&mut self) {
        self.daemon.end();
        let _ = std::fs::remove_file(self.folder.join("native"));
        self.daemon = Self::daemon(&self.folder);
    }
}

pub fn pactl(arguments: &[&str]) -> String {
    let out = Command::new("pactl")
        .args(arguments)
        .output()
        .expect("pactl is installed");
    assert!(
        out.status.success(),
        "pactl {arguments:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A tone into a sink until dropped.
pub struct Tone(Running, Running);

pub fn tone(sink: &str, hz: u32) -> Tone {
    let mut sox = Command::new("sox")
        .args([
            "-q", "-n", "-t", "raw", "-r", "48000", "-e", "signed", "-b", "16", "-c", "2", "-", "synth", "600", "sine",
        ])
        .args([&hz.to_string(), "gain", "-6"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sox is installed");
    let sound = sox.stdout.take().expect("piped");
    let play = Command::new("pacat")
        .args([
            "--playback",
            "--raw",
            "--rate=48000",
            "--channels=2",
            "--format=s16le",
            "--latency-msec=60",
            "-d",
            sink,
        ])
        .stdin(sound)
        .stderr(Stdio::null())
        .spawn()
        .expect("pacat is installed");
    Tone(Running(sox), Running(play))
}

/// Pitch of a steady tone by its rising zero crossings, interpolated, in Hz.
pub fn pitch(samples: &[f32]) -> f64 {
    let crossings: Vec<f64> = (samples.windows(2).enumerate())
        .filter(|(_, w)| w[0] < 0.0 && w[1] >= 0.0)
        .map(|(i, w)| i as f64 + f64::from(w[0] / (w[0] - w[1])))
        .collect();
    match (crossings.first(), crossings.last()) {
        (Some(first), Some(last)) if crossings.len() > 1 => (crossings.len() - 1) as f64 * 48_000.0 / (last - first),
        _ => 0.0,
    }
}
