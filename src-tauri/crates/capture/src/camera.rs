//! The camera, by `nokhwa`: V4L2, Media Foundation, AVFoundation.

use crate::clock::now_us;
use crate::convert::{PixelFormat, to_i420};
use crate::error::SourceProblem;
use crate::picture::{Picture, Planes};
use crate::source::{Device, Outlet, SourceEvent, SourceFormat, SourceHandle, Watch, supervise};
use nokhwa::utils::{ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType};
use nokhwa::{Camera, NokhwaError};
use std::sync::Arc;
use std::time::Duration;

/// How old a picture may be when it arrives, microseconds.
const OLDEST_US: i64 = 2_000_000;

/// How to open a camera. The camera's own format nearest to it is taken.
#[derive(Clone, Debug)]
pub struct CameraConfig {
    /// Which camera, by [`Device::id`]; `None`: the first that works.
    pub device: Option<String>,
    pub width: u32,
    pub height: u32,
    pub fps: u8,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            device: None,
            width: 640,
            height: 360,
            fps: 15,
        }
    }
}

/// The cameras of this machine.
///
/// # Errors
/// `camera_unsupported` when the system's camera interface fails as a whole.
pub fn cameras() -> Result<Vec<Device>, SourceProblem> {
    let found = nokhwa::query(ApiBackend::Auto).map_err(|e| SourceProblem::new("camera_unsupported", e))?;
    let mut cameras: Vec<Device> = found
        .iter()
        .map(|c| Device {
            id: c.index().as_string(),
            name: c.human_name(),
        })
        .collect();
    // One camera has several V4L2 nodes (pictures, metadata); the pictures' node is the lowest.
    cameras.sort_by(|a, b| a.id.len().cmp(&b.id.len()).then_with(|| a.id.cmp(&b.id)));
    Ok(cameras)
}

/// A camera as a source.
pub struct CameraSource;

impl CameraSource {
    /// # Errors
    /// When the system gives no thread. That there is no camera is an event, not an error.
    pub fn start(
        config: CameraConfig,
        sink: impl FnMut(SourceEvent<Arc<Picture>>) + Send + 'static,
    ) -> Result<SourceHandle, SourceProblem> {
        let watch = Watch {
            name: "camera",
            // USB cameras take up to some seconds until their first picture.
            open: Duration::from_secs(8),
            silent: Duration::from_secs(2),
            silent_code: "camera_gone",
        };
        supervise(watch, move |out: &Outlet<Arc<Picture>>| run(&config, out), sink)
    }
}

fn run(config: &CameraConfig, out: &Outlet<Arc<Picture>>) -> Result<(), SourceProblem> {
    let mut camera = open(config)?;
    let format = camera.camera_format();
    let pixels = pixel_format(format.format());
    let (width, height) = (format.width(), format.height());
    let fps = u8::try_from(format.frame_rate()).unwrap_or(u8::MAX);
    let mut last: Option<Arc<Planes>> = None;
    while !out.stopped() {
        let frame = camera.frame().map_err(|e| problem(&e, "camera_gone"))?;
        let captured_at = capture_time(frame.capture_timestamp(), now_us());
        let stride = match pixels {
            PixelFormat::Yuyv => width * 2,
            PixelFormat::Rgb | PixelFormat::Bgr => width * 3,
            _ => width,
        };
        // A damaged frame (a torn MJPEG, a short buffer) is the camera's hiccup; one after another starves the watchdog.
        match to_i420(pixels, frame.buffer(), width, height, stride) {
            Ok(planes) => {
                let planes = Arc::new(planes);
                let changed = last.as_ref() != Some(&planes);
                if last.is_none() {
                    out.live(SourceFormat {
                        device: camera.info().human_name(),
                        width: u16::try_from(width).unwrap_or(u16::MAX),
                        height: u16::try_from(height).unwrap_or(u16::MAX),
                        fps,
                    });
                }
                last = Some(planes.clone());
                out.put(Arc::new(Picture {
                    planes,
                    captured_at,
                    changed,
                }));
            }
            Err(error) => tracing::debug!(%error, "a camera frame was dropped"),
        }
    }
    Ok(())
}

/// nokhwa turns a driver's time into wall clock time, taking it for `CLOCK_MONOTONIC`; drivers with another clock exist.
/// A time that a picture can't have (not yet, or older than the watchdog waits) is replaced by that of its arrival.
fn capture_time(claimed: Option<Duration>, now: i64) -> i64 {
    claimed
        .and_then(|d| i64::try_from(d.as_micros()).ok())
        .filter(|at| (now - OLDEST_US..=now).contains(at))
        .unwrap_or(now)
}

fn open(config: &CameraConfig) -> Result<Camera, SourceProblem> {
    let mut candidates = cameras()?;
    if let Some(wanted) = &config.device {
        candidates.retain(|c| c.id == *wanted);
        if candidates.is_empty() {
            return Err(SourceProblem::new(
                "camera_gone",
                format!("camera {wanted} is not plugged in"),
            ));
        }
    }
    let mut first_problem = None;
    for candidate in &candidates {
        match open_one(&candidate.id, config) {
            Ok(camera) => return Ok(camera),
            Err(problem) => {
                tracing::debug!(
                    camera = candidate.id,
                    code = problem.code,
                    detail = problem.detail,
                    "camera not opened"
                );
                first_problem.get_or_insert(problem);
            }
        }
    }
    Err(first_problem.unwrap_or_else(|| SourceProblem::new("camera_none", "no camera is plugged in")))
}

fn open_one(id: &str, config: &CameraConfig) -> Result<Camera, SourceProblem> {
    let index = id
        .parse()
        .map_or_else(|_| CameraIndex::String(id.to_owned()), CameraIndex::Index);
    #[cfg(target_os = "linux")]
    reset(&index);
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS);
    let mut camera = Camera::new(index, any).map_err(|e| problem(&e, "camera_unsupported"))?;
    let mut offered = camera
        .compatible_camera_formats()
        .map_err(|e| problem(&e, "camera_unsupported"))?;
    offered.sort_by_key(|f| distance(f, config));
    // Drivers list formats that they then refuse: a few tries, else what it opened with.
    for format in offered.iter().take(4) {
        let exactly = RequestedFormat::with_formats(RequestedFormatType::Exact(*format), &FORMATS);
        match camera.set_camera_requset(exactly) {
            Ok(_) => break,
            Err(error) => tracing::debug!(%error, ?format, "camera format refused"),
        }
    }
    camera.open_stream().map_err(|e| problem(&e, "camera_in_use"))?;
    Ok(camera)
}

/// Cheapest first: raw formats need no JPEG decoder.
const FORMATS: [FrameFormat; 6] = [
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::RAWBGR,
    FrameFormat::RAWRGB,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
];

/// How far a format is from what is wanted, most important first: too slow, grey, too small, its size, its cost, its rate.
fn distance(format: &CameraFormat, config: &CameraConfig) -> (bool, bool, bool, u64, usize, u32) {
    let area = |w: u32, h: u32| u64::from(w) * u64::from(h);
    let (have, want) = (area(format.width(), format.height()), area(config.width, config.height));
    (
        format.frame_rate() < u32::from(config.fps),
        format.format() == FrameFormat::GRAY,
        format.width() < config.width || format.height() < config.height,
        have.abs_diff(want),
        FORMATS
            .iter()
            .position(|f| *f == format.format())
            .unwrap_or(FORMATS.len()),
        format.frame_rate().abs_diff(u32::from(config.fps)),
    )
}

/// nokhwa refuses a device whose current rate is fractional or whose current format it doesn't know: give it a plain one.
#[cfg(target_os = "linux")]
fn reset(index: &CameraIndex) {
    use v4l::video::Capture;
    use v4l::video::capture::Parameters;
    let Ok(number) = index.as_index() else { return };
    let Ok(device) = v4l::Device::new(number as usize) else {
        return;
    };
    let known = [*b"YUYV", *b"NV12", *b"MJPG", *b"RGB3", *b"BGR3", *b"GRAY"];
    if let Ok(mut format) = device.format()
        && !known.contains(&format.fourcc.repr)
        && let Ok(offered) = device.enum_formats()
        && let Some(plain) = offered.iter().find(|f| known.contains(&f.fourcc.repr))
    {
        format.fourcc = plain.fourcc;
        let _ = device.set_format(&format);
    }
    if let Ok(parameters) = device.params()
        && parameters.interval.numerator != 1
    {
        let _ = device.set_params(&Parameters::with_fps(30));
    }
}

fn pixel_format(format: FrameFormat) -> PixelFormat {
    match format {
        FrameFormat::MJPEG => PixelFormat::Mjpeg,
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::GRAY => PixelFormat::Gray,
        FrameFormat::RAWRGB => PixelFormat::Rgb,
        FrameFormat::RAWBGR => PixelFormat::Bgr,
    }
}

/// nokhwa keeps the system's error as text only.
fn problem(error: &NokhwaError, otherwise: &'static str) -> SourceProblem {
    let text = error.to_string();
    let has = |needle: &str| text.contains(needle);
    let code = if has("Permission denied") || has("os error 13") || has("os error 1)") || has("denied") {
        "camera_denied"
    } else if has("resource busy") || has("os error 16") {
        "camera_in_use"
    } else if has("No such device") || has("No such file") || has("os error 19") || has("os error 2)") {
        "camera_gone"
    } else {
        otherwise
    };
    SourceProblem::new(code, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_format_is_fast_enough_then_large_enough_then_cheap() {
        let f = |w, h, format, fps| CameraFormat::new_from(w, h, format, fps);
        let mut offered = [
            f(640, 360, FrameFormat::GRAY, 30),
            f(1920, 1080, FrameFormat::YUYV, 5),
            f(640, 480, FrameFormat::YUYV, 30),
            f(640, 360, FrameFormat::MJPEG, 30),
            f(640, 360, FrameFormat::YUYV, 30),
            f(640, 360, FrameFormat::YUYV, 15),
            f(320, 180, FrameFormat::YUYV, 15),
        ];
        offered.sort_by_key(|f| distance(f, &CameraConfig::default()));
        let order: Vec<_> = offered
            .iter()
            .map(|f| (f.width(), f.height(), f.format(), f.frame_rate()))
            .collect();
        assert_eq!(order[0], (640, 360, FrameFormat::YUYV, 15));
        assert_eq!(order[1], (640, 360, FrameFormat::YUYV, 30));
        assert_eq!(order[2], (640, 360, FrameFormat::MJPEG, 30));
        assert_eq!(order[3], (640, 480, FrameFormat::YUYV, 30));
        assert_eq!(order[6], (1920, 1080, FrameFormat::YUYV, 5));
    }

    #[test]
    fn a_picture_is_never_from_the_future_or_another_clock() {
        let now = 1_800_000_000_000_000;
        let at = |us: u64| capture_time(Some(Duration::from_micros(us)), now);
        assert_eq!(at(1_799_999_999_950_000), 1_799_999_999_950_000, "50 ms old");
        assert_eq!(at(1_800_000_000_000_001), now, "not yet");
        assert_eq!(at(5_000_000), now, "seconds since the machine's start");
        assert_eq!(capture_time(Some(Duration::MAX), now), now);
        assert_eq!(capture_time(None, now), now);
    }

    #[test]
    fn system_errors_have_codes() {
        let text = |s: &str| NokhwaError::ReadFrameError(s.into());
        assert_eq!(problem(&text("No such device (os error 19)"), "x").code, "camera_gone");
        assert_eq!(
            problem(&text("Device or resource busy (os error 16)"), "x").code,
            "camera_in_use"
        );
        assert_eq!(
            problem(&text("Permission denied (os error 13)"), "x").code,
            "camera_denied"
        );
        assert_eq!(
            problem(&text("something else"), "camera_unsupported").code,
            "camera_unsupported"
        );
    }
}
