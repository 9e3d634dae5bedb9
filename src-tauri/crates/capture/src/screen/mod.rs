//! The screen as a source: X11 by our own shared-memory grab, Windows and macOS by `scrap`.
//!
//! A grab is current (asked for now, not on the call before), a changed geometry makes the grabber anew, and a dead
//! display server ends the source: a frozen picture never claims to be live.

#[cfg(target_os = "linux")]
mod x11;
#[cfg(target_os = "linux")]
mod x11_shm;
#[cfg(target_os = "linux")]
use x11 as platform;
#[cfg(any(target_os = "windows", target_os = "macos"))]
mod duplication;
#[cfg(any(target_os = "windows", target_os = "macos"))]
use duplication as platform;

use crate::clock::now_us;
use crate::convert::{PixelFormat, to_i420};
use crate::error::SourceProblem;
use crate::picture::{Picture, Planes};
use crate::source::{Device, Outlet, SourceEvent, SourceFormat, SourceHandle, Watch, supervise};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How to capture a screen.
#[derive(Clone, Debug)]
pub struct ScreenConfig {
    /// Which display, by [`Device::id`]; `None`: everything that the desktop shows.
    pub display: Option<String>,
    /// Grabs per second.
    pub fps: u8,
}

impl Default for ScreenConfig {
    fn default() -> Self {
        Self {
            display: None,
            fps: crate::layers::source_fps(invigil_shared::publication::Kind::Screen),
        }
    }
}

/// The displays of this desktop.
///
/// # Errors
/// `screen_unsupported` where nothing can be captured (Wayland without X), `screen_gone` when the server doesn't answer.
pub fn displays() -> Result<Vec<Device>, SourceProblem> {
    platform::displays()
}

/// A screen as a source.
pub struct ScreenSource;

impl ScreenSource {
    /// # Errors
    /// When the system gives no thread. That there is no screen is an event, not an error.
    pub fn start(
        config: ScreenConfig,
        sink: impl FnMut(SourceEvent<Arc<Picture>>) + Send + 'static,
    ) -> Result<SourceHandle, SourceProblem> {
        let watch = Watch {
            name: "screen",
            open: Duration::from_secs(5),
            // The slowest rate that a handle can ask for is one grab in 5 s; a grab itself takes milliseconds.
            silent: Duration::from_secs(7),
            silent_code: "screen_gone",
        };
        supervise(watch, move |out: &Outlet<Arc<Picture>>| run(&config, out), sink)
    }
}

/// One grab, borrowed from the grabber.
pub(crate) struct Grab<'a> {
    pub bytes: &'a [u8],
    pub width: u32,
    pub height: u32,
    pub stride: u32,
}

fn run(config: &ScreenConfig, out: &Outlet<Arc<Picture>>) -> Result<(), SourceProblem> {
    let mut grabber = platform::Grabber::open(config.display.as_deref())?;
    let mut memory = Memory::default();
    let mut size = (0, 0);
    let mut next = Instant::now();
    while !out.stopped() {
        let captured_at = now_us();
        let grab = grabber.grab()?;
        if size != (grab.width, grab.height) {
            size = (grab.width, grab.height);
            out.live(SourceFormat {
                device: platform::NAME.into(),
                width: u16::try_from(grab.width).unwrap_or(u16::MAX),
                height: u16::try_from(grab.height).unwrap_or(u16::MAX),
                fps: config.fps,
            });
        }
        out.put(Arc::new(memory.picture(&grab, captured_at)?));
        let interval = Duration::from_secs_f32(1.0 / out.fps(f32::from(config.fps.max(1))));
        // A grab that took too long moves the beat: no burst follows.
        next = (next + interval).max(Instant::now());
        next = out.sleep_until(next);
    }
    Ok(())
}

/// The picture before, to tell what changed and to convert only that.
#[derive(Default)]
struct Memory {
    hash: Option<(u32, u32, u64)>,
    planes: Option<Arc<Planes>>,
}

impl Memory {
    fn picture(&mut self, grab: &Grab<'_>, captured_at: i64) -> Result<Picture, SourceProblem> {
        let hash = (grab.width, grab.height, hash(grab));
        if let (Some(planes), true) = (&self.planes, self.hash == Some(hash)) {
            return Ok(Picture {
                planes: planes.clone(),
                captured_at,
                changed: false,
            });
        }
        let planes = to_i420(PixelFormat::Bgrx, grab.bytes, grab.width, grab.height, grab.stride)
            .map_err(|e| SourceProblem::new("screen_unsupported", e))?;
        let planes = Arc::new(planes);
        (self.hash, self.planes) = (Some(hash), Some(planes.clone()));
        Ok(Picture {
            planes,
            captured_at,
            changed: true,
        })
    }
}

/// Names a picture by its visible bytes: four independent lanes of multiply and rotate, about memory speed.
fn hash(grab: &Grab<'_>) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [1u64, 2, 3, 4];
    let row_bytes = grab.width as usize * 4;
    for row in grab.bytes.chunks(grab.stride as usize).take(grab.height as usize) {
        let row = row.get(..row_bytes).unwrap_or(row);
        let (blocks, rest) = row.as_chunks::<32>();
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = (lane.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
            }
        }
        for byte in rest {
            lanes[0] = (lanes[0].rotate_left(23) ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
        lanes.rotate_left(1);
    }
    lanes
        .iter()
        .fold(0, |h, lane| (h.rotate_left(29) ^ lane).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_share_their_planes_and_one_pixel_is_a_change() {
        let mut bytes = vec![7u8; 70 * 40 * 4];
        let mut memory = Memory::default();
        let mut look = |bytes: &[u8], at| {
            memory
                .picture(
                    &Grab {
                        bytes,
                        width: 70,
                        height: 40,
                        stride: 280,
                    },
                    at,
                )
                .unwrap()
        };
        let a = look(&bytes, 1);
        let b = look(&bytes, 2);
        assert!(a.changed && !b.changed && b.captured_at == 2 && Arc::ptr_eq(&a.planes, &b.planes));
        for at in [0, 279, 280 * 20 + 133, 280 * 40 - 2] {
            bytes[at] ^= 1;
            assert!(look(&bytes, 3).changed, "byte {at}");
        }
    }
}
