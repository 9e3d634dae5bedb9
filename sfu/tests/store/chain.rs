//! Integrity events: a session's chain is kept whole, whoever writes and however often.

use crate::over_both;
use crate::place::{Place, seated};
use invigil_sfu::clock::{fresh, random};
use invigil_sfu::store::records::{Append, NewEvent, SessionRecord};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::chain::{ChainBreak, ChainHead};
use invigil_shared::id::{BootId, SessionId, TimelineEntryId};
use invigil_shared::integrity::{EventTime, IntegrityEvent, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::timeline::{TimelineBody, TimelineEntry};
use std::collections::BTreeMap;

over_both!(
    events_continue_the_chain_and_come_back_as_sent,
    what_came_before_is_acknowledged_again,
    a_gap_keeps_what_was_right_and_is_noted_once,
    another_event_in_its_place_is_a_fork,
    two_processes_keep_one_chain,
    an_unknown_session_has_no_chain,
);

pub fn event(head: &mut ChainHead, session: SessionId) -> NewEvent {
    let payload = IntegrityPayload {
        kind: IntegrityKind::FocusLost,
        time: EventTime {
            boot_id: fresh(BootId::from_parts),
            monotonic_us: 1,
            wall_us: 2,
        },
        observer: Observer::System,
        confidence: 100,
        begins: None,
        facts: BTreeMap::from([("window".to_owned(), "a\u{0} \u{1f} ü".to_owned())]),
    };
    let text = serde_json::to_string(&payload).unwrap();
    NewEvent {
        event: head.append(session, random(), text),
        payload,
        timeline_id: fresh(TimelineEntryId::from_parts),
        at: 3,
    }
}

pub fn append(seat: &SessionRecord, events: Vec<NewEvent>) -> Append {
    Append {
        session: seat.id,
        exam: seat.exam,
        participant: seat.participant,
        received_at: 4,
        clock_offset: Some(-7),
        events,
        broken_id: fresh(TimelineEntryId::from_parts),
    }
}

async fn payloads(store: &dyn Store, seat: &SessionRecord) -> Vec<String> {
    store.payloads(seat.id).await.unwrap()
}

fn sent(events: &[NewEvent]) -> Vec<String> {
    events.iter().map(|new| new.event.payload.clone()).collect()
}

fn broken(entries: &[TimelineEntry]) -> Vec<u64> {
    let breaks = entries.iter().filter_map(|entry| match entry.body {
        TimelineBody::ChainBroken { seq, .. } => Some(seq),
        _ => None,
    });
    breaks.collect()
}

async fn events_continue_the_chain_and_come_back_as_sent(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let mut head = seat.chain;
    let events: Vec<_> = (0..3).map(|_| event(&mut head, seat.id)).collect();
    let first = store.append(append(&seat, events[..1].to_vec())).await.unwrap();
    let rest = store.append(append(&seat, events[1..].to_vec())).await.unwrap();
    assert_eq!((rest.head, rest.broken), (head, None));
    assert_eq!(first.entries.len() + rest.entries.len(), 3);
    assert_eq!(payloads(&*store, &seat).await, sent(&events));
    let timeline = store.timeline(seat.exam, 10).await.unwrap();
    assert_eq!(timeline, [first.entries, rest.entries].concat());
    store.close().await;
    let again = place.open().await;
    assert_eq!(again.session(seat.id).await.unwrap().unwrap().chain, head);
}

async fn what_came_before_is_acknowledged_again(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let mut head = seat.chain;
    let events: Vec<_> = (0..3).map(|_| event(&mut head, seat.id)).collect();
    store.append(append(&seat, events[..2].to_vec())).await.unwrap();
    let again = store.append(append(&seat, events.clone())).await.unwrap();
    assert_eq!((again.head, again.broken), (head, None));
    assert_eq!(again.entries.len(), 1, "only the third was new");
    assert_eq!(payloads(&*store, &seat).await, sent(&events));
}

async fn a_gap_keeps_what_was_right_and_is_noted_once(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let mut head = seat.chain;
    let first = event(&mut head, seat.id);
    let kept = head;
    let _lost = event(&mut head, seat.id);
    let third = event(&mut head, seat.id);
    let appended = store
        .append(append(&seat, vec![first.clone(), third.clone()]))
        .await
        .unwrap();
    assert_eq!(appended.broken, Some(ChainBreak::Gap { wanted: 2, got: 3 }));
    assert_eq!(appended.head, kept);
    assert_eq!(broken(&appended.entries), [3]);
    let again = store.append(append(&seat, vec![third])).await.unwrap();
    assert_eq!(again.broken, Some(ChainBreak::Gap { wanted: 2, got: 3 }));
    assert!(again.entries.is_empty(), "{:?}", again.entries);
    assert_eq!(broken(&store.timeline(seat.exam, 10).await.unwrap()), [3]);
    assert_eq!(payloads(&*store, &seat).await, sent(&[first]));
}

async fn another_event_in_its_place_is_a_fork(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let mut head = seat.chain;
    let kept = event(&mut head, seat.id);
    store.append(append(&seat, vec![kept.clone()])).await.unwrap();
    let mut other_head = seat.chain;
    let other = event(&mut other_head, seat.id);
    assert_ne!(other.event, kept.event);
    let appended = store.append(append(&seat, vec![other])).await.unwrap();
    assert_eq!((appended.head, appended.broken), (head, Some(ChainBreak::Fork(1))));
    let unhappy = IntegrityEvent {
        seq: 2,
        prev: other_head.hash,
        ..event(&mut head.clone(), seat.id).event
    };
    let mut new = event(&mut head, seat.id);
    new.event = unhappy;
    let appended = store.append(append(&seat, vec![new])).await.unwrap();
    assert_eq!(appended.broken, Some(ChainBreak::Fork(2)));
    assert_eq!(payloads(&*store, &seat).await, sent(&[kept]));
}

async fn two_processes_keep_one_chain(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let seat = seated(&*here, "A-01").await;
    let mut head = seat.chain;
    let events: Vec<_> = (0..60).map(|_| event(&mut head, seat.id)).collect();
    // The same device on two connections: both send all of it, one by one.
    let writers = [here, there].map(|store| {
        let (seat, events) = (seat.clone(), events.clone());
        tokio::spawn(async move {
            let mut new = 0;
            for event in events {
                let appended = store.append(append(&seat, vec![event])).await.unwrap();
                assert_eq!(appended.broken, None);
                new += appended.entries.len();
            }
            new
        })
    });
    let mut new = 0;
    for writer in writers {
        new += writer.await.unwrap();
    }
    assert_eq!(new, 60, "each is new to one of them");
    let store = place.open().await;
    assert_eq!(store.session(seat.id).await.unwrap().unwrap().chain, head);
    assert_eq!(payloads(&*store, &seat).await, sent(&events));
    assert_eq!(store.timeline(seat.exam, 100).await.unwrap().len(), 60);
}

async fn an_unknown_session_has_no_chain(place: Place) {
    let store = place.open().await;
    let mut seat = seated(&*store, "A-01").await;
    seat.id = fresh(SessionId::from_parts);
    let appended = store
        .append(append(&seat, vec![event(&mut ChainHead::new(seat.id), seat.id)]))
        .await;
    assert!(matches!(appended, Err(StoreError::Missing)), "{appended:?}");
}
