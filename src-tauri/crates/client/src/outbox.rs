//! Requests that must not get lost with a link: kept until the server has answered, sent again on the next one.

use crate::error::ClientError;
use crate::link::Link;
use invigil_shared::signal::{ClientMessage, ServerMessage};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// Requests that wait: a person types a few a minute.
const MAX_WAITING: usize = 128;

/// An answer, with what the request was about.
pub(crate) type Answered<T> = (u64, T, Result<ServerMessage, ClientError>);

/// In order of sending. An answer that is lost with its link makes its request go out twice.
pub(crate) struct Outbox<T> {
    waiting: BTreeMap<u64, (T, ClientMessage)>,
    next: u64,
    answers: JoinSet<Answered<T>>,
}

impl<T: Clone + Send + 'static> Outbox<T> {
    pub fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 0,
            answers: JoinSet::new(),
        }
    }

    /// Takes a request, and sends it when there is a link.
    ///
    /// # Errors
    /// `busy` when too many wait.
    pub fn push(&mut self, about: T, message: ClientMessage, link: Option<&Link>) -> Result<(), ClientError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(ClientError::Busy);
        }
        let number = self.next;
        self.next += 1;
        if let Some(link) = link {
            self.send(number, about.clone(), link.request(message.clone()));
        }
        self.waiting.insert(number, (about, message));
        Ok(())
    }

    fn send(
        &mut self,
        number: u64,
        about: T,
        answer: impl Future<Output = Result<ServerMessage, ClientError>> + Send + 'static,
    ) {
        self.answers.spawn(async move { (number, about, answer.await) });
    }

    /// A new link: everything that waits goes out again, in order.
    pub fn resend(&mut self, link: &Link) {
        self.answers.abort_all();
        self.answers = JoinSet::new();
        let again: Vec<_> = self
            .waiting
            .iter()
            .map(|(n, (about, m))| (*n, about.clone(), m.clone()))
            .collect();
        for (number, about, message) in again {
            self.send(number, about, link.request(message));
        }
    }

    /// The next final answer. Pending for ever while nothing is under way. A request whose link failed stays.
    pub async fn answered(&mut self) -> (T, Result<ServerMessage, ClientError>) {
        loop {
            match self.answers.join_next().await {
                Some(Ok((number, about, answer))) => {
                    let later = matches!(
                        &answer,
                        Err(ClientError::Unreachable(_) | ClientError::Closed | ClientError::Busy)
                    );
                    if !later {
                        self.waiting.remove(&number);
                        return (about, answer);
                    }
                }
                Some(Err(_)) => {} // aborted by a resend
                None => std::future::pending().await,
            }
        }
    }
}
