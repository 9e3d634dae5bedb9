//! Golden fixtures: what version 1 looks like on the wire. A released fixture is never edited; a new message gets a new one.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

mod examples;

use invigil_shared::codec::{decode_client, decode_server, encode};
use invigil_shared::signal::{ClientFrame, ClientMessage, ServerFrame, ServerMessage};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder(side: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"))
        .join("tests/golden/v1")
        .join(side)
}

fn tag(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    value["type"].as_str().unwrap().replace(':', "-")
}

/// Compares each frame with its fixture; `INVIGIL_NEW_FIXTURES=1` writes those that are missing, and only those.
fn check(side: &str, frames: Vec<String>) {
    let mut names = BTreeSet::new();
    for frame in frames {
        let name = format!("{}.json", tag(&frame));
        let path = folder(side).join(&name);
        assert!(names.insert(name), "two examples of {}", path.display());
        if !path.exists() && std::env::var_os("INVIGIL_NEW_FIXTURES").is_some() {
            let value: Value = serde_json::from_str(&frame).unwrap();
            std::fs::write(&path, serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
        }
        let fixture = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (wanted, got): (Value, Value) = (
            serde_json::from_str(&fixture).unwrap(),
            serde_json::from_str(&frame).unwrap(),
        );
        assert_eq!(got, wanted, "{} changed on the wire", path.display());
    }
    for entry in std::fs::read_dir(folder(side)).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let wanted: Value = serde_json::from_str(&text).unwrap();
        let again = match side {
            "client" => encode(&decode_client(&text).unwrap()).unwrap(),
            _ => encode(&decode_server(&text).unwrap()).unwrap(),
        };
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!(again, wanted, "{} does not survive decoding", path.display());
    }
}

#[test]
fn client_messages_look_as_released() {
    let frames = examples::client_messages()
        .into_iter()
        .filter(|m| *m != ClientMessage::Unknown);
    check(
        "client",
        frames
            .map(|message| {
                encode(&ClientFrame {
                    id: Some(7),
                    once: None,
                    message,
                })
                .unwrap()
            })
            .collect(),
    );
}

#[test]
fn server_messages_look_as_released() {
    let frames = examples::server_messages()
        .into_iter()
        .filter(|m| *m != ServerMessage::Unknown);
    check(
        "server",
        frames
            .map(|message| encode(&ServerFrame { id: Some(7), message }).unwrap())
            .collect(),
    );
}

/// Every variant has an example: the names come from serde's own error for an impossible variant.
#[test]
fn every_message_has_an_example() {
    fn tags(frames: impl Iterator<Item = String>) -> BTreeSet<String> {
        frames.map(|f| tag(&f)).collect()
    }
    let source = include_str!("../src/signal.rs");
    let part = |name: &str| {
        let start = source.find(&format!("pub enum {name} {{")).unwrap();
        let body = &source[start..];
        let body = &body[..body.find("\n}\n").unwrap()];
        let names = body
            .lines()
            .filter_map(|l| l.trim().strip_prefix("#[serde(rename = \"")?.strip_suffix("\")]"));
        names.map(|n| n.replace(':', "-")).collect::<BTreeSet<_>>()
    };
    let client = examples::client_messages()
        .into_iter()
        .filter(|m| *m != ClientMessage::Unknown);
    let server = examples::server_messages()
        .into_iter()
        .filter(|m| *m != ServerMessage::Unknown);
    assert_eq!(
        tags(client.map(|message| {
            encode(&ClientFrame {
                id: None,
                once: None,
                message,
            })
            .unwrap()
        })),
        part("ClientMessage")
    );
    assert_eq!(
        tags(server.map(|message| encode(&ServerFrame { id: None, message }).unwrap())),
        part("ServerMessage")
    );
}

#[test]
fn every_code_stands_in_the_table() {
    let table = include_str!("../README.md");
    for code in invigil_shared::error::ErrorCode::ALL {
        assert!(
            table.contains(&format!("| `{code}` |")),
            "shared/README.md has no row for {code}"
        );
    }
}
