//! Our own eye on the path: when a datagram last came, and what the socket said. ICE's own states take 2.6 to 12.6 s to notice
//! a dead path; ICE's checks come back four times a second on a live one, whatever media does.

use super::carrier::Carrier;
use super::relay::Relays;
use super::stream::{Deaf, Targets};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

/// Counters of one transport's sockets.
#[derive(Debug)]
pub(crate) struct PathTap {
    started: Instant,
    /// Microseconds since `started`; 0 before the first datagram.
    heard_us: AtomicU64,
    pub received_bytes: AtomicU64,
    pub sent_bytes: AtomicU64,
    failed: AtomicBool,
    /// What was heard last came by it.
    carrier: AtomicU8,
    /// Loss that the far end reported last, 0 to 255 (RFC 3550 section 6.4.1).
    pub fraction_lost: AtomicU64,
    dead: AtomicBool,
}

impl Default for PathTap {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            heard_us: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            carrier: AtomicU8::new(Carrier::Udp as u8),
            fraction_lost: AtomicU64::new(0),
            dead: AtomicBool::new(false),
        }
    }
}

impl PathTap {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn heard(&self, bytes: usize, carrier: Carrier) {
        self.carrier.store(carrier as u8, Ordering::Relaxed);
        let now = self.now_us().max(1);
        self.heard_us.store(now, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What carried the last that was heard.
    pub fn carrier(&self) -> Carrier {
        match self.carrier.load(Ordering::Relaxed) {
            carrier if carrier == Carrier::Tcp as u8 => Carrier::Tcp,
            carrier if carrier == Carrier::Tls as u8 => Carrier::Tls,
            carrier if carrier == Carrier::Relay as u8 => Carrier::Relay,
            _ => Carrier::Udp,
        }
    }

    /// Since the last datagram; none before the first.
    pub fn silence(&self) -> Option<Duration> {
        match self.heard_us.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_micros(self.now_us().saturating_sub(at))),
        }
    }

    /// True once after a socket error that means "no way there": unreachable network or host, interface gone.
    pub fn take_failure(&self) -> bool {
        self.failed.swap(false, Ordering::Relaxed)
    }

    /// A connection has ended.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn note(&self, error: &io::Error) {
        let kind = error.kind();
        let transient = matches!(
            kind,
            io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
        );
        if !transient {
            self.fail();
        }
    }
}

/// tokio's runtime with a tap in each socket, which knows where ICE-TCP has to go.
pub(crate) struct TappedRuntime {
    pub tap: Arc<PathTap>,
    pub targets: Arc<Targets>,
    /// Of a transport that goes through them only.
    pub relays: Option<Arc<Relays>>,
}

impl fmt::Debug for TappedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TappedRuntime")
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for TappedRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }
    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if let Some(relays) = &self.relays {
            return relays.socket(socket);
        }
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(TappedSocket {
            inner,
            tap: self.tap.clone(),
        }))
    }
    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        // Closed again: it is wanted for its candidate only.
        Ok(Arc::new(Deaf(listener.local_addr()?)))
    }
    fn connect_tcp<'a>(&'a self, remote_addr: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(self.targets.connect(remote_addr, self.tap.clone()))
    }
    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        TokioRuntime.resolve_host(host)
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }
    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }
    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

struct TappedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    tap: Arc<PathTap>,
}

impl fmt::Debug for TappedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for TappedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.inner.poll_send(cx, transmit);
        match &sent {
            Poll::Ready(Ok(bytes)) => {
                self.tap.sent(*bytes);
            }
            Poll::Ready(Err(error)) => self.tap.note(error),
            Poll::Pending => {}
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(cx, bufs, meta);
        match &received {
            Poll::Ready(Ok(messages)) => {
                let bytes = meta.iter().take(*messages).map(|m| m.len).sum();
                self.tap.heard(bytes, Carrier::Udp);
            }
            Poll::Ready(Err(error)) => self.tap.note(error),
            Poll::Pending => {}
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }
    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

impl PathTap {
    /// The driver of this transport has stopped.
    pub fn mark_dead(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}
