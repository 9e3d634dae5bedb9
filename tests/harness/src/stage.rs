//! A server and a page for a browser to open, which publishes and plays through WHIP and WHEP and reports what it decodes.

use crate::bot::{Bot, BotOptions};
use crate::chromium;
use crate::firefox::Firefox;
use crate::page::Page;
use crate::process::Process;
use crate::sfu::Sfu;
use crate::watcher::PASSWORD;
use anyhow::{Context, Result};
use invigil_shared::exam::Policy;
use invigil_shared::id::{ExamId, ParticipantId};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What every page can do: `post` an offer and set its answer, the same by nothing but the relays that the answer names, `publish` a stream in a codec, `play` on so many m-lines; the
/// statistics of what is received (and of what `publish` sends, as `sent`) are reported twice a second.
const COMMON: &str = r#"
const report = (o) => fetch('/report', { method: 'POST', body: JSON.stringify(o) });
addEventListener('unhandledrejection', (e) => report({ error: String(e.reason) }));
const post = async (pc, url, token) => {
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { 'content-type': 'application/sdp', authorization: 'Bearer ' + token };
  const answer = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
  if (answer.status !== 201) throw new Error(answer.status + ' ' + await answer.text());
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  const resource = { url: new URL(answer.headers.get('location'), url), tag: answer.headers.get('etag') };
  while (pc.connectionState !== 'connected') await new Promise((r) => setTimeout(r, 50));
  return resource;
};
const iceServers = (link) => link.split(/, (?=<)/).map((one) => {
  const field = (name) => new RegExp(name + '="(.*?)"').exec(one)?.[1];
  return { urls: /<(.*?)>/.exec(one)[1], username: field('username'), credential: field('credential') };
});
const postThroughRelay = async (pc, url, token) => {
  const offer = await pc.createOffer();
  const headers = { 'content-type': 'application/sdp', authorization: 'Bearer ' + token };
  const answer = await fetch(url, { method: 'POST', headers, body: offer.sdp });
  if (answer.status !== 201) throw new Error(answer.status + ' ' + await answer.text());
  pc.setConfiguration({ iceServers: iceServers(answer.headers.get('link')), iceTransportPolicy: 'relay' });
  await pc.setLocalDescription(offer);
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  while (pc.connectionState !== 'connected') await new Promise((r) => setTimeout(r, 50));
};
const rtp = async (pc, type) => [...(await pc.getStats()).values()].filter((s) => s.type === type);
const publish = async (stream, url, token, codec, encodings) => {
  const pc = new RTCPeerConnection();
  for (const track of stream.getTracks()) {
    const init = { direction: 'sendonly', streams: [stream] };
    if (track.kind === 'video' && encodings) init.sendEncodings = encodings;
    const t = pc.addTransceiver(track, init);
    if (track.kind !== 'video') continue;
    const known = RTCRtpSender.getCapabilities('video').codecs;
    t.setCodecPreferences(known.filter((c) => c.mimeType === 'video/' + codec || c.mimeType === 'video/rtx'));
  }
  const resource = await post(pc, url, token);
  setInterval(async () => report({ sent: await rtp(pc, 'outbound-rtp') }), 500);
  return { pc, ...resource };
};
const play = async (video, audio, url, token) => {
  const pc = new RTCPeerConnection();
  const named = {};
  pc.ontrack = (e) => {
    named[e.track.kind + ' ' + e.streams[0].id] = true;
    const element = document.createElement(e.track.kind);
    Object.assign(element, { autoplay: true, muted: true, playsInline: true, srcObject: new MediaStream([e.track]) });
    document.body.append(element);
  };
  for (let i = 0; i < audio; i++) pc.addTransceiver('audio', { direction: 'recvonly' });
  for (let i = 0; i < video; i++) pc.addTransceiver('video', { direction: 'recvonly' });
  const resource = await post(pc, url, token);
  setInterval(async () => report({ named, state: pc.connectionState, stats: await rtp(pc, 'inbound-rtp') }), 500);
  return { pc, ...resource };
};
"#;

/// Arguments of `invigil-sfu token` for Ada, whom [`Stage::with_native`] and [`Stage::add_proctor`] make.
pub const PROCTOR: &[&str] = &["--role", "proctor", "--user", "ada@tests.example"];

pub struct Stage {
    folder: tempfile::TempDir,
    page: Arc<Mutex<String>>,
    pub served: Page,
    pub sfu: Sfu,
}

impl Stage {
    pub fn set() -> Result<Self> {
        Self::with("127.0.0.1:0", |_| Ok(Vec::new()))
    }

    /// For a browser that doesn't look for anybody on loopback: media comes and goes by this machine's own address.
    pub fn on_own_address() -> Result<Self> {
        Self::with("0.0.0.0:0", |_| Ok(Vec::new()))
    }

    /// Media on an address, and further arguments of `serve`, made in the stage's folder. The page is served before the server
    /// starts, which has to know its origin.
    pub fn with(media: &str, arguments: impl FnOnce(&Path) -> Result<Vec<String>>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let more = arguments(folder.path())?;
        let page = Arc::new(Mutex::new(String::new()));
        let served = Page::serve_later(page.clone())?;
        let mut arguments = vec!["--origin", &served.origin];
        arguments.extend(more.iter().map(String::as_str));
        let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", media, &arguments)?;
        Ok(Self {
            folder,
            page,
            served,
            sfu,
        })
    }

    /// An exam that takes test pictures.
    pub fn exam(&self, code: &str) -> Result<ExamId> {
        let policy = Policy {
            allow_test_picture: true,
            ..Policy::default()
        };
        Ok(self.sfu.create_exam("In a browser", code, &policy)?.id)
    }

    /// A candidate of our own client, and its id.
    pub async fn add_native(&self, code: &str, options: &BotOptions) -> Result<ParticipantId> {
        let link = self.sfu.add_candidate(code, "Candidate 001", None)?;
        let bot = Bot::join(&link, options).await?;
        let candidate = bot.join.participant;
        tokio::spawn(bot.run());
        Ok(candidate)
    }

    /// An exam with one candidate of our own client, and the candidate's id.
    pub async fn with_native(&self, code: &str, options: &BotOptions) -> Result<(ExamId, ParticipantId)> {
        let exam = self.exam(code)?;
        let candidate = self.add_native(code, options).await?;
        self.add_proctor()?;
        Ok((exam, candidate))
    }

    pub fn add_proctor(&self) -> Result<()> {
        self.sfu.add_user("ada@tests.example", "Ada", "proctor", PASSWORD)
    }

    /// What `invigil-sfu token` prints.
    pub fn token(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.sfu.command(&[&["token"], arguments].concat(), None)?;
        Ok(printed.trim().to_owned())
    }

    /// A candidate that sits the exam in a browser, and its token.
    pub fn browser_candidate(&self, code: &str, label: &str) -> Result<String> {
        self.sfu.add_candidate(code, label, None)?;
        self.token(&["--role", "candidate", "--exam", code, "--entry", label])
    }

    /// The URL of a path of the server.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.sfu.ready.https)
    }

    fn write(&self, body: &str) -> Result<()> {
        let mut page = self.page.lock().ok().context("a page's writer failed")?;
        *page = format!("<!doctype html><body><script>{COMMON}(async () => {{ {body} }})()</script>");
        Ok(())
    }

    /// Opens a page that runs `body`. The browser ends when dropped.
    pub fn chromium(&self, body: &str) -> Result<Process> {
        self.write(body)?;
        let (spki, logs) = (self.sfu.spki()?, self.folder.path().join("logs"));
        chromium::open(&self.served.origin, &spki, self.folder.path(), &logs)
    }

    /// The same in Firefox.
    pub async fn firefox(&self, body: &str) -> Result<Firefox> {
        self.write(body)?;
        let logs = self.folder.path().join("logs");
        Firefox::open(&self.served.origin, self.folder.path(), &logs).await
    }
}

/// The values of `field` in a report's streams (`stats` or `sent`) of one kind.
///
/// # Errors
/// When the page says that it failed.
pub fn values(report: &Value, streams: &str, kind: &str, field: &str) -> Result<Vec<f64>> {
    if let Some(error) = report["error"].as_str() {
        anyhow::bail!("the page failed: {error}");
    }
    let streams = report[streams].as_array().into_iter().flatten();
    Ok(streams
        .filter(|stream| stream["kind"] == kind)
        .filter_map(|stream| stream[field].as_f64())
        .collect())
}
