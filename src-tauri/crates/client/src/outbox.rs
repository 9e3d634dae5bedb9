//! Requests that must not get lost with a link: kept until the server has answered, sent again on the next one.

use crate::clock::wall_us;
use crate::error::ClientError;
use crate::link::Link;
use invigil_shared::id::RequestId;
use invigil_shared::signal::{ClientMessage, ServerMessage};
use rand::RngCore;
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// Requests that wait: a person types a few a minute.
const MAX_WAITING: usize = 128;

/// An answer, with what the request was about.
pub(crate) type Answered<T> = (u64, T, Result<ServerMessage, ClientError>);

/// In order of sending. What goes out again, because its answer was lost with its link, has the id of the first time: the server does it
/// once.
pub(crate) struct Outbox<T> {
    waiting: BTreeMap<u64, (T, ClientMessage, RequestId)>,
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
        let once = fresh();
        if let Some(link) = link {
            self.send(number, about.clone(), link.request_once(message.clone(), once));
        }
        self.waiting.insert(number, (about, message, once));
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
            .map(|(n, (about, m, once))| (*n, about.clone(), m.clone(), *once))
            .collect();
        for (number, about, message, once) in again {
            self.send(number, about, link.request_once(message, once));
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

fn fresh() -> RequestId {
    let mut random = [0u8; 10];
    rand::rng().fill_bytes(&mut random);
    RequestId::from_parts(u64::try_from(wall_us() / 1000).unwrap_or(0), random)
}
