//! A live release server under attack, while one candidate and one proctor go on (`tests/load`).

use super::{Row, load};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

/// Of the attacks that have a rate, what is asked for, a second. On two cores generator and server share them: what was reached
/// is reported, and three quarters of it count.
const RATES: [(&str, f64); 2] = [("junk", 200_000.0), ("unauthenticated STUN requests", 50_000.0)];
const REACHED: f64 = 0.75;
const COUNTS: [(&str, u64); 2] = [("malformed datagrams", 1_000_000), ("bad frames and bodies", 100_000)];
const FPS: f64 = 0.95;
const GROWN_MIB: f64 = 50.0;

pub fn prove(out: &Path) -> Result<Vec<Row>> {
    let ran = load::programs()?.run("hostile", &[], out);
    Ok(rows(&load::report(out, "hostile.json", &ran)?))
}

fn rows(report: &Value) -> Vec<Row> {
    let phases: Vec<&Value> = report["phases"].as_array().into_iter().flatten().collect();
    let phase = |what: &str| phases.iter().find(|phase| phase["what"] == what);
    let mut rows = Vec::new();
    for (what, wanted) in COUNTS {
        let sent = phase(what).and_then(|phase| phase["sent"].as_u64());
        rows.push(Row::is(
            what,
            sent.map_or("nothing".to_owned(), |sent| sent.to_string()),
            &format!(">= {wanted}"),
            sent >= Some(wanted),
        ));
    }
    for (what, wanted) in RATES {
        let rate = phase(what).and_then(|phase| phase["per_s"].as_f64());
        rows.push(Row::is(
            what,
            rate.map_or("nothing".to_owned(), |rate| format!("{rate:.0}/s reached")),
            &format!("{wanted:.0}/s, {:.0}% of it reached", REACHED * 100.0),
            rate >= Some(wanted * REACHED),
        ));
    }
    for phase in &phases {
        let share = phase["fps_share"].as_f64();
        rows.push(Row::is(
            &format!("  honest pictures during {}", phase["what"].as_str().unwrap_or("?")),
            share.map_or("nothing".to_owned(), |share| format!("{:.1}%", share * 100.0)),
            ">= 95%",
            share >= Some(FPS),
        ));
    }
    let bytes = |name: &str| phases.iter().filter_map(|phase| phase[name].as_u64()).sum::<u64>();
    let (out, back) = (bytes("bytes_out"), bytes("bytes_back"));
    rows.push(Row::is(
        "answered to strangers",
        format!("{back} bytes for {out}"),
        "no more than was sent",
        out > 0 && back <= out,
    ));
    rows.push(Row::at_most(
        "memory grew by",
        report["grown_mib"].as_f64(),
        GROWN_MIB,
        "MiB",
    ));
    let problems = report["honest_problems"].as_array().map(Vec::len);
    rows.push(Row::is(
        "still there, lets new ones in, no picture broken",
        format!("{}, {problems:?} problems", report["alive"]),
        "true, no problem",
        report["alive"] == true && problems == Some(0),
    ));
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;
    use serde_json::json;

    #[test]
    fn a_good_report_holds_and_each_miss_shows() {
        let phase = |what: &str, sent: u64, per_s: f64| json!({"what": what, "sent": sent, "per_s": per_s, "fps_share": 0.95, "bytes_out": 10, "bytes_back": 10});
        let good = json!({
            "phases": [
                phase("malformed datagrams", 1_000_000, 50_000.0),
                phase("bad frames and bodies", 100_000, 5_000.0),
                phase("junk", 2_000_000, 150_000.0),
                phase("unauthenticated STUN requests", 500_000, 37_500.0),
            ],
            "grown_mib": 50.0,
            "alive": true,
            "honest_problems": [],
        });
        assert!(rows(&good).iter().all(|row| row.holds), "{:?}", rows(&good));
        for (at, worse) in [
            ("/phases/0/sent", json!(999_999)),
            ("/phases/2/per_s", json!(149_999.0)),
            ("/phases/3/fps_share", json!(0.94)),
            ("/phases/3/bytes_back", json!(11)),
            ("/grown_mib", json!(50.1)),
            ("/alive", json!(false)),
            ("/honest_problems", json!(["broken"])),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(at).expect(at) = worse;
            assert_eq!(rows(&bad).iter().filter(|row| !row.holds).count(), 1, "{at}");
        }
    }
}
