//! Messages and what became of them.

use crate::over_both;
use crate::place::{Place, seated};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::records::{
    Acknowledged, MAX_UNACKNOWLEDGED, NewBroadcast, NewMessage, SessionRecord, StoredMessage,
};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::id::{MessageId, ParticipantId, TimelineEntryId};
use invigil_shared::signal::Message;
use invigil_shared::timeline::{Audience, MessageKind, Reach, TimelineBody, TimelineEntry};

over_both!(
    a_message_waits_until_it_is_acknowledged,
    the_oldest_wait_first,
    the_timeline_says_what_became_of_a_message,
    a_broadcast_is_stored_once_and_waits_for_each,
);

fn message(seat: &SessionRecord, from_candidate: bool, text: &str) -> NewMessage {
    let message = Message {
        id: fresh(MessageId::from_parts),
        kind: if from_candidate {
            MessageKind::Chat
        } else {
            MessageKind::Warning
        },
        candidate: seat.participant,
        from_candidate,
        author: "Añn".into(),
        text: text.into(),
        at: 5,
        acknowledged: false,
    };
    let entry = TimelineEntry {
        id: fresh(TimelineEntryId::from_parts),
        participant: seat.participant,
        at: 5,
        received_at: 5,
        body: TimelineBody::Message {
            message: message.id,
            kind: message.kind,
            from_candidate,
            text: message.text.clone(),
            delivered: false,
            acknowledged: false,
        },
    };
    NewMessage {
        exam: seat.exam,
        message,
        entry,
        once: None,
    }
}

/// Delivered and acknowledged, as the newest timeline entry says.
async fn fate(store: &dyn Store, seat: &SessionRecord) -> (bool, bool) {
    match &store.timeline(seat.exam, 1).await.unwrap()[0].body {
        TimelineBody::Message {
            delivered,
            acknowledged,
            ..
        } => (*delivered, *acknowledged),
        other => panic!("{other:?}"),
    }
}

async fn a_message_waits_until_it_is_acknowledged(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let warning = message(&seat, false, "Look at\nyour screen, ‹please›");
    store.add_message(warning.clone()).await.unwrap();
    store.add_message(message(&seat, true, "I do")).await.unwrap();
    let id = warning.message.id;
    let found = |stored: Vec<StoredMessage>| {
        let [one] = &stored[..] else { panic!("{stored:?}") };
        (one.message.clone(), one.delivered)
    };
    let expected = |delivered| (warning.message.clone(), delivered);
    assert_eq!(
        found(store.unacknowledged(seat.participant).await.unwrap()),
        expected(false)
    );
    store.mark_delivered(vec![id], 6).await.unwrap();
    assert_eq!(
        found(store.unacknowledged(seat.participant).await.unwrap()),
        expected(true)
    );
    let stranger = store.acknowledge(id, fresh(ParticipantId::from_parts), 7).await;
    assert!(matches!(stranger, Err(StoreError::Missing)), "{stranger:?}");
    let acknowledged = async |at| store.acknowledge(id, seat.participant, at).await.unwrap();
    assert_eq!(acknowledged(7).await, Acknowledged::Message);
    assert_eq!(acknowledged(8).await, Acknowledged::Before);
    assert!(store.unacknowledged(seat.participant).await.unwrap().is_empty());
}

async fn the_oldest_wait_first(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let mut ids = Vec::new();
    for n in 0..MAX_UNACKNOWLEDGED + 2 {
        let new = message(&seat, false, &format!("{n}"));
        ids.push(new.message.id);
        store.add_message(new).await.unwrap();
    }
    ids.truncate(MAX_UNACKNOWLEDGED);
    let waiting = store.unacknowledged(seat.participant).await.unwrap();
    assert_eq!(waiting.iter().map(|stored| stored.message.id).collect::<Vec<_>>(), ids);
    store.mark_delivered(ids, 6).await.unwrap();
    let waiting = store.unacknowledged(seat.participant).await.unwrap();
    assert!(waiting.iter().all(|stored| stored.delivered));
}

async fn the_timeline_says_what_became_of_a_message(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let new = message(&seat, false, "Hello");
    store.add_message(new.clone()).await.unwrap();
    assert_eq!(fate(&*store, &seat).await, (false, false));
    store.mark_delivered(vec![new.message.id], 6).await.unwrap();
    assert_eq!(fate(&*store, &seat).await, (true, false));
    store.acknowledge(new.message.id, seat.participant, 7).await.unwrap();
    assert_eq!(fate(&*store, &seat).await, (true, true));
    // One that was never marked delivered has arrived when it is acknowledged.
    let new = message(&seat, false, "Hello again");
    store.add_message(new.clone()).await.unwrap();
    store.acknowledge(new.message.id, seat.participant, 8).await.unwrap();
    assert_eq!(fate(&*store, &seat).await, (true, true));
}

async fn a_broadcast_is_stored_once_and_waits_for_each(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let other = fresh(ParticipantId::from_parts);
    let before = message(&seat, false, "before");
    store.add_message(before.clone()).await.unwrap();
    let id = fresh(MessageId::from_parts);
    let body = TimelineBody::Broadcast {
        message: id,
        audience: Audience::Everyone,
        by: "Añn".into(),
        text: "to all".into(),
        reach: Reach::default(),
    };
    let entry = TimelineEntry {
        id: fresh(TimelineEntryId::from_parts),
        participant: fresh(ParticipantId::from_parts),
        at: 9,
        received_at: 9,
        body,
    };
    let broadcast = NewBroadcast {
        id,
        exam: seat.exam,
        author: "Añn".into(),
        text: "to all".into(),
        at: 9,
        recipients: vec![seat.participant, other],
        entry,
        once: None,
    };
    store.add_broadcast(broadcast).await.unwrap();
    let after = message(&seat, false, "after");
    store.add_message(after.clone()).await.unwrap();
    let reach = |delivered, acknowledged| Reach {
        recipients: 2,
        delivered,
        acknowledged,
    };
    assert_eq!(store.reach(id).await.unwrap(), reach(0, 0));
    let waiting = store.unacknowledged(seat.participant).await.unwrap();
    let said: Vec<_> = waiting
        .iter()
        .map(|one| (one.message.text.as_str(), one.broadcast))
        .collect();
    assert_eq!(said, [("before", false), ("to all", true), ("after", false)]);
    assert_eq!(
        (waiting[1].message.id, waiting[1].message.candidate),
        (id, seat.participant)
    );
    store.mark_broadcast(id, vec![seat.participant], 10).await.unwrap();
    assert_eq!(store.reach(id).await.unwrap(), reach(1, 0));
    assert!(store.unacknowledged(seat.participant).await.unwrap()[1].delivered);
    let stranger = store.acknowledge(id, fresh(ParticipantId::from_parts), 11).await;
    assert!(matches!(stranger, Err(StoreError::Missing)), "{stranger:?}");
    let acknowledged = async |who| store.acknowledge(id, who, 11).await.unwrap();
    assert_eq!(acknowledged(other).await, Acknowledged::Broadcast);
    assert_eq!(acknowledged(other).await, Acknowledged::Before);
    // Read is received too, whatever was noted of it.
    assert_eq!(store.reach(id).await.unwrap(), reach(2, 1));
    let timeline = store.timeline(seat.exam, 10).await.unwrap();
    let lines = timeline.iter().filter_map(|entry| match &entry.body {
        TimelineBody::Broadcast { reach, .. } => Some(*reach),
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>(), [reach(2, 1)]);
}
