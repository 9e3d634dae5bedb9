//! The whole line once: the headless demo, and its report against the targets.

use super::Row;
use crate::demo;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// Joins and events that a 95th percentile needs.
const ENOUGH: u64 = 20;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let out_text = out.to_string_lossy().into_owned();
    let ran = demo::demo(&["--headless", "--seconds", "20", "--out", &out_text].map(str::to_owned));
    let report = std::fs::read(out.join("report.json")).context(match &ran {
        Ok(()) => "the demo left no report".to_owned(),
        Err(error) => format!("the demo left no report: {error:#}"),
    })?;
    Ok(rows(&serde_json::from_slice(&report)?))
}

/// The report's figures beside their targets.
fn rows(report: &Value) -> Vec<Row> {
    let problems = report["problems"].as_array().map_or(1, Vec::len);
    let tone = report["audio"]["tone_hz"].as_f64();
    let gaps = report["audio"]["gaps_ms"].as_array().map(Vec::len);
    vec![
        p95(report, "join_to_first_frame_ms", "join to first picture, p95", 500.0),
        p95(report, "capture_to_tile_ms", "capture to tile, p95", 150.0),
        p95(report, "event_to_timeline_ms", "event to timeline, p95", 100.0),
        Row::at_most(
            "candidate, of one core",
            report["cpu_percent"]["candidate"].as_f64(),
            15.0,
            "%",
        ),
        Row::is(
            "sound, a tone of 440 Hz",
            tone.zip(gaps)
                .map_or("nothing".into(), |(tone, gaps)| format!("{tone:.1} Hz, {gaps} gaps")),
            "440 +- 2 Hz, 0 gaps",
            tone.is_some_and(|tone| (tone - 440.0).abs() <= 2.0) && gaps == Some(0),
        ),
        Row::is(
            "every picture live, at 80% of its rate",
            format!("{problems} problems"),
            "0 problems",
            problems == 0,
        ),
    ]
}

/// A percentile, which needs enough values to be one.
fn p95(report: &Value, name: &str, what: &str, target: f64) -> Row {
    let figure = report[name]["p95"]
        .as_f64()
        .filter(|_| report[name]["n"].as_u64() >= Some(ENOUGH));
    Row::at_most(what, figure, target, "ms")
}

#[cfg(test)]
mod tests {
    use super::rows;
    use serde_json::json;

    #[test]
    fn a_good_report_holds_and_each_miss_shows() {
        let good = json!({
            "join_to_first_frame_ms": {"n": 20, "p50": 170.0, "p95": 500.0},
            "capture_to_tile_ms": {"n": 99, "p50": 40.0, "p95": 50.0},
            "event_to_timeline_ms": {"n": 20, "p50": 3.0, "p95": 4.0},
            "cpu_percent": {"candidate": 8.0},
            "audio": {"tone_hz": 440.0, "gaps_ms": []},
            "problems": [],
        });
        assert!(rows(&good).iter().all(|row| row.holds));
        for (at, worse) in [
            ("/join_to_first_frame_ms/p95", json!(501.0)),
            ("/capture_to_tile_ms/n", json!(19)),
            ("/event_to_timeline_ms", json!(null)),
            ("/cpu_percent/candidate", json!(16.0)),
            ("/audio/tone_hz", json!(443.0)),
            ("/audio/gaps_ms", json!([20])),
            ("/problems", json!(["frozen"])),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(at).expect(at) = worse;
            assert_eq!(rows(&bad).iter().filter(|row| !row.holds).count(), 1, "{at}");
        }
    }
}
