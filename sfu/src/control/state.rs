//! `room:state`: one frame within the frame limit, and what did not fit as frames of their own behind it.

use super::outbox::frame;
use super::room::{Member, Part, Room};
use axum::extract::ws::Utf8Bytes;
use invigil_shared::chain::ChainHead;
use invigil_shared::codec::encode;
use invigil_shared::limits::MAX_FRAME;
use invigil_shared::signal::{Message, RoomState, ServerFrame, ServerMessage};
use invigil_shared::timeline::TimelineEntry;
use serde::Serialize;

/// Kept free for the brackets and commas between items.
const MARGIN: usize = 1_024;

/// What the store adds to a room's state.
#[derive(Default)]
pub struct FromStore {
    pub timeline: Vec<TimelineEntry>,
    pub chain: Option<ChainHead>,
    pub messages: Vec<Message>,
}

/// The frames that put a member in the picture: the state, then the rest.
pub fn frames(room: &Room, member: &Member, id: Option<u32>, stored: FromStore, now: i64) -> Vec<Utf8Bytes> {
    let watches = matches!(member.part, Part::Watcher(_));
    let mut state = RoomState {
        exam: match watches {
            true => room.exam.clone(),
            false => room.exam.clone().for_candidate(),
        },
        you: member.info.clone(),
        server_time: now,
        time_left: room.time_left(member, now),
        participants: Vec::new(),
        publications: Vec::new(),
        timeline: Vec::new(),
        chain: stored.chain,
        messages: Vec::new(),
    };
    let mut budget = Budget(MAX_FRAME.saturating_sub(MARGIN));
    let empty = ServerFrame {
        id,
        message: ServerMessage::RoomState(Box::new(state.clone())),
    };
    budget.take(&empty);
    let mut rest = Vec::new();
    // Only a watcher learns of others; this is the one place that gathers them.
    let others = room
        .members
        .values()
        .filter(|other| watches && other.info.id != member.info.id);
    for other in others {
        if budget.take(&other.info) {
            state.participants.push(other.info.clone());
        } else {
            rest.extend(frame(
                None,
                ServerMessage::ParticipantJoined {
                    participant: other.info.clone(),
                },
            ));
        }
    }
    let visible = room
        .members
        .values()
        .filter(|other| watches || other.info.id == member.info.id);
    for published in visible
        .filter_map(Member::candidate)
        .flat_map(|c| c.publications.values())
    {
        if budget.take(&published.info) {
            state.publications.push(published.info.clone());
        } else {
            rest.extend(frame(
                None,
                ServerMessage::PublicationAdded {
                    publication: published.info.clone(),
                },
            ));
        }
    }
    for message in stored.messages {
        if budget.take(&message) {
            state.messages.push(message);
        } else {
            rest.extend(frame(None, ServerMessage::MessageReceived { message }));
        }
    }
    // The newest entries stand in the state; older ones follow it.
    let mut older = Vec::new();
    for entry in stored.timeline.into_iter().rev() {
        if older.is_empty() && budget.take(&entry) {
            state.timeline.insert(0, entry);
        } else {
            older.push(entry);
        }
    }
    rest.extend(
        older
            .into_iter()
            .rev()
            .filter_map(|entry| frame(None, ServerMessage::TimelineEntry { entry })),
    );
    frame(id, ServerMessage::RoomState(Box::new(state)))
        .into_iter()
        .chain(rest)
        .collect()
}

struct Budget(usize);

impl Budget {
    /// Takes an item's bytes out of the budget; false, and for good, when it does not fit.
    fn take<T: Serialize>(&mut self, item: &T) -> bool {
        let size = encode(item).map_or(usize::MAX, |text| text.len()).saturating_add(1);
        match self.0.checked_sub(size) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}
