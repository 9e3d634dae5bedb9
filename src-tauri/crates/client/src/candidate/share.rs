//! What the candidate's publications may send over the path as it is now: their plan, told to the app's encoders when it changes
//! notably, and whether people should hear of the path.

use super::PublicationSpec;
use crate::sink::SinkTable;
use invigil_shared::bandwidth::{LayerNeed, PathState, Plan, plan};
use invigil_shared::publication::{LayerOffer, PublicationKey};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A change by less than this share is not worth an encoder's attention.
const NOTABLE: f64 = 0.04;
/// What the path should carry beyond the layers: retransmissions and reports.
const HEADROOM: f64 = 1.05;
/// A path is called weak, or strong again, when it has been so for this long.
const WEAK_AFTER: Duration = Duration::from_secs(2);
const STRONG_AFTER: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(crate) struct Share {
    specs: BTreeMap<PublicationKey, Vec<LayerOffer>>,
    plan: Plan,
    weak: bool,
    /// Since when the path has looked otherwise.
    otherwise: Option<Instant>,
}

impl Share {
    pub fn publish(&mut self, spec: &PublicationSpec) {
        self.specs.insert(spec.key, spec.layers.clone());
    }

    pub fn unpublish(&mut self, key: PublicationKey) {
        self.specs.remove(&key);
    }

    /// Plans anew for the layers that are demanded now. The plan, if it differs notably from the one that was told last.
    pub fn replan(&mut self, sinks: &SinkTable, path: &PathState) -> Option<Plan> {
        let microphones = self.specs.keys().filter(|key| !key.kind.is_video()).count();
        let mut needs = Vec::new();
        for (&key, offers) in self.specs.iter().filter(|(key, _)| key.kind.is_video()) {
            let demanded = |offer: &&LayerOffer| sinks.video(key, offer.rid).is_some_and(|sink| sink.demanded());
            needs.extend(offers.iter().filter(demanded).map(|offer| LayerNeed {
                publication: key,
                layer: offer.rid,
                width: offer.width,
                height: offer.height,
                fps: offer.fps,
                kbps: offer.kbps,
            }));
        }
        let next = plan(path.estimate, microphones, &needs, Some(&self.plan));
        if !differs(&self.plan, &next) {
            return None;
        }
        self.plan = next.clone();
        Some(next)
    }

    /// Bits per second that everything demanded needs on the wire.
    pub fn wanted(&self) -> u64 {
        (self.plan.wanted as f64 * HEADROOM) as u64
    }

    /// True or false when people should hear that the path has become weak, or strong again.
    pub fn judge(&mut self, now: Instant, path: &PathState) -> Option<bool> {
        if path.is_weak() == self.weak {
            self.otherwise = None;
            return None;
        }
        let after = if self.weak { STRONG_AFTER } else { WEAK_AFTER };
        let since = *self.otherwise.get_or_insert(now);
        if now < since + after {
            return None;
        }
        self.otherwise = None;
        self.weak = !self.weak;
        Some(self.weak)
    }
}

fn differs(old: &Plan, new: &Plan) -> bool {
    let notably = |old: f64, new: f64| (new - old).abs() > old * NOTABLE;
    let same = old.layers.len() == new.layers.len()
        && old.wanted == new.wanted
        && old.layers.iter().zip(&new.layers).all(|(old, new)| {
            (old.publication, old.layer, old.width) == (new.publication, new.layer, new.width)
                && !notably(f64::from(old.bps), f64::from(new.bps))
                && !notably(old.interval.as_secs_f64(), new.interval.as_secs_f64())
        });
    // Back to all that is wanted, however small the step.
    let whole = new.planned == new.wanted && old.planned != old.wanted;
    !same || whole || notably(f64::from(old.audio_bps), f64::from(new.audio_bps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::publication::Layer;

    fn spec(key: PublicationKey, kbps: &[(Layer, u32)]) -> PublicationSpec {
        let layer = |(rid, kbps): &(Layer, u32)| LayerOffer {
            rid: *rid,
            ssrc: None,
            rtx_ssrc: None,
            width: 640,
            height: 360,
            fps: 15,
            kbps: *kbps,
        };
        PublicationSpec {
            key,
            codec: String::new(),
            layers: kbps.iter().map(layer).collect(),
            test_picture: true,
        }
    }

    fn path(estimate: Option<u64>) -> PathState {
        PathState {
            estimate,
            ..PathState::default()
        }
    }

    #[test]
    fn only_what_is_demanded_is_planned_and_only_notable_changes_are_told() {
        let (sinks, mut share) = (SinkTable::default(), Share::default());
        let camera = spec(PublicationKey::CAMERA, &[(Layer::Low, 100), (Layer::High, 500)]);
        let _ends = sinks.add(camera.key, &[Layer::Low, Layer::High]);
        share.publish(&camera);
        share.publish(&spec(PublicationKey::MICROPHONE, &[(Layer::Low, 24)]));
        let first = share.replan(&sinks, &path(None)).unwrap();
        assert!(first.layers.is_empty() && first.audio_bps == 24_000);
        sinks.demand(camera.key, &[Layer::High]);
        let plan = share.replan(&sinks, &path(None)).unwrap();
        assert_eq!(plan.layers.len(), 1);
        assert_eq!(plan.layers[0].bps, 500_000);
        assert!((600_000..680_000).contains(&share.wanted()), "{}", share.wanted());
        assert_eq!(share.replan(&sinks, &path(Some(5_000_000))), None);
        let narrow = share.replan(&sinks, &path(Some(300_000))).unwrap();
        assert!(
            narrow.planned <= 300_000 && narrow.layers[0].bps < 250_000,
            "{narrow:?}"
        );
        assert_eq!(share.replan(&sinks, &path(Some(301_000))), None, "an estimate breathes");
        assert!(share.replan(&sinks, &path(None)).is_some());
        share.unpublish(camera.key);
        assert!(share.replan(&sinks, &path(None)).unwrap().layers.is_empty());
    }

    #[test]
    fn a_path_is_called_weak_when_it_stays_so() {
        let (mut share, start) = (Share::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let weak = PathState {
            lost: 0.2,
            ..PathState::default()
        };
        assert_eq!(share.judge(at(0), &weak), None);
        assert_eq!(share.judge(at(1), &PathState::default()), None);
        assert_eq!(share.judge(at(2), &weak), None);
        assert_eq!(share.judge(at(4), &weak), Some(true));
        assert_eq!(share.judge(at(5), &PathState::default()), None);
        assert_eq!(share.judge(at(10), &PathState::default()), Some(false));
    }
}
