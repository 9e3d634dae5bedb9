//! The bounded mailbox between control and a shard's thread.
//!
//! Control never waits for a lock that the media path holds longer than a push or a swap, and a control that runs away is
//! refused instead of filling the memory.

use crate::core::io::{Command, CommandResult, Reply};
use crate::core::paths::PathFigures;
use crate::shard::tcp::TcpGate;
use crate::shard::waker::Waker;
use crate::shard::{ShardExit, ShardFigures};
use invigil_shared::error::{ErrorBody, ErrorCode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{oneshot, watch};

/// Commands that may wait: a whole room of 600 that re-joins at once, each with an offer, a few publications and intents.
const CAPACITY: usize = 4_096;

/// What a shard's thread is told or asked.
pub(super) enum Letter {
    /// A command with who waits for its reply.
    Command(Command, Option<oneshot::Sender<CommandResult>>),
    /// What it has counted and holds.
    Figures(oneshot::Sender<ShardFigures>),
    /// How the paths of those who are connected do.
    Paths(oneshot::Sender<Vec<PathFigures>>),
}

struct Shared {
    queue: Mutex<VecDeque<Letter>>,
    waker: Arc<Waker>,
    /// How the thread ended, once it has.
    exit: watch::Sender<Option<ShardExit>>,
    /// Set once, when the thread should end or has ended.
    closed: AtomicBool,
    handles: AtomicUsize,
    addresses: Vec<SocketAddr>,
    /// The thread should panic: what a bug of ours would do.
    #[cfg(test)]
    broken: AtomicBool,
}

/// Control's end of a shard. Cheap to clone; the shard ends with the last one.
pub struct ShardHandle {
    shared: Arc<Shared>,
    tcp: Option<TcpGate>,
}

impl Clone for ShardHandle {
    fn clone(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Self {
            shared: Arc::clone(&self.shared),
            tcp: self.tcp.clone(),
        }
    }
}

impl Drop for ShardHandle {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.waker.wake();
        }
    }
}

impl ShardHandle {
    /// Carries a command out and waits for its reply.
    ///
    /// # Errors
    /// What the core refuses, `rate_limited` when the mailbox is full, `server_draining` when the shard has stopped.
    pub async fn request(&self, command: Command) -> Result<Reply, ErrorBody> {
        let (reply, answer) = oneshot::channel();
        self.put(Letter::Command(command, Some(reply)))?;
        answer.await.unwrap_or_else(|_| Err(ErrorCode::ServerDraining.into()))
    }

    /// Hands a command over without waiting for its reply.
    ///
    /// # Errors
    /// `rate_limited` when the mailbox is full, `server_draining` when the shard has stopped.
    pub fn post(&self, command: Command) -> Result<(), ErrorCode> {
        self.put(Letter::Command(command, None))
    }

    /// What the shard has counted and holds now. The answer also says that its thread takes its turns.
    ///
    /// # Errors
    /// `rate_limited` when the mailbox is full, `server_draining` when the shard has stopped.
    pub async fn figures(&self) -> Result<ShardFigures, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.put(Letter::Figures(reply))?;
        answer.await.map_err(|_| ErrorCode::ServerDraining)
    }

    /// How the paths of those who are connected to it do.
    ///
    /// # Errors
    /// `rate_limited` when the mailbox is full, `server_draining` when the shard has stopped.
    pub async fn paths(&self) -> Result<Vec<PathFigures>, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.put(Letter::Paths(reply))?;
        answer.await.map_err(|_| ErrorCode::ServerDraining)
    }

    /// Letters that wait.
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().len()
    }

    /// The UDP addresses that the shard listens on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.addresses.clone()
    }

    /// The way in for media over TCP.
    pub fn tcp(&self) -> Option<&TcpGate> {
        self.tcp.as_ref()
    }

    pub(super) fn with_tcp(mut self, gate: TcpGate) -> Self {
        self.tcp = Some(gate);
        self
    }

    /// Ends the shard's thread after the commands that it was given before. Every later command is refused.
    pub fn stop(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.waker.wake();
    }

    #[cfg(test)]
    pub(crate) fn break_down(&self) {
        self.shared.broken.store(true, Ordering::Release);
        self.shared.waker.wake();
    }

    /// Returns when the shard's thread has ended. Waiting for that keeps no shard alive.
    pub fn ended(&self) -> impl Future<Output = ShardExit> + Send + use<> {
        let mut exit = self.shared.exit.subscribe();
        async move {
            let ended = exit.wait_for(Option::is_some).await;
            ended.ok().and_then(|exit| *exit).unwrap_or(ShardExit::Panicked)
        }
    }

    fn put(&self, letter: Letter) -> Result<(), ErrorCode> {
        {
            let mut queue = self.shared.queue.lock();
            // Looked at under the lock: the thread closes under it too, so no letter is left behind unanswered.
            if self.shared.closed.load(Ordering::Acquire) {
                return Err(ErrorCode::ServerDraining);
            }
            if queue.len() >= CAPACITY {
                return Err(ErrorCode::RateLimited);
            }
            queue.push_back(letter);
        }
        self.shared.waker.wake();
        Ok(())
    }
}

/// The shard's end.
pub(super) struct Mailbox {
    shared: Arc<Shared>,
}

impl Mailbox {
    /// Makes both ends.
    pub fn new(waker: impl Into<Arc<Waker>>, addresses: Vec<SocketAddr>) -> (ShardHandle, Self) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(VecDeque::new()),
            waker: waker.into(),
            exit: watch::Sender::new(None),
            closed: AtomicBool::new(false),
            handles: AtomicUsize::new(1),
            addresses,
            #[cfg(test)]
            broken: AtomicBool::new(false),
        });
        (
            ShardHandle {
                shared: Arc::clone(&shared),
                tcp: None,
            },
            Self { shared },
        )
    }

    /// Moves all that waits into `into`.
    pub fn take(&self, into: &mut VecDeque<Letter>) {
        self.shared.waker.clear();
        #[cfg(test)]
        assert!(!self.shared.broken.load(Ordering::Acquire), "a test broke this shard");
        let mut queue = self.shared.queue.lock();
        into.append(&mut queue);
    }

    /// The thread has ended: letters are refused from here on, and whoever waits for the end learns of it.
    pub fn close(&self, exit: ShardExit) {
        {
            // Dropping the letters drops their reply senders: whoever waits gets `server_draining`.
            let mut queue = self.shared.queue.lock();
            self.shared.closed.store(true, Ordering::Release);
            queue.clear();
        }
        self.shared.exit.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(exit);
            first
        });
    }

    pub fn waker(&self) -> &Waker {
        &self.shared.waker
    }

    /// Whether the thread should end: it was told to, or nobody can talk to it any more.
    pub fn should_stop(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire) || self.shared.handles.load(Ordering::Acquire) == 0
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.close(ShardExit::Panicked);
    }
}

/// A handle whose shard has ended, for tests of those who only choose between shards.
#[cfg(test)]
pub(crate) fn unmanned() -> ShardHandle {
    let waker = Waker::new().expect("a socket pair");
    Mailbox::new(Arc::new(waker), vec![]).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;

    fn command() -> Command {
        Command::RemoveParticipant {
            participant: ParticipantId::from_parts(1, [1; 10]),
        }
    }

    #[test]
    fn a_full_mailbox_refuses() {
        let (handle, mailbox) = Mailbox::new(Arc::new(Waker::new().unwrap()), vec![]);
        for _ in 0..CAPACITY {
            handle.post(command()).unwrap();
        }
        assert_eq!(handle.post(command()), Err(ErrorCode::RateLimited));
        let mut letters = VecDeque::new();
        mailbox.take(&mut letters);
        assert_eq!(letters.len(), CAPACITY);
        assert_eq!(handle.post(command()), Ok(()));
    }

    #[tokio::test]
    async fn whoever_waits_learns_that_the_shard_is_gone() {
        let (handle, mailbox) = Mailbox::new(Arc::new(Waker::new().unwrap()), vec![]);
        let waiting = tokio::spawn({
            let handle = handle.clone();
            async move { handle.request(command()).await }
        });
        let mut letters = VecDeque::new();
        while letters.is_empty() {
            tokio::task::yield_now().await;
            mailbox.take(&mut letters);
        }
        drop(letters);
        drop(mailbox);
        assert_eq!(waiting.await.unwrap().unwrap_err().code, ErrorCode::ServerDraining);
        assert_eq!(handle.post(command()), Err(ErrorCode::ServerDraining));
    }
}
