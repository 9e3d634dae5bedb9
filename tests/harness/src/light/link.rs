//! Signalling for light clients: one WebSocket, read by whoever holds it. Unlike the client crate's it never comes back by
//! itself: under load a lost link is a finding.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use invigil_client::clock::wall_us;
use invigil_client::trust::{Authority, CertificateTrust, tls_config};
use invigil_shared::codec::{decode_server, encode};
use invigil_shared::id::ExamId;
use invigil_shared::limits::{MAX_PARTICIPANTS, MAX_PUBLICATIONS, MAX_SDP};
use invigil_shared::signal::{ClientFrame, ClientMessage, RoomState, ServerMessage};
use invigil_shared::{PROTOCOL_VERSION, SUBPROTOCOL};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// An answer has to be there after this.
const PATIENCE: Duration = Duration::from_secs(20);
/// What may come before an answer: a full room is told person by person and publication by publication, and changes meanwhile.
const MAX_EARLY: usize = 2 * MAX_PARTICIPANTS * (1 + MAX_PUBLICATIONS);

/// Where a server is and how it is known.
#[derive(Clone)]
pub struct Server {
    authority: Authority,
    tls: std::sync::Arc<rustls::ClientConfig>,
}

impl Server {
    /// `certificate`: SHA-256 in hexadecimal.
    pub fn new(authority: &str, certificate: &str) -> Result<Self> {
        let trust = CertificateTrust::pinned_hex(certificate).context("not a SHA-256")?;
        Ok(Self {
            authority: Authority::parse(authority)?,
            tls: tls_config(trust)?,
        })
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub fn tls(&self) -> std::sync::Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    /// An open WebSocket on which nothing was said yet.
    pub async fn open(&self) -> Result<WebSocketStream<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect((self.authority.host.as_str(), self.authority.port)).await?;
        stream.set_nodelay(true)?;
        let name = rustls::pki_types::ServerName::try_from(self.authority.host.clone())?;
        let tls = tokio_rustls::TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await?;
        let mut request = format!("wss://{}/api/v1/signal", self.authority).into_client_request()?;
        let protocol = HeaderValue::from_static(SUBPROTOCOL);
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_SDP))
            .max_frame_size(Some(MAX_SDP));
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, tls, Some(config)).await?;
        Ok(socket)
    }
}

pub struct Link {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    next_id: u32,
    /// What came while an answer was awaited.
    early: VecDeque<ServerMessage>,
}

impl Link {
    /// Connects, authenticates and enters the room.
    pub async fn enter(server: &Server, token: &str, exam: ExamId) -> Result<(Self, Box<RoomState>)> {
        let mut link = Self {
            socket: server.open().await?,
            next_id: 1,
            early: VecDeque::new(),
        };
        let authenticated = link.request(ClientMessage::AuthRequest {
            token: token.to_owned(),
            version: PROTOCOL_VERSION,
            client: "invigil-load/light".to_owned(),
            platform: "linux".to_owned(),
            features: Vec::new(),
        });
        authenticated.await.context("auth:request")?;
        match link.request(ClientMessage::RoomJoin { exam }).await? {
            ServerMessage::RoomState(room) => Ok((link, room)),
            other => bail!("room:join was answered with {other:?}"),
        }
    }

    /// Sends a request and reads until its answer is there.
    pub async fn request(&mut self, message: ClientMessage) -> Result<ServerMessage> {
        let id = self.next_id;
        self.next_id += 1;
        self.write(ClientFrame {
            id: Some(id),
            once: None,
            message,
        })
        .await?;
        let answered = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.read().await? {
                    (Some(of), message) if of == id => return anyhow::Ok(message),
                    // The answer to a notice.
                    (Some(_), _) => {}
                    (None, message) if self.early.len() < MAX_EARLY => self.early.push_back(message),
                    (None, _) => bail!("the server says too much"),
                }
            }
        });
        match answered.await.context("no answer in time")?? {
            ServerMessage::Error { error } => bail!("refused: {error}"),
            message => Ok(message),
        }
    }

    /// Sends without wanting to hear of it.
    pub async fn notify(&mut self, message: ClientMessage) -> Result<()> {
        self.write(ClientFrame {
            id: None,
            once: None,
            message,
        })
        .await
    }

    /// A sign of life.
    pub async fn ping(&mut self) -> Result<()> {
        self.notify(ClientMessage::Ping { t0: wall_us() }).await
    }

    /// The next message that is no answer. Can be dropped without losing any.
    pub async fn receive(&mut self) -> Result<ServerMessage> {
        if let Some(message) = self.early.pop_front() {
            return Ok(message);
        }
        loop {
            if let (None, message) = self.read().await? {
                return Ok(message);
            }
        }
    }

    async fn write(&mut self, frame: ClientFrame) -> Result<()> {
        self.socket
            .send(Message::text(encode(&frame)?))
            .await
            .context("the link")
    }

    async fn read(&mut self) -> Result<(Option<u32>, ServerMessage)> {
        loop {
            match self.socket.next().await.context("the link ended")?? {
                Message::Text(text) => {
                    let frame = decode_server(text.as_str()).map_err(|error| anyhow::anyhow!("{error}"))?;
                    return Ok((frame.id, frame.message));
                }
                Message::Close(reason) => bail!("the server closed the link: {reason:?}"),
                _ => {}
            }
        }
    }
}
