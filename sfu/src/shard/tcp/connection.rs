//! One connection's task: frames from its socket to the shard, and from its queue to the socket.

use super::admission::{Admission, Place};
use super::framing::{HEAD, Look, MAX_FRAME, look, whole_frames};
use super::lane::TcpGate;
use super::line::Line;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For its first frame, and for the shard to judge it. Clients send it at once.
    pub first_frame: Duration,
    /// For any frame. A client's checks come every few seconds; without them there is no consent left (RFC 7675 section 5.1).
    pub idle: Duration,
    /// For a socket that takes nothing: the path is dead, and what waits is stale.
    pub stuck: Duration,
}

impl Patience {
    pub const USUAL: Self = Self {
        first_frame: Duration::from_secs(5),
        idle: Duration::from_secs(30),
        stuck: Duration::from_secs(10),
    };
}

/// What is read at once: a few full frames.
const READ: usize = 8 * 1024;
const _: () = assert!(READ >= 2 * (HEAD + MAX_FRAME));

/// Why a connection ended, for the log.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] super::FrameError),
    #[error("the peer closed it")]
    Closed,
    #[error("its first frame was no binding request")]
    NotIce,
    #[error("it belongs to no transport")]
    Unknown,
    #[error("nothing came in time")]
    Silent,
    #[error("the peer takes nothing")]
    Stuck,
}

/// Carries `stream` to the shard of `gate` until it ends. `begun`: what was read of it already.
pub(super) async fn carry<S>(gate: &TcpGate, admission: &Admission, stream: S, peer: SocketAddr, begun: &[u8])
where
    S: AsyncRead + AsyncWrite,
{
    carry_with(Patience::USUAL, gate, admission, stream, peer, begun).await;
}

pub(super) async fn carry_with<S>(
    patience: Patience,
    gate: &TcpGate,
    admission: &Admission,
    stream: S,
    peer: SocketAddr,
    begun: &[u8],
) where
    S: AsyncRead + AsyncWrite,
{
    let Some(place) = admission.enter(peer.ip()) else {
        return tracing::debug!(%peer, "no place for another media connection");
    };
    if gate.is_closed() {
        return;
    }
    let line = gate.open(peer);
    let _ending = Ending { gate, line: &line };
    let (reader, writer) = tokio::io::split(stream);
    // Whichever ends first ends both.
    let end = tokio::select! {
        end = read(patience, gate, &line, reader, begun, place) => end,
        end = write(patience.stuck, &line, writer) => end,
    };
    if let Err(why) = end {
        tracing::debug!(%peer, %why, lost = line.lost(), "a media connection ended");
    }
}

/// Tells the shard that a connection is gone, also when its task is dropped.
struct Ending<'a> {
    gate: &'a TcpGate,
    line: &'a Arc<Line>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.line.end();
        self.gate.announce(self.line);
    }
}

async fn read<R: AsyncRead>(
    patience: Patience,
    gate: &TcpGate,
    line: &Arc<Line>,
    mut reader: ReadHalf<R>,
    begun: &[u8],
    mut place: Place,
) -> Result<(), End> {
    let mut buffer = Vec::with_capacity(READ.max(begun.len()));
    buffer.extend_from_slice(begun);
    timeout(patience.first_frame, async {
        loop {
            match look(&buffer) {
                Look::Media(_) => break,
                Look::Other => return Err(End::NotIce),
                Look::More => more(&mut reader, &mut buffer).await?,
            }
        }
        hand_over(gate, line, &mut buffer).await
    })
    .await
    .map_err(|_| End::Silent)??;
    place.prove();
    loop {
        timeout(patience.idle, more(&mut reader, &mut buffer))
            .await
            .map_err(|_| End::Silent)??;
        hand_over(gate, line, &mut buffer).await?;
    }
}

async fn more<R: AsyncRead>(reader: &mut ReadHalf<R>, buffer: &mut Vec<u8>) -> Result<(), End> {
    // Never more than READ: whole frames are taken out before.
    let room = READ.saturating_sub(buffer.len()).max(1);
    match reader.take(room as u64).read_buf(buffer).await? {
        0 => Err(End::Closed),
        _ => Ok(()),
    }
}

/// Gives the whole frames of `buffer` to the shard and waits until it has read them.
async fn hand_over(gate: &TcpGate, line: &Arc<Line>, buffer: &mut Vec<u8>) -> Result<(), End> {
    let whole = whole_frames(buffer)?;
    if whole == 0 {
        return Ok(());
    }
    {
        let mut inbound = line.inbound.lock();
        std::mem::swap(&mut *inbound, buffer);
        // `buffer` is the one that the shard has read before: empty.
        buffer.clear();
        buffer.extend_from_slice(&inbound[whole..]);
        inbound.truncate(whole);
    }
    gate.announce(line);
    loop {
        line.read.notified().await;
        if line.is_refused() {
            return Err(End::Unknown);
        }
        if line.inbound.lock().is_empty() {
            return Ok(());
        }
    }
}

async fn write<W: AsyncWrite>(stuck: Duration, line: &Line, mut writer: WriteHalf<W>) -> Result<(), End> {
    let mut frames = Vec::new();
    loop {
        line.take_waiting(&mut frames);
        let mut rest = &frames[..];
        while !rest.is_empty() {
            let written = timeout(stuck, writer.write(rest)).await.map_err(|_| End::Stuck)??;
            if written == 0 {
                return Err(End::Closed);
            }
            rest = &rest[written..];
        }
        if !frames.is_empty() {
            timeout(stuck, writer.flush()).await.map_err(|_| End::Stuck)??;
            continue;
        }
        if line.is_refused() {
            let _ = timeout(stuck, writer.shutdown()).await;
            return Err(End::Unknown);
        }
        line.work.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn line() -> Line {
        Line::new(1, "192.0.2.7:5000".parse().unwrap())
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let line = line();
        let (_far, near) = tokio::io::duplex(64);
        let (_, writer) = tokio::io::split(near);
        line.send([&[0x80; 1_200][..]].into_iter());
        let (patience, started) = (Duration::from_millis(50), Instant::now());
        let end = timeout(Duration::from_secs(10), write(patience, &line, writer)).await;
        assert!(matches!(end, Ok(Err(End::Stuck))), "{end:?}");
        assert!(started.elapsed() >= patience);
    }

    #[tokio::test]
    async fn what_waits_leaves_in_order_and_a_refusal_ends_it() {
        let line = Arc::new(line());
        let (mut far, near) = tokio::io::duplex(64);
        let (_, writer) = tokio::io::split(near);
        let writing = tokio::spawn({
            let line = Arc::clone(&line);
            async move { write(Patience::USUAL.stuck, &line, writer).await }
        });
        for number in 0..100u8 {
            line.send([&[number; 50][..], &[number; 60]].into_iter());
            for length in [50, 60] {
                assert_eq!(usize::from(far.read_u16().await.unwrap()), length);
                let mut got = vec![0; length];
                far.read_exact(&mut got).await.unwrap();
                assert!(got.iter().all(|byte| *byte == number));
            }
        }
        line.refuse();
        assert!(matches!(writing.await.unwrap(), Err(End::Unknown)));
    }
}
