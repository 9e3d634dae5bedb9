//! What a layer really costs, for publishers who don't say: an offer of a browser names no bitrate.

/// Bits per second of the wire, of whole intervals between two calls of [`Meter::roll`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    bytes: u64,
    /// The interval before this one had packets as well, so this one is whole.
    whole: bool,
    measured: Option<u64>,
    /// What was last told to have changed.
    told: u64,
}

/// A quieter interval takes this share off: a camera that stands still for a second is soon as dear as before.
const FORGET: u64 = 8;

impl Meter {
    pub fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Bytes since the last call of [`Self::roll`].
    pub fn pending(&self) -> u64 {
        self.bytes
    }

    /// Ends an interval of one second. True when the cost is another by a quarter or more than when this last was true.
    pub fn roll(&mut self) -> bool {
        let bits = std::mem::take(&mut self.bytes) * 8;
        let whole = std::mem::replace(&mut self.whole, bits > 0);
        if bits == 0 || !whole {
            return false;
        }
        let faded = self.measured.map_or(0, |before| before - before / FORGET);
        let measured = bits.max(faded);
        self.measured = Some(measured);
        let changed = measured.abs_diff(self.told) * 4 > self.told;
        if changed {
            self.told = measured;
        }
        changed
    }

    /// None until the layer has flowed for a whole interval. Silence doesn't count: what it costs when it is wanted again is asked.
    pub fn bps(&self) -> Option<u64> {
        self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(meter: &mut Meter, bytes: usize) -> bool {
        meter.count(bytes);
        meter.roll()
    }

    #[test]
    fn whole_seconds_count_and_silence_does_not() {
        let mut meter = Meter::default();
        assert!(!second(&mut meter, 200), "it began within this second");
        assert_eq!(meter.bps(), None);
        assert!(second(&mut meter, 12_500));
        assert_eq!(meter.bps(), Some(100_000));
        assert!(!second(&mut meter, 0));
        assert!(!second(&mut meter, 12_500));
        assert_eq!(meter.bps(), Some(100_000));
    }

    #[test]
    fn more_counts_at_once_and_less_by_and_by() {
        let mut meter = Meter::default();
        second(&mut meter, 12_500);
        second(&mut meter, 12_500);
        assert!(!second(&mut meter, 13_000), "a breath");
        assert!(second(&mut meter, 25_000));
        assert_eq!(meter.bps(), Some(200_000));
        assert!(!second(&mut meter, 12_500));
        assert_eq!(meter.bps(), Some(175_000));
        let told = (0..20).filter(|_| second(&mut meter, 12_500)).count();
        assert_eq!((meter.bps(), told), (Some(100_000), 2));
    }
}
