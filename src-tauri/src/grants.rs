//! What the windows may do, read from the files that grant it: a grant that slips in is found here.

use serde_json::Value;

const CONFIG: &str = include_str!("../tauri.conf.json");
const OVERLAYS: [(&str, &str); 2] = [
    ("candidate", include_str!("../tauri.candidate.conf.json")),
    ("proctor", include_str!("../tauri.proctor.conf.json")),
];
const CAPABILITIES: [(&str, &str); 2] = [
    ("candidate", include_str!("../capabilities/candidate.json")),
    ("proctor", include_str!("../capabilities/proctor.json")),
];
const BUILD: &str = include_str!("../build.rs");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn each_window_is_granted_its_own_commands_and_nothing_else() {
    for (app, text) in CAPABILITIES {
        let capability = json(text);
        assert_eq!(capability["windows"], serde_json::json!([app]));
        assert_eq!(capability["local"], true);
        assert!(
            capability.get("remote").is_none(),
            "no remote page ever reaches a command"
        );
        let wanted = serde_json::json!([
            format!("allow-{app}-view"),
            format!("allow-{app}-command"),
            "allow-media-port",
            "core:event:allow-listen",
            "core:event:allow-unlisten"
        ]);
        assert_eq!(capability["permissions"], wanted);
    }
}

#[test]
fn every_command_is_declared() {
    let declared: Vec<&str> = BUILD.lines().filter(|line| line.contains("const COMMANDS")).collect();
    for command in [
        "candidate_view",
        "candidate_command",
        "proctor_view",
        "proctor_command",
        "media_port",
    ] {
        assert!(
            declared[0].contains(&format!("\"{command}\"")) || BUILD.contains(&format!("    \"{command}\"")),
            "{command}"
        );
    }
}

#[test]
fn pages_run_under_a_strict_policy() {
    let config = json(CONFIG);
    let app = &config["app"];
    assert_eq!(app["withGlobalTauri"], false);
    assert_eq!(
        app["windows"],
        serde_json::json!([]),
        "windows are made in code, with their labels"
    );
    let policy = app["security"]["csp"].as_object().unwrap();
    assert_eq!(policy["default-src"], "'none'");
    assert_eq!(policy["script-src"], "'self'");
    assert_eq!(
        policy["connect-src"],
        "'self' ipc: http://ipc.localhost ws://127.0.0.1:*"
    );
    for closed in ["base-uri", "form-action", "frame-src", "object-src"] {
        assert_eq!(policy[closed], "'none'", "{closed}");
    }
    let open = policy
        .values()
        .filter_map(Value::as_str)
        .find(|sources| sources.contains("unsafe-eval") || sources.contains("https:"));
    assert_eq!(open, None);
    assert!(
        app["security"].get("devCsp").is_none(),
        "a development build runs under the same policy"
    );
}

#[test]
fn bundles_are_named_after_what_they_hold() {
    for (app, text) in OVERLAYS {
        let overlay = json(text);
        assert_eq!(overlay["mainBinaryName"], format!("invigil-{app}"));
        assert_eq!(overlay["identifier"], format!("org.invigil.{app}"));
        assert_eq!(overlay["app"]["security"]["capabilities"], serde_json::json!([app]));
        assert!(overlay["app"]["security"].get("csp").is_none());
    }
    let identifiers = [crate::window::CANDIDATE, crate::window::PROCTOR].map(|kind| (kind.label, kind.identifier));
    assert_eq!(
        identifiers,
        [
            ("candidate", "org.invigil.candidate"),
            ("proctor", "org.invigil.proctor")
        ]
    );
}
