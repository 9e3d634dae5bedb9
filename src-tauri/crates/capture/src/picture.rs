//! A captured picture. Planes are shared, so that an unchanged screen costs no copy while `captured_at` keeps advancing.

use std::sync::Arc;

/// I420 planes (BT.601, limited range) without padding: luma `width * height`, chroma a quarter of it each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Pixels, even and at least 2.
    pub width: u32,
    /// Pixels, even and at least 2.
    pub height: u32,
    pub y: Vec<u8>,
    pub u: Vec<u8>,
    pub v: Vec<u8>,
}

impl Planes {
    /// Black planes; odd sizes are rounded down to even ones, never below 2.
    pub fn new(width: u32, height: u32) -> Self {
        let (width, height) = (even(width), even(height));
        let luma = width as usize * height as usize;
        Self {
            width,
            height,
            y: vec![16; luma],
            u: vec![128; luma / 4],
            v: vec![128; luma / 4],
        }
    }

    /// The three planes one after the other.
    pub fn to_i420(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.y.len() * 3 / 2);
        out.extend_from_slice(&self.y);
        out.extend_from_slice(&self.u);
        out.extend_from_slice(&self.v);
        out
    }
}

/// `n` rounded down to an even number, at least 2.
pub(crate) fn even(n: u32) -> u32 {
    (n & !1).max(2)
}

/// One grab of a video source.
#[derive(Clone, Debug)]
pub struct Picture {
    pub planes: Arc<Planes>,
    /// When it was grabbed: this machine's wall clock, microseconds since the Unix epoch.
    pub captured_at: i64,
    /// It differs from the grab before it. Equal pictures are still delivered: liveness is judged on `captured_at`.
    pub changed: bool,
}

impl Picture {
    pub fn width(&self) -> u32 {
        self.planes.width
    }
    pub fn height(&self) -> u32 {
        self.planes.height
    }
}
