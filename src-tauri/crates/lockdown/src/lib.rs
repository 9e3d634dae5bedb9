//! What the candidate's operating system tells about the desktop. This version watches the focus on X11; kiosk mode and
//! key grabs have their own issue. What is observed is a fact with a time, never a verdict.

pub mod decide;
#[cfg(target_os = "linux")]
mod linux;

pub use decide::{FocusChange, FocusDecider};

/// Why the focus can't be watched, by stable code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct WatchProblem {
    /// `focus_unsupported`: no X server, or a window manager that doesn't name the active window; `focus_gone`: the
    /// connection to it ended.
    pub code: &'static str,
    pub detail: String,
}

/// What a focus watcher reports, from its own thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FocusReport {
    Changed(FocusChange),
    /// The watch has ended; nothing follows.
    Ended(WatchProblem),
}

/// A running focus watcher; dropping it ends it.
pub struct FocusWatcher {
    #[cfg(target_os = "linux")]
    _running: linux::focus::Running,
}

impl FocusWatcher {
    /// Watches whether a window of this process, or of a process that it started, is the active one. `report` gets the
    /// first state only if it is a loss, then every change.
    ///
    /// # Errors
    /// `focus_unsupported` where the desktop can't be asked.
    pub fn start(report: impl FnMut(FocusReport) + Send + 'static) -> Result<Self, WatchProblem> {
        #[cfg(target_os = "linux")]
        return linux::focus::start(std::process::id(), report).map(|running| Self { _running: running });
        #[cfg(not(target_os = "linux"))]
        {
            drop(report);
            Err(WatchProblem {
                code: "focus_unsupported",
                detail: "no watcher for this system yet".into(),
            })
        }
    }
}
