//! Sound without a card: a PulseAudio daemon of our own with two sinks. `vmic`'s monitor is the microphone, `vspk` plays.

use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Sound {
    daemon: Process,
    _tone: Option<Process>,
    folder: PathBuf,
}

impl Sound {
    /// Starts a daemon whose socket and settings live in `folder`.
    pub fn start(folder: &Path, logs: &Path) -> Result<Self> {
        let folder = folder.join("sound");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(
            folder.join("asound.conf"),
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n",
        )?;
        let socket = folder.join("native");
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={}\n\
             load-module module-null-sink sink_name=vmic rate=48000 channels=1\n\
             load-module module-null-sink sink_name=vspk rate=48000\n\
             set-default-source vmic.monitor\nset-default-sink vspk\n",
            socket.display()
        );
        let file = folder.join("default.pa");
        std::fs::write(&file, script)?;
        let mut command = Command::new("pulseaudio");
        command
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "--log-target=stderr",
                "-F",
            ])
            .arg(&file);
        command
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", &folder)
            .env("PULSE_STATE_PATH", &folder);
        let daemon = Process::start("pulseaudio", &mut command, logs)?;
        let sound = Self {
            daemon,
            _tone: None,
            folder,
        };
        let found = wait::until(Duration::from_secs(10), "PulseAudio's two sinks", || {
            let sinks = sound.control(&["list", "short", "sinks"]).unwrap_or_default();
            (sinks.contains("vmic") && sinks.contains("vspk")).then_some(())
        });
        found.with_context(|| sound.daemon.log_text())?;
        Ok(sound)
    }

    /// Plays a sine of `hertz` into the microphone until this ends.
    pub fn tone(&mut self, hertz: u32, logs: &Path) -> Result<()> {
        let play = format!(
            "sox -q -n -r 48000 -c 1 -b 16 -t raw - synth 36000 sine {hertz} gain -9 | paplay --raw --rate=48000 --channels=1 --format=s16le --device=vmic"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &play]);
        self.environment(&mut command);
        self._tone = Some(Process::start("tone", &mut command, logs)?);
        Ok(())
    }

    /// Makes `command` use this daemon, through PulseAudio's and ALSA's own settings.
    pub fn environment(&self, command: &mut Command) {
        command.env("PULSE_SERVER", format!("unix:{}", self.folder.join("native").display()));
        command.env("ALSA_CONFIG_PATH", self.alsa_configuration());
    }

    /// The strongest tone that the loudspeaker (`vspk`) plays, hertz, once it plays anything loud for two seconds.
    pub fn heard_hertz(&self, limit: Duration) -> Result<f64> {
        let end = Instant::now() + limit;
        loop {
            let samples = self.heard(Duration::from_secs(2))?;
            let loud = samples.iter().filter(|s| s.abs() > 0.01).count();
            if loud * 2 > samples.len() && !samples.is_empty() {
                return Ok(strongest_tone(&samples, 48_000));
            }
            if Instant::now() >= end {
                bail!("the loudspeaker was silent for {} s", limit.as_secs());
            }
        }
    }

    /// What the loudspeaker plays in the next `time`: samples from -1 to 1 at 48 kHz.
    fn heard(&self, time: Duration) -> Result<Vec<f64>> {
        let mut command = Command::new("timeout");
        command.arg(format!("{}", time.as_secs_f64() + 0.5));
        command.args([
            "parec",
            "--raw",
            "--device=vspk.monitor",
            "--rate=48000",
            "--channels=1",
            "--format=s16le",
        ]);
        command.stderr(Stdio::null());
        self.environment(&mut command);
        let raw = command
            .output()
            .context("can't start parec (package pulseaudio-utils)")?
            .stdout;
        Ok(raw
            .chunks_exact(2)
            .map(|s| f64::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0)
            .collect())
    }

    fn alsa_configuration(&self) -> PathBuf {
        let file = self.folder.join("alsa.conf");
        let text = format!(
            "</usr/share/alsa/alsa.conf>\n<{}>\n",
            self.folder.join("asound.conf").display()
        );
        let _ = std::fs::write(&file, text);
        file
    }

    /// Runs `pactl`.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("pactl");
        command.args(arguments).stderr(Stdio::null());
        self.environment(&mut command);
        let output = command
            .output()
            .context("can't start pactl (package pulseaudio-utils)")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn id(&self) -> u32 {
        self.daemon.id()
    }
}

/// The strongest tone of the last two seconds: Goertzel's filter at every quarter hertz from 100 to 2,000.
pub fn strongest_tone(samples: &[f64], rate: u32) -> f64 {
    let tail = &samples[samples.len().saturating_sub(rate as usize * 2)..];
    let strength = |hertz: f64| {
        let w = 2.0 * (std::f64::consts::TAU * hertz / f64::from(rate)).cos();
        let (a, b) = tail.iter().fold((0.0, 0.0), |(a, b), s| (s + w * a - b, a));
        a * a + b * b - w * a * b
    };
    let candidates = (400..8000).map(|q| f64::from(q) / 4.0);
    candidates
        .map(|h| (h, strength(h)))
        .max_by(|x, y| x.1.total_cmp(&y.1))
        .map_or(0.0, |(h, _)| h)
}

/// Samples (-1 to 1) and their rate, of a 16-bit PCM WAV file (RIFF) with any header chunks; the first channel.
pub fn read_wav(path: &Path) -> Result<(Vec<f64>, u32)> {
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
            .context("the WAV file is cut")
    };
    let half = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|b| b.try_into().ok())
            .map(u16::from_le_bytes)
            .context("the WAV file is cut")
    };
    let (mut at, mut rate, mut channels) = (12, 0, 1usize);
    loop {
        let (name, length) = (
            bytes.get(at..at + 4).context("no data in the WAV file")?,
            word(at + 4)? as usize,
        );
        match name {
            b"fmt " => {
                (rate, channels) = (word(at + 12)?, usize::from(half(at + 10)?).max(1));
                if half(at + 22)? != 16 {
                    bail!("not 16 bits a sample");
                }
            }
            b"data" => {
                let end = (at + 8 + length).min(bytes.len());
                let samples = bytes[at + 8..end].chunks_exact(2 * channels);
                return Ok((
                    samples
                        .map(|s| f64::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0)
                        .collect(),
                    rate,
                ));
            }
            _ => {}
        }
        at += 8 + length + length % 2;
    }
}
