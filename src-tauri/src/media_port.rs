//! The media port: pictures for the window over one WebSocket on loopback.
//!
//! Everything on this machine can connect to a loopback port: a connection needs the newest token, which is good for one
//! use, and an Origin that only the app's own pages have. A newer window takes the place of the one before.

use crate::clock::wall_us;
use crate::media_queue::{MediaQueue, Picture, TILES};
use futures_util::{SinkExt, StreamExt};
use invigil_view::common;
use invigil_view::media::{MAX_MESSAGE, MediaReply};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// What the app's own pages send as Origin: WebKitGTK and WKWebView, then WebView2.
pub const ORIGINS: &[&str] = &["tauri://localhost", "http://tauri.localhost"];
/// Handshakes at the same time: a page makes one, a stranger on this machine gets no more of our time.
const MAX_HANDSHAKES: usize = 4;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A window that takes nothing for this long is gone or hangs.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Pictures that come within this time travel in one message.
const TICK: Duration = Duration::from_millis(25);
/// Longest text of a window.
const MAX_REPLY: usize = 4 * 1024;
/// Replies that wait for the app: 300 drawn pictures a second in measure mode, for two seconds.
const MAX_EVENTS: usize = 600;
const TOKEN_BYTES: usize = 32;

/// What comes from the window.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// A window is connected, with empty decoders.
    Attached,
    /// The tile can't go on without a key frame.
    KeyWanted { tile: u16 },
    /// Always [`MediaReply::Drawn`].
    Drawn(MediaReply),
}

struct Shared {
    port: u16,
    token: Mutex<Option<String>>,
    queue: Mutex<MediaQueue>,
    pushed: Notify,
    /// Counts windows; a connection ends when it is no longer the newest.
    window: watch::Sender<u64>,
    events: mpsc::Sender<MediaEvent>,
    clock_offset: AtomicI64,
    /// Width and height of each tile's box, device pixels, in the halves of a number; 0 as long as the window has not said.
    boxes: [AtomicU32; TILES],
}

/// How the window is to draw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drawing {
    pub software_canvas: bool,
    pub decode_in_app: bool,
    pub measure: bool,
}

/// The port. Clones are handles of the same one.
#[derive(Clone)]
pub struct MediaPort(Arc<Shared>);

impl MediaPort {
    /// Listens on a free port of 127.0.0.1 and serves it on the current tokio runtime.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub async fn open() -> io::Result<(Self, mpsc::Receiver<MediaEvent>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (events, received) = mpsc::channel(MAX_EVENTS);
        let port = Self(Arc::new(Shared {
            port: listener.local_addr()?.port(),
            token: Mutex::new(None),
            queue: Mutex::new(MediaQueue::default()),
            pushed: Notify::new(),
            window: watch::Sender::new(0),
            events,
            clock_offset: AtomicI64::new(0),
            boxes: [const { AtomicU32::new(0) }; TILES],
        }));
        tokio::spawn(serve(listener, port.clone()));
        Ok((port, received))
    }

    /// A fresh token for one connection; the one before is void.
    pub fn admit(&self, drawing: Drawing) -> common::MediaPort {
        let token = invigil_shared::chain::hex(&rand::random::<[u8; TOKEN_BYTES]>());
        *self.0.token.lock() = Some(token.clone());
        common::MediaPort {
            port: self.0.port,
            token,
            software_canvas: drawing.software_canvas,
            decode_in_app: drawing.decode_in_app,
            measure: drawing.measure,
        }
    }

    /// Shows a picture, or drops it when the window is behind. Never blocks.
    pub fn push(&self, picture: Picture) {
        self.0.queue.lock().push(picture, Instant::now());
        self.0.pushed.notify_one();
    }

    /// From now on the tile shows another source.
    pub fn forget(&self, tile: u16) {
        self.0.queue.lock().forget(tile);
    }

    /// The tile can't go on without a key frame: whoever decodes for the window says so.
    pub fn want_key(&self, tile: u16) {
        let _ = self.0.events.try_send(MediaEvent::KeyWanted { tile });
    }

    /// The box in which the window shows a tile, device pixels; none as long as it has not said.
    pub fn box_of(&self, tile: u16) -> Option<(u16, u16)> {
        let size = self.0.boxes.get(usize::from(tile))?.load(Ordering::Relaxed);
        let (width, height) = ((size >> 16) as u16, size as u16);
        (width > 0 && height > 0).then_some((width, height))
    }

    /// Server time minus wall clock, microseconds: messages are stamped in server time.
    pub fn set_clock_offset(&self, offset: i64) {
        self.0.clock_offset.store(offset, Ordering::Relaxed);
    }

    /// Takes the token when it is the newest and unused.
    fn take_token(&self, offered: &str) -> bool {
        let mut token = self.0.token.lock();
        // The comparison's time must not tell how much of a guess was right.
        let fits = token.as_deref().is_some_and(|token| {
            token.len() == offered.len() && token.bytes().zip(offered.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
        });
        if fits {
            *token = None;
        }
        fits
    }
}

async fn serve(listener: TcpListener, port: MediaPort) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "media port: accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let port = port.clone();
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(stream, &port)).await;
            drop(permit);
            match shaken {
                Ok(Ok(socket)) => {
                    let ended = converse(socket, &port).await;
                    tracing::debug!(?ended, "media port: window gone");
                }
                Ok(Err(error)) => tracing::warn!(%error, "media port: connection refused"),
                Err(_) => tracing::warn!("media port: handshake took too long"),
            }
        });
    }
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn handshake(stream: TcpStream, port: &MediaPort) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    // A picture must not wait for Nagle's algorithm.
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_REPLY))
        .max_frame_size(Some(MAX_REPLY))
        .max_write_buffer_size(2 * MAX_MESSAGE);
    // The type is the library's.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if admitted(request, port) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    };
    tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config)).await
}

fn admitted(request: &Request, port: &MediaPort) -> bool {
    let origin = request.headers().get("origin").and_then(|value| value.to_str().ok());
    if !origin.is_some_and(|origin| ORIGINS.contains(&origin)) {
        return false;
    }
    let token = request.uri().query().and_then(|query| query.strip_prefix("token="));
    request.uri().path() == "/" && token.is_some_and(|token| port.take_token(token))
}

#[derive(Debug)]
enum Ended {
    Closed,
    Replaced,
    Stuck,
    Failed,
}

async fn converse(socket: Socket, port: &MediaPort) -> Ended {
    let shared = &port.0;
    let mut mine = 0;
    shared.window.send_modify(|window| {
        *window += 1;
        mine = *window;
    });
    let mut newest = shared.window.subscribe();
    shared.queue.lock().attach();
    shared.boxes.iter().for_each(|size| size.store(0, Ordering::Relaxed));
    let _ = shared.events.try_send(MediaEvent::Attached);
    let ended = tokio::select! {
        _ = newest.wait_for(|window| *window != mine) => Ended::Replaced,
        ended = exchange(socket, shared) => ended,
    };
    if *shared.window.borrow() == mine {
        shared.queue.lock().detach();
    }
    ended
}

async fn exchange(socket: Socket, shared: &Shared) -> Ended {
    let (mut sink, mut stream) = socket.split();
    let mut next_send = tokio::time::Instant::now();
    loop {
        let ready = shared.queue.lock().ready();
        tokio::select! {
            biased;
            received = stream.next() => match received {
                Some(Ok(Message::Text(text))) => reply(&text, shared),
                Some(Ok(Message::Close(_))) | None => return Ended::Closed,
                Some(Ok(_)) => {}
                Some(Err(_)) => return Ended::Failed,
            },
            () = tokio::time::sleep_until(next_send), if ready => {
                let now = wall_us() + shared.clock_offset.load(Ordering::Relaxed);
                let message = shared.queue.lock().take(now);
                if let Some(message) = message {
                    let sent = tokio::time::timeout(SEND_TIMEOUT, sink.send(Message::Binary(Bytes::from(message)))).await;
                    match sent {
                        Ok(Ok(())) => next_send = tokio::time::Instant::now() + TICK,
                        Ok(Err(_)) => return Ended::Failed,
                        Err(_) => return Ended::Stuck,
                    }
                }
            }
            () = shared.pushed.notified(), if !ready => {}
        }
        let keys = shared.queue.lock().keys_wanted(Instant::now());
        for tile in keys {
            let _ = shared.events.try_send(MediaEvent::KeyWanted { tile });
        }
    }
}

fn reply(text: &str, shared: &Shared) {
    match serde_json::from_str(text) {
        Ok(MediaReply::Ack { sequence }) => shared.queue.lock().acknowledge(sequence),
        Ok(MediaReply::Key { tile }) => shared.queue.lock().needs_key(tile),
        Ok(MediaReply::Size { tile, width, height }) => {
            if let Some(size) = shared.boxes.get(usize::from(tile)) {
                size.store(u32::from(width) << 16 | u32::from(height), Ordering::Relaxed);
            }
        }
        Ok(drawn @ MediaReply::Drawn { .. }) => {
            if shared.events.try_send(MediaEvent::Drawn(drawn)).is_err() {
                tracing::warn!("media port: the app does not keep up with what is drawn");
            }
        }
        Err(error) => tracing::debug!(%error, "media port: a reply that is none"),
    }
}

#[cfg(test)]
mod tests;
