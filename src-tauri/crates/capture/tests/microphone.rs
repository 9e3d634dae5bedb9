//! The microphone through a real sound server: a 440 Hz tone by PulseAudio, ALSA, cpal, Opus; then its loss and return.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]

mod support;

use invigil_capture::audio::{FRAME, OpusDecoder, OpusEncoder};
use invigil_capture::{MicrophoneConfig, MicrophoneSource, SourceEvent, layers, now_us};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use support::{PATIENCE, Pulse, pactl, pitch, tone, wait};

#[test]
fn a_tone_is_measured_and_a_lost_source_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let _pulse = Pulse::start(folder.path());
    let _tone = tone("vmic", 440);

    let (tell, events) = channel();
    let source = MicrophoneSource::start(MicrophoneConfig::default(), move |e| drop(tell.send(e))).unwrap();
    let mut encoder = OpusEncoder::new(layers::MICROPHONE_BPS).unwrap();
    let mut decoder = OpusDecoder::new().unwrap();
    let (mut raw, mut decoded) = (Vec::new(), Vec::new());
    let (mut loud, mut last_rtp, mut levels) = (0, None, Vec::new());
    wait(&events, "3 s of sound", |event| {
        let SourceEvent::Captured(frame) = event else {
            return None;
        };
        assert_eq!(frame.samples.len(), FRAME);
        assert!(
            (now_us() - frame.captured_at).abs() < 3_000_000,
            "{}",
            now_us() - frame.captured_at
        );
        if let Some(last) = last_rtp.replace(frame.rtp_timestamp) {
            assert!(frame.rtp_timestamp.wrapping_sub(last) >= FRAME as u32, "RTP time rises");
        }
        // The tone's first moments are a transient; measured is what follows.
        loud += u32::from(frame.level_dbov < 20);
        if loud > 50 {
            raw.extend_from_slice(&frame.samples);
        }
        if loud > 50
            && let Some(packet) = encoder.encode(&frame).unwrap()
        {
            levels.push(packet.level_dbov);
            decoder.decode(&packet.data, &mut decoded).unwrap();
        }
        (decoded.len() >= 48_000 * 3).then_some(())
    });
    let hz = pitch(&raw);
    assert!((hz - 440.0).abs() <= 2.0, "{hz} Hz before the codec: samples are lost");
    let hz = pitch(&decoded[9_600..]);
    assert!((hz - 440.0).abs() <= 2.0, "{hz} Hz");

    levels.sort_unstable();
    let level = levels[levels.len() / 2];
    assert!((8..=10).contains(&level), "RMS 0.35 is -9 dBov: {level}");

    // The sink and its monitor vanish mid-stream, with no other source to move to.
    let modules = pactl(&["list", "short", "modules"]);
    for module in modules.lines().filter(|line| line.contains("module-null-sink")) {
        pactl(&["unload-module", module.split_whitespace().next().unwrap()]);
    }
    wait(&events, "microphone_gone", |event| match event {
        SourceEvent::Failed(problem) => {
            assert_eq!(problem.code, "microphone_gone", "{problem}");
            Some(())
        }
        _ => None,
    });
    // 70,000 errors a second reach the driver's callback; none of them reaches us again.
    let quiet_until = Instant::now() + Duration::from_secs(2);
    while let Ok(event) = events.recv_timeout(quiet_until.saturating_duration_since(Instant::now())) {
        assert!(!matches!(event, SourceEvent::Failed(_)), "one problem is reported once");
    }

    pactl(&["load-module", "module-null-sink", "sink_name=vmic", "rate=48000"]);
    pactl(&["set-default-source", "vmic.monitor"]);
    let _tone = tone("vmic", 440);
    wait(&events, "the tone again", |e| {
        matches!(e, SourceEvent::Captured(f) if f.level_dbov < 20).then_some(())
    });
    let stopping = Instant::now();
    source.stop();
    wait(&events, "Stopped", |e| matches!(e, SourceEvent::Stopped).then_some(()));
    assert!(stopping.elapsed() < PATIENCE / 3);
}
