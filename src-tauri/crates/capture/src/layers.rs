//! The layers of DESIGN.md section 5, in one place. Policy may replace them; nothing else names these numbers.

use crate::picture::even;
use invigil_shared::publication::{Kind, Layer};

/// One encoding of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    pub layer: Layer,
    /// The box that the picture is fitted into, pixels. It is never enlarged and keeps its shape.
    pub max_width: u16,
    pub max_height: u16,
    /// Frames per second at most.
    pub fps: u8,
    /// Target, kilobits per second.
    pub kbps: u32,
}

const CAMERA: [LayerSpec; 2] = [
    LayerSpec {
        layer: Layer::Low,
        max_width: 320,
        max_height: 180,
        fps: 10,
        kbps: 100,
    },
    LayerSpec {
        layer: Layer::High,
        max_width: 640,
        max_height: 360,
        fps: 15,
        kbps: 500,
    },
];
const SCREEN: [LayerSpec; 2] = [
    LayerSpec {
        layer: Layer::Low,
        max_width: 960,
        max_height: 960,
        fps: 2,
        kbps: 100,
    },
    LayerSpec {
        layer: Layer::High,
        max_width: 1920,
        max_height: 1080,
        fps: 5,
        kbps: 800,
    },
];

/// Microphone bitrate, bits per second.
pub const MICROPHONE_BPS: i32 = 24_000;

/// The default layers of a publication; none for audio.
pub fn defaults(kind: Kind) -> &'static [LayerSpec] {
    match kind {
        Kind::Camera => &CAMERA,
        Kind::Screen => &SCREEN,
        Kind::Microphone => &[],
    }
}

/// The highest rate that any default layer of this kind wants, frames per second; 0 for audio.
pub fn source_fps(kind: Kind) -> u8 {
    defaults(kind).iter().map(|l| l.fps).max().unwrap_or(0)
}

impl LayerSpec {
    /// Size of a `width * height` picture in this layer: even pixels, fitted, never enlarged.
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let (w, h) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let (bw, bh) = (u64::from(self.max_width).min(w), u64::from(self.max_height).min(h));
        let (fw, fh) = if bw * h <= bh * w {
            (bw, bw * h / w)
        } else {
            (bh * w / h, bh)
        };
        (
            even(u32::try_from(fw).unwrap_or(2)),
            even(u32::try_from(fh).unwrap_or(2)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_without_enlarging() {
        let low = CAMERA[0];
        assert_eq!(low.fit(1280, 720), (320, 180));
        assert_eq!(low.fit(640, 480), (240, 180));
        assert_eq!(low.fit(160, 90), (160, 90));
        assert_eq!(SCREEN[1].fit(3840, 2160), (1920, 1080));
        assert_eq!(SCREEN[1].fit(1279, 801), (1278, 800));
        assert_eq!(SCREEN[0].fit(1920, 1080), (960, 540));
        assert_eq!(low.fit(0, 0), (2, 2));
    }
}
