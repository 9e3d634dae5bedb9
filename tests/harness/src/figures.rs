//! Figures recomputed from raw lines: percentiles and frame rates.

use serde::Serialize;

/// How many, the median and the 95th percentile (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub n: usize,
    pub p50: f64,
    pub p95: f64,
}

/// None without values.
pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        values
            .get(((share * values.len() as f64).ceil() as usize).max(1) - 1)
            .copied()
    };
    Some(Spread {
        n: values.len(),
        p50: rank(0.5)?,
        p95: rank(0.95)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        assert_eq!(spread(vec![]), None);
        assert_eq!(
            spread(vec![7.0]),
            Some(Spread {
                n: 1,
                p50: 7.0,
                p95: 7.0
            })
        );
        let twenty = (1..=20).rev().map(f64::from).collect();
        assert_eq!(
            spread(twenty),
            Some(Spread {
                n: 20,
                p50: 10.0,
                p95: 19.0
            })
        );
    }
}
