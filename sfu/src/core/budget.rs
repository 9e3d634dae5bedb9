//! What becomes of a subscriber's wishes when its path carries less than they need. How much that is, is judged by
//! [`invigil_shared::bandwidth`].

use crate::core::layer_selector::LayerSet;
use invigil_shared::intent::Priority;
use invigil_shared::publication::Layer;

/// A layer that is in use is kept while it nearly fits, and one that is not is taken up when it fits easily: an estimate that
/// breathes makes no layers flap.
const KEEP: f64 = 0.93;
const TAKE_UP: f64 = 1.15;
/// Pictures that stand by themselves, one in a while: what is left for a publication when not even its lowest layer fits. With
/// the way there and what its size varies by, a tile is never still for longer than two seconds; a screen full of text may
/// take longer on a path that carries no more, but not without end. Milliseconds from one to the next.
const PICTURE_EVERY_MS: u64 = 1_200;
const PICTURE_EVERY_MOST_MS: u64 = 30_000;

/// One slot's wish, as far as bandwidth is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Audio goes first, whatever its priority.
    pub audio: bool,
    pub priority: Priority,
    pub wanted: Layer,
    pub offered: LayerSet,
    /// Bits per second of each layer, on the wire.
    pub cost: [u64; 3],
    /// Bits of a picture of each layer that stands by itself, on the wire.
    pub picture: [u64; 3],
    /// What the slot has now.
    pub held: Held,
}

/// What a slot has while it wishes for more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing yet: nothing could flap.
    New,
    /// Nothing, or key frames only: the path is too narrow.
    Denied,
    Layer(Layer),
}

/// What a wish gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    Nothing,
    /// Of this layer, a picture that stands by itself each so many milliseconds.
    KeyFrames(Layer, u64),
    Layer(Layer),
}

impl Given {
    /// Its part of the path while more waits than can leave at once. Who is granted a picture in a while has it sooner than a
    /// picture comes that takes longer.
    pub fn weight(self, wish: &Wish) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::KeyFrames(layer, every) => {
                let share = wish.picture[layer.index()] * 1_000 / every.max(1);
                share * PICTURE_EVERY_MOST_MS / every.max(1)
            }
            Self::Layer(layer) => wish.cost[layer.index()] * PICTURE_EVERY_MOST_MS / 1_000,
        }
    }
}

impl Wish {
    /// What it gets when nothing is short.
    pub fn goal(&self) -> Option<Layer> {
        self.offered.best(self.wanted)
    }

    /// What the layer has to fit into.
    fn price(&self, layer: Layer) -> u64 {
        let cost = self.cost[layer.index()] as f64;
        let factor = match self.held {
            _ if self.audio => 1.0,
            Held::New => 1.0,
            Held::Layer(held) if layer <= held => KEEP,
            Held::Layer(_) | Held::Denied => TAKE_UP,
        };
        (cost * factor) as u64
    }
}

/// Bits per second that all wishes together come to.
pub fn wanted(wishes: &[Wish]) -> u64 {
    wishes
        .iter()
        .filter_map(|wish| wish.goal().map(|goal| wish.cost[goal.index()]))
        .sum()
}

/// Bits per second for a picture of so many bits as often as it is worth.
fn often(bits: u64) -> u64 {
    bits * 1_000 / PICTURE_EVERY_MS
}

/// Gives each wish its share of `budget` bits per second; everything without a budget. The most important voice is never given
/// up: nothing else takes as little, and its packets tell how the path is. First everyone gets their lowest layer, the most
/// important first, or key frames where it does not fit; then the most important are raised, and what is left
/// buys key frames for those who got nothing.
pub fn allocate(budget: Option<u64>, wishes: &[Wish]) -> Vec<Given> {
    let Some(mut left) = budget else {
        let all = |wish: &Wish| wish.goal().map_or(Given::Nothing, Given::Layer);
        return wishes.iter().map(all).collect();
    };
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&at| (!wishes[at].audio, std::cmp::Reverse(wishes[at].priority), at));
    let mut given: Vec<Option<Layer>> = vec![None; wishes.len()];
    let mut kept: Vec<u64> = vec![0; wishes.len()];
    let lowest = |wish: &Wish| {
        wish.goal()
            .and_then(|goal| wish.offered.iter().find(|layer| *layer <= goal))
    };
    for &at in &order {
        let wish = &wishes[at];
        let Some(layer) = lowest(wish) else { continue };
        if let Some(rest) = left.checked_sub(wish.price(layer)) {
            (given[at], left) = (Some(layer), rest);
        } else if wish.audio && at == order[0] {
            (given[at], left) = (Some(layer), 0);
        } else if !wish.audio {
            // Whoever comes behind it and needs less may have what is left, but for this.
            let share = often(wish.picture[layer.index()]);
            if let Some(rest) = left.checked_sub(share) {
                (kept[at], left) = (share, rest);
            }
        }
    }
    for &at in &order {
        let wish = &wishes[at];
        let (Some(now), Some(goal)) = (given[at], wish.goal()) else {
            continue;
        };
        for layer in wish.offered.iter().rev().filter(|layer| *layer <= goal && *layer > now) {
            let more = wish.price(layer).saturating_sub(wish.price(now));
            if let Some(rest) = left.checked_sub(more) {
                (given[at], left) = (Some(layer), rest);
                break;
            }
        }
    }
    let mut result: Vec<Given> = given
        .iter()
        .map(|layer| layer.map_or(Given::Nothing, Given::Layer))
        .collect();
    // A large picture of a screen doesn't take what a small one of a camera needs.
    let picture = |at: usize| lowest(&wishes[at]).map_or(0, |layer| wishes[at].picture[layer.index()]);
    order.retain(|&at| given[at].is_none() && !wishes[at].audio);
    order.sort_by_key(|&at| (std::cmp::Reverse(wishes[at].priority), picture(at)));
    for at in order {
        let Some(layer) = lowest(&wishes[at]) else { continue };
        let bits = picture(at).max(1);
        left += kept[at];
        let share = often(bits).min(left);
        let every = (bits * 1_000).checked_div(share).unwrap_or(u64::MAX);
        if every <= PICTURE_EVERY_MOST_MS {
            (result[at], left) = (Given::KeyFrames(layer, every), left - share);
        }
    }
    result
}

/// While a path is only suspected to be too narrow, for its losses, nobody loses a layer altogether: what random loss takes is
/// repaired, and what a picture's absence takes is not.
pub fn keep_lowest(wishes: &[Wish], given: &mut [Given]) {
    for (wish, given) in wishes.iter().zip(given) {
        let lowest = wish
            .goal()
            .and_then(|goal| wish.offered.iter().find(|layer| *layer <= goal));
        if wish.held != Held::Denied
            && !matches!(given, Given::Layer(_))
            && let Some(lowest) = lowest
        {
            *given = Given::Layer(lowest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Given::{KeyFrames, Nothing};
    use Layer::{High, Low};

    fn wish(priority: Priority, wanted: Layer) -> Wish {
        let offered = [Low, High].into_iter().collect();
        Wish {
            audio: false,
            priority,
            wanted,
            offered,
            cost: [100_000, 0, 500_000],
            picture: [60_000, 0, 200_000],
            held: Held::New,
        }
    }

    #[test]
    fn the_focus_is_raised_first_and_insets_are_given_up_first() {
        let wishes = [
            wish(Priority::Inset, Low),
            wish(Priority::Tile, High),
            wish(Priority::Focus, High),
        ];
        assert_eq!(wanted(&wishes), 1_100_000);
        let layers = |layers: [Layer; 3]| layers.map(Given::Layer);
        assert_eq!(allocate(None, &wishes), layers([Low, High, High]));
        assert_eq!(allocate(Some(700_000), &wishes), layers([Low, Low, High]));
        assert_eq!(
            allocate(Some(240_000), &wishes),
            [KeyFrames(Low, 1_500), Given::Layer(Low), Given::Layer(Low)]
        );
        assert_eq!(
            allocate(Some(201_000), &wishes),
            [Nothing, Given::Layer(Low), Given::Layer(Low)]
        );
        let audio = Wish {
            audio: true,
            ..wish(Priority::Inset, Low)
        };
        assert_eq!(
            allocate(Some(100_000), &[wishes[2], audio]),
            [Nothing, Given::Layer(Low)]
        );
    }

    #[test]
    fn who_is_flagged_or_speaks_keeps_its_picture_longer_than_the_others() {
        let wall = [Priority::Tile, Priority::Tile, Priority::Flagged, Priority::Tile].map(|p| wish(p, Low));
        let given = allocate(Some(150_000), &wall);
        assert_eq!(given, [KeyFrames(Low, 1_200), Nothing, Given::Layer(Low), Nothing]);
        let kept = allocate(Some(250_000), &wall);
        assert_eq!(kept[..3], [Given::Layer(Low), KeyFrames(Low, 1_200), Given::Layer(Low)]);
    }

    #[test]
    fn where_no_layer_fits_small_pictures_come_often_and_large_ones_when_they_can() {
        let camera = wish(Priority::Focus, High);
        let screen = Wish {
            picture: [300_000, 0, 700_000],
            ..camera
        };
        // 50 kbit/s for a camera's picture each 1.2 s, and 30 for one of the screen.
        let given = allocate(Some(80_000), &[screen, camera]);
        assert_eq!(given, [KeyFrames(Low, 10_000), KeyFrames(Low, 1_200)]);
        assert_eq!(
            allocate(Some(40_000), &[camera, screen]),
            [KeyFrames(Low, 1_500), Nothing]
        );
        // A layer that would just fit doesn't take the picture of what comes first.
        let cheaper = Wish {
            cost: [80_000, 0, 500_000],
            ..screen
        };
        let given = allocate(Some(90_000), &[camera, cheaper]);
        assert_eq!(given, [KeyFrames(Low, 1_200), KeyFrames(Low, 7_500)]);
    }

    #[test]
    fn one_voice_is_heard_on_whatever_path() {
        let voice = Wish {
            audio: true,
            cost: [0, 0, 48_000],
            offered: [High].into_iter().collect(),
            held: Held::Denied,
            ..wish(Priority::Focus, High)
        };
        let wishes = [wish(Priority::Focus, High), voice, voice];
        assert_eq!(allocate(Some(50_000), &wishes)[1], Given::Layer(High));
        assert_eq!(allocate(Some(30_000), &wishes), [Nothing, Given::Layer(High), Nothing]);
    }

    #[test]
    fn an_estimate_that_breathes_makes_no_layer_flap() {
        let mut focus = wish(Priority::Focus, High);
        let mut seen = Vec::new();
        for budget in [
            480_000, 520_000, 480_000, 560_000, 580_000, 480_000, 520_000, 470_000, 450_000, 520_000,
        ] {
            let Given::Layer(layer) = allocate(Some(budget), &[focus])[0] else {
                panic!("nothing at {budget}")
            };
            focus.held = Held::Layer(layer);
            seen.push(layer);
        }
        let mut expected = vec![Low; 4];
        expected.extend([High; 4]);
        expected.extend([Low; 2]);
        assert_eq!(seen, expected);
        focus.held = Held::Denied;
        assert_eq!(allocate(Some(110_000), &[focus]), [KeyFrames(Low, 1_200)]);
        assert_eq!(allocate(Some(116_000), &[focus]), [Given::Layer(Low)]);
    }
}
