//! The medians of all runs, for people and as CSV.

use crate::Line;
use crate::measure::Figures;
use std::fmt::Write;

/// The middle of the values that there are.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A line's figures: each column's own median.
struct Medians {
    us: f64,
    least: f64,
    most: f64,
    kb: Option<f64>,
    p50: Option<f64>,
    p99: Option<f64>,
    delivered: f64,
    packets_a_second: f64,
}

impl Medians {
    fn of(line: &Line) -> Option<Self> {
        let of = |value: fn(&Figures) -> Option<f64>| median(line.runs.iter().filter_map(value));
        let us = || line.runs.iter().map(Figures::us_per_packet);
        Some(Self {
            us: median(us())?,
            least: us().reduce(f64::min)?,
            most: us().reduce(f64::max)?,
            kb: of(Figures::kb_per_transport),
            p50: of(|run| run.latency_us(0.5).map(f64::from)),
            p99: of(|run| run.latency_us(0.99).map(f64::from)),
            delivered: of(|run| Some(run.share_delivered()))?,
            packets_a_second: of(|run| Some(run.packets_a_second()))?,
        })
    }
}

fn or_empty(value: Option<f64>, digits: usize) -> String {
    value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
}

pub fn print(lines: &[Line]) {
    println!(
        "\n{:8} {:6} {:>3} {:>7} {:>6} {:>9} {:>16} {:>12} {:>9} {:>7} {:>7} {:>9} {:>9}",
        "SFU",
        "load",
        "GSO",
        "offload",
        "shards",
        "us/packet",
        "(min to max)",
        "packets/call",
        "KB/trans.",
        "p50 us",
        "p99 us",
        "delivered",
        "packets/s"
    );
    for line in lines {
        let Some(m) = Medians::of(line) else { continue };
        println!(
            "{:8} {:6} {:>3} {:>7} {:>6} {:>9.2} {:>16} {:>12} {:>9} {:>7} {:>7} {:>9.4} {:>9.0}",
            line.setup.name,
            line.load.name,
            u8::from(line.setup.segments),
            u8::from(line.setup.offload),
            line.setup.shards,
            m.us,
            format!("({:.2} to {:.2})", m.least, m.most),
            or_empty(line.packets_per_syscall, 2),
            or_empty(m.kb, 0),
            or_empty(m.p50, 0),
            or_empty(m.p99, 0),
            m.delivered,
            m.packets_a_second
        );
    }
}

pub fn csv(lines: &[Line], busy: bool) -> String {
    let mut out = String::from(
        "sfu,load,gso,shards,us_per_packet,packets_per_syscall,kb_per_transport,latency_p50_us,latency_p99_us,delivered,us_min,us_max,runs,packets_a_second,offload,busy\n",
    );
    for line in lines {
        let Some(m) = Medians::of(line) else { continue };
        // Writing into a String can't fail.
        let _ = writeln!(
            out,
            "{},{},{},{},{:.3},{},{},{},{},{:.4},{:.3},{:.3},{},{:.0},{},{}",
            line.setup.name,
            line.load.name,
            u8::from(line.setup.segments),
            line.setup.shards,
            m.us,
            or_empty(line.packets_per_syscall, 3),
            or_empty(m.kb, 0),
            or_empty(m.p50, 0),
            or_empty(m.p99, 0),
            m.delivered,
            m.least,
            m.most,
            line.runs.len(),
            m.packets_a_second,
            u8::from(line.setup.offload),
            u8::from(busy)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_is_taken_of_what_there_is() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}
