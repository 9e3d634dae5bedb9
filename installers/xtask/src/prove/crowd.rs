//! How many candidates this machine carries with the load generator beside the server, what holds them back, and a storm of
//! proctors on one tile (`tests/load`).

use super::{Row, load};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

const CANDIDATES: u64 = 500;
/// Fewer at each try, when a crowd does not hold.
const STEP: &str = "100";

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let programs = load::programs()?;
    let crowd = [
        "--candidates",
        "500",
        "--proctors",
        "10",
        "--tiles",
        "30",
        "--real-candidates",
        "2",
        "--step",
        STEP,
    ];
    // That the largest crowd does not hold is a figure, no failure of the tool: the report says it.
    let searched = programs.run("crowd", &crowd, out);
    let tries = load::report(out, "crowd.json", &searched)?;
    let churn = [
        "--candidates",
        "100",
        "--proctors",
        "3",
        "--churn",
        "1",
        "--seconds",
        "20",
        "--out",
    ];
    let churn_out = out.join("churn");
    let churn_path = churn_out.to_string_lossy().into_owned();
    let churned = programs.run_to("crowd", &[&churn[..], &[&churn_path]].concat());
    let churned = load::report(&churn_out, "crowd.json", &churned)?;
    let stormed = programs.run("storm", &["--proctors", "50"], out);
    let storm = load::report(out, "storm.json", &stormed)?;
    let mut rows = crowd_rows(&tries);
    rows.extend(churn_rows(&churned));
    rows.extend(storm_rows(&storm));
    Ok(rows)
}

/// What a try used, and what it missed.
fn told(report: &Value) -> String {
    let figure = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let misses = report["misses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let misses = misses.collect::<Vec<_>>().join("; ");
    format!(
        "{} candidates: SFU {:.0}%, generator {:.0}% of a core, machine idle {:.0}%{}{misses}",
        figure("/candidates"),
        figure("/sfu/percent"),
        figure("/generator/percent"),
        figure("/sfu/machine_idle_percent"),
        if misses.is_empty() { "" } else { "; " }
    )
}

fn crowd_rows(tries: &Value) -> Vec<Row> {
    let tries: Vec<&Value> = tries.as_array().into_iter().flatten().collect();
    let holds = tries.iter().rev().find(|report| report["holds"] == true);
    let largest = holds.and_then(|report| report["candidates"].as_u64());
    let mut rows = vec![Row::is(
        "candidates that hold, 10 proctors with 30 tiles",
        largest.map_or("none".to_owned(), |count| count.to_string()),
        ">= 500",
        largest >= Some(CANDIDATES),
    )];
    rows.extend(tries.iter().map(|report| {
        let holds = report["holds"] == true;
        Row::is("  what it took", told(report), "holds", holds)
    }));
    let kib = holds.and_then(|report| report["kib_per_participant"].as_f64());
    rows.push(Row::at_most(
        "  memory per participant",
        kib.map(|kib| kib / 1_024.0),
        2.0,
        "MiB",
    ));
    rows
}

fn churn_rows(tries: &Value) -> Vec<Row> {
    let report = &tries[0];
    let back = report["came_back"].as_u64().unwrap_or(0);
    vec![
        Row::is(
            "100 candidates, one a second leaves and comes back",
            format!("{back} came back, {}", told(report)),
            "holds",
            report["holds"] == true && back > 0,
        ),
        Row::at_most(
            "  back in the room, p95",
            report["back_ms"]["p95"].as_f64(),
            1_000.0,
            "ms",
        ),
    ]
}

fn storm_rows(report: &Value) -> Vec<Row> {
    let without = report["without_picture"].as_u64();
    vec![
        Row::at_most(
            "50 proctors open one tile: key frames asked for",
            report["plis_per_s"].as_f64(),
            2.0,
            "/s",
        ),
        Row::is(
            "  tiles without a picture",
            without.map_or("nothing".to_owned(), |n| format!("{n} of {}", report["opened"])),
            "0",
            without == Some(0) && report["opened"].as_u64() > Some(0),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_largest_crowd_that_holds_counts() {
        let tries = json!([
            {"candidates": 500, "holds": false, "misses": ["cameras at 0.7"]},
            {"candidates": 400, "holds": true, "kib_per_participant": 500.0},
        ]);
        let rows = crowd_rows(&tries);
        assert_eq!((rows[0].measured.as_str(), rows[0].holds), ("400", false));
        assert!(rows[1].measured.contains("cameras at 0.7") && !rows[1].holds && rows[2].holds);
        assert!(rows[3].holds);
        assert!(crowd_rows(&json!([{"candidates": 500, "holds": true}]))[0].holds);
        assert!(!crowd_rows(&json!([]))[0].holds);
    }

    #[test]
    fn a_storm_needs_pictures_and_few_key_frames() {
        let good = json!({"plis_per_s": 2.0, "opened": 50, "without_picture": 0});
        assert!(storm_rows(&good).iter().all(|row| row.holds));
        for bad in [
            json!({"plis_per_s": 2.1, "opened": 50, "without_picture": 0}),
            json!({"plis_per_s": 1.0, "opened": 50, "without_picture": 1}),
            json!({"plis_per_s": 1.0, "opened": 0, "without_picture": 0}),
        ] {
            assert_eq!(storm_rows(&bad).iter().filter(|row| !row.holds).count(), 1, "{bad}");
        }
    }
}
