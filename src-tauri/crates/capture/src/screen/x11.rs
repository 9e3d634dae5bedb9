//! The X11 screen: enumeration by RandR, geometry asked on every grab, pixels through shared memory or the socket.

use super::Grab;
use super::x11_shm::Segment;
use crate::error::SourceProblem;
use crate::source::Device;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError};
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, ImageOrder, Window};
use x11rb::rust_connection::RustConnection;

pub(super) const NAME: &str = "X11";

/// A rectangle of the root window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    x: i16,
    y: i16,
    width: u16,
    height: u16,
}

fn gone(e: impl std::fmt::Display) -> SourceProblem {
    SourceProblem::new("screen_gone", e)
}

fn connect() -> Result<(RustConnection, Window), SourceProblem> {
    if std::env::var_os("DISPLAY").is_none_or(|d| d.is_empty()) {
        let wayland = std::env::var_os("WAYLAND_DISPLAY").is_some();
        let why = if wayland {
            "a Wayland session without X11"
        } else {
            "no DISPLAY"
        };
        return Err(SourceProblem::new("screen_unsupported", why));
    }
    let (connection, screen) = x11rb::connect(None).map_err(|e| match e {
        ConnectError::SetupAuthenticate(_) => SourceProblem::new("screen_denied", e),
        ConnectError::DisplayParsingError(_) => SourceProblem::new("screen_unsupported", e),
        _ => gone(e),
    })?;
    let setup = connection.setup();
    let root = setup
        .roots
        .get(screen)
        .ok_or_else(|| gone("the server has no such screen"))?;
    let depth_fits = root.root_depth == 24 || root.root_depth == 32;
    let four_bytes = setup
        .pixmap_formats
        .iter()
        .any(|f| f.depth == root.root_depth && f.bits_per_pixel == 32);
    let visual = root
        .allowed_depths
        .iter()
        .flat_map(|d| &d.visuals)
        .find(|v| v.visual_id == root.root_visual);
    let bgrx = visual.is_some_and(|v| (v.red_mask, v.green_mask, v.blue_mask) == (0x00ff_0000, 0xff00, 0xff));
    if !(depth_fits && four_bytes && bgrx && setup.image_byte_order == ImageOrder::LSB_FIRST) {
        return Err(SourceProblem::new(
            "screen_unsupported",
            format!("depth {} or its layout", root.root_depth),
        ));
    }
    let root = root.root;
    Ok((connection, root))
}

pub(super) fn displays() -> Result<Vec<Device>, SourceProblem> {
    let (connection, root) = connect()?;
    let mut found = Vec::new();
    for (name, area) in monitors(&connection, root).map_err(gone)? {
        found.push(Device {
            id: name.clone(),
            name: format!("{name} ({} x {})", area.width, area.height),
        });
    }
    Ok(found)
}

fn monitors(connection: &RustConnection, root: Window) -> Result<Vec<(String, Area)>, ReplyError> {
    if connection
        .extension_information(x11rb::protocol::randr::X11_EXTENSION_NAME)?
        .is_none()
    {
        return Ok(Vec::new());
    }
    let version = connection.randr_query_version(1, 5)?.reply()?;
    if (version.major_version, version.minor_version) < (1, 5) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for monitor in connection.randr_get_monitors(root, true)?.reply()?.monitors {
        let name = connection.get_atom_name(monitor.name)?.reply()?.name;
        let area = Area {
            x: monitor.x,
            y: monitor.y,
            width: monitor.width,
            height: monitor.height,
        };
        found.push((String::from_utf8_lossy(&name).into_owned(), area));
    }
    Ok(found)
}

/// Grabs one display, or the whole root window.
pub(super) struct Grabber {
    connection: RustConnection,
    root: Window,
    display: Option<String>,
    /// Pixels come through it; `None` where the server can't attach to our memory (remote, another namespace).
    segment: Option<Segment>,
    shm: bool,
    copy: Vec<u8>,
}

impl Grabber {
    pub(super) fn open(display: Option<&str>) -> Result<Self, SourceProblem> {
        let (connection, root) = connect()?;
        let shm = Segment::supported(&connection);
        Ok(Self {
            connection,
            root,
            display: display.map(str::to_owned),
            segment: None,
            shm,
            copy: Vec::new(),
        })
    }

    fn area(&self) -> Result<Area, SourceProblem> {
        if let Some(display) = &self.display {
            let monitors = monitors(&self.connection, self.root).map_err(gone)?;
            let found = monitors.into_iter().find(|(name, _)| name == display);
            return found
                .map(|(_, area)| area)
                .ok_or_else(|| gone(format!("display {display} is not connected")));
        }
        let geometry = self
            .connection
            .get_geometry(self.root)
            .map_err(gone)?
            .reply()
            .map_err(gone)?;
        Ok(Area {
            x: 0,
            y: 0,
            width: geometry.width,
            height: geometry.height,
        })
    }

    /// Asks for the pixels of now. A geometry that changes in between is asked again, once per change.
    pub(super) fn grab(&mut self) -> Result<Grab<'_>, SourceProblem> {
        let area = loop {
            let area = self.area()?;
            match self.pixels(area) {
                Ok(()) => break area,
                // The screen shrank between the question and the grab (BadMatch): not a failure if it really did.
                Err(ReplyError::X11Error(e)) => {
                    if self.area()? == area {
                        return Err(gone(format!("the grab was refused: {:?}", e.error_kind)));
                    }
                }
                Err(e) => return Err(gone(e)),
            }
        };
        let length = usize::from(area.width) * usize::from(area.height) * 4;
        let bytes = self.segment.as_ref().map_or(self.copy.as_slice(), |s| s.bytes());
        let bytes = bytes
            .get(..length)
            .ok_or_else(|| gone("the server sent less than the picture"))?;
        let stride = u32::from(area.width) * 4;
        Ok(Grab {
            bytes,
            width: u32::from(area.width),
            height: u32::from(area.height),
            stride,
        })
    }

    fn pixels(&mut self, area: Area) -> Result<(), ReplyError> {
        let length = usize::from(area.width) * usize::from(area.height) * 4;
        if self.shm && self.segment.as_ref().is_none_or(|s| s.bytes().len() < length) {
            if let Some(old) = self.segment.take() {
                old.detach(&self.connection);
            }
            match Segment::attach(&self.connection, length) {
                Ok(segment) => self.segment = Some(segment),
                Err(error) => {
                    tracing::info!(%error, "no shared memory with the X server: pixels come through its socket");
                    self.shm = false;
                }
            }
        }
        if let Some(segment) = &self.segment {
            return segment.grab(&self.connection, self.root, (area.x, area.y, area.width, area.height));
        }
        let request = self.connection.get_image(
            ImageFormat::Z_PIXMAP,
            self.root,
            area.x,
            area.y,
            area.width,
            area.height,
            !0,
        )?;
        self.copy = request.reply()?.data;
        Ok(())
    }
}

impl Drop for Grabber {
    fn drop(&mut self) {
        if let Some(segment) = self.segment.take() {
            segment.detach(&self.connection);
        }
        let _: Result<(), ConnectionError> = self.connection.flush();
    }
}
