//! How the app stands to its server, as a person sees it: calm, and only what changed.

use crate::clock::SECOND;
use invigil_client::MediaState;
use invigil_view::common::{LinkView, MediaView};

/// "You are back" stays this long, microseconds.
const BACK_US: i64 = 8 * SECOND;
/// Shorter gaps are not worth a word.
const WORTH_TELLING_S: u32 = 2;

/// Follows the client's link. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct LinkTracker {
    view: LinkView,
    back_until: i64,
    ever_connected: bool,
    weak: bool,
    media: MediaView,
}

impl Default for LinkTracker {
    fn default() -> Self {
        Self {
            view: LinkView::Idle,
            back_until: 0,
            ever_connected: false,
            weak: false,
            media: MediaView::Waiting,
        }
    }
}

impl LinkTracker {
    pub fn view(&self) -> LinkView {
        self.view
    }

    /// No link is wanted.
    pub fn idle(&mut self) {
        *self = Self::default();
    }

    /// An attempt is under way. While offline that is no news.
    pub fn connecting(&mut self) {
        if !matches!(self.view, LinkView::Offline { .. }) {
            self.view = LinkView::Connecting;
        }
    }

    pub fn connected(&mut self, now: i64) {
        let (was, steady) = (self.view, self.steady());
        self.view = steady;
        match was {
            LinkView::Offline { since } if self.ever_connected => {
                let offline_s = u32::try_from((now - since).max(0) / SECOND).unwrap_or(u32::MAX);
                if offline_s >= WORTH_TELLING_S {
                    self.view = LinkView::Back { offline_s };
                    self.back_until = now + BACK_US;
                }
            }
            LinkView::Back { .. } => self.view = was,
            _ => {}
        }
        self.ever_connected = true;
    }

    pub fn offline(&mut self, now: i64) {
        if !matches!(self.view, LinkView::Offline { .. }) {
            self.view = LinkView::Offline { since: now };
        }
    }

    pub fn is_offline(&self) -> bool {
        matches!(self.view, LinkView::Offline { .. })
    }

    /// Lets "back" end. True when the view changed.
    pub fn tick(&mut self, now: i64) -> bool {
        let over = matches!(self.view, LinkView::Back { .. }) && now >= self.back_until;
        if over {
            self.view = self.steady();
        }
        over
    }

    /// The path became weak, or strong again. True when the view changed; an interruption says more and stays.
    pub fn weak(&mut self, weak: bool) -> bool {
        self.weak = weak;
        let (view, steady) = (self.view, self.steady());
        if matches!(view, LinkView::Connected | LinkView::Weak) {
            self.view = steady;
        }
        self.view != view
    }

    /// Pictures and sound began or ceased to get through. What says more stays until they do again.
    pub fn media(&mut self, state: MediaState, now: i64) {
        self.media = match (state, self.media) {
            (MediaState::Connected, _) => MediaView::Up,
            (MediaState::Connecting | MediaState::Interrupted, MediaView::Lost { .. } | MediaView::Blocked { .. }) => {
                return;
            }
            (MediaState::Connecting, _) => MediaView::Waiting,
            (MediaState::Interrupted, _) => MediaView::Lost { since: now },
            (MediaState::Blocked, MediaView::Lost { since } | MediaView::Blocked { since }) => {
                MediaView::Blocked { since }
            }
            (MediaState::Blocked, _) => MediaView::Blocked { since: now },
        };
    }

    pub fn media_view(&self) -> MediaView {
        self.media
    }

    fn steady(&self) -> LinkView {
        if self.weak { LinkView::Weak } else { LinkView::Connected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_with_its_length_and_then_forgotten() {
        let mut link = LinkTracker::default();
        link.connecting();
        link.connected(0);
        assert_eq!(link.view(), LinkView::Connected);
        link.offline(10 * SECOND);
        link.connecting();
        link.offline(12 * SECOND);
        assert_eq!(link.view(), LinkView::Offline { since: 10 * SECOND });
        link.connected(32 * SECOND);
        assert_eq!(link.view(), LinkView::Back { offline_s: 22 });
        assert!(!link.tick(39 * SECOND));
        assert!(link.tick(40 * SECOND));
        assert_eq!(link.view(), LinkView::Connected);
    }

    #[test]
    fn a_weak_path_is_said_while_connected_and_an_interruption_says_more() {
        let mut link = LinkTracker::default();
        assert!(!link.weak(true), "not connected yet");
        link.connected(0);
        assert_eq!(link.view(), LinkView::Weak);
        link.offline(10 * SECOND);
        assert!(!link.weak(false) && link.is_offline());
        link.connected(11 * SECOND);
        assert_eq!(link.view(), LinkView::Connected);
        assert!(link.weak(true) && !link.weak(true));
        assert!(link.weak(false));
        assert_eq!(link.view(), LinkView::Connected);
    }

    #[test]
    fn media_that_is_blocked_is_said_until_it_gets_through() {
        let steps = [
            (MediaState::Connecting, MediaView::Waiting),
            (MediaState::Connected, MediaView::Up),
            (MediaState::Interrupted, MediaView::Lost { since: 3 }),
            (MediaState::Connecting, MediaView::Lost { since: 3 }),
            (MediaState::Interrupted, MediaView::Lost { since: 3 }),
            (MediaState::Blocked, MediaView::Blocked { since: 3 }),
            (MediaState::Interrupted, MediaView::Blocked { since: 3 }),
            (MediaState::Connected, MediaView::Up),
            (MediaState::Blocked, MediaView::Blocked { since: 9 }),
        ];
        let mut link = LinkTracker::default();
        for (now, (state, expected)) in (1..).zip(steps) {
            link.media(state, now);
            assert_eq!(link.media_view(), expected, "{state:?} at {now}");
        }
        link.idle();
        assert_eq!(link.media_view(), MediaView::Waiting);
    }

    #[test]
    fn a_hiccup_and_a_first_connection_are_not_a_return() {
        let mut link = LinkTracker::default();
        link.offline(0);
        link.connected(20 * SECOND);
        assert_eq!(link.view(), LinkView::Connected);
        link.offline(30 * SECOND);
        link.connected(31 * SECOND);
        assert_eq!(link.view(), LinkView::Connected);
    }
}
