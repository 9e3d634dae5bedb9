//! Messages and what became of them.

use crate::over_both;
use crate::place::{Place, seated};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::records::{MAX_UNACKNOWLEDGED, NewMessage, SessionRecord, StoredMessage};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::id::{MessageId, ParticipantId, TimelineEntryId};
use invigil_shared::signal::Message;
use invigil_shared::timeline::{MessageKind, TimelineBody, TimelineEntry};

over_both!(
    a_message_waits_until_it_is_acknowledged,
    the_oldest_wait_first,
    the_timeline_says_what_became_of_a_message,
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
    let waiting = |delivered| StoredMessage {
        message: warning.message.clone(),
        delivered,
    };
    let id = warning.message.id;
    let found = |stored: Vec<StoredMessage>| {
        let [one] = &stored[..] else { panic!("{stored:?}") };
        (one.message.clone(), one.delivered)
    };
    let expected = |delivered| (waiting(delivered).message, delivered);
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
    assert!(store.acknowledge(id, seat.participant, 7).await.unwrap());
    assert!(!store.acknowledge(id, seat.participant, 8).await.unwrap());
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
