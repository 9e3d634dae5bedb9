//! A network that lets nobody through but a TURN server, over TCP: Chromium publishes by a relay that the answer's `Link` names.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::coturn::Coturn;
use invigil_tests::stage::Stage;
use invigil_tests::watcher::Watcher;
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
