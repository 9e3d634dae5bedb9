//! Words to many at once: stored once with whom they are for, delivered to each once and in order with their other messages, after a
//! reconnect too. Those who watch see one line, and how many have received and read it.

use super::join::entry_now;
use super::messages::{checked, for_candidate, sent};
use super::once::{Key, before, once};
use super::{Answer, Control, Link, OpenRoom};
use crate::auth::identity::Subject;
use crate::clock;
use crate::store::records::NewBroadcast;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{MessageId, ParticipantId};
use invigil_shared::limits::BROADCASTS_PER_MINUTE;
use invigil_shared::signal::{Message, ServerMessage};
use invigil_shared::timeline::{Audience, MessageKind, Reach, TimelineBody};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const MINUTE_US: i64 = 60_000_000;

/// Broadcasts of a room.
#[derive(Debug, Default)]
pub struct Broadcasts {
    /// When the newest were written.
    written: VecDeque<i64>,
    /// Those of which more has arrived or was read than was told.
    moved: BTreeSet<MessageId>,
}

impl Broadcasts {
    /// Counts one more.
    ///
    /// # Errors
    /// `rate_limited` with the seconds until there may be another.
    fn admit(&mut self, now: i64) -> Result<(), ErrorBody> {
        self.written.retain(|at| now.saturating_sub(*at) < MINUTE_US);
        if let Some(oldest) = self
            .written
            .front()
            .filter(|_| self.written.len() >= BROADCASTS_PER_MINUTE)
        {
            let after = (MINUTE_US - now.saturating_sub(*oldest)) / 1_000_000 + 1;
            return Err(ErrorBody::from(ErrorCode::RateLimited).with("retry_after_s", after));
        }
        self.written.push_back(now);
        Ok(())
    }

    /// More of it has arrived, or was read.
    pub fn moved(&mut self, broadcast: MessageId) {
        self.moved.insert(broadcast);
    }
}

impl Control {
    pub(super) async fn broadcast(&self, link: &Link, key: Option<&Key>, audience: Audience, text: &str) -> Answer {
        let room = Arc::clone(link.watching()?);
        let text = checked(text)?;
        let recipients = recipients(&room, link, audience)?;
        let now = clock::now_us();
        let deliveries: Vec<_> = {
            let mut state = room.state.lock();
            state.broadcasts.admit(now)?;
            let delivery = |id: &ParticipantId| state.candidate(*id).map(|c| Arc::clone(&c.delivery));
            recipients.iter().filter_map(delivery).collect()
        };
        // In the order of their ids, as everybody does who takes more than one: nobody waits in a circle.
        let mut in_order = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            in_order.push(delivery.lock_owned().await);
        }
        let id = clock::fresh(MessageId::from_parts);
        let reach = Reach {
            recipients: u16::try_from(recipients.len()).unwrap_or(u16::MAX),
            ..Reach::default()
        };
        let body = TimelineBody::Broadcast {
            message: id,
            audience,
            by: link.name.clone(),
            text: text.clone(),
            reach,
        };
        let entry = entry_now(link.identity.participant, body);
        let (at, author) = (entry.at, link.name.clone());
        let stored = NewBroadcast {
            id,
            exam: room.id,
            author: author.clone(),
            text: text.clone(),
            at,
            recipients: recipients.clone(),
            entry: entry.clone(),
            once: once(key, link, &sent(id, at, false))?,
        };
        let outcome = self.store.acting(link.actor()).add_broadcast(stored).await?;
        if let Some(answer) = before(outcome) {
            return answer;
        }
        let reached: Vec<ParticipantId> = {
            let mut state = room.state.lock();
            state.tell_timeline(entry);
            let told = |candidate: &ParticipantId| {
                let message = Message {
                    id,
                    kind: MessageKind::Chat,
                    candidate: *candidate,
                    from_candidate: false,
                    author: author.clone(),
                    text: text.clone(),
                    at,
                    acknowledged: false,
                };
                state.tell(
                    *candidate,
                    ServerMessage::MessageReceived {
                        message: for_candidate(message),
                    },
                )
            };
            recipients.into_iter().filter(told).collect()
        };
        let delivered = !reached.is_empty();
        self.note_reached(&room, id, reached).await;
        Ok(Some(sent(id, at, delivered)))
    }

    /// Notes on whose machines a broadcast is.
    pub(super) async fn note_reached(&self, room: &OpenRoom, broadcast: MessageId, candidates: Vec<ParticipantId>) {
        if candidates.is_empty() {
            return;
        }
        if let Err(error) = self.store.mark_broadcast(broadcast, candidates, clock::now_us()).await {
            return tracing::error!(%error, "a delivery was not noted");
        }
        room.state.lock().broadcasts.moved(broadcast);
    }

    /// Tells those who watch how far broadcasts have come: once for all that arrived and was read since the last time.
    pub(super) async fn follow_broadcasts(&self, room: &OpenRoom) {
        let moved = std::mem::take(&mut room.state.lock().broadcasts.moved);
        for message in moved {
            match self.store.reach(message).await {
                Ok(reach) => {
                    let mut state = room.state.lock();
                    state.note_reach(message, reach);
                    state.tell_watchers(ServerMessage::BroadcastUpdated { message, reach });
                }
                Err(error) => tracing::warn!(%error, "how far a broadcast has come is not known now"),
            }
        }
    }
}

/// Whom it is for, in the order of their ids.
fn recipients(room: &OpenRoom, link: &Link, audience: Audience) -> Result<Vec<ParticipantId>, ErrorBody> {
    let state = room.state.lock();
    let sitters = state.sitters().into_iter().map(|sitter| sitter.participant);
    let recipients: Vec<ParticipantId> = match (audience, link.identity.person.subject()) {
        (Audience::Everyone, _) => sitters.collect(),
        (Audience::Mine, Subject::User(user)) => sitters.filter(|id| state.assignments.of(*id) == Some(user)).collect(),
        (Audience::Mine, Subject::Session(_)) => return Err(ErrorCode::Forbidden.into()),
        (Audience::Unknown, _) => return Err(ErrorCode::Unsupported.into()),
    };
    if recipients.is_empty() {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(recipients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_few_in_a_minute_wait() {
        let mut broadcasts = Broadcasts::default();
        for n in 0..6 {
            broadcasts.admit(n * 1_000_000).unwrap();
        }
        let refused = broadcasts.admit(6_000_000).unwrap_err();
        assert_eq!(
            (refused.code, refused.params["retry_after_s"].as_str()),
            (ErrorCode::RateLimited, "55")
        );
        assert!(broadcasts.admit(59_999_999).is_err());
        broadcasts.admit(60_000_000).unwrap();
        assert!(broadcasts.admit(60_500_000).is_err());
    }
}
