//! A shared-memory segment with the X server: mode 0600, and marked for removal as soon as both sides are attached, so
//! that nobody else reads the screen from it and nothing is left behind by `kill -9`.
#![allow(unsafe_code)] // System V shared memory

use std::io;
use std::ptr::NonNull;
use x11rb::connection::Connection;
use x11rb::connection::RequestConnection;
use x11rb::errors::{ReplyError, ReplyOrIdError};
use x11rb::protocol::shm;
use x11rb::protocol::xproto::{ImageFormat, Window};
use x11rb::rust_connection::RustConnection;

#[derive(Debug, thiserror::Error)]
pub(super) enum SegmentError {
    #[error("shared memory: {0}")]
    System(#[from] io::Error),
    #[error("the X server refused: {0}")]
    Server(#[from] ReplyOrIdError),
}

pub(super) struct Segment {
    address: NonNull<u8>,
    length: usize,
    id: shm::Seg,
}

// SAFETY: the mapping belongs to this value alone; it is read through `&self` only, and only the X server writes it,
// while `grab` waits for its answer.
unsafe impl Send for Segment {}

impl Segment {
    pub(super) fn supported(connection: &RustConnection) -> bool {
        let known = connection.extension_information(shm::X11_EXTENSION_NAME);
        known.is_ok_and(|k| k.is_some()) && shm::query_version(connection).is_ok_and(|cookie| cookie.reply().is_ok())
    }

    pub(super) fn attach(connection: &RustConnection, length: usize) -> Result<Self, SegmentError> {
        // SAFETY: no pointers; a new private segment readable and writable by this user only.
        let handle = unsafe { libc::shmget(libc::IPC_PRIVATE, length, libc::IPC_CREAT | 0o600) };
        if handle < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: `handle` is a segment that we just made; a null address lets the system choose where.
        let address = unsafe { libc::shmat(handle, std::ptr::null(), 0) };
        let failed = address.addr() == usize::MAX;
        let error = io::Error::last_os_error();
        let attached = if failed {
            Err(SegmentError::System(error))
        } else {
            server(connection, handle)
        };
        // SAFETY: `handle` is ours; the segment lives on until the last side detaches.
        unsafe { libc::shmctl(handle, libc::IPC_RMID, std::ptr::null_mut()) };
        let mapping = NonNull::new(address.cast::<u8>()).filter(|_| !failed);
        match (attached, mapping) {
            (Ok(id), Some(address)) => Ok(Self { address, length, id }),
            (result, mapping) => {
                if let Some(address) = mapping {
                    // SAFETY: mapped above and not handed out.
                    unsafe { libc::shmdt(address.as_ptr().cast()) };
                }
                Err(result
                    .err()
                    .unwrap_or_else(|| io::Error::other("mapped at address 0").into()))
            }
        }
    }

    /// Lets the server write the rectangle (x, y, width, height) of a window into the segment, and waits until it has.
    pub(super) fn grab(
        &self,
        connection: &RustConnection,
        window: Window,
        area: (i16, i16, u16, u16),
    ) -> Result<(), ReplyError> {
        let (x, y, width, height) = area;
        let format = u8::from(ImageFormat::Z_PIXMAP);
        shm::get_image(connection, window, x, y, width, height, !0, format, self.id, 0)?.reply()?;
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for `length` bytes until drop, initialised to zero by the system. The server writes only during
        // `grab`, whose answer has been awaited whenever this is called.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.length) }
    }

    pub(super) fn detach(self, connection: &RustConnection) {
        if let Ok(cookie) = shm::detach(connection, self.id) {
            cookie.ignore_error();
        }
    }
}

fn server(connection: &RustConnection, handle: i32) -> Result<shm::Seg, SegmentError> {
    let id = connection.generate_id().map_err(SegmentError::Server)?;
    let handle = u32::try_from(handle).map_err(|_| io::Error::other("negative segment id"))?;
    let cookie = shm::attach(connection, id, handle, false).map_err(|e| SegmentError::Server(e.into()))?;
    cookie.check().map_err(|e| SegmentError::Server(e.into()))?;
    Ok(id)
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped in `attach`, unmapped once.
        unsafe { libc::shmdt(self.address.as_ptr().cast()) };
    }
}
