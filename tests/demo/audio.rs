//! What the proctor decoded, measured: tone, level, gaps.

use invigil_tests::sound::strongest_tone;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audio {
    pub tone_hz: f64,
    pub rms_dbfs: f64,
    /// Silences of at least 20 ms after the first sound, milliseconds each.
    pub gaps_ms: Vec<u32>,
    pub seconds: f64,
}

/// Below this a sample is silence: -60 dBFS.
const SILENCE: f64 = 0.001;

/// None when nothing was heard.
pub fn measure(samples: &[f64], rate: u32) -> Option<Audio> {
    let first = samples.iter().position(|s| s.abs() > SILENCE)?;
    let heard = &samples[first..];
    let rms = (heard.iter().map(|s| s * s).sum::<f64>() / heard.len() as f64).sqrt();
    let frame = rate as usize / 100;
    let quiet = heard.chunks(frame).map(|c| c.iter().all(|s| s.abs() <= SILENCE));
    let mut gaps_ms = Vec::new();
    let mut run = 0u32;
    for silent in quiet.chain([false]) {
        if silent {
            run += 10;
        } else {
            if run >= 20 {
                gaps_ms.push(run);
            }
            run = 0;
        }
    }
    Some(Audio {
        tone_hz: (strongest_tone(heard, rate) * 10.0).round() / 10.0,
        rms_dbfs: (20.0 * rms.log10() * 10.0).round() / 10.0,
        gaps_ms,
        seconds: (heard.len() as f64 / f64::from(rate) * 100.0).round() / 100.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, seconds: f64) -> Vec<f64> {
        (0..(48_000.0 * seconds) as usize)
            .map(|n| 0.5 * (std::f64::consts::TAU * hertz * n as f64 / 48_000.0).sin())
            .collect()
    }

    #[test]
    fn a_tone_with_a_hole() {
        let sound = [vec![0.0; 4800], sine(440.0, 1.0), vec![0.0; 4800], sine(440.0, 2.0)].concat();
        let audio = measure(&sound, 48_000).unwrap();
        assert_eq!(audio.tone_hz, 440.0);
        assert!(
            (90..=110).contains(&audio.gaps_ms[0]) && audio.gaps_ms.len() == 1,
            "{:?}",
            audio.gaps_ms
        );
        assert!((-10.0..-9.0).contains(&audio.rms_dbfs), "{}", audio.rms_dbfs);
        assert_eq!(measure(&vec![0.0; 48_000], 48_000), None);
    }
}
