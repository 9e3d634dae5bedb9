//! The HTTPS port: connections capped, handshakes and headers with deadlines, ended gracefully. A connection that begins with a
//! framed STUN request carries media: it is for networks that let nothing else through.

use super::begun::Begun;
use crate::api::{Peer, Place};
use crate::shard::tcp::{self, Door, Look};
use crate::shutdown::ShutdownSignal;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

/// How long a TLS handshake, and the head of a request, may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// After `accept` failed (no file descriptors left): time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Accepts until the shutdown begins, then returns when the connections have ended.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    router: Router,
    door: Door,
    places: Arc<Semaphore>,
    mut shutdown: ShutdownSignal,
) {
    let capacity = places.available_permits();
    loop {
        // Waiting for a place first: what can't be served stays in the kernel's backlog.
        let place = tokio::select! {
            () = shutdown.begun() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = shutdown.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Looked at for each: the certificate may be another by now.
                let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
                let (router, door) = (router.clone(), door.clone());
                let (place, mut shutdown) = (Place(Arc::new(place)), shutdown.clone());
                tokio::spawn(async move {
                    let Some((stream, begun, look)) = begin(stream, peer, acceptor).await else {
                        return;
                    };
                    if matches!(look, Look::Media(_)) {
                        tcp::tune(stream.get_ref().0);
                        tokio::select! {
                            () = shutdown.begun() => {}
                            () = door.enter(stream, peer, &begun) => {}
                        }
                    } else {
                        http(Begun::new(begun, stream), peer, place, router, shutdown).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Every place is free again when every connection has ended.
    let all = u32::try_from(capacity).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

/// The TLS handshake, and what the connection begins with.
async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
) -> Option<(TlsStream<TcpStream>, Vec<u8>, Look)> {
    // Signalling frames are small and wanted now.
    let _ = stream.set_nodelay(true);
    let begin = async {
        let mut stream = acceptor.accept(stream).await?;
        let mut begun = Vec::new();
        loop {
            match tcp::look(&begun) {
                Look::More if stream.read_buf(&mut begun).await? > 0 => {}
                look => return std::io::Result::Ok((stream, begun, look)),
            }
        }
    };
    match tokio::time::timeout(HEAD_DEADLINE, begin).await {
        Ok(Ok(begun)) => return Some(begun),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection failed before its first bytes"),
        Err(_) => tracing::debug!(%peer, "a connection's handshake and first bytes took too long"),
    }
    None
}

async fn http(
    stream: Begun<TlsStream<TcpStream>>,
    peer: SocketAddr,
    place: Place,
    router: Router,
    mut shutdown: ShutdownSignal,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(place.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut ending = false;
    loop {
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "a connection failed");
                }
                return;
            }
            () = shutdown.begun(), if !ending => {
                ending = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
