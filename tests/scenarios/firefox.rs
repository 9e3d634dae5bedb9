//! Headless Firefox ESR, a second engine that we did not write, publishes through WHIP and plays through WHEP.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_tests::bot::BotOptions;
use invigil_tests::stage::{PROCTOR, Stage, values};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// The most of a field over what the page receives of one kind.
fn most(report: &Value, kind: &str, field: &str) -> f64 {
    values(report, "stats", kind, field)
        .unwrap()
        .into_iter()
        .fold(0.0, f64::max)
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_publishes_and_plays_vp8_and_opus() {
    let stage = Stage::on_own_address().unwrap();
    let exam = stage.exam("FOX-1").unwrap();
    stage.add_proctor().unwrap();
    let candidate = stage.browser_candidate("FOX-1", "Candidate 001").unwrap();
    let proctor = stage.token(PROCTOR).unwrap();
    let whip = stage.url(&format!("/whip/{exam}"));
    let whep = stage.url(&format!("/whep/{exam}?layer=high"));
    let _browser = stage
        .firefox(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: true, audio: true }});
             await play(1, 1, '{whep}', '{proctor}');
             await publish(stream, '{whip}', '{candidate}', 'VP8');"
        ))
        .await
        .unwrap();
    let served = &stage.served;
    let first = served
        .report(LIMIT, "pictures decoded in Firefox", |r| {
            Some(most(r, "video", "framesDecoded")).filter(|n| *n > 5.0)
        })
        .unwrap();
    served
        .report(LIMIT, "more pictures, and sound", |r| {
            let pictures = most(r, "video", "framesDecoded") > first + 20.0;
            let sound = most(r, "audio", "packetsReceived") > 50.0 && most(r, "audio", "totalAudioEnergy") > 0.0;
            (pictures && sound).then_some(())
        })
        .unwrap();
    let encoded = served
        .report(LIMIT, "what Firefox encodes", |r| {
            let encoded = values(r, "sent", "video", "framesEncoded").unwrap();
            encoded.into_iter().find(|frames| *frames > 20.0)
        })
        .unwrap();
    assert!(encoded > 20.0);
}

/// Our own client's H.264 in Firefox, where Firefox says that it decodes it: Debian's takes the system's decoder.
#[tokio::test(flavor = "multi_thread")]
async fn firefox_plays_h264_where_it_can() {
    let stage = Stage::on_own_address().unwrap();
    let options = BotOptions {
        screen: false,
        ..BotOptions::whole(9)
    };
    let (exam, candidate) = stage.with_native("FOX-2", &options).await.unwrap();
    let token = stage.token(PROCTOR).unwrap();
    let url = stage.url(&format!("/whep/{exam}/{candidate}/camera/0?layer=high"));
    let _browser = stage
        .firefox(&format!(
            "const known = RTCRtpReceiver.getCapabilities('video').codecs.map((c) => c.mimeType);
             await report({{ known }});
             await play(1, 0, '{url}', '{token}');"
        ))
        .await
        .unwrap();
    let served = &stage.served;
    let known = served
        .report(LIMIT, "Firefox's codecs", |r| r["known"].as_array().cloned())
        .unwrap();
    if known.iter().any(|mime| mime == "video/H264") {
        served
            .report(LIMIT, "H.264 decoded in Firefox", |r| {
                (most(r, "video", "framesDecoded") > 20.0).then_some(())
            })
            .unwrap();
    } else {
        let refused = served
            .report(LIMIT, "the refusal", |r| r["error"].as_str().map(str::to_owned))
            .unwrap();
        assert!(refused.contains("422"), "{refused}");
    }
}
