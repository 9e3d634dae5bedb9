//! Ten thousand signalling connections at the release server (`tests/load`).

use super::{Row, load};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

const SOCKETS: u64 = 10_000;
const OPENED_S: f64 = 60.0;
const KIB_EACH: f64 = 64.0;
const EVENT_MS: f64 = 250.0;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let ran = load::programs()?.run("sockets", &[], out);
    Ok(rows(&load::report(out, "sockets.json", &ran)?))
}

fn rows(report: &Value) -> Vec<Row> {
    let figure = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let count = |name: &str| report[name].as_u64();
    let words = |count: Option<u64>| count.map_or("nothing".to_owned(), |count| count.to_string());
    // The last one begins when the minute is over.
    let opened = count("opened") == Some(SOCKETS) && figure("/opened_in_s").is_some_and(|s| s <= OPENED_S + 5.0);
    vec![
        Row::is(
            "sockets opened, TLS, authenticated, in a room",
            format!(
                "{} in {:.0} s",
                words(count("opened")),
                figure("/opened_in_s").unwrap_or(f64::NAN)
            ),
            &format!("{SOCKETS} in {OPENED_S:.0} s"),
            opened,
        ),
        Row::is(
            "dropped while held for 5 minutes",
            words(count("dropped")),
            "none",
            count("dropped") == Some(0),
        ),
        Row::at_most("memory of the server for each", figure("/kib_each"), KIB_EACH, "KiB"),
        Row::at_most("event to proctor, p99", figure("/event_ms/p99"), EVENT_MS, "ms"),
        Row::is(
            "events that no proctor saw",
            format!("{} of {}", words(count("unseen")), words(count("events"))),
            "none",
            count("unseen") == Some(0) && count("events") > Some(0),
        ),
    ]
}
