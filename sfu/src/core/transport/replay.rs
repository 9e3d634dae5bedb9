//! A sliding window over 48-bit indices: each is let in once (RFC 3711 section 3.3.2).

/// Smallest window that RFC 3711 allows.
pub const MIN_WINDOW: u16 = 64;
/// Largest window: 1.2 s of a 800 packets/s screen burst.
pub const MAX_WINDOW: u16 = 1_024;
const WORDS: usize = MAX_WINDOW as usize / 64;

/// Which of the last indices have been seen.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// Bit `index % 1024` of the ring is set when `index` was accepted.
    seen: [u64; WORDS],
    top: Option<u64>,
    size: u64,
}

impl ReplayWindow {
    /// A window of `size` indices, clamped to 64..=1024.
    pub fn new(size: u16) -> Self {
        Self {
            seen: [0; WORDS],
            top: None,
            size: u64::from(size.clamp(MIN_WINDOW, MAX_WINDOW)),
        }
    }

    /// The highest accepted index.
    pub fn top(&self) -> Option<u64> {
        self.top
    }

    fn slot(index: u64) -> (usize, u64) {
        let bit = index % u64::from(MAX_WINDOW);
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// Whether `index` is new and inside of the window or above it.
    pub fn is_new(&self, index: u64) -> bool {
        let Some(top) = self.top else { return true };
        if index > top {
            return true;
        }
        let (word, mask) = Self::slot(index);
        top - index < self.size && self.seen[word] & mask == 0
    }

    /// Marks `index` as seen; to be called after the packet was authenticated. False when it was not new.
    pub fn accept(&mut self, index: u64) -> bool {
        if !self.is_new(index) {
            return false;
        }
        match self.top {
            Some(top) if index <= top => {}
            Some(top) if index - top < u64::from(MAX_WINDOW) => {
                for skipped in top + 1..index {
                    let (word, mask) = Self::slot(skipped);
                    self.seen[word] &= !mask;
                }
                self.top = Some(index);
            }
            _ => {
                self.seen = [0; WORDS];
                self.top = Some(index);
            }
        }
        let (word, mask) = Self::slot(index);
        self.seen[word] |= mask;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_index_is_let_in_once() {
        let mut window = ReplayWindow::new(64);
        let order = [0u64, 1, 2, 1, 5, 3, 100, 50, 30, 37, 99, 101, 100];
        let got: Vec<bool> = order.iter().map(|&index| window.accept(index)).collect();
        assert_eq!(
            got,
            [
                true, true, true, false, true, true, true, true, false, true, true, true, false
            ]
        );
    }

    #[test]
    fn the_size_is_clamped() {
        for (asked, got) in [(0, 64), (64, 64), (200, 200), (1_024, 1_024), (60_000, 1_024)] {
            let mut window = ReplayWindow::new(asked);
            assert!(window.accept(10_000));
            assert!(window.is_new(10_000 - got + 1), "{asked}");
            assert!(!window.is_new(10_000 - got), "{asked}");
        }
    }

    proptest! {
        /// Against a set that remembers everything.
        #[test]
        fn agrees_with_a_perfect_memory(size in 64u16..=1_024, steps in prop::collection::vec(-1_500i64..1_500, 1..400)) {
            let (mut window, mut seen, mut at) = (ReplayWindow::new(size), BTreeSet::new(), 5_000i64);
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let top = seen.last().copied();
                let wanted = !seen.contains(&index) && top.is_none_or(|top| index > top || top - index < u64::from(size));
                prop_assert_eq!(window.is_new(index), wanted);
                prop_assert_eq!(window.accept(index), wanted);
                if wanted {
                    seen.insert(index);
                }
            }
        }
    }
}
