//! What a publisher sends when its path carries less than it needs. The order in which things are given up is DESIGN.md's
//! (section 5): camera frame rate, camera size, audio bitrate, screen frame rate; what remains is the emergency of each, and
//! the screen's text is the last to suffer. Nothing is ever switched off: a tile that stays black tells a proctor less than a
//! small picture a second.

use super::PACKET_OVERHEAD;
use crate::publication::{Kind, Layer, PublicationKey};
use std::time::Duration;

/// Opus as it is, and in an emergency, bits per second without packet headers.
pub const AUDIO_BPS: u32 = 24_000;
pub const AUDIO_EMERGENCY_BPS: u32 = 12_000;
/// Packets of an Opus stream a second (20 ms each).
const AUDIO_PACKETS: f64 = 50.0;
/// Payload of a full packet.
const PACKET_PAYLOAD: f64 = 1_150.0;

/// Below this rate a camera's picture is made smaller instead, frames per second.
const CAMERA_SLOW_FPS: f64 = 5.0;
/// Emergency of a camera: 160x90, 2 frames a second, 30 kbit/s over all of its layers; and the last resort.
const CAMERA_EMERGENCY: Emergency = Emergency {
    bps: 30_000.0,
    fps: 2.0,
};
const CAMERA_LAST: Emergency = Emergency {
    bps: 15_000.0,
    fps: 1.0,
};
const CAMERA_LEAST_WIDTH: u16 = 160;
/// Emergency of a screen: a frame in five seconds, 50 kbit/s; and the last resort.
const SCREEN_EMERGENCY: Emergency = Emergency {
    bps: 50_000.0,
    fps: 0.2,
};
const SCREEN_LAST: Emergency = Emergency {
    bps: 20_000.0,
    fps: 0.2,
};
/// Sizes of a camera's picture, quarters of its full width and height, and the share of its slow bitrate that each needs.
const SIZES: [(u8, f64); 4] = [(4, 0.75), (3, 0.5), (2, 0.3), (1, 0.0)];
/// A larger picture starts with a key frame: it is taken only when there is this much more than it needs.
const SIZE_MARGIN: f64 = 1.2;

#[derive(Clone, Copy)]
struct Emergency {
    bps: f64,
    fps: f64,
}

/// A layer that is demanded, with what it has when nothing is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerNeed {
    pub publication: PublicationKey,
    pub layer: Layer,
    /// The box that its picture is fitted into, pixels.
    pub width: u16,
    pub height: u16,
    pub fps: u8,
    pub kbps: u32,
}

/// What a layer is to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerPlan {
    pub publication: PublicationKey,
    pub layer: Layer,
    pub width: u16,
    pub height: u16,
    /// From one picture to the next.
    pub interval: Duration,
    /// Payload, bits per second.
    pub bps: u32,
    /// Quarters of the full width and height.
    size: u8,
}

impl LayerPlan {
    /// The picture has its full size.
    pub fn is_whole(&self) -> bool {
        self.size == 4
    }
}

/// What a publisher is to send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Of each microphone, payload, bits per second.
    pub audio_bps: u32,
    pub layers: Vec<LayerPlan>,
    /// What all of it would need on the wire if nothing were short, bits per second.
    pub wanted: u64,
    /// What this plan needs on the wire, bits per second.
    pub planned: u64,
}

impl Plan {
    pub fn layer(&self, publication: PublicationKey, layer: Layer) -> Option<&LayerPlan> {
        self.layers
            .iter()
            .find(|plan| plan.publication == publication && plan.layer == layer)
    }
}

/// One layer on its way down.
struct Rung {
    need: LayerNeed,
    bps: f64,
    fps: f64,
    size: u8,
    /// Layers of its publication, who share its emergency.
    share: f64,
}

impl Rung {
    fn wire(&self) -> f64 {
        video_wire_bps(self.bps, self.fps)
    }
}

/// What a video payload of `bps` bits per second takes on the wire.
pub fn video_wire_bps(bps: f64, fps: f64) -> f64 {
    let packets = fps * (bps / 8.0 / fps / PACKET_PAYLOAD).ceil().max(1.0);
    bps + packets * PACKET_OVERHEAD as f64 * 8.0
}

/// What an Opus payload of `bps` bits per second takes on the wire.
pub fn audio_wire_bps(bps: f64) -> f64 {
    bps + AUDIO_PACKETS * PACKET_OVERHEAD as f64 * 8.0
}

/// Shares `estimate` (none: nothing is short) among `microphones` and the demanded layers. `before` is the plan in force: sizes
/// are kept where they are nearly right.
pub fn plan(estimate: Option<u64>, microphones: usize, needs: &[LayerNeed], before: Option<&Plan>) -> Plan {
    let mut rungs: Vec<Rung> = needs
        .iter()
        .filter(|need| need.publication.kind.is_video())
        .map(|need| Rung {
            need: *need,
            bps: f64::from(need.kbps.max(1)) * 1e3,
            fps: f64::from(need.fps.max(1)),
            size: 4,
            share: needs
                .iter()
                .filter(|other| other.publication == need.publication)
                .count() as f64,
        })
        .collect();
    let mut audio = f64::from(AUDIO_BPS);
    let total = |rungs: &[Rung], audio: f64| {
        rungs.iter().map(Rung::wire).sum::<f64>() + microphones as f64 * audio_wire_bps(audio)
    };
    let wanted = total(&rungs, audio);
    let budget = estimate.map_or(f64::MAX, |bps| bps as f64);
    let short = |rungs: &[Rung], audio: f64| total(rungs, audio) - budget;

    descend(
        &mut rungs,
        Kind::Camera,
        |r| short(r, audio),
        |rung, part| {
            let slow = CAMERA_SLOW_FPS.min(rung.fps);
            let fps = rung.fps + (slow - rung.fps) * part;
            (rung.bps * fps / rung.fps, fps)
        },
    );
    let slow: Vec<f64> = rungs.iter().map(|rung| rung.bps).collect();
    descend(
        &mut rungs,
        Kind::Camera,
        |r| short(r, audio),
        |rung, part| toward(rung, CAMERA_EMERGENCY, part),
    );
    for (rung, slow) in rungs
        .iter_mut()
        .zip(slow)
        .filter(|(rung, _)| rung.need.publication.kind == Kind::Camera)
    {
        let old = before.and_then(|plan| plan.layer(rung.need.publication, rung.need.layer));
        rung.size = size(rung.bps / slow, old.map_or(4, |old| old.size));
    }
    let missing = short(&rungs, audio);
    if missing > 0.0 && microphones > 0 {
        audio = (audio - missing / microphones as f64).max(f64::from(AUDIO_EMERGENCY_BPS));
    }
    descend(
        &mut rungs,
        Kind::Screen,
        |r| short(r, audio),
        |rung, part| toward(rung, SCREEN_EMERGENCY, part),
    );
    descend(
        &mut rungs,
        Kind::Camera,
        |r| short(r, audio),
        |rung, part| toward(rung, CAMERA_LAST, part),
    );
    descend(
        &mut rungs,
        Kind::Screen,
        |r| short(r, audio),
        |rung, part| toward(rung, SCREEN_LAST, part),
    );

    Plan {
        audio_bps: audio as u32,
        wanted: wanted as u64,
        planned: total(&rungs, audio) as u64,
        layers: rungs.iter().map(Rung::finish).collect(),
    }
}

/// The emergency's frame and rate are reached together; in between bits a frame change evenly.
fn toward(rung: &Rung, emergency: Emergency, part: f64) -> (f64, f64) {
    let (bps, fps) = ((emergency.bps / rung.share).min(rung.bps), emergency.fps.min(rung.fps));
    let frame = rung.bps / rung.fps + (bps / fps - rung.bps / rung.fps) * part;
    let bps = rung.bps + (bps - rung.bps) * part;
    (bps, bps / frame)
}

/// Takes the rungs of a kind down by as little as makes up for what is short, or all the way.
fn descend(rungs: &mut [Rung], kind: Kind, short: impl Fn(&[Rung]) -> f64, step: impl Fn(&Rung, f64) -> (f64, f64)) {
    if short(rungs) <= 0.0 {
        return;
    }
    let from: Vec<(f64, f64)> = rungs.iter().map(|rung| (rung.bps, rung.fps)).collect();
    let mut apply = |part: f64| {
        for (rung, from) in rungs
            .iter_mut()
            .zip(&from)
            .filter(|(rung, _)| rung.need.publication.kind == kind)
        {
            (rung.bps, rung.fps) = *from;
            (rung.bps, rung.fps) = step(rung, part);
        }
        short(rungs)
    };
    // Costs fall with each step, but not evenly: packets are whole. Ten halvings are a thousandth.
    let (mut least, mut most) = (0.0, 1.0);
    if apply(1.0) >= 0.0 {
        return;
    }
    for _ in 0..10 {
        let middle = (least + most) / 2.0;
        if apply(middle) > 0.0 {
            least = middle;
        } else {
            most = middle;
        }
    }
    apply(most);
}

/// The size for a share of the slow bitrate, when `old` is the present one.
fn size(share: f64, old: u8) -> u8 {
    let fits = |margin: f64| {
        SIZES
            .iter()
            .find(|(_, least)| share >= least * margin)
            .map_or(1, |(size, _)| *size)
    };
    fits(1.0).min(fits(SIZE_MARGIN).max(old))
}

impl Rung {
    fn finish(&self) -> LayerPlan {
        let least = CAMERA_LEAST_WIDTH.min(self.need.width);
        let width = (u32::from(self.need.width) * u32::from(self.size) / 4).max(u32::from(least)) as u16;
        let height = u32::from(self.need.height) * u32::from(width) / u32::from(self.need.width.max(1));
        LayerPlan {
            publication: self.need.publication,
            layer: self.need.layer,
            width,
            height: height as u16,
            interval: Duration::from_secs_f64(1.0 / self.fps),
            bps: self.bps as u32,
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(publication: PublicationKey, layer: Layer, (width, height): (u16, u16), fps: u8, kbps: u32) -> LayerNeed {
        LayerNeed {
            publication,
            layer,
            width,
            height,
            fps,
            kbps,
        }
    }

    fn low() -> [LayerNeed; 2] {
        [
            need(PublicationKey::CAMERA, Layer::Low, (320, 180), 10, 100),
            need(PublicationKey::SCREEN, Layer::Low, (960, 960), 2, 100),
        ]
    }

    fn all() -> Vec<LayerNeed> {
        let high = [
            need(PublicationKey::CAMERA, Layer::High, (640, 360), 15, 500),
            need(PublicationKey::SCREEN, Layer::High, (1920, 1080), 5, 800),
        ];
        [low(), high].concat()
    }

    fn fps(plan: &Plan, key: PublicationKey, layer: Layer) -> f64 {
        1.0 / plan.layer(key, layer).unwrap().interval.as_secs_f64()
    }

    #[test]
    fn without_a_limit_everything_has_what_it_needs() {
        let plan = plan(None, 1, &all(), None);
        assert_eq!((plan.audio_bps, plan.wanted), (AUDIO_BPS, plan.planned));
        for need in all() {
            let layer = plan.layer(need.publication, need.layer).unwrap();
            assert_eq!((layer.bps, layer.width), (need.kbps * 1_000, need.width));
            assert_eq!((1.0 / layer.interval.as_secs_f64()).round() as u8, need.fps);
        }
        assert!((1_500_000..1_750_000).contains(&plan.wanted), "{}", plan.wanted);
    }

    #[test]
    fn things_are_given_up_in_the_designs_order() {
        let camera = |plan: &Plan| *plan.layer(PublicationKey::CAMERA, Layer::High).unwrap();
        let screen = |plan: &Plan| *plan.layer(PublicationKey::SCREEN, Layer::High).unwrap();
        let (mut fewer, mut smaller, mut quieter, mut slower) = (None, None, None, None);
        let mut before = None;
        for kbps in (60..1_800).rev().step_by(5) {
            let plan = plan(Some(kbps * 1_000), 1, &all(), before.as_ref());
            if camera(&plan).interval > Duration::from_millis(67) {
                fewer.get_or_insert(kbps);
            }
            if camera(&plan).width < 640 {
                smaller.get_or_insert(kbps);
            }
            if plan.audio_bps < AUDIO_BPS {
                quieter.get_or_insert(kbps);
            }
            if screen(&plan).interval > Duration::from_millis(201) {
                slower.get_or_insert(kbps);
            }
            assert_eq!(screen(&plan).width, 1920, "text keeps its size");
            assert!(plan.planned <= kbps * 1_000 || kbps < 130, "{kbps} kbps: {plan:?}");
            before = Some(plan);
        }
        let order = [fewer, smaller, quieter, slower].map(Option::unwrap);
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    }

    #[test]
    fn a_hundred_and_fifty_kilobits_carry_a_voice_a_face_and_a_screen() {
        for needs in [low().to_vec(), all()] {
            // What an estimator makes of such a path.
            let plan = plan(Some(130_000), 1, &needs, None);
            assert!(plan.planned <= 130_000, "{plan:?}");
            assert!(plan.audio_bps >= AUDIO_EMERGENCY_BPS);
            assert!(fps(&plan, PublicationKey::CAMERA, Layer::Low) >= 1.0, "{plan:?}");
            assert!(fps(&plan, PublicationKey::SCREEN, Layer::Low) >= 0.19);
            let camera = plan.layer(PublicationKey::CAMERA, Layer::Low).unwrap();
            assert!(
                camera.width < 320 && camera.width * 9 == camera.height * 16,
                "{camera:?}"
            );
        }
    }

    #[test]
    fn even_less_leaves_a_picture_a_second() {
        let plan = plan(Some(1_000), 1, &low(), None);
        assert_eq!(plan.audio_bps, AUDIO_EMERGENCY_BPS);
        assert_eq!(fps(&plan, PublicationKey::CAMERA, Layer::Low).round(), 1.0);
        assert!(plan.planned < 95_000, "{plan:?}");
    }

    #[test]
    fn a_size_is_not_changed_back_and_forth() {
        let mut before: Option<Plan> = None;
        let mut changes = 0;
        for n in 0..200 {
            let next = plan(Some(195_000 + (n % 2) * 6_000), 1, &low(), before.as_ref());
            let width = |plan: &Plan| plan.layer(PublicationKey::CAMERA, Layer::Low).unwrap().width;
            changes += usize::from(before.as_ref().is_some_and(|before| width(before) != width(&next)));
            before = Some(next);
        }
        assert!(changes <= 1, "{changes}");
    }
}
