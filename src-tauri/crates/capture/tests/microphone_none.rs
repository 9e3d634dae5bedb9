//! A machine without any sound device: the system still names a "default", and it can't be opened.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests
#![cfg(target_os = "linux")]

mod support;

use invigil_capture::{MicrophoneConfig, MicrophoneSource, SourceEvent};
use std::sync::mpsc::channel;
use support::wait;

#[test]
fn no_sound_system_is_no_microphone() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("asound.conf");
    // What ALSA's own configuration says on a machine whose first card doesn't exist.
    std::fs::write(
        &config,
        "pcm.!default { type hw card 31 }\nctl.!default { type hw card 31 }\n",
    )
    .unwrap();
    // SAFETY: the only test of this process, before it starts a thread that reads the environment.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("ALSA_CONFIG_PATH", &config);
    };
    let (tell, events) = channel();
    let source = MicrophoneSource::start(MicrophoneConfig::default(), move |e| drop(tell.send(e))).unwrap();
    wait(&events, "a failure", |event| match event {
        SourceEvent::Failed(problem) => {
            assert_eq!(problem.code, "microphone_none", "{problem}");
            Some(())
        }
        _ => None,
    });
    source.stop();
    wait(&events, "Stopped", |e| matches!(e, SourceEvent::Stopped).then_some(()));
}
