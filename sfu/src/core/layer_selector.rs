//! Which layer of a publication a subscription forwards. It changes only where a picture that stands by itself begins, by
//! FrameInfo; until then the old layer goes on.

use invigil_shared::frame_info::FrameInfo;
use invigil_shared::publication::Layer;

/// A set of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSet([bool; 3]);

impl LayerSet {
    pub fn insert(&mut self, layer: Layer) {
        self.0[layer.index()] = true;
    }
    pub fn contains(self, layer: Layer) -> bool {
        self.0[layer.index()]
    }
    pub fn is_empty(self) -> bool {
        self.0 == [false; 3]
    }
    pub fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] || other.0[at]))
    }
    pub fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] && other.0[at]))
    }
    /// From the lowest up.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| self.contains(*layer))
    }
    /// The layer itself, or the best lower one, or whatever there is.
    pub fn best(self, wanted: Layer) -> Option<Layer> {
        self.iter()
            .rev()
            .find(|layer| *layer <= wanted)
            .or_else(|| self.iter().next())
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<T: IntoIterator<Item = Layer>>(layers: T) -> Self {
        let mut set = Self::default();
        layers.into_iter().for_each(|layer| set.insert(layer));
        set
    }
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Drop,
    Forward,
    /// Forward it as the first packet of another layer.
    Switch,
}

/// The state of one subscription's choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerSelector {
    current: Option<Layer>,
    target: Option<Layer>,
    /// The target was asked for and does not come: something lower is asked for as well.
    stalled: bool,
    /// Only pictures that stand by themselves go through.
    thinned: bool,
    /// The frame that a packet went through of last: its layer and timestamp.
    last: Option<(Layer, u32)>,
    /// That frame stands by itself.
    stands: bool,
    /// Something of the current layer was left out since its last picture: only another one can go on from there.
    skipped: bool,
}

impl LayerSelector {
    /// Chooses what to go for: `wanted` or what comes nearest of `offered`; nothing when nothing may flow.
    pub fn retarget(&mut self, wanted: Option<Layer>, offered: LayerSet) {
        let target = wanted.and_then(|wanted| offered.best(wanted));
        if target != self.target {
            self.stalled = false;
        }
        self.target = target;
        if target.is_none() || self.current.is_some_and(|current| !offered.contains(current)) {
            self.current = None;
        }
    }

    /// Lets only pictures that stand by themselves through, or everything again, which goes on behind one of them.
    pub fn thin(&mut self, thinned: bool) {
        if self.thinned && !thinned && self.skipped {
            self.current = None;
        }
        if thinned && !self.thinned && !self.shows_picture() {
            // Neither its rest nor repairs of it are worth anything any more.
            self.last = None;
        }
        self.thinned = thinned;
    }

    /// Whether what went through last is a picture of the target that stands by itself.
    pub fn shows_picture(&self) -> bool {
        self.stands && self.last.is_some_and(|(layer, _)| self.target == Some(layer))
    }

    pub fn is_thinned(&self) -> bool {
        self.thinned
    }

    /// Judges a packet of the frame at `timestamp`, and remembers the switch that it asks for. `passed`: later packets of the
    /// layer have gone through before, so that nothing can begin with this one.
    pub fn judge(&mut self, layer: Layer, frame: &FrameInfo, timestamp: u32, passed: bool) -> Verdict {
        let verdict = self.verdict(layer, frame, timestamp, passed);
        if verdict == Verdict::Switch {
            (self.current, self.stalled, self.skipped) = (Some(layer), false, false);
        }
        if verdict == Verdict::Drop && self.current == Some(layer) {
            self.skipped = true;
        }
        if verdict != Verdict::Drop {
            let goes_on = self.last == Some((layer, timestamp));
            self.stands = frame.key || (goes_on && self.stands);
            self.last = Some((layer, timestamp));
        }
        verdict
    }

    fn verdict(&self, layer: Layer, frame: &FrameInfo, timestamp: u32, passed: bool) -> Verdict {
        let is_current = self.current == Some(layer);
        // A frame leaves under one timestamp: it can't begin a second time.
        let goes_on = self.last == Some((layer, timestamp));
        let begins = frame.key && frame.start && !passed && !goes_on;
        if is_current {
            return match (self.thinned, begins) {
                // Each of them starts anew where the one before ended.
                (true, true) if self.target == Some(layer) => Verdict::Switch,
                (true, _) if !goes_on => Verdict::Drop,
                _ => Verdict::Forward,
            };
        }
        // While nothing is shown, a lower layer will do, and where the target does not come, any. A higher one may be too much.
        let will_do = self.target.is_some_and(|target| layer <= target || self.stalled);
        let better = self.target == Some(layer) || (self.current.is_none() && will_do && !self.thinned);
        if better && begins {
            Verdict::Switch
        } else {
            Verdict::Drop
        }
    }

    /// Whether a packet of the frame at `timestamp`, which went through before, is still of use on a narrow path: not of a layer
    /// that is too much for it, nor of a picture that another one follows which needs nothing before it.
    pub fn repairs(&self, layer: Layer, timestamp: u32) -> bool {
        let fits = self.target.is_some_and(|target| layer <= target);
        fits && (!self.thinned || self.last == Some((layer, timestamp)))
    }

    /// The layer has stopped.
    pub fn stopped(&mut self, layer: Layer) {
        if self.current == Some(layer) {
            self.current = None;
        }
    }

    /// What went through last was given up on its way, whatever layer it was of.
    pub fn interrupted(&mut self) {
        self.current = None;
    }

    /// The target has been awaited for too long with nothing to show.
    pub fn set_stalled(&mut self) {
        self.stalled = self.current.is_none();
    }

    /// Whether the target was awaited in vain.
    pub fn is_stalled(&self) -> bool {
        self.stalled && self.current.is_none()
    }

    pub fn current(&self) -> Option<Layer> {
        self.current
    }

    pub fn target(&self) -> Option<Layer> {
        self.target
    }

    /// The layer whose key frame is awaited.
    pub fn awaited(&self) -> Option<Layer> {
        self.target.filter(|target| self.current != Some(*target))
    }

    /// The layers that have to be sent for this subscription.
    pub fn demand(&self, offered: LayerSet) -> LayerSet {
        let fallback = self.target.filter(|_| self.stalled).and_then(|target| {
            offered
                .iter()
                .rfind(|layer| *layer < target)
                .or_else(|| offered.iter().find(|layer| *layer > target))
        });
        [self.target, self.current.filter(|_| self.target.is_some()), fallback]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Layer::{High, Low, Mid};

    fn frame(key: bool, start: bool) -> FrameInfo {
        FrameInfo {
            key,
            start,
            end: false,
            layer: Low,
            temporal: 0,
            captured: None,
        }
    }

    fn set(layers: &[Layer]) -> LayerSet {
        layers.iter().copied().collect()
    }

    #[test]
    fn a_layer_changes_only_where_a_key_frame_begins_and_the_old_one_goes_on_until_then() {
        let mut selector = LayerSelector::default();
        selector.retarget(Some(Low), set(&[Low, High]));
        assert_eq!(selector.judge(Low, &frame(false, true), 1, false), Verdict::Drop);
        assert_eq!(selector.judge(Low, &frame(true, true), 2, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(true, false), 2, false), Verdict::Forward);
        selector.retarget(Some(High), set(&[Low, High]));
        assert_eq!(selector.demand(set(&[Low, High])), set(&[Low, High]));
        assert_eq!(selector.judge(High, &frame(false, true), 3, false), Verdict::Drop);
        assert_eq!(
            selector.judge(High, &frame(true, false), 3, false),
            Verdict::Drop,
            "the middle of a key frame"
        );
        assert_eq!(selector.judge(Low, &frame(false, true), 4, false), Verdict::Forward);
        assert_eq!(selector.judge(High, &frame(true, true), 5, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(true, true), 6, false), Verdict::Drop);
        assert_eq!(selector.demand(set(&[Low, High])), set(&[High]));
    }

    #[test]
    fn a_thinned_layer_lets_only_whole_key_frames_through_and_goes_on_with_one() {
        let mut selector = LayerSelector::default();
        selector.retarget(Some(Low), set(&[Low]));
        selector.thin(true);
        let mut timestamp = 0;
        let mut judge = |key, start| {
            timestamp += u32::from(start);
            selector.judge(Low, &frame(key, start), timestamp, false)
        };
        assert_eq!(judge(false, true), Verdict::Drop);
        assert_eq!(
            (judge(true, true), judge(true, false)),
            (Verdict::Switch, Verdict::Forward)
        );
        assert_eq!(
            (judge(false, true), judge(false, false)),
            (Verdict::Drop, Verdict::Drop)
        );
        assert_eq!(judge(true, false), Verdict::Drop, "the middle of a key frame");
        assert_eq!(
            (judge(true, true), judge(true, false)),
            (Verdict::Switch, Verdict::Forward)
        );
        assert_eq!(
            selector.judge(Low, &frame(true, false), 9, false),
            Verdict::Drop,
            "the next key frame's middle comes before its beginning"
        );
        assert_eq!(selector.judge(Low, &frame(true, true), 9, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(true, false), 9, false), Verdict::Forward);
        assert_eq!(selector.judge(Low, &frame(false, true), 10, false), Verdict::Drop);
        selector.thin(false);
        assert_eq!(selector.awaited(), Some(Low));
        assert_eq!(selector.judge(Low, &frame(false, true), 7, false), Verdict::Drop);
        assert_eq!(selector.judge(Low, &frame(true, true), 8, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(false, true), 9, false), Verdict::Forward);
    }

    #[test]
    fn a_missing_layer_gives_the_best_lower_one_or_any() {
        assert_eq!(set(&[Low, High]).best(Mid), Some(Low));
        assert_eq!(set(&[High]).best(Low), Some(High));
        assert_eq!(set(&[]).best(Low), None);
    }

    #[test]
    fn while_nothing_is_shown_any_picture_will_do_and_a_stalled_target_asks_for_a_lower_one() {
        let mut selector = LayerSelector::default();
        selector.retarget(Some(High), set(&[Low, Mid, High]));
        assert_eq!(selector.demand(set(&[Low, Mid, High])), set(&[High]));
        selector.set_stalled();
        assert_eq!(selector.demand(set(&[Low, Mid, High])), set(&[Mid, High]));
        assert_eq!(selector.judge(Low, &frame(true, true), 10, false), Verdict::Switch);
        assert_eq!(selector.awaited(), Some(High));
        assert_eq!(selector.demand(set(&[Low, Mid, High])), set(&[Low, High]));
        selector.retarget(Some(Low), set(&[Low, High]));
        selector.interrupted();
        assert_eq!(
            selector.judge(High, &frame(true, true), 11, false),
            Verdict::Drop,
            "too much"
        );
        selector.set_stalled();
        assert_eq!(selector.judge(High, &frame(true, true), 12, false), Verdict::Switch);
        selector.retarget(None, set(&[Low]));
        assert!(selector.demand(set(&[Low])).is_empty());
        assert_eq!(selector.judge(Low, &frame(true, true), 13, false), Verdict::Drop);
    }

    #[test]
    fn a_frame_whose_rest_went_through_does_not_begin_afterwards() {
        let mut selector = LayerSelector::default();
        selector.retarget(Some(Low), set(&[Low]));
        assert_eq!(selector.judge(Low, &frame(true, true), 1, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(true, false), 2, false), Verdict::Forward);
        selector.interrupted();
        assert_eq!(selector.judge(Low, &frame(true, true), 2, true), Verdict::Drop);
        assert_eq!(selector.judge(Low, &frame(true, true), 3, true), Verdict::Drop);
        assert_eq!(selector.judge(Low, &frame(true, true), 4, false), Verdict::Switch);
    }

    #[test]
    fn a_thinned_slot_takes_pictures_of_its_target_only_and_repairs_the_newest_of_them() {
        let mut selector = LayerSelector::default();
        let offered = set(&[Low, High]);
        selector.retarget(Some(High), offered);
        assert_eq!(selector.judge(High, &frame(true, true), 1, false), Verdict::Switch);
        selector.retarget(Some(Low), offered);
        assert!(
            selector.repairs(Low, 1) && !selector.repairs(High, 1),
            "what is too much"
        );
        selector.thin(true);
        assert!(!selector.repairs(Low, 1), "what nothing follows");
        assert_eq!(selector.judge(High, &frame(true, true), 2, false), Verdict::Drop);
        assert_eq!(selector.judge(Low, &frame(true, true), 2, false), Verdict::Switch);
        assert_eq!(selector.judge(Low, &frame(true, true), 3, false), Verdict::Switch);
        assert!(selector.repairs(Low, 3) && !selector.repairs(Low, 2));
        // Nothing was left out since: it goes on with everything.
        selector.thin(false);
        assert_eq!(selector.judge(Low, &frame(true, false), 3, false), Verdict::Forward);
        assert_eq!(selector.judge(Low, &frame(false, true), 4, false), Verdict::Forward);
        selector.thin(true);
        assert_eq!(selector.judge(Low, &frame(false, true), 5, false), Verdict::Drop);
        selector.thin(false);
        assert_eq!(selector.judge(Low, &frame(false, true), 6, false), Verdict::Drop);
        selector.thin(true);
        selector.interrupted();
        assert_eq!(selector.judge(High, &frame(true, true), 7, false), Verdict::Drop);
    }
}
