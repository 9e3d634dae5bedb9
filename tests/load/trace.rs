//! The sizes of what our encoders make, for loads that only need sizes (`tests/bench`).

use anyhow::{Context, Result};
use invigil_tests::canned::Media;
use std::fmt::Write;
use std::path::Path;

/// Writes `stream,bytes`, a line for every frame in order; 0 where nothing is sent.
pub fn write(file: &Path, seconds: u32) -> Result<()> {
    let media = Media::encode(seconds)?;
    let mut out = String::from("stream,bytes\n");
    for (name, clip) in [
        ("camera-low", &media.camera_low),
        ("camera-high", &media.camera_high),
        ("screen-low", &media.screen_low),
        ("microphone", &media.microphone),
    ] {
        for frame in &clip.frames {
            // Writing into a String can't fail.
            let _ = writeln!(out, "{name},{}", frame.bytes);
        }
    }
    std::fs::write(file, out).with_context(|| format!("can't write {}", file.display()))
}
