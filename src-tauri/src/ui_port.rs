//! The window as the logic sees it: a trait, so that everything behind it runs in tests without a window.

/// A window that shows one view. Calls never block and never fail: a window that is gone shows nothing.
pub trait UiPort<View, Levels>: Send + Sync + 'static {
    /// Shows the newest view, whole.
    fn view(&self, view: &View);
    /// Moves the meters.
    fn levels(&self, levels: &Levels);
}

/// How often views are sent: at once after a pause, then at most this often.
pub const VIEW_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);
/// How often a view is sent that changed in times and counts only.
pub const QUIET_VIEW_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// How much a step changed what is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    #[default]
    None,
    /// Figures that a person reads once a second.
    Quiet,
    /// A person waits for it.
    Prompt,
}

/// Decides when the next view is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pending: Change,
    sent: Option<std::time::Instant>,
}

impl Pace {
    /// Something changed.
    pub fn note(&mut self, change: Change) {
        self.pending = self.pending.max(change);
    }

    /// When the next view is due; none when nothing changed.
    pub fn due(&self, now: std::time::Instant) -> Option<std::time::Instant> {
        let interval = match self.pending {
            Change::None => return None,
            Change::Quiet => QUIET_VIEW_INTERVAL,
            Change::Prompt => VIEW_INTERVAL,
        };
        Some(self.sent.map_or(now, |sent| (sent + interval).max(now)))
    }

    /// A view was sent.
    pub fn sent(&mut self, now: std::time::Instant) {
        (self.pending, self.sent) = (Change::None, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_view_goes_at_once_and_then_at_its_pace() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.due(start), None);
        pace.note(Change::Prompt);
        assert_eq!(pace.due(start), Some(start));
        pace.sent(start);
        pace.note(Change::Quiet);
        assert_eq!(pace.due(start), Some(start + QUIET_VIEW_INTERVAL));
        pace.note(Change::Prompt);
        pace.note(Change::Quiet);
        assert_eq!(pace.due(start), Some(start + VIEW_INTERVAL));
    }
}
