//! What a client asks for again because it did not hear the answer (`once` of its frame) is carried out once: the key is kept with what
//! was done, in the transaction that did it.

use super::{Answer, Link};
use crate::clock;
use crate::store::once::{Once, Outcome};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::RequestId;
use invigil_shared::signal::{ClientMessage, ServerMessage};
use sha2::{Digest, Sha256};

/// A key, with what it stands for.
pub(super) struct Key {
    id: RequestId,
    request: Vec<u8>,
}

impl Key {
    /// None for a request without one, and for what may be done twice.
    pub fn of(id: Option<RequestId>, message: &ClientMessage) -> Result<Option<Self>, ErrorBody> {
        let counts = matches!(
            message,
            ClientMessage::MessageSend { .. } | ClientMessage::MessageBroadcast { .. } | ClientMessage::Action { .. }
        );
        let Some(id) = id.filter(|_| counts) else {
            return Ok(None);
        };
        let request = serde_json::to_vec(message).map_err(|_| ErrorCode::Internal)?;
        Ok(Some(Self {
            id,
            request: Sha256::digest(request).to_vec(),
        }))
    }
}

/// What the store keeps beside what is done.
pub(super) fn once(key: Option<&Key>, link: &Link, answer: &ServerMessage) -> Result<Option<Once>, ErrorBody> {
    let Some(key) = key else { return Ok(None) };
    let answer = serde_json::to_string(answer).map_err(|_| ErrorCode::Internal)?;
    Ok(Some(Once {
        actor: link.actor().name,
        key: key.id.to_string(),
        request: key.request.clone(),
        salt: Vec::new(),
        answer,
        at: clock::now_us(),
    }))
}

/// The answer of the first time; none when it is done now.
pub(super) fn before(outcome: Outcome) -> Option<Answer> {
    match outcome {
        Outcome::Done => None,
        Outcome::Repeated { answer, .. } => {
            let answer = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal.into());
            Some(answer.map(Some))
        }
        Outcome::Mismatch => Some(Err(ErrorCode::IdempotencyMismatch.into())),
    }
}
