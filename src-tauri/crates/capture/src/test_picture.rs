//! The built-in test picture for the demo and the tests: it moves, and says TEST PICTURE in the image.

use crate::clock::now_us;
use crate::error::SourceProblem;
use crate::glyphs::{self, GLYPH_HEIGHT, GLYPH_WIDTH};
use crate::picture::{Picture, Planes};
use crate::source::{SourceEvent, SourceFormat, SourceHandle, Watch, supervise};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the picture looks like.
#[derive(Clone, Debug)]
pub struct TestPictureConfig {
    pub width: u32,
    pub height: u32,
    /// Frames per second.
    pub fps: u8,
    /// Colours and movement differ by seed.
    pub seed: u64,
    /// A line under the title, such as the candidate's label. Letters without a glyph show as blanks.
    pub label: String,
}

impl Default for TestPictureConfig {
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            fps: 15,
            seed: 0,
            label: String::new(),
        }
    }
}

/// The test picture as a source.
pub struct TestPictureSource;

impl TestPictureSource {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        config: TestPictureConfig,
        sink: impl FnMut(SourceEvent<Arc<Picture>>) + Send + 'static,
    ) -> Result<SourceHandle, SourceProblem> {
        let watch = Watch {
            name: "test-picture",
            open: Duration::from_secs(5),
            silent: Duration::from_secs(10),
            silent_code: "camera_gone",
        };
        let work = move |out: &crate::source::Outlet<Arc<Picture>>| {
            let mut painter = TestPainter::new(&config);
            out.live(SourceFormat {
                device: "Test picture".into(),
                width: u16::try_from(painter.background.width).unwrap_or(u16::MAX),
                height: u16::try_from(painter.background.height).unwrap_or(u16::MAX),
                fps: config.fps,
            });
            let mut next = Instant::now();
            while !out.stopped() {
                let captured_at = now_us();
                let planes = Arc::new(painter.paint(captured_at));
                out.put(Arc::new(Picture {
                    planes,
                    captured_at,
                    changed: true,
                }));
                next =
                    (next + Duration::from_secs_f32(1.0 / out.fps(f32::from(config.fps.max(1))))).max(Instant::now());
                next = out.sleep_until(next);
            }
            Ok(())
        };
        supervise(watch, work, sink)
    }
}

type Colour = (u8, u8, u8);

/// Paints test pictures for any time: equal seeds and times give equal pictures.
pub struct TestPainter {
    background: Planes,
    figure: Colour,
    phase: f32,
    scale: usize,
}

impl TestPainter {
    pub fn new(config: &TestPictureConfig) -> Self {
        let mut planes = Planes::new(config.width.clamp(32, 3840), config.height.clamp(32, 2160));
        let (w, h) = (planes.width as usize, planes.height as usize);
        let mixed = mix(config.seed);
        let hue = f32::from((mixed & 0xff) as u8) / 256.0;
        let (top, low) = (soft(hue, 150.0), soft(hue + 0.12, 105.0));
        for row in 0..h {
            let blend =
                |a: u8, b: u8| u8::try_from((usize::from(a) * (h - row) + usize::from(b) * row) / h).unwrap_or(128);
            planes.y[row * w..(row + 1) * w].fill(blend(top.0, low.0));
            if row % 2 == 0 {
                let (at, cw) = (row / 2 * (w / 2), w / 2);
                planes.u[at..at + cw].fill(blend(top.1, low.1));
                planes.v[at..at + cw].fill(blend(top.2, low.2));
            }
        }
        let scale = (w / 160).max(1);
        let title = "TEST PICTURE";
        let title_width = title.len() * (GLYPH_WIDTH + 1) * scale;
        text(
            &mut planes,
            title,
            w.saturating_sub(title_width) / 2,
            h / 12,
            scale,
            235,
        );
        let label: String = config.label.chars().take(28).collect();
        let label_width = label.chars().count() * (GLYPH_WIDTH + 1) * scale;
        let label_top = h / 12 + (GLYPH_HEIGHT + 4) * scale;
        text(
            &mut planes,
            &label,
            w.saturating_sub(label_width) / 2,
            label_top,
            scale,
            235,
        );
        let phase = f32::from((mixed >> 8 & 0xff) as u8) / 40.0;
        Self {
            background: planes,
            figure: soft(hue + 0.5, 190.0),
            phase,
            scale,
        }
    }

    /// The picture of a moment: a head and shoulders that sway, a clock of hours, minutes, seconds and hundredths (UTC).
    pub fn paint(&mut self, at_us: i64) -> Planes {
        let mut planes = self.background.clone();
        let (w, h) = (planes.width as f32, planes.height as f32);
        #[allow(clippy::cast_precision_loss)] // less than a day of milliseconds fits
        let t = (at_us.rem_euclid(86_400_000_000) / 1000) as f32 / 1000.0;
        let x = w * (0.5 + 0.08 * (t * 0.9 + self.phase).sin());
        let y = h * (0.56 + 0.02 * (t * 1.7 + self.phase).sin());
        ellipse(&mut planes, x, h * 1.02, h * 0.30, h * 0.26, self.figure);
        ellipse(&mut planes, x, y, h * 0.13, h * 0.17, self.figure);
        let blink = (t + self.phase).rem_euclid(3.7) < 0.15;
        for side in [-1.0, 1.0] {
            let (ex, ey) = (x + side * h * 0.05, y - h * 0.02);
            ellipse(
                &mut planes,
                ex,
                ey,
                h * 0.014,
                if blink { h * 0.004 } else { h * 0.02 },
                (40, 128, 128),
            );
        }
        let hundredths = at_us.rem_euclid(86_400_000_000) / 10_000;
        let clock = format!(
            "{:02}:{:02}:{:02}.{:02}",
            hundredths / 360_000,
            hundredths / 6_000 % 60,
            hundredths / 100 % 60,
            hundredths % 100
        );
        let at = (self.scale * 4, planes.height as usize - (GLYPH_HEIGHT + 4) * self.scale);
        text(&mut planes, &clock, at.0, at.1, self.scale, 235);
        planes
    }
}

/// SplitMix64: neighbouring seeds get unrelated looks.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A soft colour: the hue goes round the chroma plane at a small radius. `hue` in turns, `luma` 16 to 235.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to u8
fn soft(hue: f32, luma: f32) -> Colour {
    let (s, c) = (hue * std::f32::consts::TAU).sin_cos();
    (
        luma.clamp(16.0, 235.0) as u8,
        (128.0 + 24.0 * c).clamp(16.0, 240.0) as u8,
        (128.0 + 24.0 * s).clamp(16.0, 240.0) as u8,
    )
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)] // clamped to the picture
fn ellipse(planes: &mut Planes, cx: f32, cy: f32, rx: f32, ry: f32, (luma, u, v): Colour) {
    let (w, h) = (planes.width as usize, planes.height as usize);
    let first = (cy - ry).clamp(0.0, h as f32) as usize;
    let last = (cy + ry).clamp(0.0, h as f32) as usize;
    for row in first..last {
        let dy = (row as f32 + 0.5 - cy) / ry;
        let half = rx * (1.0 - dy * dy).max(0.0).sqrt();
        let from = (cx - half).clamp(0.0, w as f32) as usize;
        let to = (cx + half).clamp(0.0, w as f32) as usize;
        planes.y[row * w + from..row * w + to.max(from)].fill(luma);
        if row % 2 == 0 {
            let (at, from, to) = (row / 2 * (w / 2), from / 2, to / 2);
            planes.u[at + from..at + to.max(from)].fill(u);
            planes.v[at + from..at + to.max(from)].fill(v);
        }
    }
}

fn text(planes: &mut Planes, text: &str, left: usize, top: usize, scale: usize, luma: u8) {
    let (w, h) = (planes.width as usize, planes.height as usize);
    for (i, letter) in text.chars().enumerate() {
        let glyph = glyphs::rows(letter);
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..GLYPH_WIDTH).filter(|c| bits >> (GLYPH_WIDTH - 1 - c) & 1 == 1) {
                let x = left + (i * (GLYPH_WIDTH + 1) + column) * scale;
                for y in (top + row * scale..top + (row + 1) * scale).take_while(|&y| y < h) {
                    let end = (x + scale).min(w);
                    if x < end {
                        planes.y[y * w + x..y * w + end].fill(luma);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_differs_by_seed_and_is_reproducible() {
        let config = TestPictureConfig {
            label: "Mia Becker 12".into(),
            ..Default::default()
        };
        let mut painter = TestPainter::new(&config);
        let (a, b) = (painter.paint(1_000_000), painter.paint(1_100_000));
        assert_ne!(a, b);
        assert_eq!(a, TestPainter::new(&config).paint(1_000_000));
        let other = TestPainter::new(&TestPictureConfig { seed: 1, ..config }).paint(1_000_000);
        assert_ne!(a.u, other.u);
        assert!(a.y.iter().filter(|&&y| y == 235).count() > 1000, "letters are drawn");
    }

    #[test]
    fn any_size_is_painted() {
        for (width, height) in [(0, 0), (33, 47), (320, 180), (10_000, 10_000)] {
            let config = TestPictureConfig {
                width,
                height,
                label: "x".repeat(300),
                ..Default::default()
            };
            let p = TestPainter::new(&config).paint(-5);
            assert_eq!(p.y.len(), (p.width * p.height) as usize);
        }
    }
}
