//! Whether a path is so bad, for so long, that people should know: with hysteresis, so that it is not said and taken back every second.
//! Pure: what passed is an argument.

use invigil_shared::participation::PathAverages;

/// From here on a second is bad, and below the others it is good (ITU-T G.114 for the delay; what is lost is lost after repair). What
/// lies between says nothing.
const BAD_RTT_US: u32 = 400_000;
const GOOD_RTT_US: u32 = 300_000;
const BAD_LOST_PPM: u32 = 80_000;
const GOOD_LOST_PPM: u32 = 40_000;
/// So much badness without a good second between makes a path poor, and so much goodness without a bad one makes it good again,
/// microseconds.
const POOR_AFTER_US: i64 = 5_000_000;
const GOOD_AFTER_US: i64 = 10_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Bad,
    Good,
    Between,
}

fn judge(path: &PathAverages) -> Second {
    let (rtt, lost) = (path.rtt_us, path.lost_ppm);
    if rtt.is_some_and(|us| us >= BAD_RTT_US) || lost.is_some_and(|ppm| ppm >= BAD_LOST_PPM) {
        return Second::Bad;
    }
    let measured = rtt.is_some() || lost.is_some();
    if measured && rtt.is_none_or(|us| us < GOOD_RTT_US) && lost.is_none_or(|ppm| ppm < GOOD_LOST_PPM) {
        return Second::Good;
    }
    Second::Between
}

/// How a path is, by what was measured of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathQuality {
    poor: bool,
    /// How long it has been otherwise than `poor` says.
    otherwise_us: i64,
}

impl PathQuality {
    pub fn is_poor(&self) -> bool {
        self.poor
    }

    /// Takes what was measured over `us` microseconds.
    pub fn note(&mut self, path: &PathAverages, us: i64) {
        let (otherwise, after) = match self.poor {
            false => (Second::Bad, POOR_AFTER_US),
            true => (Second::Good, GOOD_AFTER_US),
        };
        match judge(path) {
            Second::Between => return,
            second if second != otherwise => {
                self.otherwise_us = 0;
                return;
            }
            _ => self.otherwise_us += us.max(0),
        }
        if self.otherwise_us >= after {
            (self.poor, self.otherwise_us) = (!self.poor, 0);
        }
    }

    /// Nothing is connected: what comes next is another path.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(rtt_ms: u32, lost_ppm: u32) -> PathAverages {
        PathAverages {
            rtt_us: Some(rtt_ms * 1_000),
            lost_ppm: Some(lost_ppm),
            ..PathAverages::default()
        }
    }

    /// After each second, whether it is poor.
    fn over(quality: &mut PathQuality, seconds: &[PathAverages]) -> Vec<bool> {
        let after = |path| {
            quality.note(path, 1_000_000);
            quality.is_poor()
        };
        seconds.iter().map(after).collect()
    }

    #[test]
    fn it_takes_five_bad_seconds_and_then_ten_good_ones() {
        let mut quality = PathQuality::default();
        let bad = over(&mut quality, &[path(30, 120_000); 6]);
        assert_eq!(bad, [false, false, false, false, true, true]);
        let good = over(&mut quality, &[path(30, 0); 11]);
        assert!(good[..9].iter().all(|poor| *poor) && !good[9] && !good[10], "{good:?}");
        let slow = over(&mut quality, &[path(450, 0); 5]);
        assert_eq!(slow, [false, false, false, false, true], "delay counts as well");
    }

    #[test]
    fn a_path_at_the_border_is_not_said_and_taken_back() {
        let mut quality = PathQuality::default();
        let mut flapping = Vec::new();
        for _ in 0..50 {
            flapping.extend([path(30, 120_000), path(30, 120_000), path(30, 0)]);
        }
        assert!(
            over(&mut quality, &flapping).iter().all(|poor| !poor),
            "never five in a row"
        );
        over(&mut quality, &[path(30, 120_000); 5]);
        assert!(
            over(&mut quality, &flapping).iter().all(|poor| *poor),
            "never ten in a row"
        );
        // Between the two bounds nothing changes, either way.
        let between = [path(350, 60_000); 100];
        assert!(over(&mut quality, &between).iter().all(|poor| *poor));
        quality.forget();
        assert!(over(&mut quality, &between).iter().all(|poor| !poor));
    }

    #[test]
    fn what_was_not_measured_says_nothing() {
        let mut quality = PathQuality::default();
        let silence = [PathAverages::default(); 100];
        assert!(over(&mut quality, &silence).iter().all(|poor| !poor));
        over(&mut quality, &[path(30, 120_000); 5]);
        assert!(over(&mut quality, &silence).iter().all(|poor| *poor));
    }
}
