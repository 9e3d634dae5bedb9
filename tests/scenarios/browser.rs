//! Headless Chromium, a peer that we did not write, plays a candidate through WHEP and publishes through WHIP.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_shared::exam::Policy;
use invigil_shared::id::{ExamId, ParticipantId};
use invigil_shared::publication::{Layer, PublicationKey};
use invigil_tests::bot::{Bot, BotOptions};
use invigil_tests::chromium;
use invigil_tests::page::Page;
use invigil_tests::sfu::Sfu;
use invigil_tests::watcher::{PASSWORD, Watcher};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// What both pages share: a call that posts an offer and sets the answer, and reports of the connection's statistics.
const COMMON: &str = r"
const report = (o) => fetch('/report', { method: 'POST', body: JSON.stringify(o) });
const go = async (pc, url, token) => {
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { 'content-type': 'application/sdp', authorization: 'Bearer ' + token };
  const answer = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
  if (answer.status !== 201) throw new Error(answer.status + ' ' + await answer.text());
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  setInterval(async () => {
    const stats = [...(await pc.getStats()).values()].filter((s) => /bound-rtp$/.test(s.type));
    report({ state: pc.connectionState, stats });
  }, 500);
};
addEventListener('unhandledrejection', (e) => report({ error: String(e.reason) }));
";

fn page(body: &str) -> String {
    format!(
        "<!doctype html><video id=v autoplay muted playsinline></video><script>{COMMON}(async () => {{ {body} }})()</script>"
    )
}

/// A server, and a page for a browser to open: it is served before the server starts, which has to know its origin.
struct Stage {
    folder: tempfile::TempDir,
    page: Arc<Mutex<String>>,
    served: Page,
    sfu: Sfu,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = Arc::new(Mutex::new(String::new()));
        let served = Page::serve_later(page.clone()).unwrap();
        let arguments = ["--origin", &served.origin];
        let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", "127.0.0.1:0", &arguments).unwrap();
        Self {
            folder,
            page,
            served,
            sfu,
        }
    }

    /// An exam with one candidate of our own client, and the candidate's id.
    async fn with_native(&self, code: &str, options: &BotOptions) -> (ExamId, ParticipantId) {
        let policy = Policy {
            allow_test_picture: true,
            ..Policy::default()
        };
        let exam = self.sfu.create_exam("In a browser", code, &policy).unwrap();
        let link = self.sfu.add_candidate(code, "Candidate 001", None).unwrap();
        let bot = Bot::join(&link, options).await.unwrap();
        let candidate = bot.join.participant;
        tokio::spawn(bot.run());
        self.sfu
            .add_user("ada@tests.example", "Ada", "proctor", PASSWORD)
            .unwrap();
        (exam.id, candidate)
    }

    fn token(&self, arguments: &[&str]) -> String {
        let printed = self.sfu.command(&[&["token"], arguments].concat(), None).unwrap();
        printed.trim().to_owned()
    }

    /// Opens a page that runs `body`. The browser ends when dropped.
    fn open(&self, body: &str) -> impl Sized + use<> {
        *self.page.lock().unwrap() = page(body);
        let (spki, logs) = (self.sfu.spki().unwrap(), self.folder.path().join("logs"));
        chromium::open(&self.served.origin, &spki, self.folder.path(), &logs).unwrap()
    }
}

const PROCTOR: &[&str] = &["--role", "proctor", "--user", "ada@tests.example"];

fn number(report: &Value, kind: &str, field: &str) -> u64 {
    if let Some(error) = report["error"].as_str() {
        panic!("the page failed: {error}");
    }
    let stats = report["stats"].as_array().into_iter().flatten();
    stats
        .filter(|s| s["kind"] == kind)
        .filter_map(|s| s[field].as_u64())
        .max()
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_a_candidate_through_whep() {
    let stage = Stage::set();
    let options = BotOptions {
        tone: None,
        ..BotOptions::whole(5)
    };
    let (exam, candidate) = stage.with_native("WHEP-1", &options).await;
    let (token, https) = (stage.token(PROCTOR), &stage.sfu.ready.https);
    let url = format!("https://{https}/whep/{exam}/{candidate}/camera/0?layer=high");
    let _browser = stage.open(&format!(
        "const pc = new RTCPeerConnection(); pc.ontrack = (e) => {{ v.srcObject = new MediaStream([e.track]); }};
         pc.addTransceiver('video', {{ direction: 'recvonly' }}); await go(pc, '{url}', '{token}');"
    ));
    let served = &stage.served;
    let first = served
        .report(LIMIT, "decoded frames in Chromium", |r| {
            Some(number(r, "video", "framesDecoded")).filter(|n| *n > 5)
        })
        .unwrap();
    served
        .report(LIMIT, "more decoded frames", |r| {
            (number(r, "video", "framesDecoded") > first + 20).then_some(())
        })
        .unwrap();
    let width = served
        .report(LIMIT, "the picture's size", |r| {
            Some(number(r, "video", "frameWidth")).filter(|w| *w > 0)
        })
        .unwrap();
    assert_eq!(width, 640);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_publishes_through_whip() {
    let stage = Stage::set();
    let (sfu, served) = (&stage.sfu, &stage.served);
    let exam = sfu.create_exam("Whip", "WHIP-1", &Policy::default()).unwrap();
    sfu.add_candidate("WHIP-1", "Candidate 001", None).unwrap();
    let token = stage.token(&["--role", "candidate", "--exam", "WHIP-1", "--entry", "Candidate 001"]);
    let url = format!("https://{}/whip/{}", sfu.ready.https, exam.id);
    let mut proctor = Watcher::enter(sfu, "ada", exam.id).await.unwrap();
    let _browser = stage.open(&format!(
        "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }}, audio: true }});
         const pc = new RTCPeerConnection();
         for (const track of stream.getTracks()) {{
           const t = pc.addTransceiver(track, {{ direction: 'sendonly', streams: [stream] }});
           if (track.kind === 'video') {{
             const h264 = RTCRtpSender.getCapabilities('video').codecs.filter((c) => c.mimeType === 'video/H264' || c.mimeType === 'video/rtx');
             t.setCodecPreferences(h264);
           }}
         }}
         await go(pc, '{url}', '{token}');"
    ));
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

/// A candidate in VP8 and one in H.264, on one transport of one page.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_a_whole_exam_through_one_whep() {
    let stage = Stage::set();
    let options = BotOptions {
        screen: false,
        ..BotOptions::whole(6)
    };
    let (exam, native) = stage.with_native("WHEP-2", &options).await;
    stage.sfu.add_candidate("WHEP-2", "Candidate 002", None).unwrap();
    let candidate = stage.token(&["--role", "candidate", "--exam", "WHEP-2", "--entry", "Candidate 002"]);
    let (proctor, https) = (stage.token(PROCTOR), &stage.sfu.ready.https);
    let whip = format!("https://{https}/whip/{exam}");
    let whep = format!("https://{https}/whep/{exam}?layer=high");
    let _browser = stage.open(&format!(
        "const stream = await navigator.mediaDevices.getUserMedia({{ video: {{ width: 640, height: 360 }} }});
         const mine = new RTCPeerConnection();
         const sender = mine.addTransceiver(stream.getVideoTracks()[0], {{ direction: 'sendonly', streams: [stream] }});
         sender.setCodecPreferences(RTCRtpSender.getCapabilities('video').codecs.filter((c) => /VP8|rtx/.test(c.mimeType)));
         const post = (url, token, sdp) => fetch(url, {{ method: 'POST', headers: {{ 'content-type': 'application/sdp', authorization: 'Bearer ' + token }}, body: sdp }});
         await mine.setLocalDescription(await mine.createOffer());
         const answer = await post('{whip}', '{candidate}', mine.localDescription.sdp);
         await mine.setRemoteDescription({{ type: 'answer', sdp: await answer.text() }});
         while (mine.connectionState !== 'connected') await new Promise((r) => setTimeout(r, 50));
         const pc = new RTCPeerConnection();
         const named = {{}};
         pc.ontrack = (e) => {{ named[e.track.kind + ' ' + e.streams[0].id] = true; v.srcObject = new MediaStream([e.track]); report({{ named }}); }};
         pc.addTransceiver('audio', {{ direction: 'recvonly' }});
         for (let i = 0; i < 3; i++) pc.addTransceiver('video', {{ direction: 'recvonly' }});
         await go(pc, '{whep}', '{proctor}');"
    ));
    let served = &stage.served;
    let decoding = |report: &Value| -> Vec<u64> {
        assert_eq!(report["error"], Value::Null, "the page failed");
        let stats = report["stats"].as_array().into_iter().flatten();
        let decoded = stats
            .filter(|s| s["kind"] == "video")
            .filter_map(|s| s["framesDecoded"].as_u64());
        decoded.filter(|frames| *frames > 10).collect()
    };
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
            (decoding(r).len() == 2).then_some(())
        })
        .unwrap();
}
