//! A network that lets nobody through but a TURN server, over TCP: Chromium publishes by a relay that the answer's `Link` names. And
//! `doctor` asks the same relay for an allocation.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::coturn::Coturn;
use invigil_tests::sfu::bin_dir;
use invigil_tests::stage::Stage;
use invigil_tests::watcher::Watcher;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn chromium_publishes_by_turn_over_tcp() {
    let mut coturn = None;
    let stage = Stage::with("127.0.0.1:0", |folder| {
        let started = coturn.insert(Coturn::start(folder)?);
        let url = format!("turn:{}?transport=tcp", started.address);
        let secret = started.secret_file.to_string_lossy().into_owned();
        Ok(["--turn", &url, "--turn-secret-file", &secret]
            .map(str::to_owned)
            .to_vec())
    })
    .unwrap();
    let coturn = coturn.unwrap();
    let exam = stage.exam("TURN-1").unwrap();
    let token = stage.browser_candidate("TURN-1", "Candidate 001").unwrap();
    let url = stage.url(&format!("/whip/{exam}"));
    let mut proctor = Watcher::enter(&stage.sfu, "ada", exam).await.unwrap();
    let _browser = stage
        .chromium(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
             const pc = new RTCPeerConnection({{ iceTransportPolicy: 'relay' }});
             const t = pc.addTransceiver(stream.getTracks()[0], {{ direction: 'sendonly', streams: [stream] }});
             const known = RTCRtpSender.getCapabilities('video').codecs;
             t.setCodecPreferences(known.filter((c) => c.mimeType === 'video/H264' || c.mimeType === 'video/rtx'));
             await postThroughRelay(pc, '{url}', '{token}');
             setInterval(async () => {{
               const stats = await pc.getStats();
               const transport = [...stats.values()].find((s) => s.type === 'transport');
               const local = stats.get(stats.get(transport.selectedCandidatePairId).localCandidateId);
               report({{ kind: local.candidateType, relay: local.relayProtocol }});
             }}, 500);"
        ))
        .unwrap();
    proctor
        .until(LIMIT, "Chromium's camera", |w, _| !w.publications.is_empty())
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {}", coturn.log_text()));
    let candidate = proctor.publications.keys().next().unwrap().participant;
    proctor
        .want(&[(candidate, PublicationKey::CAMERA, Layer::High)])
        .unwrap();
    proctor
        .until(LIMIT, "pictures by the relay", |w, _| {
            w.of(candidate, PublicationKey::CAMERA).decoded >= 20
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {}", coturn.log_text()));
    let path = stage
        .served
        .report(LIMIT, "the path", |r| {
            assert_eq!(r["error"], serde_json::Value::Null, "the page failed");
            r["kind"].as_str().map(|kind| (kind.to_owned(), r["relay"].clone()))
        })
        .unwrap();
    assert_eq!(path, ("relay".to_owned(), serde_json::json!("tcp")));
}

/// What `doctor` finds of its TURN servers.
fn examined(folder: &Path, coturn: &Coturn, secret: &Path) -> Vec<(String, String)> {
    let output = Command::new(bin_dir().join("invigil-sfu"))
        .args([
            "doctor",
            "--json",
            "--development",
            "--listen",
            "127.0.0.1:0",
            "--media",
            "127.0.0.1:0",
        ])
        .args(["--stun", &format!("stun:{}", coturn.address)])
        .args([
            "--turn",
            &format!("turn:{0}?transport=udp,turn:{0}?transport=tcp", coturn.address),
        ])
        .arg("--turn-secret-file")
        .arg(secret)
        .arg("--data-dir")
        .arg(folder)
        .output()
        .unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let turn = findings.iter().filter(|finding| finding["check"] == "turn");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    turn.map(|finding| (text(&finding["level"]), text(&finding["words"])))
        .collect()
}

#[test]
fn doctor_gets_an_allocation_of_a_real_relay_and_says_when_the_secret_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let coturn = Coturn::start(folder.path()).unwrap();
    let found = examined(folder.path(), &coturn, &coturn.secret_file);
    let [stun, udp, tcp] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(
        stun.0 == "ok" && stun.1.contains("answers and sees this machine as 127.0.0.1:"),
        "{stun:?}"
    );
    for relayed in [udp, tcp] {
        assert!(
            relayed.0 == "ok" && relayed.1.contains("relays at 127.0.0.1:"),
            "{relayed:?}: {}",
            coturn.log_text()
        );
    }
    let other = folder.path().join("other-secret");
    std::fs::write(&other, "not what coturn has at all").unwrap();
    let found = examined(folder.path(), &coturn, &other);
    for refused in &found[1..] {
        assert!(
            refused.0 == "error" && refused.1.contains("refuses our credential: 401"),
            "{refused:?}"
        );
    }
    assert_eq!(found.len(), 3, "{found:?}");
}
