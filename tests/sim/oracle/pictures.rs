//! What a proctor saw of a publication between two moments: frames per second and the longest time without a new one.

use crate::clock::{S, Us};
use crate::proctor::Shown;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub frames: usize,
    pub fps: f64,
    /// Seconds, the edges of the interval counted as frames.
    pub longest_gap: f64,
}

/// Looks at the pictures from `from` to `to`.
pub fn seen(shown: &[Shown], from: Us, to: Us) -> Seen {
    let times = shown.iter().map(|shown| shown.at).filter(|at| (from..to).contains(at));
    let (mut frames, mut last, mut longest) = (0, from, 0);
    for at in times {
        frames += 1;
        longest = longest.max(at - last);
        last = at;
    }
    longest = longest.max(to.saturating_sub(last));
    Seen {
        frames,
        fps: frames as f64 * S as f64 / (to - from) as f64,
        longest_gap: longest as f64 / S as f64,
    }
}
