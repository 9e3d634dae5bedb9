//! The screen on Windows and macOS, by `scrap`.

use super::Grab;
use crate::error::SourceProblem;
use crate::source::Device;
use scrap::{Capturer, Display};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

pub(super) const NAME: &str = "Display";

/// How long a frame may be awaited: a still desktop gives no new one.
const PATIENCE: Duration = Duration::from_millis(100);

fn problem(e: &std::io::Error) -> SourceProblem {
    let code = if e.kind() == ErrorKind::PermissionDenied {
        "screen_denied"
    } else {
        "screen_gone"
    };
    SourceProblem::new(code, e)
}

pub(super) fn displays() -> Result<Vec<Device>, SourceProblem> {
    let all = Display::all().map_err(|e| problem(&e))?;
    let named = all.iter().enumerate().map(|(i, d)| Device {
        id: i.to_string(),
        name: format!("Display {} ({} x {})", i + 1, d.width(), d.height()),
    });
    Ok(named.collect())
}

pub(super) struct Grabber {
    capturer: Capturer,
    width: u32,
    height: u32,
    last: Vec<u8>,
}

impl Grabber {
    pub(super) fn open(display: Option<&str>) -> Result<Self, SourceProblem> {
        let display = match display {
            None => Display::primary().map_err(|e| problem(&e))?,
            Some(id) => {
                let index: usize = id
                    .parse()
                    .map_err(|_| SourceProblem::new("screen_gone", "no such display"))?;
                let mut all = Display::all().map_err(|e| problem(&e))?;
                if index >= all.len() {
                    return Err(SourceProblem::new("screen_gone", "no such display"));
                }
                all.swap_remove(index)
            }
        };
        let capturer = Capturer::new(display).map_err(|e| problem(&e))?;
        let (width, height) = (capturer.width(), capturer.height());
        let size = |n: usize| u32::try_from(n).map_err(|e| SourceProblem::new("screen_unsupported", e));
        Ok(Self {
            width: size(width)?,
            height: size(height)?,
            capturer,
            last: Vec::new(),
        })
    }

    /// A resized display ends the capturer with an error; the supervisor opens it again at its new size.
    pub(super) fn grab(&mut self) -> Result<Grab<'_>, SourceProblem> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.capturer.frame() {
                Ok(frame) => {
                    self.last.clear();
                    self.last.extend_from_slice(&frame);
                    break;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline && !self.last.is_empty() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(e) => return Err(problem(&e)),
            }
        }
        let stride = u32::try_from(self.last.len() / self.height.max(1) as usize).unwrap_or(0);
        Ok(Grab {
            bytes: &self.last,
            width: self.width,
            height: self.height,
            stride,
        })
    }
}
