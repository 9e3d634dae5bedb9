//! Headless Chromium, a peer that we did not write, plays candidates through WHEP and publishes through WHIP.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};
use invigil_tests::bot::BotOptions;
use invigil_tests::stage::{PROCTOR, Stage, values};
use invigil_tests::watcher::Watcher;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The most of a field over the video that the page receives.
fn most(report: &Value, field: &str) -> f64 {
    values(report, "stats", "video", field)
        .unwrap()
        .into_iter()
        .fold(0.0, f64::max)
}

/// How many of the page's received videos have decoded more than 10 pictures.
fn decoding(report: &Value) -> usize {
    let decoded = values(report, "stats", "video", "framesDecoded").unwrap();
    decoded.iter().filter(|frames| **frames > 10.0).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_a_candidate_through_whep() {
    let stage = Stage::set().unwrap();
    let options = BotOptions {
        tone: None,
        ..BotOptions::whole(5)
    };
    let (exam, candidate) = stage.with_native("WHEP-1", &options).await.unwrap();
    let token = stage.token(PROCTOR).unwrap();
    let url = stage.url(&format!("/whep/{exam}/{candidate}/camera/0?layer=high"));
    let _browser = stage
        .chromium(&format!("await play(1, 0, '{url}', '{token}');"))
        .unwrap();
    let served = &stage.served;
    let first = served
        .report(LIMIT, "decoded frames in Chromium", |r| {
            Some(most(r, "framesDecoded")).filter(|n| *n > 5.0)
        })
        .unwrap();
    served
        .report(LIMIT, "more decoded frames", |r| {
            (most(r, "framesDecoded") > first + 20.0).then_some(())
        })
        .unwrap();
    let width = served
        .report(LIMIT, "the picture's size", |r| {
            Some(most(r, "frameWidth")).filter(|w| *w > 0.0)
        })
        .unwrap();
    assert_eq!(width, 640.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_publishes_through_whip() {
    let stage = Stage::set().unwrap();
    let (sfu, served) = (&stage.sfu, &stage.served);
    let exam = sfu.create_exam("Whip", "WHIP-1", &Policy::default()).unwrap();
    let token = stage.browser_candidate("WHIP-1", "Candidate 001").unwrap();
    let url = stage.url(&format!("/whip/{}", exam.id));
    let mut proctor = Watcher::enter(sfu, "ada", exam.id).await.unwrap();
    let _browser = stage
        .chromium(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }}, audio: true }});
             await publish(stream, '{url}', '{token}', 'H264');"
        ))
        .unwrap();
    proctor
        .until(LIMIT, "Chromium's publications", |w, _| w.publications.len() >= 2)
        .await
        .unwrap_or_else(|error| {
            let said = served.report(Duration::from_secs(1), "anything", |r| Some(r.clone()));
            panic!("{error:#}; the page said {said:?}");
        });
    let candidate = proctor.publications.keys().next().unwrap().participant;
    proctor
        .want(&[
            (candidate, PublicationKey::CAMERA, Layer::High),
            (candidate, PublicationKey::MICROPHONE, Layer::Low),
        ])
        .unwrap();
    let arrives = |w: &Watcher, _: &_| {
        w.of(candidate, PublicationKey::CAMERA).decoded >= 20
            && w.heard.get(&candidate).is_some_and(|h| h.packets >= 20)
    };
    proctor
        .until(LIMIT, "Chromium's camera and microphone", arrives)
        .await
        .unwrap();
    assert_eq!(proctor.of(candidate, PublicationKey::CAMERA).refused, 0);
}

/// Simulcast by rid, of a real browser: our own client moves between its layers, each of its size, and back.
#[tokio::test(flavor = "multi_thread")]
async fn the_layers_of_chromiums_simulcast_are_switched_between() {
    let stage = Stage::set().unwrap();
    let exam = stage.exam("WHIP-2").unwrap();
    let token = stage.browser_candidate("WHIP-2", "Candidate 001").unwrap();
    let url = stage.url(&format!("/whip/{exam}"));
    let mut proctor = Watcher::enter(&stage.sfu, "ada", exam).await.unwrap();
    let _browser = stage
        .chromium(&format!(
            "const video = {{ width: {{ exact: 1280 }}, height: {{ exact: 720 }}, frameRate: 15 }};
             const stream = await navigator.mediaDevices.getUserMedia({{ video }});
             const layer = (rid, by, kbps) => ({{ rid, scaleResolutionDownBy: by, maxBitrate: kbps * 1000 }});
             const layers = [layer('low', 4, 100), layer('mid', 2, 250), layer('high', 1, 600)];
             await publish(stream, '{url}', '{token}', 'H264', layers);"
        ))
        .unwrap();
    proctor
        .until(LIMIT, "Chromium's camera", |w, _| !w.publications.is_empty())
        .await
        .unwrap();
    let camera: PublicationRef = *proctor.publications.keys().next().unwrap();
    let offered: Vec<Layer> = proctor.publications[&camera]
        .layers
        .iter()
        .map(|layer| layer.rid)
        .collect();
    assert_eq!(offered, Layer::ALL);
    for (layer, width) in [
        (Layer::Low, 320),
        (Layer::Mid, 640),
        (Layer::High, 1280),
        (Layer::Low, 320),
    ] {
        proctor
            .want(&[(camera.participant, camera.publication, layer)])
            .unwrap();
        let mut shown = 0;
        let fits = |w: &Watcher, _: &_| {
            let seen = w.of(camera.participant, camera.publication);
            let right = seen.layer == Some(layer) && seen.width == width;
            shown = if right { shown + 1 } else { 0 };
            shown >= 10
        };
        proctor
            .until(LIMIT, &format!("the layer {layer:?} of {width} pixels"), fits)
            .await
            .unwrap();
    }
    let seen = proctor.of(camera.participant, camera.publication);
    assert_eq!(
        (seen.refused, seen.backwards),
        (0, 0),
        "no switch showed a broken picture"
    );
}

/// A candidate in VP8 and one in H.264, on one transport of one page.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_a_whole_exam_through_one_whep() {
    let stage = Stage::set().unwrap();
    let options = BotOptions {
        screen: false,
        ..BotOptions::whole(6)
    };
    let (exam, native) = stage.with_native("WHEP-2", &options).await.unwrap();
    let candidate = stage.browser_candidate("WHEP-2", "Candidate 002").unwrap();
    let proctor = stage.token(PROCTOR).unwrap();
    let whip = stage.url(&format!("/whip/{exam}"));
    let whep = stage.url(&format!("/whep/{exam}?layer=high"));
    let _browser = stage
        .chromium(&format!(
            "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
             await publish(stream, '{whip}', '{candidate}', 'VP8');
             await play(3, 1, '{whep}', '{proctor}');"
        ))
        .unwrap();
    let served = &stage.served;
    served
        .report(LIMIT, "the tracks' names", |r| {
            let named: Vec<&String> = r["named"].as_object()?.keys().collect();
            let camera = named.iter().any(|name| **name == format!("video {native}"));
            let microphone = named.iter().any(|name| **name == format!("audio {native}"));
            (camera && microphone).then_some(())
        })
        .unwrap();
    served
        .report(LIMIT, "both cameras decoded, H.264 and VP8", |r| {
            (decoding(r) == 2).then_some(())
        })
        .unwrap();
}

/// The page asks before anybody publishes. Both codecs come later, on lines that were answered when there was none to carry.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_watches_an_exam_plays_what_comes_later() {
    let stage = Stage::set().unwrap();
    let exam = stage.exam("WHEP-3").unwrap();
    stage.add_proctor().unwrap();
    let candidate = stage.browser_candidate("WHEP-3", "Candidate 002").unwrap();
    let proctor = stage.token(PROCTOR).unwrap();
    let whip = stage.url(&format!("/whip/{exam}"));
    let whep = stage.url(&format!("/whep/{exam}?layer=high"));
    let _browser = stage
        .chromium(&format!(
            "await play(2, 0, '{whep}', '{proctor}');
             const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
             await publish(stream, '{whip}', '{candidate}', 'VP8');"
        ))
        .unwrap();
    let served = &stage.served;
    served
        .report(LIMIT, "the VP8 camera that came later", |r| {
            (decoding(r) == 1).then_some(())
        })
        .unwrap();
    let options = BotOptions {
        screen: false,
        tone: None,
        ..BotOptions::whole(7)
    };
    stage.add_native("WHEP-3", &options).await.unwrap();
    served
        .report(LIMIT, "the H.264 camera that came last", |r| {
            (decoding(r) == 2).then_some(())
        })
        .unwrap();
}

/// The page's network goes on under new ICE credentials, and what it plays with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_restarts_ice_by_patch() {
    let stage = Stage::set().unwrap();
    let options = BotOptions {
        screen: false,
        tone: None,
        ..BotOptions::whole(8)
    };
    let (exam, candidate) = stage.with_native("WHEP-4", &options).await.unwrap();
    let token = stage.token(PROCTOR).unwrap();
    let url = stage.url(&format!("/whep/{exam}/{candidate}/camera/0"));
    let _browser = stage
        .chromium(&format!(
            r"const page = await play(1, 0, '{url}', '{token}');
             const decoded = async () => Math.max(...(await rtp(page.pc, 'inbound-rtp')).map((s) => s.framesDecoded || 0));
             while (await decoded() < 10) await new Promise((r) => setTimeout(r, 50));
             const answer = page.pc.remoteDescription.sdp;
             page.pc.restartIce();
             await page.pc.setLocalDescription(await page.pc.createOffer());
             while (page.pc.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 50));
             const wanted = /^(m=|a=(mid|ice-ufrag|ice-pwd|candidate|group))/;
             const body = page.pc.localDescription.sdp.split('\r\n').filter((l) => wanted.test(l)).join('\r\n') + '\r\n';
             const headers = {{ 'content-type': 'application/trickle-ice-sdpfrag', authorization: 'Bearer {token}', 'if-match': '*' }};
             const patched = await fetch(page.url, {{ method: 'PATCH', headers, body }});
             if (patched.status !== 200) throw new Error(patched.status + ' ' + await patched.text());
             const fragment = await patched.text();
             const of = (text, name) => new RegExp('a=' + name + ':(.*)').exec(text)[1].trim();
             const sdp = answer.replace(/a=ice-ufrag:.*/g, 'a=ice-ufrag:' + of(fragment, 'ice-ufrag'))
               .replace(/a=ice-pwd:.*/g, 'a=ice-pwd:' + of(fragment, 'ice-pwd'));
             await page.pc.setRemoteDescription({{ type: 'answer', sdp }});
             const before = await decoded();
             const selected = async () => {{
               const stats = await page.pc.getStats();
               const transport = [...stats.values()].find((s) => s.type === 'transport');
               return transport.iceLocalUsernameFragment;
             }};
             setInterval(async () => report({{ again: await decoded() - before, tag: patched.headers.get('etag') !== page.tag,
               ufrag: await selected() === of(body, 'ice-ufrag') }}), 200);"
        ))
        .unwrap();
    let said = stage
        .served
        .report(LIMIT, "pictures in the new ICE session", |r| {
            assert_eq!(r["error"], Value::Null, "the page failed");
            (r["again"].as_f64()? > 20.0 && r["ufrag"] == true).then(|| r["tag"].clone())
        })
        .unwrap();
    assert_eq!(said, true, "a new session has a new tag");
}
