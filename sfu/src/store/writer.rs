//! The one writer of a process: jobs come through a bounded queue and are committed in groups, so that one flush to disk serves
//! many. A job is answered after the commit that holds it; a job that fails takes only itself back.
//!
//! Both databases write this way. PostgreSQL could take many transactions side by side, but what is chained (the audit log, a
//! session's events) has one head, and the lock on it would be held through a flush for each change; in a group it is held for
//! one. A group also locks out the writers of other processes from its first statement on, as SQLite does: a head that was read
//! is still the head when it is written, and two processes never wait for each other's rows in a circle.

use crate::store::{StoreError, Stored};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Jobs that wait; whoever brings one more waits too.
const QUEUE: usize = 1_024;

/// The connection that writes.
pub trait WritingConnection: Sized + Send + 'static {
    /// Starts a transaction beside which no other writer's runs.
    const BEGIN: &'static str;
    /// Jobs of one commit.
    const GROUP: usize;
    /// A group that takes longer has failed, and its connection with it.
    const DEADLINE: Duration;

    fn run(&mut self, sql: &'static str) -> BoxFuture<'_, Result<(), sqlx::Error>>;
    fn end(self) -> BoxFuture<'static, Result<(), sqlx::Error>>;
}

/// Makes the connection again after it was lost.
pub type Connect<C> = Box<dyn Fn() -> BoxFuture<'static, Stored<C>> + Send + Sync>;

trait Job<C>: Send {
    /// Does the work; false when it failed and has to be taken back.
    fn run<'a>(&'a mut self, connection: &'a mut C) -> BoxFuture<'a, bool>;
    /// Answers, once the fate of the group is known.
    fn settle(self: Box<Self>, commit_failure: Option<&str>);
}

struct Work<F, T> {
    work: Option<F>,
    result: Option<Stored<T>>,
    reply: oneshot::Sender<Stored<T>>,
}

impl<C, F, T> Job<C> for Work<F, T>
where
    C: Send,
    F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Stored<T>> + Send,
    T: Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut C) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let result = work(connection).await;
            let good = result.is_ok();
            self.result = Some(result);
            good
        })
    }

    fn settle(self: Box<Self>, commit_failure: Option<&str>) {
        let result = match (self.result, commit_failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::Commit(failure.to_owned())),
            (Some(done), None) => done,
            (None, None) => Err(StoreError::Closed),
        };
        // Whoever asked may be gone; the work is committed all the same.
        let _ = self.reply.send(result);
    }
}

type Jobs<C> = mpsc::Sender<Box<dyn Job<C>>>;

/// Handle of the writer. Cheap to clone.
pub struct Writer<C> {
    /// None once it was closed.
    sender: Arc<Mutex<Option<Jobs<C>>>>,
    ended: watch::Receiver<bool>,
}

impl<C> Clone for Writer<C> {
    fn clone(&self) -> Self {
        Self {
            sender: Arc::clone(&self.sender),
            ended: self.ended.clone(),
        }
    }
}

impl<C: WritingConnection> Writer<C> {
    pub fn start(connection: C, connect: Connect<C>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = watch::channel(false);
        tokio::spawn(async move {
            serve(connection, connect, receiver).await;
            ended_sender.send_replace(true);
        });
        Self {
            sender: Arc::new(Mutex::new(Some(sender))),
            ended,
        }
    }

    /// Runs `work` inside the next group and returns after its commit.
    pub async fn write<T, F>(&self, work: F) -> Stored<T>
    where
        F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Stored<T>> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work {
            work: Some(work),
            result: None,
            reply,
        });
        let sender = self.sender.lock().clone().ok_or(StoreError::Closed)?;
        sender.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        let sender = self.sender.lock();
        sender.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    /// Takes no more jobs and returns when the last one is committed.
    pub async fn close(&self) {
        drop(self.sender.lock().take());
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

async fn serve<C: WritingConnection>(
    connection: C,
    connect: Connect<C>,
    mut receiver: mpsc::Receiver<Box<dyn Job<C>>>,
) {
    let mut open = Some(connection);
    let mut group = Vec::with_capacity(C::GROUP);
    while receiver.recv_many(&mut group, C::GROUP).await > 0 {
        let failure = write_group(&mut open, &connect, &mut group).await.err();
        if let Some(failure) = &failure {
            tracing::error!(failure, jobs = group.len(), "a group of writes was not committed");
        }
        for job in group.drain(..) {
            job.settle(failure.as_deref());
        }
    }
    if let Some(Err(error)) = match open {
        Some(connection) => Some(connection.end().await),
        None => None,
    } {
        tracing::warn!(%error, "the writing connection did not close cleanly");
    }
}

/// Commits a group, or says why nothing of it was kept. A connection that can't be trusted any more is dropped, which takes
/// back what it had begun; the next group gets another.
async fn write_group<C: WritingConnection>(
    open: &mut Option<C>,
    connect: &Connect<C>,
    group: &mut [Box<dyn Job<C>>],
) -> Result<(), String> {
    let mut connection = begin(open.take(), connect).await?;
    match tokio::time::timeout(C::DEADLINE, commit(&mut connection, group)).await {
        Ok(Ok(())) => {
            *open = Some(connection);
            Ok(())
        }
        Ok(Err(error)) => {
            if matches!(
                tokio::time::timeout(C::DEADLINE, connection.run("ROLLBACK")).await,
                Ok(Ok(()))
            ) {
                *open = Some(connection);
            }
            Err(error.to_string())
        }
        Err(_) => Err(format!("no answer within {} s", C::DEADLINE.as_secs())),
    }
}

/// A connection with an open transaction. One that was lost since the last group is made again: no job has run yet.
async fn begin<C: WritingConnection>(open: Option<C>, connect: &Connect<C>) -> Result<C, String> {
    if let Some(mut connection) = open {
        match tokio::time::timeout(C::DEADLINE, connection.run(C::BEGIN)).await {
            Ok(Ok(())) => return Ok(connection),
            Ok(Err(error)) => tracing::warn!(%error, "the writing connection is made again"),
            Err(_) => tracing::warn!("the writing connection does not answer and is made again"),
        }
    }
    let mut connection = connect().await.map_err(|error| error.to_string())?;
    match tokio::time::timeout(C::DEADLINE, connection.run(C::BEGIN)).await {
        Ok(begun) => begun.map(|()| connection).map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", C::DEADLINE.as_secs())),
    }
}

async fn commit<C: WritingConnection>(connection: &mut C, group: &mut [Box<dyn Job<C>>]) -> Result<(), sqlx::Error> {
    for job in group {
        connection.run("SAVEPOINT job").await?;
        if !job.run(connection).await {
            connection.run("ROLLBACK TO SAVEPOINT job").await?;
        }
        connection.run("RELEASE SAVEPOINT job").await?;
    }
    connection.run("COMMIT").await
}
