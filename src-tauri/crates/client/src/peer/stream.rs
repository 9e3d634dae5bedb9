//! ICE-TCP connections as the `webrtc` crate wants them, plain or inside TLS.
//!
//! The crate tells remote candidates apart by address alone, so a server that has UDP and TCP on one port number would be one
//! candidate to it. Each target therefore gets an address of its own from a documentation prefix, which nobody else can have, and
//! is connected to by this table. Writes never wait: the crate's driver would stand still with its socket.

use super::carrier::{Carrier, Target};
use super::tap::PathTap;
use crate::bounds::{CONNECT_DEADLINE, MAX_FRAMES_UNSENT};
use crate::trust::Authority;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use webrtc::runtime::{AsyncTcpListener, AsyncTcpStream};

/// Address of our side: the active candidate that the crate makes for a listener on loopback (RFC 6544 section 4.5: port 9).
const OURS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);
/// RFC 5737: an address for documentation, which no peer can have.
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Targets of one negotiation: a server announces a few addresses.
const MAX_TARGETS: usize = 16;
/// What the system may hold unsent before it says that the socket is full. More would be a queue that nothing is dropped from.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 32 * 1024;

/// Where the addresses that the crate knows lead to.
pub(crate) struct Targets {
    authority: Authority,
    tls: Arc<rustls::ClientConfig>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    targets: BTreeMap<SocketAddr, Target>,
    /// Never used twice for a while: a connection of an earlier negotiation must not be taken for a new one.
    next_port: u16,
}

impl Targets {
    /// `authority` and `tls`: those of signalling.
    pub fn new(authority: Authority, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            authority,
            tls,
            known: Mutex::default(),
        }
    }

    /// The candidate that makes the crate connect to `target`.
    pub fn candidate(&self, target: Target) -> String {
        let mut known = self.known.lock();
        known.next_port = known.next_port.checked_add(1).unwrap_or(1);
        let port = known.next_port;
        if known.targets.len() >= MAX_TARGETS {
            known.targets.pop_first();
        }
        known.targets.insert(SocketAddr::new(THEIRS.into(), port), target);
        // RFC 6544 section 4.2: passive, and TLS behind plain TCP.
        let preference = 4 << 13 | u32::from(target.carrier() == Carrier::Tcp);
        let priority = 126 << 24 | preference << 8 | 255;
        format!("candidate:T{port} 1 tcp {priority} {THEIRS} {port} typ host tcptype passive")
    }

    /// Connects to what `address` stands for.
    pub async fn connect(&self, address: SocketAddr, tap: Arc<PathTap>) -> io::Result<Arc<dyn AsyncTcpStream>> {
        let target = self.known.lock().targets.get(&address).copied();
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let connect = async {
            match target {
                Target::Tcp(place) => {
                    let stream = TcpStream::connect(place).await?;
                    tune(&stream)?;
                    Ok(Stream::start(stream, Carrier::Tcp, address, tap))
                }
                Target::Tls => {
                    let stream = self.authority.connect().await.map_err(io::Error::other)?;
                    tune(&stream)?;
                    let name = self.authority.server_name().map_err(io::Error::other)?;
                    let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
                    let stream = connector.connect(name, stream).await?;
                    Ok(Stream::start(stream, Carrier::Tls, address, tap))
                }
            }
        };
        let connected: io::Result<Stream> = tokio::time::timeout(CONNECT_DEADLINE, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match connected {
            Ok(stream) => Ok(Arc::new(stream)),
            Err(error) => {
                tracing::debug!(?target, %error, "a media connection could not be made");
                Err(error)
            }
        }
    }
}

pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    #[cfg(not(target_os = "linux"))]
    socket2::SockRef::from(stream).set_send_buffer_size(64 * 1024)?;
    Ok(())
}

/// One connection. Its writing side is a task that ends with it.
struct Stream {
    reader: tokio::sync::Mutex<Box<dyn AsyncRead + Send + Unpin>>,
    frames: mpsc::Sender<Vec<u8>>,
    carrier: Carrier,
    theirs: SocketAddr,
    tap: Arc<PathTap>,
}

impl Stream {
    fn start<S>(stream: S, carrier: Carrier, theirs: SocketAddr, tap: Arc<PathTap>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (frames, waiting) = mpsc::channel(MAX_FRAMES_UNSENT);
        tokio::spawn(write(writer, waiting, tap.clone()));
        Self {
            reader: tokio::sync::Mutex::new(Box::new(reader)),
            frames,
            carrier,
            theirs,
            tap,
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Vec<u8>>, tap: Arc<PathTap>) {
    while let Some(frame) = frames.recv().await {
        let written = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        match written.await {
            Ok(()) => tap.sent(frame.len()),
            Err(error) => {
                tracing::debug!(%error, "a media connection failed");
                return tap.fail();
            }
        }
    }
    let _ = writer.shutdown().await;
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.carrier)
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AsyncTcpStream for Stream {
    fn read<'a, 'b>(&'a self, buf: &'b mut [u8]) -> Boxed<'b, io::Result<usize>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            let read = self.reader.lock().await.read(buf).await;
            match &read {
                Ok(bytes) if *bytes > 0 => self.tap.heard(*bytes, self.carrier),
                _ => self.tap.fail(),
            }
            read
        })
    }

    /// One frame a call. What does not fit is lost, as on any full path; the error of a dead connection is the tap's to tell.
    fn write_all<'a, 'b>(&'a self, buf: &'b [u8]) -> Boxed<'b, io::Result<()>>
    where
        'a: 'b,
    {
        if let Err(mpsc::error::TrySendError::Closed(_)) = self.frames.try_send(buf.to_vec()) {
            self.tap.fail();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(OURS)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.theirs)
    }
}

/// Stands for a listener: the crate makes its active candidate from one. Nothing listens on a candidate's machine.
#[derive(Debug)]
pub(crate) struct Deaf(pub SocketAddr);

impl AsyncTcpListener for Deaf {
    fn accept<'a>(&'a self) -> Boxed<'a, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
        Box::pin(pending())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{CertificateTrust, tls_config};
    use std::time::Duration;

    fn targets() -> Targets {
        let tls = tls_config(CertificateTrust::Pinned([0; 32])).unwrap();
        Targets::new(Authority::parse("127.0.0.1:1").unwrap(), tls)
    }

    fn address_of(candidate: &str) -> SocketAddr {
        match Target::parse(candidate) {
            Some(Target::Tcp(address)) => address,
            other => panic!("{candidate} is {other:?}"),
        }
    }

    #[tokio::test]
    async fn each_candidate_leads_to_its_own_target() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        let (targets, tap) = (targets(), Arc::new(PathTap::default()));
        let one = address_of(&targets.candidate(Target::Tcp(place)));
        let two = address_of(&targets.candidate(Target::Tls));
        assert_ne!(one, two);
        let stream = targets.connect(one, tap.clone()).await.unwrap();
        assert_eq!((stream.local_addr().unwrap(), stream.peer_addr().unwrap()), (OURS, one));
        let (mut far, _) = listener.accept().await.unwrap();
        stream.write_all(b"frame").await.unwrap();
        let mut got = [0; 5];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"frame");
        far.write_all(b"answer").await.unwrap();
        let mut got = [0; 10];
        assert_eq!(stream.read(&mut got).await.unwrap(), 6);
        assert_eq!(tap.carrier(), Carrier::Tcp);
        assert!(!tap.take_failure());
        drop(far);
        assert_eq!(stream.read(&mut got).await.unwrap(), 0);
        assert!(tap.take_failure(), "an end is a failure of the path");
        let unknown = SocketAddr::new(THEIRS.into(), 60_000);
        assert!(targets.connect(unknown, tap).await.is_err());
    }

    /// The driver of a transport must not stand still because a peer reads nothing.
    #[tokio::test]
    async fn writing_never_waits() {
        let (_far, near) = tokio::io::duplex(16);
        let stream = Stream::start(near, Carrier::Tcp, OURS, Arc::new(PathTap::default()));
        for _ in 0..10 * MAX_FRAMES_UNSENT {
            let written = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&[7; 1_200]));
            written.await.expect("a write waited").unwrap();
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let targets = targets();
        for _ in 0..3 * usize::from(u16::MAX) / 2 {
            targets.candidate(Target::Tls);
        }
        assert_eq!(targets.known.lock().targets.len(), MAX_TARGETS);
    }
}
