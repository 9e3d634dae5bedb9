//! One connection: reads frames with limits, carries them out in order, and writes what its queue holds.

use super::session::{Progress, Session};
use crate::api::Service;
use crate::control::outbox::{Next, Outbox, OutboxReader, Outgoing, frame, outbox};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use invigil_shared::codec::decode_client;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::{IDLE_S, MAX_BAD_MESSAGES};
use invigil_shared::signal::ServerMessage;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a connection may stay without a successful `auth:request`.
const AUTH_DEADLINE: Duration = Duration::from_secs(10);
/// How long one frame may take to leave before the client counts as too slow.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the farewell may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub async fn serve(service: Arc<Service>, socket: WebSocket, address: IpAddr) {
    let (sink, stream) = socket.split();
    let (outbox, reader) = outbox();
    let writer = tokio::spawn(write(sink, reader));
    let mut session = Session::new(Arc::clone(&service), outbox.clone(), address);
    read(&mut session, &outbox, stream).await;
    session.end();
    // Nothing more is coming: the writer says goodbye, if the client still listens.
    outbox.close(ErrorCode::IdleTimeout.into());
    let _ = timeout(WRITE_DEADLINE + CLOSE_DEADLINE, writer).await;
}

async fn read(session: &mut Session, outbox: &Outbox, mut stream: SplitStream<WebSocket>) {
    let opened = Instant::now();
    let mut bad = 0;
    let mut heard = opened;
    loop {
        let idle = tokio::time::sleep_until(heard + Duration::from_secs(IDLE_S));
        let (deadline, overdue) = session.deadline(opened + AUTH_DEADLINE);
        let item = tokio::select! {
            biased;
            _ = outbox.closed() => return,
            item = stream.next() => item,
            () = session.ice_due() => {
                session.introduce().await;
                continue;
            }
            () = tokio::time::sleep_until(deadline) => return outbox.close(overdue.into()),
            () = idle => return outbox.close(ErrorCode::IdleTimeout.into()),
        };
        heard = Instant::now();
        let text = match item {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => Utf8Bytes::from_static(""),
            Some(Ok(Message::Close(_))) | None => return,
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection failed");
                // Too large even for an answer, or not a WebSocket any more.
                return outbox.close(ErrorCode::TooLarge.into());
            }
        };
        let frame = match decode_client(&text) {
            Ok(frame) => frame,
            Err(error) => {
                bad += 1;
                outbox.answer(error.id, ServerMessage::Error { error: error.body });
                if bad >= MAX_BAD_MESSAGES {
                    return outbox.close(ErrorCode::BadMessage.into());
                }
                continue;
            }
        };
        if let Progress::Close(reason) = session.on_frame(frame).await {
            return outbox.close(reason);
        }
    }
}

type Sink = SplitSink<WebSocket, Message>;

async fn write(mut sink: Sink, mut reader: OutboxReader) {
    loop {
        let sent = match reader.next().await {
            Next::Item(Outgoing::Text(text)) => send(&mut sink, text).await,
            Next::Item(Outgoing::Burst(frames)) => {
                let mut sent = true;
                for text in frames {
                    sent = sent && send(&mut sink, text).await;
                }
                sent
            }
            Next::Levels(levels) => match frame(None, ServerMessage::AudioLevels { levels }) {
                Some(text) => send(&mut sink, text).await,
                None => true,
            },
            Next::Close(reason) => {
                let _ = timeout(CLOSE_DEADLINE, say_goodbye(sink, reason)).await;
                return;
            }
        };
        if !sent {
            reader.close(ErrorCode::TooSlow.into());
            return;
        }
    }
}

async fn send(sink: &mut Sink, text: Utf8Bytes) -> bool {
    matches!(
        timeout(WRITE_DEADLINE, sink.send(Message::Text(text))).await,
        Ok(Ok(()))
    )
}

async fn say_goodbye(mut sink: Sink, reason: ErrorBody) {
    let code = reason.code;
    if code != ErrorCode::ServerDraining
        && let Some(text) = frame(None, ServerMessage::Error { error: reason })
    {
        let _ = sink.send(Message::Text(text)).await;
    }
    let close = CloseFrame {
        code: close_code(code),
        reason: Utf8Bytes::from_static(code.as_str()),
    };
    let _ = sink.send(Message::Close(Some(close))).await;
    let _ = sink.close().await;
}

/// The close code (RFC 6455 section 7.4) of a reason; the reason itself is our stable code.
fn close_code(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::ExamClosed | ErrorCode::SittingEnded | ErrorCode::NotAdmitted => 1000,
        ErrorCode::TooLarge => 1009,
        ErrorCode::Internal | ErrorCode::StorageFailed => 1011,
        ErrorCode::ServerDraining => 1012,
        _ => 1008,
    }
}
