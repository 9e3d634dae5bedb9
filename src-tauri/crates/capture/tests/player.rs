//! The player through a real sound server: packets with losses are heard at the sink's monitor and written to the tap;
//! a sound server that is killed and comes back does not end it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]

mod support;

use invigil_capture::audio::{AudioFrame, AudioPlayer, FRAME, OpusEncoder, PlayerConfig};
use invigil_capture::{MicrophoneConfig, MicrophoneSource, SourceEvent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use support::{Pulse, pactl, pitch, wait};

/// A 660 Hz tone as packets, every 20 ms, one in 25 lost, until told to stop.
fn talk(player: Arc<AudioPlayer>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut encoder = OpusEncoder::new(24_000).unwrap();
        let began = Instant::now();
        let mut sequence = 0u16;
        for i in 0u32.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let at = |n: usize| (i as usize * FRAME + n) as f64 / 48_000.0;
            let samples = (0..FRAME)
                .map(|n| (std::f64::consts::TAU * 660.0 * at(n)).sin() as f32 * 0.4)
                .collect();
            let rtp_timestamp = i.wrapping_mul(960);
            let frame = AudioFrame {
                samples,
                captured_at: 0,
                rtp_timestamp,
                level_dbov: 11,
                clipped: false,
            };
            let packet = encoder.encode(&frame).unwrap().unwrap();
            sequence = sequence.wrapping_add(1);
            if i % 25 != 24 {
                player.push(sequence, packet.rtp_timestamp, packet.data);
            }
            std::thread::sleep((began + Duration::from_millis(20) * (i + 1)).saturating_duration_since(Instant::now()));
        }
    })
}

#[test]
fn packets_are_heard_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut pulse = Pulse::start(folder.path());
    pactl(&["set-default-source", "vspk.monitor"]);
    let tap = folder.path().join("heard.wav");
    let (tell, states) = channel();
    let player = AudioPlayer::start(PlayerConfig { tap: Some(tap.clone()) }, move |e| {
        if !matches!(e, SourceEvent::Captured(())) {
            let _ = tell.send(e);
        }
    });
    let player = Arc::new(player.unwrap());
    wait(&states, "the speaker", |e| {
        matches!(e, SourceEvent::Live(_)).then_some(())
    });
    let stop = Arc::new(AtomicBool::new(false));
    let talking = talk(player.clone(), stop.clone());

    let (tell, events) = channel();
    let source = MicrophoneSource::start(MicrophoneConfig::default(), move |e| drop(tell.send(e))).unwrap();
    let (mut heard, mut loud) = (Vec::new(), 0);
    wait(&events, "4 s of the tone", |event| {
        let SourceEvent::Captured(frame) = event else {
            return None;
        };
        loud += u32::from(frame.level_dbov < 25);
        if loud > 100 {
            heard.extend_from_slice(&frame.samples);
        }
        (heard.len() >= 48_000 * 4).then_some(())
    });
    let hz = pitch(&heard);
    assert!(
        (hz - 660.0).abs() < 8.0,
        "{hz} Hz, within what the drift compensation may bend"
    );
    let stats = player.stats();
    assert!(stats.recovered >= 4, "{stats:?}");
    drop(source);

    pulse.daemon.end();
    wait(&states, "speaker_gone", |e| {
        matches!(e, SourceEvent::Failed(p) if p.code == "speaker_gone").then_some(())
    });
    pulse.restart();
    wait(&states, "the speaker again", |e| {
        matches!(e, SourceEvent::Live(_)).then_some(())
    });
    stop.store(true, Ordering::Relaxed);
    talking.join().unwrap();
    drop(player);
    wait(&states, "Stopped", |e| matches!(e, SourceEvent::Stopped).then_some(()));

    let wav = std::fs::read(&tap).unwrap();
    let samples: Vec<f32> = wav[44..]
        .chunks_exact(2)
        .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
        .collect();
    assert!(samples.len() >= 48_000 * 4);
    let hz = pitch(&samples[48_000..48_000 * 3]);
    assert!(
        (hz - 660.0).abs() < 2.0,
        "the tap is before drift compensation: {hz} Hz"
    );
}
