//! Janus, Debian's package, with a configuration of its own: the videoroom plugin, spoken to by its HTTP interface.
//!
//! Janus offers no loopback candidates, so the load's sockets are on this machine's own address; packets to it stay inside.

use super::Target;
use anyhow::{Context, Result, bail};
use invigil_peer::sdp::{Line, Media};
use invigil_peer::wire::Endpoint;
use serde_json::{Value, json};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROOM: u64 = 1;
const START: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(10);

pub struct Janus {
    process: Child,
    base: String,
    address: IpAddr,
    /// What every publisher sends, to subscribe to: feed, mid and kind.
    streams: Vec<(u64, String, Media)>,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// A session with a handle of the plugin.
struct Handle {
    session: u64,
    handle: u64,
}

pub fn installed() -> bool {
    Path::new("/usr/bin/janus").exists()
}

/// The address that this machine reaches others from; nothing is sent.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket
        .connect("198.51.100.1:9")
        .context("Janus needs an address of this machine that is not loopback")?;
    Ok(socket.local_addr()?.ip())
}

impl Janus {
    pub fn start(folder: &Path, people: usize) -> Result<Self> {
        let address = own_address()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = folder.join("janus");
        std::fs::create_dir(&config)?;
        // Only what is used is loaded: no other plugin's or transport's threads.
        let general = format!(
            "general: {{ debug_level = 3\n session_timeout = 0\n }}\n\
             nat: {{ ice_enforce_list = \"{address}\"\n ice_lite = false\n full_trickle = false\n }}\n\
             plugins: {{ disable = \"{}\" }}\n\
             transports: {{ disable = \"libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_websockets.so\" }}\n",
            others("/usr/lib/x86_64-linux-gnu/janus/plugins", "libjanus_videoroom.so")
        );
        std::fs::write(config.join("janus.jcfg"), general)?;
        let http = format!(
            "general: {{ json = \"compact\"\n base_path = \"/janus\"\n http = true\n port = {port}\n ip = \"127.0.0.1\"\n https = false\n }}\nadmin: {{ admin_http = false }}\n"
        );
        std::fs::write(config.join("janus.transport.http.jcfg"), http)?;
        std::fs::write(config.join("janus.plugin.videoroom.jcfg"), "general: {}\n")?;
        let log = std::fs::File::create(folder.join("janus.log"))?;
        let process = Command::new("/usr/bin/janus")
            .arg("--configs-folder")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't start janus")?;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let this = Self {
            process,
            base: format!("http://127.0.0.1:{port}/janus"),
            address,
            streams: Vec::new(),
            http: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        let end = Instant::now() + START;
        while this.get("/info").is_err() {
            if Instant::now() > end {
                let log = std::fs::read_to_string(folder.join("janus.log")).unwrap_or_default();
                bail!("janus did not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let handle = this.attach()?;
        let room = json!({
            "request": "create", "room": ROOM, "publishers": people, "videocodec": "h264", "audiocodec": "opus",
            "fir_freq": 0, "transport_wide_cc_ext": true, "notify_joining": false
        });
        let made = this.send(&handle, &room, None)?;
        if made["plugindata"]["data"]["videoroom"] != "created" {
            bail!("janus made no room: {made}");
        }
        Ok(this)
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        self.runtime.block_on(async {
            let text = self.http.get(url).timeout(ANSWER).send().await?.text().await?;
            Ok(serde_json::from_str(&text)?)
        })
    }

    fn post(&self, path: &str, mut body: Value) -> Result<Value> {
        body["transaction"] = json!(format!("{:x}", rand::random::<u64>()));
        let url = format!("{}{path}", self.base);
        self.runtime.block_on(async {
            let request = self.http.post(url).timeout(ANSWER).body(body.to_string());
            let answer: Value = serde_json::from_str(&request.send().await?.text().await?)?;
            if answer["janus"] == "error" {
                bail!("janus: {answer}");
            }
            Ok(answer)
        })
    }

    fn attach(&self) -> Result<Handle> {
        let made = self.post("", json!({"janus": "create"}))?;
        let session = made["data"]["id"].as_u64().context("janus gave no session")?;
        let attach = json!({"janus": "attach", "plugin": "janus.plugin.videoroom"});
        let attached = self.post(&format!("/{session}"), attach)?;
        let handle = attached["data"]["id"].as_u64().context("janus gave no handle")?;
        Ok(Handle { session, handle })
    }

    /// A request to the plugin and its answer, which comes at once or as an event.
    fn send(&self, at: &Handle, body: &Value, jsep: Option<Value>) -> Result<Value> {
        let mut message = json!({"janus": "message", "body": body});
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let answer = self.post(&format!("/{}/{}", at.session, at.handle), message)?;
        if answer["janus"] != "ack" {
            return Ok(answer);
        }
        let end = Instant::now() + ANSWER;
        while Instant::now() < end {
            let event = self
                .get(&format!("/{}?maxev=1", at.session))
                .with_context(|| format!("waiting for the answer to {}", body["request"]))?;
            let data = &event["plugindata"]["data"];
            if !data["error"].is_null() {
                bail!("janus: {data}");
            }
            // Others' comings and goings are told on the same way.
            let news = data["publishers"].is_array() && data["videoroom"] == "event";
            if event["janus"] == "event" && !news {
                return Ok(event);
            }
        }
        bail!("janus did not answer {body}")
    }
}

/// The names of all modules in a folder but one.
fn others(folder: &str, kept: &str) -> String {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names
        .filter(|name| name.ends_with(".so") && name != kept)
        .collect::<Vec<_>>()
        .join(",")
}

impl Target for Janus {
    fn address(&self) -> IpAddr {
        self.address
    }

    fn publish(&mut self, index: usize, offer: &str) -> Result<String> {
        let at = self.attach()?;
        let feed = index as u64 + 1;
        let join = json!({"request": "join", "ptype": "publisher", "room": ROOM, "id": feed});
        self.send(&at, &join, None)?;
        let jsep = json!({"type": "offer", "sdp": offer});
        let answer = self.send(&at, &json!({"request": "publish"}), Some(jsep))?;
        let sdp = answer["jsep"]["sdp"]
            .as_str()
            .with_context(|| format!("no answer: {answer}"))?;
        for section in invigil_peer::sdp::parse(sdp, self.address)?.sections {
            let media = if section.media == "audio" {
                Media::Audio
            } else {
                Media::Video
            };
            self.streams.push((feed, section.mid, media));
        }
        Ok(sdp.to_owned())
    }

    fn watch(&mut self, _index: usize, _offer: &str) -> Result<String> {
        bail!("janus makes the offers to those who watch")
    }

    fn play(&mut self, _index: usize, wire: &mut Endpoint, lines: &[Line]) -> Result<()> {
        let mut left =
            [Media::Video, Media::Audio].map(|media| lines.iter().filter(|line| line.media == media).count());
        let mut streams = Vec::new();
        for (feed, mid, media) in &self.streams {
            let left = &mut left[usize::from(*media == Media::Audio)];
            if *left > 0 {
                *left -= 1;
                streams.push(json!({"feed": feed, "mid": mid}));
            }
        }
        let at = self.attach()?;
        let join = json!({"request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams});
        let offered = self.send(&at, &join, None)?;
        let offer = offered["jsep"]["sdp"]
            .as_str()
            .with_context(|| format!("no offer: {offered}"))?;
        let answer = wire.accept(offer)?;
        let jsep = json!({"type": "answer", "sdp": answer});
        self.send(&at, &json!({"request": "start"}), Some(jsep)).map(drop)
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
