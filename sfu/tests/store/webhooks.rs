//! Webhooks and incidents as stored: who is told, how far, by which process.

use crate::chain::{append, event};
use crate::over_both;
use crate::place::{Place, seated};
use invigil_sfu::clock::{fresh, random};
use invigil_sfu::store::once::Outcome;
use invigil_sfu::store::webhooks::{MAX_WEBHOOKS, Progress, WebhookRecord};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::chain::ChainHead;
use invigil_shared::id::{SessionId, WebhookId};
use invigil_shared::webhook::EventKind;

over_both!(
    a_webhook_begins_where_the_log_is_and_keeps_its_place,
    one_process_at_a_time_tells_a_webhook,
    what_a_human_should_look_at_is_an_incident_once,
);

fn webhook(url: &str) -> WebhookRecord {
    WebhookRecord {
        id: fresh(WebhookId::from_parts),
        url: url.into(),
        kinds: vec![EventKind::ExamChanged, EventKind::IncidentNoticed],
        salt: random::<32>().to_vec(),
        created_at: 5,
        stopped: None,
        progress: Progress::default(),
    }
}

async fn a_webhook_begins_where_the_log_is_and_keeps_its_place(place: Place) {
    let store = place.open().await;
    seated(&*store, "A-01").await;
    let head = store.audit_head().await.unwrap().seq;
    let new = webhook("https://a.example.org/");
    assert_eq!(store.add_webhook(new.clone(), None).await.unwrap(), Outcome::Done);
    let added = store.webhook(new.id).await.unwrap().unwrap();
    assert!(head > 0 && added.progress.audit_seq == head);
    let progress = Progress {
        audit_seq: head + 1,
        incident_seq: 3,
        attempts: 2,
        next_at: 77,
        last_error: Some("answered with status 500".into()),
        delivered_at: Some(66),
    };
    store.settle_webhook(new.id, progress.clone(), None).await.unwrap();
    let stored = store.webhook(new.id).await.unwrap().unwrap();
    assert_eq!(
        stored,
        WebhookRecord {
            progress: progress.clone(),
            ..new.clone()
        }
    );
    store
        .settle_webhook(new.id, progress.clone(), Some("gone"))
        .await
        .unwrap();
    assert_eq!(
        store.webhook(new.id).await.unwrap().unwrap().stopped.as_deref(),
        Some("gone")
    );
    // It goes on from there, at once.
    let again = WebhookRecord {
        url: "https://b.example.org/".into(),
        kinds: vec![],
        stopped: None,
        ..new.clone()
    };
    assert!(store.change_webhook(again.clone()).await.unwrap());
    let stored = store.webhook(new.id).await.unwrap().unwrap();
    assert_eq!((&stored.url, stored.kinds.len(), stored.stopped), (&again.url, 0, None));
    assert_eq!(
        (
            stored.progress.audit_seq,
            stored.progress.attempts,
            stored.progress.next_at
        ),
        (head + 1, 0, 0)
    );

    for n in 1..MAX_WEBHOOKS {
        store
            .add_webhook(webhook(&format!("https://{n}.example.org/")), None)
            .await
            .unwrap();
    }
    let one_more = store.add_webhook(webhook("https://x.example.org/"), None).await;
    assert!(matches!(one_more, Err(StoreError::Full { .. })));
    assert_eq!(store.webhooks().await.unwrap().len(), MAX_WEBHOOKS);
    assert!(store.remove_webhook(new.id).await.unwrap());
    assert!(!store.remove_webhook(new.id).await.unwrap());
    assert!(!store.change_webhook(again).await.unwrap());
    assert_eq!(store.webhook(new.id).await.unwrap(), None);
}

async fn one_process_at_a_time_tells_a_webhook(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let new = webhook("https://a.example.org/");
    let id = new.id;
    here.add_webhook(new, None).await.unwrap();
    let lease = async |store: &dyn Store, now, until| store.lease_webhook(id, now, until).await.unwrap();
    assert!(lease(&*here, 100, 200).await);
    assert!(!lease(&*there, 150, 250).await, "it is the other's");
    assert!(lease(&*there, 200, 300).await, "the other has died");
    let later = Progress {
        next_at: 1_000,
        ..Progress::default()
    };
    there.settle_webhook(id, later, None).await.unwrap();
    assert!(!lease(&*here, 999, 2_000).await, "not yet");
    assert!(lease(&*here, 1_000, 2_000).await);
    here.settle_webhook(id, Progress::default(), Some("gone"))
        .await
        .unwrap();
    assert!(!lease(&*here, 3_000, 4_000).await, "it is stopped");
}

async fn what_a_human_should_look_at_is_an_incident_once(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    assert_eq!(store.last_incident().await.unwrap(), 0);
    let mut head = seat.chain;
    // Focus was lost, came back, and was lost again.
    let mut events: Vec<_> = (0..3).map(|_| event(&mut head, seat.id)).collect();
    events[1].payload.begins = Some(1);
    store.append(append(&seat, events.clone())).await.unwrap();
    store.append(append(&seat, events)).await.unwrap();
    let found = store.incidents(0, 10).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|i| (i.seq, i.kind.as_str(), i.severity.as_str()))
        .collect();
    assert_eq!(told, [(1, "focus_lost", "medium"), (2, "focus_lost", "medium")]);
    assert!(
        found
            .iter()
            .all(|incident| incident.exam == seat.exam && incident.session == seat.id)
    );
    // A gap, twice.
    let mut gap = ChainHead::new(fresh(SessionId::from_parts));
    gap.seq = 9;
    let lost = event(&mut gap, seat.id);
    for _ in 0..2 {
        store.append(append(&seat, vec![lost.clone()])).await.unwrap();
    }
    let found = store.incidents(2, 10).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|i| (i.seq, i.kind.as_str(), i.severity.as_str()))
        .collect();
    assert_eq!(told, [(3, "chain_broken", "high")]);
    assert_eq!(store.last_incident().await.unwrap(), 3);
}
