//! Messages between people: stored first, then delivered, once and in order; again after a reconnect until acknowledged.

use super::join::entry_now;
use super::once::{Key, before, once};
use super::{Answer, Control, Link, OK, OpenRoom};
use crate::auth::identity::Person;
use crate::clock;
use crate::store::records::{Acknowledged, NewMessage};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{MessageId, ParticipantId};
use invigil_shared::limits::MAX_MESSAGE_CHARS;
use invigil_shared::signal::{Action, Message, ServerMessage};
use invigil_shared::timeline::{MessageKind, TimelineBody};
use std::sync::Arc;

/// How those who watch are called to candidates.
const PROCTOR: &str = "Proctor";

/// The answer to whoever wrote.
pub(super) fn sent(message: MessageId, at: i64, delivered: bool) -> ServerMessage {
    ServerMessage::MessageSent { message, at, delivered }
}

impl Control {
    pub(super) async fn send_message(
        &self,
        link: &Link,
        key: Option<&Key>,
        to: Option<ParticipantId>,
        kind: MessageKind,
        text: String,
    ) -> Answer {
        let text = checked(&text)?;
        match link.identity.person {
            Person::Candidate { .. } => self.send_from_candidate(link, key, kind, text).await,
            Person::User(_) => {
                let to = to.ok_or(ErrorCode::NotFound)?;
                self.send_to_candidate(link, key, to, kind, text).await
            }
        }
    }

    async fn send_from_candidate(&self, link: &Link, key: Option<&Key>, kind: MessageKind, text: String) -> Answer {
        let (room, _) = link.sitting()?;
        let room = Arc::clone(room);
        if kind != MessageKind::Chat {
            return Err(ErrorCode::Forbidden.into());
        }
        let candidate = link.identity.participant;
        let (author, delivery) = {
            let state = room.state.lock();
            let member = state.members.get(&candidate).ok_or(ErrorCode::NotInRoom)?;
            let delivery = member
                .candidate()
                .map(|c| Arc::clone(&c.delivery))
                .ok_or(ErrorCode::NotInRoom)?;
            (member.info.label.clone(), delivery)
        };
        let _in_order = delivery.lock().await;
        let message = compose(candidate, true, author, kind, text);
        let entry = entry_now(candidate, body(&message));
        let stored = NewMessage {
            exam: room.id,
            message: message.clone(),
            entry: entry.clone(),
            once: once(key, link, &sent(message.id, message.at, false))?,
        };
        let outcome = self.store.acting(link.actor()).add_message(stored).await?;
        if let Some(answer) = before(outcome) {
            return answer;
        }
        let delivered = {
            let mut state = room.state.lock();
            let delivered = state.watched();
            state.tell_watchers(ServerMessage::MessageReceived {
                message: message.clone(),
            });
            state.tell_timeline(entry);
            delivered
        };
        if delivered {
            self.note_delivered(&room, vec![message.id]).await;
        }
        Ok(Some(sent(message.id, message.at, delivered)))
    }

    async fn send_to_candidate(
        &self,
        link: &Link,
        key: Option<&Key>,
        candidate: ParticipantId,
        kind: MessageKind,
        text: String,
    ) -> Answer {
        let room = Arc::clone(link.watching()?);
        if kind == MessageKind::Unknown {
            return Err(ErrorCode::Unsupported.into());
        }
        let delivery = room.state.lock().candidate(candidate).map(|c| Arc::clone(&c.delivery));
        let delivery = delivery.ok_or(ErrorCode::NotFound)?;
        let _in_order = delivery.lock().await;
        let message = compose(candidate, false, link.name.clone(), kind, text);
        let entry = entry_now(candidate, body(&message));
        let stored = NewMessage {
            exam: room.id,
            message: message.clone(),
            entry: entry.clone(),
            once: once(key, link, &sent(message.id, message.at, false))?,
        };
        let outcome = self.store.acting(link.actor()).add_message(stored).await?;
        if let Some(answer) = before(outcome) {
            return answer;
        }
        let delivered = {
            let mut state = room.state.lock();
            state.tell_timeline(entry);
            state.tell(
                candidate,
                ServerMessage::MessageReceived {
                    message: for_candidate(message.clone()),
                },
            )
        };
        if delivered {
            self.note_delivered(&room, vec![message.id]).await;
        }
        Ok(Some(sent(message.id, message.at, delivered)))
    }

    /// Notes that messages reached their reader, and tells those who watch.
    pub(super) async fn note_delivered(&self, room: &OpenRoom, messages: Vec<MessageId>) {
        if messages.is_empty() {
            return;
        }
        let at = clock::now_us();
        if let Err(error) = self.store.mark_delivered(messages.clone(), at).await {
            tracing::error!(%error, "a delivery was not noted");
            return;
        }
        let state = room.state.lock();
        for message in messages {
            state.tell_watchers(ServerMessage::MessageSent {
                message,
                at,
                delivered: true,
            });
        }
    }

    pub(super) async fn acknowledge(&self, link: &Link, message: MessageId) -> Answer {
        let (room, _) = link.sitting()?;
        let at = clock::now_us();
        let store = self.store.acting(link.actor());
        match store.acknowledge(message, link.identity.participant, at).await? {
            Acknowledged::Before => {}
            Acknowledged::Message => room
                .state
                .lock()
                .tell_watchers(ServerMessage::MessageAcknowledged { message, at }),
            Acknowledged::Broadcast => room.state.lock().broadcasts.moved(message),
        }
        OK
    }

    /// A warning, a step of one sitting, or of the whole exam.
    pub(super) async fn action(&self, link: &Link, key: Option<&Key>, action: Action) -> Answer {
        link.watching()?;
        match action {
            Action::Warn { participant, reason } => {
                self.send_message(link, key, Some(participant), MessageKind::Warning, reason)
                    .await
            }
            Action::Pause { participant: None, .. } | Action::Continue { participant: None } | Action::Close { .. } => {
                self.act_on_exam(link, &action).await
            }
            Action::Reassign { participants, from, to } => self.reassign(link, &participants, from, to).await,
            Action::MuteAll => self.mute_all(link, true).await,
            Action::UnmuteAll => self.mute_all(link, false).await,
            Action::ChangeRole { participant, role } => self.change_role(link, participant, role).await,
            Action::Remove { participant, reason } if self.watches_here(link, participant) => {
                self.remove_watcher(link, participant, &reason).await
            }
            action => self.act_on_sitting(link, key, &action).await,
        }
    }
}

/// Words as they are stored.
///
/// # Errors
/// `bad_message` for none, `message_too_long`.
pub(super) fn checked(text: &str) -> Result<String, ErrorBody> {
    let text = text.trim();
    // No text of PostgreSQL's can hold a NUL.
    if text.is_empty() || text.contains('\0') {
        return Err(ErrorBody::from(ErrorCode::BadMessage).with("field", "text"));
    }
    if text.chars().count() > MAX_MESSAGE_CHARS {
        return Err(ErrorBody::from(ErrorCode::MessageTooLong).with("limit", MAX_MESSAGE_CHARS));
    }
    Ok(text.to_owned())
}

/// A candidate learns that a proctor wrote, not who.
pub(super) fn for_candidate(message: Message) -> Message {
    if message.from_candidate {
        message
    } else {
        Message {
            author: PROCTOR.to_owned(),
            ..message
        }
    }
}

fn compose(candidate: ParticipantId, from_candidate: bool, author: String, kind: MessageKind, text: String) -> Message {
    let (id, at) = (clock::fresh(MessageId::from_parts), clock::now_us());
    Message {
        id,
        kind,
        candidate,
        from_candidate,
        author,
        text,
        at,
        acknowledged: false,
    }
}

fn body(message: &Message) -> TimelineBody {
    TimelineBody::Message {
        message: message.id,
        kind: message.kind,
        from_candidate: message.from_candidate,
        text: message.text.clone(),
        delivered: false,
        acknowledged: false,
    }
}
