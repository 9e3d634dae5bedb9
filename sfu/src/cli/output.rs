//! What the commands print: results to stdout, words for people to stderr.

use std::io::Write;

/// Prints a line to stdout. A closed pipe is not our failure.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a JSON value as one line to stdout.
pub fn json(value: &serde_json::Value) {
    line(&value.to_string());
}

/// Prints a line for people to stderr.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
