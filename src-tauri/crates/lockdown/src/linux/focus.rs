//! The active window on X11 (EWMH `_NET_ACTIVE_WINDOW`), on a connection of our own: GTK's is left alone.
#![allow(unsafe_code)] // poll(2) on the connection, to wait for events and a debounce at once

use crate::decide::{Active, FocusDecider};
use crate::{FocusReport, WatchProblem};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use x11rb::connection::Connection;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt, EventMask, Window};
use x11rb::rust_connection::RustConnection;

/// How long the thread sleeps at most before it looks at its stop flag, milliseconds.
const TICK_MS: i64 = 250;
/// Longest title that is read, in units of 4 bytes.
const TITLE_WORDS: u32 = 64;
/// How many parents of a process are looked at; a cycle in a racing /proc must not hang us.
const MAX_ANCESTORS: usize = 32;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        _NET_ACTIVE_WINDOW,
        _NET_WM_PID,
        _NET_WM_NAME,
        _NET_SUPPORTED,
        UTF8_STRING,
    }
}

/// Ends the watcher when dropped.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn unsupported(e: impl std::fmt::Display) -> WatchProblem {
    WatchProblem {
        code: "focus_unsupported",
        detail: e.to_string(),
    }
}

pub(crate) fn start(pid: u32, mut report: impl FnMut(FocusReport) + Send + 'static) -> Result<Running, WatchProblem> {
    let watch = Watch::open(pid)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    std::thread::Builder::new()
        .name("focus".into())
        .spawn(move || {
            if let Err(e) = watch.run(&stopped, &mut report) {
                report(FocusReport::Ended(WatchProblem {
                    code: "focus_gone",
                    detail: e.to_string(),
                }));
            }
        })
        .map_err(unsupported)?;
    Ok(Running { stop })
}

struct Watch {
    connection: RustConnection,
    root: Window,
    atoms: Atoms,
    pid: u32,
}

impl Watch {
    fn open(pid: u32) -> Result<Self, WatchProblem> {
        let (connection, screen) = x11rb::connect(None).map_err(unsupported)?;
        let root = connection
            .setup()
            .roots
            .get(screen)
            .ok_or_else(|| unsupported("no such screen"))?
            .root;
        let atoms = Atoms::new(&connection)
            .map_err(unsupported)?
            .reply()
            .map_err(unsupported)?;
        let watch = Self {
            connection,
            root,
            atoms,
            pid,
        };
        let supported = watch.atoms(root, watch.atoms._NET_SUPPORTED).map_err(unsupported)?;
        if !supported.contains(&watch.atoms._NET_ACTIVE_WINDOW) {
            return Err(unsupported("the window manager doesn't name the active window"));
        }
        let events = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        watch
            .connection
            .change_window_attributes(root, &events)
            .map_err(unsupported)?
            .check()
            .map_err(unsupported)?;
        Ok(watch)
    }

    fn run(&self, stop: &AtomicBool, report: &mut impl FnMut(FocusReport)) -> Result<(), ReplyError> {
        let mut decider = FocusDecider::default();
        let mut look = true;
        while !stop.load(Ordering::Acquire) {
            while let Some(event) = self.connection.poll_for_event()? {
                look |= matches!(event, Event::PropertyNotify(e) if e.window == self.root && e.atom == self.atoms._NET_ACTIVE_WINDOW);
            }
            let change = if std::mem::take(&mut look) {
                let active = self.active()?;
                decider.observe(now_us(), active)
            } else {
                decider.tick(now_us())
            };
            if let Some(change) = change {
                report(FocusReport::Changed(change));
            }
            let wait = decider
                .deadline()
                .map_or(TICK_MS, |at| ((at - now_us()) / 1000 + 1).clamp(1, TICK_MS));
            // Replies read above may have brought events with them: those no longer make the socket readable.
            if let Some(event) = self.connection.poll_for_event()? {
                look |= matches!(event, Event::PropertyNotify(e) if e.window == self.root && e.atom == self.atoms._NET_ACTIVE_WINDOW);
                continue;
            }
            wait_readable(self.connection.stream().as_raw_fd(), wait)?;
        }
        Ok(())
    }

    fn active(&self) -> Result<Active, ReplyError> {
        let window = self
            .windows(self.root, self.atoms._NET_ACTIVE_WINDOW)?
            .first()
            .copied()
            .unwrap_or(0);
        if window == 0 {
            return Ok(Active::Other { title: None });
        }
        let pid = gone_is_none(self.values(window, self.atoms._NET_WM_PID, AtomEnum::CARDINAL.into()))?;
        let pid = pid.and_then(|v| v.first().copied());
        if pid.is_some_and(|pid| self.is_ours(pid)) {
            return Ok(Active::Ours);
        }
        let title = gone_is_none(self.title(window))?.filter(|t| !t.is_empty());
        Ok(Active::Other { title })
    }

    /// Our own process, or one below it: WebKit draws from processes of its own.
    fn is_ours(&self, pid: u32) -> bool {
        let mut pid = pid;
        for _ in 0..MAX_ANCESTORS {
            if pid == self.pid {
                return true;
            }
            match parent(pid) {
                Some(up) if up > 1 => pid = up,
                _ => return false,
            }
        }
        false
    }

    /// `_NET_WM_NAME`, or the older `WM_NAME` of programs that set only that.
    fn title(&self, window: Window) -> Result<String, ReplyError> {
        let newer = (self.atoms._NET_WM_NAME, self.atoms.UTF8_STRING);
        for (name, kind) in [newer, (AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())] {
            let reply = self
                .connection
                .get_property(false, window, name, kind, 0, TITLE_WORDS)?
                .reply()?;
            if !reply.value.is_empty() {
                return Ok(String::from_utf8_lossy(&reply.value).into_owned());
            }
        }
        Ok(String::new())
    }

    fn windows(&self, window: Window, property: Atom) -> Result<Vec<u32>, ReplyError> {
        self.values(window, property, AtomEnum::WINDOW.into())
    }

    fn atoms(&self, window: Window, property: Atom) -> Result<Vec<u32>, ReplyError> {
        self.values(window, property, AtomEnum::ATOM.into())
    }

    fn values(&self, window: Window, property: Atom, kind: Atom) -> Result<Vec<u32>, ReplyError> {
        let reply = self
            .connection
            .get_property(false, window, property, kind, 0, 4096)?
            .reply()?;
        Ok(reply.value32().map(Iterator::collect).unwrap_or_default())
    }
}

/// A window may vanish between being named and being asked.
fn gone_is_none<T>(result: Result<T, ReplyError>) -> Result<Option<T>, ReplyError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Field 4 of /proc/PID/stat (proc(5)); the name in field 2 may hold spaces and brackets.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.get(stat.rfind(')')? + 1..)?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn wait_readable(fd: RawFd, milliseconds: i64) -> Result<(), ConnectionError> {
    let mut wanted = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    // SAFETY: one valid pollfd that outlives the call; the descriptor belongs to a connection that we hold.
    let result = unsafe { libc::poll(&raw mut wanted, 1, timeout) };
    if result < 0 {
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    Ok(())
}

fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
