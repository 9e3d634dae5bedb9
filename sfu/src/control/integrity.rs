//! Integrity events: checked, committed, acknowledged, and then told.

use super::{Answer, Control, Link};
use crate::clock;
use crate::store::records::{Append, NewEvent};
use invigil_shared::chain::ChainBreak;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::TimelineEntryId;
use invigil_shared::integrity::{IntegrityEvent, IntegrityPayload};
use invigil_shared::limits::{MAX_EVENT_FACTS, MAX_EVENT_PAYLOAD, MAX_EVENTS_PER_MESSAGE};
use invigil_shared::signal::ServerMessage;
use std::sync::Arc;
use std::time::Instant;

impl Control {
    pub(super) async fn integrity(&self, link: &Link, events: Vec<IntegrityEvent>) -> Answer {
        let (room, session) = link.sitting()?;
        let room = Arc::clone(room);
        if events.is_empty() || events.len() > MAX_EVENTS_PER_MESSAGE {
            return Err(ErrorBody::from(ErrorCode::BadMessage).with("limit", MAX_EVENTS_PER_MESSAGE));
        }
        let received_at = clock::now_us();
        let began = Instant::now();
        let events = events
            .into_iter()
            .map(|event| checked(event, received_at, link.clock_offset))
            .collect::<Result<Vec<_>, _>>()?;
        let append = Append {
            session,
            exam: room.id,
            participant: link.identity.participant,
            received_at,
            clock_offset: link.clock_offset,
            events,
            broken_id: clock::fresh(TimelineEntryId::from_parts),
        };
        let appended = self.store.append(append).await?;
        {
            let mut state = room.state.lock();
            appended
                .entries
                .into_iter()
                .for_each(|entry| state.tell_timeline(entry));
        }
        self.durations.acknowledge.observe(began.elapsed().as_secs_f64());
        let wanted = appended.head.seq + 1;
        let refuse = |code: ErrorCode| Err(ErrorBody::from(code).with("wanted", wanted));
        match appended.broken {
            None => Ok(Some(ServerMessage::IntegrityAck { head: appended.head })),
            Some(ChainBreak::Gap { .. }) => refuse(ErrorCode::ChainGap),
            Some(_) => refuse(ErrorCode::ChainFork),
        }
    }
}

fn checked(event: IntegrityEvent, received_at: i64, offset: Option<i64>) -> Result<NewEvent, ErrorBody> {
    if event.payload.len() > MAX_EVENT_PAYLOAD {
        let error = ErrorBody::from(ErrorCode::TooLarge).with("limit", MAX_EVENT_PAYLOAD);
        return Err(error.with("seq", event.seq));
    }
    let bad = || ErrorBody::from(ErrorCode::BadMessage).with("seq", event.seq);
    let payload: IntegrityPayload = serde_json::from_str(&event.payload).map_err(|_| bad())?;
    if payload.facts.len() > MAX_EVENT_FACTS || event.seq > i64::MAX as u64 {
        return Err(bad());
    }
    // What the machine's clock said, in server time; never later than now.
    let at = payload
        .time
        .wall_us
        .saturating_add(offset.unwrap_or(0))
        .min(received_at);
    Ok(NewEvent {
        event,
        payload,
        timeline_id: clock::fresh(TimelineEntryId::from_parts),
        at,
    })
}
