//! A stream of which the first bytes have been read already, to see what it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads `begun` first, then the stream.
pub(super) struct Begun<S> {
    begun: Vec<u8>,
    read: usize,
    stream: S,
}

impl<S> Begun<S> {
    pub fn new(begun: Vec<u8>, stream: S) -> Self {
        Self { begun, read: 0, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read < self.begun.len() {
            let rest = &self.begun[self.read..];
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            self.read += count;
            if self.read == self.begun.len() {
                self.begun = Vec::new();
                self.read = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let (mut far, near) = tokio::io::duplex(64);
        far.write_all(b"/ HTTP/1.1").await.unwrap();
        let mut stream = Begun::new(b"GET ".to_vec(), near);
        let mut got = [0; 14];
        stream.read_exact(&mut got[..2]).await.unwrap();
        stream.read_exact(&mut got[2..]).await.unwrap();
        assert_eq!(&got, b"GET / HTTP/1.1");
        stream.write_all(b"ok").await.unwrap();
        far.read_exact(&mut got[..2]).await.unwrap();
        assert_eq!(&got[..2], b"ok");
    }
}
