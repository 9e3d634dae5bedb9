//! The one writer: jobs come through a bounded queue and are committed in groups, so that one flush to disk serves many.
//! A job is answered after the commit that holds it; a job that fails takes only itself back.

use crate::store::{StoreError, Stored};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::{Connection, Executor, SqliteConnection};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait; whoever brings one more waits too.
const QUEUE: usize = 1_024;
/// Jobs of one commit.
const GROUP: usize = 128;

trait Job: Send {
    /// Does the work; false when it failed and has to be taken back.
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool>;
    /// Answers, once the fate of the group is known.
    fn settle(self: Box<Self>, commit_failure: Option<&str>);
}

struct Work<F, T> {
    work: Option<F>,
    result: Option<Stored<T>>,
    reply: oneshot::Sender<Stored<T>>,
}

impl<F, T> Job for Work<F, T>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Stored<T>> + Send,
    T: Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool> {
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

type Jobs = mpsc::Sender<Box<dyn Job>>;

/// Handle of the writer. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    /// None once it was closed.
    sender: Arc<Mutex<Option<Jobs>>>,
    ended: tokio::sync::watch::Receiver<bool>,
}

impl Writer {
    pub fn start(connection: SqliteConnection) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            serve(connection, receiver).await;
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
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Stored<T>> + Send + 'static,
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

async fn serve(mut connection: SqliteConnection, mut receiver: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::with_capacity(GROUP);
    while receiver.recv_many(&mut group, GROUP).await > 0 {
        let failure = commit(&mut connection, &mut group)
            .await
            .err()
            .map(|error| error.to_string());
        if let Some(failure) = &failure {
            tracing::error!(failure, jobs = group.len(), "a group of writes was not committed");
            // Outside of a transaction this fails, which is what we want to know of it: nothing.
            let _ = connection.execute("ROLLBACK").await;
        }
        for job in group.drain(..) {
            job.settle(failure.as_deref());
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the writing connection did not close cleanly");
    }
}

async fn commit(connection: &mut SqliteConnection, group: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
    // Taking the write lock at once: a reader that became a writer half way would fail where waiting helps.
    connection.execute("BEGIN IMMEDIATE").await?;
    for job in group {
        connection.execute("SAVEPOINT job").await?;
        if !job.run(connection).await {
            connection.execute("ROLLBACK TO job").await?;
        }
        connection.execute("RELEASE job").await?;
    }
    connection.execute("COMMIT").await?;
    Ok(())
}
