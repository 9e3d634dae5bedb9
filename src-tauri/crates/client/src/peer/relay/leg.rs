//! One way to a TURN server: carries the datagrams that the `webrtc` crate makes for it, over UDP as they are, over TCP and TLS as
//! RFC 8656 section 2.1 has them on a stream.

use super::Inbound;
use super::server::{LegKind, TurnServer};
use crate::bounds::CONNECT_DEADLINE;
use crate::peer::carrier::Carrier;
use crate::peer::stream::tune;
use crate::peer::tap::PathTap;
use invigil_shared::turn_frames::{self, MAX_MESSAGE};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

/// A quicker way has so long to itself, as UDP has before ICE-TCP and that before TLS (`peer::carrier`).
const HEAD_STARTS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(250), Duration::from_millis(750)];

/// When a way may be tried, where `quickest` is the quickest that there is.
pub(super) fn head_start(kind: LegKind, quickest: LegKind) -> Duration {
    HEAD_STARTS[kind as usize].saturating_sub(HEAD_STARTS[quickest as usize])
}

pub(super) struct Leg {
    pub server: TurnServer,
    /// The crate knows the server by it.
    pub address: SocketAddr,
    pub wait: Duration,
    /// True once any way has brought something back: those that were not tried by then stay shut.
    pub answered: Arc<watch::Sender<bool>>,
    /// What the crate sends; the leg ends with it.
    pub outbound: mpsc::Receiver<Vec<u8>>,
    pub inbound: mpsc::Sender<Inbound>,
    pub tls: Arc<rustls::ClientConfig>,
    pub tap: Arc<PathTap>,
}

impl Leg {
    pub async fn run(self) {
        let mut answered = self.answered.subscribe();
        tokio::select! {
            biased;
            // The one that it waits for is in `self`, so that it can't be gone.
            _ = answered.wait_for(|answered| *answered), if !self.wait.is_zero() => return,
            () = tokio::time::sleep(self.wait) => {}
        }
        let (at, kind) = (self.server.at.clone(), self.server.kind);
        if let Err(error) = self.carry().await {
            tracing::debug!(%at, ?kind, %error, "a way to a relay has ended");
        }
    }

    async fn carry(self) -> io::Result<()> {
        let at = &self.server.at;
        let connect = async {
            match self.server.kind {
                LegKind::Udp => Ok(None),
                LegKind::Tcp | LegKind::Tls => at.connect().await.map(Some).map_err(io::Error::other),
            }
        };
        let stream = within(connect).await?;
        let Some(stream) = stream else {
            return self.datagrams().await;
        };
        tune(&stream)?;
        if self.server.kind == LegKind::Tcp {
            return self.stream(stream).await;
        }
        let name = at.server_name().map_err(io::Error::other)?;
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let stream = within(connector.connect(name, stream)).await?;
        self.stream(stream).await
    }

    /// Hands on what came, or loses it where nobody reads: as on any full path.
    fn heard(&self, message: &[u8]) {
        self.answered.send_replace(true);
        self.tap.heard(message.len(), Carrier::Relay);
        let _ = self.inbound.try_send((self.address, message.to_vec()));
    }

    async fn datagrams(mut self) -> io::Result<()> {
        let place = (self.server.at.host.as_str(), self.server.at.port);
        let far = within(tokio::net::lookup_host(place)).await?.next();
        let far = far.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let own: SocketAddr = if far.is_ipv4() {
            ([0; 4], 0).into()
        } else {
            ([0u16; 8], 0).into()
        };
        let socket = UdpSocket::bind(own).await?;
        // Nobody else's datagrams are received then.
        socket.connect(far).await?;
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            tokio::select! {
                message = self.outbound.recv() => {
                    let Some(message) = message else { return Ok(()) };
                    match socket.send(&message).await {
                        Ok(bytes) => self.tap.sent(bytes),
                        Err(error) => self.tap.note(&error),
                    }
                }
                length = socket.recv(&mut buffer) => match length {
                    Ok(length) => self.heard(&buffer[..length]),
                    // Nobody there (yet): the crate asks again, and gives up in its time.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => {
                        self.tap.note(&error);
                        return Err(error);
                    }
                },
            }
        }
    }

    async fn stream(mut self, stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        // Not more than the leg lasts: the writer goes with the reader.
        let mut outbound = std::mem::replace(&mut self.outbound, mpsc::channel(1).1);
        let tap = self.tap.clone();
        let write = async move {
            while let Some(message) = outbound.recv().await {
                writer.write_all(&message).await?;
                writer.write_all(turn_frames::padding(&message)).await?;
                writer.flush().await?;
                tap.sent(message.len());
            }
            let _ = writer.shutdown().await;
            io::Result::Ok(())
        };
        let read = async {
            let mut buffer = Vec::with_capacity(MAX_MESSAGE);
            loop {
                if reader.read_buf(&mut buffer).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                let mut taken = 0;
                while let Some(span) = turn_frames::first(&buffer[taken..]).map_err(io::Error::other)? {
                    self.heard(&buffer[taken..taken + span.message]);
                    taken += span.whole;
                }
                buffer.drain(..taken);
                buffer.reserve(MAX_MESSAGE - buffer.len());
            }
        };
        let ended: io::Result<()> = tokio::select! {
            ended = write => ended,
            ended = read => ended,
        };
        if ended.is_err() {
            // Its allocation is gone with it.
            self.tap.fail();
        }
        ended
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_DEADLINE, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_way_waits_for_nobody() {
        use LegKind::{Tcp, Tls, Udp};
        assert_eq!(head_start(Udp, Udp), Duration::ZERO);
        assert_eq!(head_start(Tls, Udp), Duration::from_millis(750));
        assert_eq!(head_start(Tcp, Tcp), Duration::ZERO);
        assert_eq!(head_start(Tls, Tcp), Duration::from_millis(500));
    }
}
