//! One signalling connection: frames out, answers matched by id, everything else handed on, pings for life and clock.

use crate::bounds::{CONNECT_DEADLINE, LINK_SILENCE, MAX_PENDING, PING_INTERVAL, REQUEST_DEADLINE};
use crate::clock::ServerClock;
use crate::error::ClientError;
use crate::ice::IceSetup;
use crate::rest::Api;
use crate::trust::untrusted;
use futures_util::{SinkExt, StreamExt};
use invigil_shared::SUBPROTOCOL;
use invigil_shared::codec::{decode_server, encode};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::RequestId;
use invigil_shared::limits::{MAX_CLIENT_QUEUE, MAX_SDP, MAX_WRITE_BUFFER};
use invigil_shared::signal::{ClientFrame, ClientMessage, ServerMessage};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

type Socket = WebSocketStream<TlsStream<TcpStream>>;
type Answer = Result<ServerMessage, ClientError>;

/// tungstenite's default would allocate 128 KiB a connection; our frames are small but for SDP.
const READ_BUFFER: usize = 16 * 1024;

/// Between looks whether this computer still has the address that the connection leaves by. Gone at two of them: on another
/// network nothing comes back to it, and waiting for [`LINK_SILENCE`] would cost ten seconds of pictures.
const ADDRESS_LOOK: Duration = Duration::from_millis(500);

/// What a link hands on.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Box<ServerMessage>),
    /// The last one. The reason is the server's, when it gave one.
    Closed(Option<ErrorCode>),
}

enum Outgoing {
    Request(ClientMessage, Option<RequestId>, oneshot::Sender<Answer>),
    Notice(ClientMessage),
}

/// A handle of an open connection. When the last one is dropped the connection closes.
#[derive(Clone)]
pub(crate) struct Link {
    out: mpsc::Sender<Outgoing>,
    /// Tells one connection from the next.
    pub generation: u64,
}

impl Link {
    /// Opens a connection and its task. Nothing has been authenticated yet. `ice`: follows what the server says of relays.
    pub async fn open(
        api: &Api,
        clock: ServerClock,
        ice: watch::Sender<Option<IceSetup>>,
        generation: u64,
    ) -> Result<(Self, mpsc::Receiver<Incoming>), ClientError> {
        let socket = tokio::time::timeout(CONNECT_DEADLINE, dial(api))
            .await
            .map_err(|_| ClientError::Unreachable("no answer in time".to_owned()))??;
        let (out, out_end) = mpsc::channel(MAX_CLIENT_QUEUE);
        let (incoming, incoming_end) = mpsc::channel(MAX_CLIENT_QUEUE);
        let task = Task {
            socket,
            incoming,
            clock,
            ice,
            pending: HashMap::new(),
            next_id: 1,
            last_error: None,
        };
        tokio::spawn(task.run(out_end));
        Ok((Self { out, generation }, incoming_end))
    }

    /// Puts a request on the wire now; the future is its answer.
    pub fn request(&self, message: ClientMessage) -> impl Future<Output = Answer> + Send + 'static + use<> {
        self.ask(message, None)
    }

    /// The same for what is done once, however often it is asked for with this id.
    pub fn request_once(
        &self,
        message: ClientMessage,
        once: RequestId,
    ) -> impl Future<Output = Answer> + Send + 'static + use<> {
        self.ask(message, Some(once))
    }

    fn ask(
        &self,
        message: ClientMessage,
        once: Option<RequestId>,
    ) -> impl Future<Output = Answer> + Send + 'static + use<> {
        let (answer, wait) = oneshot::channel();
        let sent = self.out.try_send(Outgoing::Request(message, once, answer));
        async move {
            match sent {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return Err(ClientError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(closed()),
            }
            match tokio::time::timeout(REQUEST_DEADLINE, wait).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(closed()),
                Err(_) => Err(ClientError::Unreachable("no answer in time".to_owned())),
            }
        }
    }

    /// Sends without wanting an answer; false when the queue is full or the link is gone.
    pub fn notify(&self, message: ClientMessage) -> bool {
        self.out.try_send(Outgoing::Notice(message)).is_ok()
    }
}

/// Whether this computer has that address now. Nothing is sent.
fn has_address(address: IpAddr) -> bool {
    let bound = UdpSocket::bind((address, 0));
    bound.map_or_else(|error| error.kind() != io::ErrorKind::AddrNotAvailable, |_| true)
}

fn closed() -> ClientError {
    ClientError::Unreachable("the link closed".to_owned())
}

async fn dial(api: &Api) -> Result<Socket, ClientError> {
    let authority = api.authority();
    let stream = authority.connect().await?;
    let tls = tokio_rustls::TlsConnector::from(api.tls())
        .connect(authority.server_name()?, stream)
        .await;
    let tls = tls.map_err(|e| match untrusted(&e) {
        Some(reason) => ClientError::Untrusted(reason),
        None => ClientError::Unreachable(e.to_string()),
    })?;
    let mut request = format!("wss://{authority}/api/v1/signal")
        .into_client_request()
        .map_err(|_| ClientError::BadAuthority)?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0) // every frame is for now
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(MAX_SDP))
        .max_frame_size(Some(MAX_SDP));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, tls, Some(config))
        .await
        .map_err(|e| match e {
            WsError::Http(response) => ClientError::BadAnswer(format!("HTTP {}", response.status())),
            WsError::Protocol(e) => ClientError::BadAnswer(e.to_string()),
            e => ClientError::Unreachable(e.to_string()),
        })?;
    Ok(socket)
}

struct Task {
    socket: Socket,
    incoming: mpsc::Sender<Incoming>,
    clock: ServerClock,
    ice: watch::Sender<Option<IceSetup>>,
    pending: HashMap<u32, oneshot::Sender<Answer>>,
    next_id: u32,
    last_error: Option<ErrorCode>,
}

impl Task {
    async fn run(mut self, mut out: mpsc::Receiver<Outgoing>) {
        let mut heard = Instant::now();
        // The first pings come close together: the shortest round trip of a few is a good clock at once.
        let mut pings = 0u32;
        let mut next_ping = tokio::time::Instant::now();
        let leaves_by = self.socket.get_ref().get_ref().0.local_addr().ok();
        let mut address_look = tokio::time::interval(ADDRESS_LOOK);
        let mut gone = 0;
        loop {
            let silence = tokio::time::Instant::from_std(heard + LINK_SILENCE);
            let alive = tokio::select! {
                outgoing = out.recv() => match outgoing {
                    Some(Outgoing::Request(message, once, answer)) => self.request(message, once, Some(answer)).await,
                    Some(Outgoing::Notice(message)) => self.write(ClientFrame { id: None, once: None, message }).await,
                    None => false,
                },
                frame = self.socket.next() => match frame {
                    Some(Ok(frame)) => {
                        heard = Instant::now();
                        self.read(frame).await
                    }
                    Some(Err(_)) | None => false,
                },
                () = tokio::time::sleep_until(next_ping) => {
                    pings += 1;
                    next_ping += if pings <= 3 { Duration::from_millis(300) } else { PING_INTERVAL };
                    self.pending.retain(|_, answer| !answer.is_closed());
                    let ping = ClientMessage::Ping { t0: self.clock.local_us() };
                    self.request(ping, None, None).await
                }
                () = tokio::time::sleep_until(silence) => false,
                _ = address_look.tick() => {
                    let has = leaves_by.is_none_or(|address| has_address(address.ip()));
                    gone = if has { 0 } else { gone + 1 };
                    gone < 2
                }
            };
            if !alive {
                break;
            }
        }
        // Whoever waits for an answer hears of it through the dropped sender.
        self.pending.clear();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
        let _ = self.incoming.send(Incoming::Closed(self.last_error)).await;
    }

    async fn request(
        &mut self,
        message: ClientMessage,
        once: Option<RequestId>,
        answer: Option<oneshot::Sender<Answer>>,
    ) -> bool {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        if let Some(answer) = answer {
            if self.pending.len() >= MAX_PENDING {
                let _ = answer.send(Err(ClientError::Busy));
                return true;
            }
            self.pending.insert(id, answer);
        }
        self.write(ClientFrame {
            id: Some(id),
            once,
            message,
        })
        .await
    }

    async fn write(&mut self, frame: ClientFrame) -> bool {
        let text = match encode(&frame) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a message can't be encoded");
                return true;
            }
        };
        matches!(
            tokio::time::timeout(LINK_SILENCE, self.socket.send(Message::text(text))).await,
            Ok(Ok(()))
        )
    }

    async fn read(&mut self, frame: Message) -> bool {
        let text = match frame {
            Message::Text(text) => text,
            Message::Close(_) => return false,
            _ => return true,
        };
        let frame = match decode_server(text.as_str()) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "an unreadable frame from the server");
                if let Some(answer) = error.id.and_then(|id| self.pending.remove(&id)) {
                    let _ = answer.send(Err(ClientError::BadAnswer(error.body.to_string())));
                }
                return true;
            }
        };
        if let ServerMessage::Pong { t0, t1, t2 } = frame.message {
            self.clock.add(t0, t1, t2);
            return true;
        }
        if let Some(id) = frame.id {
            let answer = match frame.message {
                ServerMessage::Error { error } => Err(ClientError::Refused(error)),
                message => Ok(message),
            };
            if let Some(waiting) = self.pending.remove(&id) {
                let _ = waiting.send(answer);
            } else if let Err(ClientError::Refused(error)) = answer {
                // The answer to a notice: nobody waits, but the reason of a close can come this way.
                self.last_error = Some(error.code);
            }
            return true;
        }
        match frame.message {
            ServerMessage::Unknown => return true,
            // Known before whatever the server says next: transports depend on it.
            ServerMessage::IceConfig { servers, relay_only } => {
                self.ice.send_replace(Some(IceSetup { servers, relay_only }));
                return true;
            }
            ServerMessage::Error { ref error } => self.last_error = Some(error.code),
            _ => {}
        }
        let hand_on = self.incoming.send(Incoming::Message(Box::new(frame.message)));
        matches!(tokio::time::timeout(LINK_SILENCE, hand_on).await, Ok(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_as_long_as_this_computer_has_it() {
        assert!(has_address("127.0.0.1".parse().unwrap()));
        // For documentation only (RFC 5737): nobody has it.
        assert!(!has_address("192.0.2.1".parse().unwrap()));
    }
}
