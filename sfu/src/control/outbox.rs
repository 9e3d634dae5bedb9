//! The way to one signalling client: a bounded queue that never blocks its sender. A client that reads too slowly is closed,
//! the room is never slowed.

use axum::extract::ws::Utf8Bytes;
use invigil_shared::codec::encode;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::MAX_CLIENT_QUEUE;
use invigil_shared::signal::{AudioLevel, ServerFrame, ServerMessage};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, mpsc, watch};

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// One item of the queue.
#[derive(Debug)]
pub enum Outgoing {
    Text(Utf8Bytes),
    /// What did not fit into a room's state: many frames, one place in the queue. Bounded by the room.
    Burst(Vec<Utf8Bytes>),
}

struct Shared {
    connection: u64,
    queue: mpsc::Sender<Outgoing>,
    /// The newest levels that were not sent: older ones are worth nothing.
    levels: Mutex<Option<Vec<AudioLevel>>>,
    levels_ready: Notify,
    closing: watch::Sender<Option<ErrorBody>>,
}

/// Handle of a client's queue. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

/// The other end, owned by the connection.
pub struct OutboxReader {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Outgoing>,
    urgent: watch::Receiver<Option<ErrorBody>>,
    closing: watch::Receiver<Option<ErrorBody>>,
}

/// What the connection has to write next.
#[derive(Debug)]
pub enum Next {
    Item(Outgoing),
    Levels(Vec<AudioLevel>),
    Close(ErrorBody),
}

/// A frame ready to be sent to many. None for what can't be encoded, which would be a bug of ours.
pub fn frame(id: Option<u32>, message: ServerMessage) -> Option<Utf8Bytes> {
    match encode(&ServerFrame { id, message }) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a frame could not be encoded");
            None
        }
    }
}

/// Makes a queue.
pub fn outbox() -> (Outbox, OutboxReader) {
    let (queue, receiver) = mpsc::channel(MAX_CLIENT_QUEUE);
    let (closing, closing_reader) = watch::channel(None);
    let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let shared = Arc::new(Shared {
        connection,
        queue,
        levels: Mutex::new(None),
        levels_ready: Notify::new(),
        closing,
    });
    (
        Outbox(Arc::clone(&shared)),
        OutboxReader {
            shared,
            queue: receiver,
            urgent: closing_reader.clone(),
            closing: closing_reader,
        },
    )
}

impl Outbox {
    /// Unique among the connections of this process.
    pub fn connection(&self) -> u64 {
        self.0.connection
    }

    fn push(&self, item: Outgoing) -> bool {
        match self.0.queue.try_send(item) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.close(ErrorCode::TooSlow.into());
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Queues a notification; false when the client is gone or too slow.
    pub fn send(&self, message: ServerMessage) -> bool {
        frame(None, message).is_some_and(|text| self.push(Outgoing::Text(text)))
    }

    /// Queues an answer.
    pub fn answer(&self, id: Option<u32>, message: ServerMessage) -> bool {
        frame(id, message).is_some_and(|text| self.push(Outgoing::Text(text)))
    }

    /// Queues a frame that was encoded once for many.
    pub fn send_frame(&self, text: &Utf8Bytes) -> bool {
        self.push(Outgoing::Text(text.clone()))
    }

    pub fn send_burst(&self, frames: Vec<Utf8Bytes>) -> bool {
        frames.is_empty() || self.push(Outgoing::Burst(frames))
    }

    /// Items that wait.
    pub fn waiting(&self) -> usize {
        self.0.queue.max_capacity() - self.0.queue.capacity()
    }

    /// Puts levels in the place of those that were not sent yet.
    pub fn levels(&self, levels: Vec<AudioLevel>) {
        *self.0.levels.lock() = Some(levels);
        self.0.levels_ready.notify_one();
    }

    /// Asks the connection to end; the first reason counts.
    pub fn close(&self, reason: ErrorBody) {
        self.0.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            closing.get_or_insert(reason);
            first
        });
    }

    /// Returns the reason when the connection was asked to end.
    pub async fn closed(&self) -> ErrorBody {
        let mut closing = self.0.closing.subscribe();
        match closing.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(|| ErrorCode::Internal.into()),
            Err(_) => ErrorCode::Internal.into(),
        }
    }
}

impl OutboxReader {
    /// Ends the connection from the writing side.
    pub fn close(&self, reason: ErrorBody) {
        Outbox(Arc::clone(&self.shared)).close(reason);
    }

    /// The next thing to write. The farewell leaves behind what is queued, except to those who read too slowly.
    pub async fn next(&mut self) -> Next {
        let urgent = |reason: &Option<ErrorBody>| reason.as_ref().is_some_and(|r| r.code == ErrorCode::TooSlow);
        tokio::select! {
            biased;
            Ok(reason) = self.urgent.wait_for(urgent) => {
                Next::Close(reason.clone().unwrap_or_else(|| ErrorCode::Internal.into()))
            }
            Some(item) = self.queue.recv() => Next::Item(item),
            () = self.shared.levels_ready.notified() => {
                Next::Levels(self.shared.levels.lock().take().unwrap_or_default())
            }
            Ok(reason) = self.closing.wait_for(Option::is_some) => {
                Next::Close(reason.clone().unwrap_or_else(|| ErrorCode::Internal.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_is_closed_and_its_queue_is_bounded() {
        let (outbox, mut reader) = outbox();
        for _ in 0..MAX_CLIENT_QUEUE {
            assert!(outbox.send(ServerMessage::Ok));
        }
        assert!(!outbox.send(ServerMessage::Ok));
        outbox.close(ErrorCode::Replaced.into());
        let Next::Close(reason) = reader.next().await else {
            panic!("the farewell overtakes what was never read")
        };
        assert_eq!(reason.code, ErrorCode::TooSlow, "the first reason counts");
    }

    #[tokio::test]
    async fn levels_are_coalesced_and_other_farewells_wait_their_turn() {
        let (outbox, mut reader) = outbox();
        let participant = crate::clock::fresh(invigil_shared::id::ParticipantId::from_parts);
        for level in [10, 20, 30] {
            outbox.levels(vec![AudioLevel { participant, level }]);
        }
        outbox.send(ServerMessage::Ok);
        outbox.close(ErrorCode::Replaced.into());
        assert!(matches!(reader.next().await, Next::Item(_)));
        let Next::Levels(levels) = reader.next().await else {
            panic!("the newest levels")
        };
        assert_eq!(levels, [AudioLevel { participant, level: 30 }]);
        assert!(matches!(reader.next().await, Next::Close(reason) if reason.code == ErrorCode::Replaced));
    }
}
