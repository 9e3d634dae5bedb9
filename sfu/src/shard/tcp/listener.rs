//! The shard's own TCP port (RFC 6544, passive), with the number of its UDP port.

use super::admission::Admission;
use super::connection::carry;
use super::lane::TcpGate;
use crate::shutdown::ShutdownSignal;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections that the kernel completes before they are accepted: a hall that joins at once.
const BACKLOG: i32 = 1_024;
/// After `accept` failed (no file descriptors left): time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What the kernel may hold unsent before it says that the socket is full. More would be a queue that we can't drop from.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 32 * 1024;

/// Binds to `address`. An IPv6 socket takes IPv6 only, so that both families can share a port.
pub(in crate::shard) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A server that was killed comes back to its port, although old connections linger there. On Windows the option would let
    // two servers share it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Makes a stream fit for media: nothing is held back, nothing queues where it can't be dropped.
pub fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(target_os = "linux"))]
    let _ = SockRef::from(stream).set_send_buffer_size(128 * 1024);
}

/// Serves the shard's listeners until the shutdown begins.
pub(super) async fn serve(gate: TcpGate, admission: Admission, shutdown: ShutdownSignal) {
    let mut listeners = JoinSet::new();
    for listener in gate.take_listeners() {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                listeners.spawn(accept(listener, gate.clone(), admission.clone(), shutdown.clone()));
            }
            Err(error) => tracing::error!(%error, "a media listener can't be served"),
        }
    }
    while listeners.join_next().await.is_some() {}
}

async fn accept(listener: tokio::net::TcpListener, gate: TcpGate, admission: Admission, mut shutdown: ShutdownSignal) {
    // Dropped with the loop, which ends the connections.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.begun() => return,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (gate, admission) = (gate.clone(), admission.clone());
                connections.spawn(async move {
                    tune(&stream);
                    carry(&gate, &admission, stream, peer, &[]).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a media connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
