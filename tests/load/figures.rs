//! Percentiles for reports.

use serde::Serialize;

/// Nearest ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ranks {
    pub n: usize,
    pub min: f64,
    pub p5: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Zeros without values: `n` tells.
pub fn ranks(mut values: Vec<f64>) -> Ranks {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let rank = |share: f64| {
        let at = ((share * n as f64).ceil() as usize).max(1) - 1;
        values.get(at).map_or(0.0, |value| (value * 1_000.0).round() / 1_000.0)
    };
    Ranks {
        n,
        min: rank(0.0),
        p5: rank(0.05),
        p50: rank(0.5),
        p95: rank(0.95),
        p99: rank(0.99),
        max: rank(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn ranks_are_nearest() {
        let hundred = ranks((1..=100).rev().map(f64::from).collect());
        assert_eq!((hundred.n, hundred.min, hundred.p5, hundred.p50), (100, 1.0, 5.0, 50.0));
        assert_eq!((hundred.p95, hundred.p99, hundred.max), (95.0, 99.0, 100.0));
        assert_eq!(ranks(Vec::new()).n, 0);
    }
}
