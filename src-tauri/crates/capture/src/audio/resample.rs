//! Sample-rate conversion by windowed sinc at any ratio. The ratio may drift while it runs: two devices' clocks differ.

/// Taps on each side of a sample. 16 keep the passband flat to 0.9 of it with aliases below -60 dB.
const HALF: usize = 16;
/// Sub-sample positions in the table, interpolated linearly between.
const PHASES: usize = 256;

/// Converts a mono stream.
pub struct Resampler {
    /// Input samples per output sample.
    step: f64,
    nominal: f64,
    table: Vec<f32>,
    history: Vec<f32>,
    /// Position of the next output sample in `history`.
    at: f64,
}

impl Resampler {
    /// From `from` to `to` samples per second; zero counts as one.
    pub fn new(from: u32, to: u32) -> Self {
        let nominal = f64::from(from.max(1)) / f64::from(to.max(1));
        // Going down, everything above the lower rate's half has to go.
        let cutoff = (1.0 / nominal).min(1.0) * 0.95;
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let table = (0..=PHASES)
            .flat_map(|phase| {
                (0..2 * HALF).map(move |tap| {
                    let x = tap as f64 - (HALF as f64 - 1.0) - phase as f64 / PHASES as f64;
                    let sinc = if x.abs() < 1e-9 {
                        cutoff
                    } else {
                        (std::f64::consts::PI * x * cutoff).sin() / (std::f64::consts::PI * x)
                    };
                    let w = (x / HALF as f64).clamp(-1.0, 1.0) * std::f64::consts::PI;
                    (sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos())) as f32
                })
            })
            .collect();
        #[allow(clippy::cast_precision_loss)]
        let at = HALF as f64 - 1.0;
        Self {
            step: nominal,
            nominal,
            table,
            history: vec![0.0; HALF - 1],
            at,
        }
    }

    /// Consumes `speed` times as much input per output as nominal; clamped to 0.9 to 1.1.
    pub fn set_speed(&mut self, speed: f64) {
        self.step = self.nominal * speed.clamp(0.9, 1.1);
    }

    /// Input samples needed before `n` more output samples can be made.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub fn wants(&self, n: usize) -> usize {
        let last = self.at + self.step * n.saturating_sub(1) as f64;
        (last as usize + HALF + 1).saturating_sub(self.history.len())
    }

    /// Takes samples in and appends what can be made of them to `output`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        self.history.extend_from_slice(input);
        while self.at as usize + HALF < self.history.len() {
            let whole = self.at as usize;
            let phase = (self.at - whole as f64) * PHASES as f64;
            let (index, blend) = (phase as usize, (phase - phase.floor()) as f32);
            let samples = &self.history[whole + 1 - HALF..=whole + HALF];
            let low = &self.table[index * 2 * HALF..(index + 1) * 2 * HALF];
            let high = &self.table[(index + 1) * 2 * HALF..(index + 2) * 2 * HALF];
            let mut sum = 0.0;
            for ((sample, low), high) in samples.iter().zip(low).zip(high) {
                sum += sample * (low + (high - low) * blend);
            }
            output.push(sum);
            self.at += self.step;
        }
        let done = (self.at as usize + 1 - HALF).min(self.history.len());
        self.history.drain(..done);
        self.at -= done as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, hz: f64, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (std::f64::consts::TAU * hz * i as f64 / f64::from(rate)).sin() as f32 * 0.5)
            .collect()
    }

    #[test]
    fn a_sine_keeps_its_pitch_level_and_length() {
        for (from, to) in [
            (44_100, 48_000),
            (48_000, 44_100),
            (16_000, 48_000),
            (96_000, 48_000),
            (48_000, 48_000),
        ] {
            let mut resampler = Resampler::new(from, to);
            let mut out = Vec::new();
            for chunk in sine(from, 1000.0, from as usize).chunks(441) {
                resampler.process(chunk, &mut out);
            }
            assert!(out.len().abs_diff(to as usize) < 64, "{from}->{to}: {}", out.len());
            let steady = &out[200..out.len() - 200];
            let ideal = sine(to, 1000.0, out.len());
            let worst = steady
                .iter()
                .zip(&ideal[200..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.01, "{from}->{to}: {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_removed() {
        let mut out = Vec::new();
        Resampler::new(48_000, 16_000).process(&sine(48_000, 11_000.0, 48_000), &mut out);
        let worst = out[200..out.len() - 200].iter().fold(0.0f32, |m, s| m.max(s.abs()));
        assert!(worst < 0.01, "{worst}");
    }

    #[test]
    fn wants_says_how_much_makes_how_much() {
        let mut resampler = Resampler::new(48_000, 44_100);
        let mut out = Vec::new();
        for round in 1..200 {
            let need = resampler.wants(100);
            resampler.process(&vec![0.1; need], &mut out);
            assert!(out.len() >= round * 100, "{round}: {}", out.len());
            assert!(out.len() <= round * 100 + 2);
            out.truncate(round * 100);
        }
    }
}
