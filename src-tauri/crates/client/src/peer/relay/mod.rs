//! The bridge to TURN servers: the `webrtc` crate speaks TURN over UDP only (RFC 8656), and this gives it a socket whose datagrams
//! go to a server over UDP, TCP or TLS.
//!
//! Each way has an address of its own from a documentation prefix, as ICE-TCP has (`peer::stream`), by which the crate knows the
//! server. The socket is none of the system's: what has no way to a relay goes nowhere, so a transport for relays only can't send
//! anything straight, whatever ICE would like; and no other program on the machine can speak to it, as it could to a port on
//! loopback.

mod leg;
pub(crate) mod server;

use super::tap::PathTap;
use crate::bounds::MAX_FRAMES_UNSENT;
use invigil_shared::signal::IceServer;
use leg::{Leg, head_start};
use parking_lot::Mutex;
use server::TurnServer;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use webrtc::peer_connection::RTCIceServer;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

/// RFC 5737: addresses for documentation, which no peer can have; another prefix than ICE-TCP's.
const THEIRS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Datagrams from relays that the crate has not read.
const MAX_UNREAD: usize = 512;
/// Ways that are open, those that are being left among them.
const MAX_OPEN: usize = 32;
/// How long a way stays after its successor was opened: allocations are given back on it.
const RETIRE: Duration = Duration::from_secs(5);

/// A datagram from a server.
type Inbound = (SocketAddr, Vec<u8>);

/// The ways of one transport to its relays.
pub(crate) struct Relays {
    tls: Arc<rustls::ClientConfig>,
    tap: Arc<PathTap>,
    ways: Mutex<Ways>,
    inbound: mpsc::Sender<Inbound>,
    /// For the one socket that reads them.
    unread: Mutex<Option<mpsc::Receiver<Inbound>>>,
}

#[derive(Default)]
struct Ways {
    open: BTreeMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    /// Never used twice for a while: what belongs to an earlier allocation must not be taken for a new one's.
    next_port: u16,
}

impl Relays {
    /// No way yet. `tls`: how servers' certificates are judged.
    pub fn new(tls: Arc<rustls::ClientConfig>, tap: Arc<PathTap>) -> Arc<Self> {
        let (inbound, unread) = mpsc::channel(MAX_UNREAD);
        Arc::new(Self {
            tls,
            tap,
            ways: Mutex::default(),
            inbound,
            unread: Mutex::new(Some(unread)),
        })
    }

    /// Opens ways to `servers` in place of those before; what the crate is to be told of them. Empty when none can be used.
    pub fn open(self: &Arc<Self>, servers: &[IceServer]) -> Vec<RTCIceServer> {
        let servers = TurnServer::of(servers);
        let Some(quickest) = servers.first().map(|server| server.kind) else {
            return Vec::new();
        };
        let answered = Arc::new(watch::Sender::new(false));
        let mut ways = self.ways.lock();
        let before: Vec<SocketAddr> = ways.open.keys().copied().collect();
        let mut told = Vec::new();
        for server in servers {
            ways.next_port = ways.next_port.checked_add(1).unwrap_or(1);
            if ways.open.len() >= MAX_OPEN {
                ways.open.pop_first();
            }
            let address = SocketAddr::new(THEIRS.into(), ways.next_port);
            told.push(RTCIceServer {
                urls: vec![format!("turn:{THEIRS}:{}?transport=udp", address.port())],
                username: server.username.clone(),
                credential: server.credential.clone(),
            });
            let (out, outbound) = mpsc::channel(MAX_FRAMES_UNSENT);
            ways.open.insert(address, out);
            let leg = Leg {
                wait: head_start(server.kind, quickest),
                server,
                address,
                answered: answered.clone(),
                outbound,
                inbound: self.inbound.clone(),
                tls: self.tls.clone(),
                tap: self.tap.clone(),
            };
            tokio::spawn(leg.run());
        }
        drop(ways);
        if !before.is_empty() {
            let relays = Arc::downgrade(self);
            tokio::spawn(async move {
                tokio::time::sleep(RETIRE).await;
                if let Some(relays) = relays.upgrade() {
                    relays.ways.lock().open.retain(|address, _| !before.contains(address));
                }
            });
        }
        told
    }

    fn send(&self, destination: SocketAddr, datagram: &[u8]) {
        if let Some(way) = self.ways.lock().open.get(&destination) {
            // What does not fit is lost, as on any full path.
            let _ = way.try_send(datagram.to_vec());
        }
    }

    /// The crate's socket, at the address of one that it has bound. There is one for each transport.
    pub fn socket(self: &Arc<Self>, bound: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let unread = self.unread.lock().take();
        let unread = unread.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        Ok(Arc::new(RelaySocket {
            local: bound.local_addr()?,
            _bound: bound,
            relays: self.clone(),
            unread: Mutex::new(unread),
        }))
    }
}

struct RelaySocket {
    local: SocketAddr,
    /// Nothing is read from or written to it: it keeps its port, which the crate knows this socket by, from others.
    _bound: std::net::UdpSocket,
    relays: Arc<Relays>,
    unread: Mutex<mpsc::Receiver<Inbound>>,
}

impl fmt::Debug for RelaySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelaySocket({})", self.local)
    }
}

impl AsyncUdpSocket for RelaySocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let whole = transmit.contents.len();
        for datagram in transmit.contents.chunks(transmit.segment_size.unwrap_or(whole).max(1)) {
            self.relays.send(transmit.destination, datagram);
        }
        Poll::Ready(Ok(whole))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let Some((from, datagram)) = std::task::ready!(self.unread.lock().poll_recv(cx)) else {
            return Poll::Pending; // not while `relays` is there
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (from, length, length.max(1));
        Poll::Ready(Ok(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{CertificateTrust, tls_config};
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    const STUN: [u8; 20] = [
        0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    /// Five bytes of data: three of padding on a stream.
    const DATA: [u8; 9] = [0x40, 0, 0, 5, 1, 2, 3, 4, 5];

    fn relays() -> Arc<Relays> {
        let tls = tls_config(CertificateTrust::Pinned([0; 32])).unwrap();
        Relays::new(tls, Arc::default())
    }

    fn server(url: String) -> IceServer {
        IceServer {
            urls: vec![url],
            username: Some("u".to_owned()),
            credential: Some("p".to_owned()),
        }
    }

    fn address_of(told: &RTCIceServer) -> SocketAddr {
        let place = told.urls[0].strip_prefix("turn:").unwrap().split('?').next().unwrap();
        place.parse().unwrap()
    }

    async fn send(socket: &Arc<dyn AsyncUdpSocket>, destination: SocketAddr, contents: &[u8]) {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        poll_fn(|cx| socket.poll_send(cx, &transmit)).await.unwrap();
    }

    async fn read(socket: &Arc<dyn AsyncUdpSocket>) -> (SocketAddr, Vec<u8>) {
        let (mut buffer, mut meta) = ([0; 2_000], [RecvMeta::default()]);
        let receive = poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta));
        let count = tokio::time::timeout(Duration::from_secs(20), receive).await;
        assert_eq!(count.expect("nothing came").unwrap(), 1);
        let (from, length) = (meta[0].addr, meta[0].len);
        (from, buffer[..length].to_vec())
    }

    fn socket(relays: &Arc<Relays>) -> Arc<dyn AsyncUdpSocket> {
        let bound = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        relays.socket(bound).unwrap()
    }

    #[tokio::test]
    async fn datagrams_travel_on_a_stream_with_padding_and_come_back_without() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relays = relays();
        let url = format!("turn:{}?transport=tcp", listener.local_addr().unwrap());
        let told = relays.open(&[server(url)]);
        let address = address_of(&told[0]);
        let socket = socket(&relays);
        send(&socket, address, &DATA).await;
        send(&socket, address, &STUN).await;
        let (mut far, _) = listener.accept().await.unwrap();
        let mut got = [0; 32];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(got, *[&DATA[..], &[0; 3], &STUN].concat());
        // Cut where it hurts: inside a head, and between data and padding.
        for piece in [&STUN[..2], &STUN[2..], &DATA, &[0; 3], &STUN] {
            far.write_all(piece).await.unwrap();
            far.flush().await.unwrap();
        }
        for wanted in [&STUN[..], &DATA, &STUN] {
            assert_eq!(read(&socket).await, (address, wanted.to_vec()));
        }
        assert_eq!(relays.tap.carrier(), crate::peer::carrier::Carrier::Relay);
        assert!(!relays.tap.take_failure());
        far.write_all(b"HTTP/1.1").await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(far.read_to_end(&mut rest).await.unwrap(), 0, "the stream is left");
        assert!(relays.tap.take_failure());
    }

    #[tokio::test]
    async fn a_slower_way_stays_shut_once_a_quicker_one_has_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let relays = relays();
        let place = listener.local_addr().unwrap();
        let both = [
            server(format!("turn:{place}?transport=tcp")),
            server(format!("turn:{}", far.local_addr().unwrap())),
        ];
        let told = relays.open(&both);
        let (udp, tcp) = (address_of(&told[0]), address_of(&told[1]));
        let socket = socket(&relays);
        send(&socket, udp, &STUN).await;
        send(&socket, tcp, &STUN).await;
        let mut buffer = [0; 100];
        let (length, from) = far.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], STUN);
        far.send_to(&STUN, from).await.unwrap();
        assert_eq!(read(&socket).await, (udp, STUN.to_vec()));
        // Its leg has ended unused: nothing takes what is sent to it.
        let way = relays.ways.lock().open[&tcp].clone();
        tokio::time::timeout(Duration::from_secs(20), way.closed())
            .await
            .expect("it waits on");
    }

    #[tokio::test]
    async fn what_has_no_way_to_a_relay_goes_nowhere() {
        let straight = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let relays = relays();
        let socket = socket(&relays);
        send(&socket, straight.local_addr().unwrap(), &STUN).await;
        assert!(straight.try_recv(&mut [0; 100]).is_err());
        assert!(
            relays
                .socket(std::net::UdpSocket::bind("127.0.0.1:0").unwrap())
                .is_err()
        );
        assert!(relays.open(&[]).is_empty());
    }

    #[tokio::test]
    async fn the_table_is_bounded_and_never_waits() {
        let relays = relays();
        for _ in 0..50 {
            relays.open(&[
                server("turn:127.0.0.1:9".to_owned()),
                server("turn:127.0.0.2:9".to_owned()),
            ]);
        }
        assert_eq!(relays.ways.lock().open.len(), MAX_OPEN);
        let last = *relays.ways.lock().open.last_key_value().unwrap().0;
        for _ in 0..10 * MAX_FRAMES_UNSENT {
            relays.send(last, &DATA);
        }
    }
}
