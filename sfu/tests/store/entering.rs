//! Join links, and a second device of a session.

use crate::over_both;
use crate::place::{Place, entry, exam, presence, seated};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_sfu::store::join_links::{JoinLinkRecord, NewJoinLink};
use invigil_sfu::store::records::{DeviceChange, SessionRecord, SittingChange, WaitingDevice};
use invigil_shared::id::{ExamId, RosterEntryId};

over_both!(
    an_entry_has_one_link_which_is_used_once,
    a_link_goes_with_its_entry,
    a_device_waits_and_takes_over_in_the_sittings_own_step,
    nothing_is_taken_over_by_nobody,
);

fn link(exam: ExamId, entry: RosterEntryId, n: u8) -> NewJoinLink {
    NewJoinLink {
        exam,
        entry,
        token_hash: vec![n; 32],
        created_at: 5,
        expires_at: 50,
    }
}

async fn an_entry_has_one_link_which_is_used_once(place: Place) {
    let store = place.open().await;
    let (one, two) = (exam("A-01"), exam("B-01"));
    for exam in [&one, &two] {
        store.create_exam(exam.clone()).await.unwrap();
    }
    let new = entry(one.id, "one");
    let id = new.entry.id;
    store.add_entry(new).await.unwrap();
    assert!(
        !store.put_join_link(link(two.id, id, 1)).await.unwrap(),
        "of another exam"
    );
    let nobody = fresh(RosterEntryId::from_parts);
    assert!(!store.put_join_link(link(one.id, nobody, 1)).await.unwrap());
    for n in [1, 2] {
        assert!(store.put_join_link(link(one.id, id, n)).await.unwrap());
    }
    let kept = |used_at| JoinLinkRecord {
        entry: id,
        token_hash: vec![2; 32],
        expires_at: 50,
        used_at,
    };
    assert_eq!(store.join_link(one.id, &[1; 32]).await.unwrap(), None, "replaced");
    assert_eq!(store.join_link(two.id, &[2; 32]).await.unwrap(), None);
    assert_eq!(store.join_link(one.id, &[2; 32]).await.unwrap(), Some(kept(None)));
    for at in [7, 8] {
        store.use_join_link(id, vec![2; 32], at).await.unwrap();
    }
    store.use_join_link(id, vec![1; 32], 9).await.unwrap();
    assert_eq!(store.join_link(one.id, &[2; 32]).await.unwrap(), Some(kept(Some(7))));
    // A later one can be used again.
    assert!(store.put_join_link(link(one.id, id, 3)).await.unwrap());
    let third = store.join_link(one.id, &[3; 32]).await.unwrap().unwrap();
    assert_eq!(third.used_at, None);
}

async fn a_link_goes_with_its_entry(place: Place) {
    let store = place.open().await;
    let exam = exam("A-01");
    store.create_exam(exam.clone()).await.unwrap();
    let new = entry(exam.id, "one");
    store.add_entry(new.clone()).await.unwrap();
    assert!(store.put_join_link(link(exam.id, new.entry.id, 1)).await.unwrap());
    assert!(store.remove_entry(exam.id, new.entry.id).await.unwrap());
    assert_eq!(store.join_link(exam.id, &[1; 32]).await.unwrap(), None);
}

fn change(seat: &SessionRecord, revision: i64, device: DeviceChange) -> SittingChange {
    SittingChange {
        session: seat.id,
        exam: seat.exam,
        revision,
        step: "move",
        sitting: seat.sitting.clone(),
        entry: Some(presence(seat.participant, revision)),
        device: Some(device),
        at: 100 + revision,
        once: None,
    }
}

async fn a_device_waits_and_takes_over_in_the_sittings_own_step(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    assert_eq!(store.waiting_device(seat.id).await.unwrap(), None);
    let steps = [
        DeviceChange::Ask(vec![5; 32]),
        DeviceChange::Refuse,
        DeviceChange::Ask(vec![6; 32]),
    ];
    for (revision, device) in (0..).zip(steps) {
        assert!(store.change_sitting(change(&seat, revision, device)).await.unwrap());
        if revision == 1 {
            let refused = store.waiting_device(seat.id).await.unwrap().unwrap();
            assert_eq!((refused.device_key, refused.refused_at), (vec![5; 32], Some(101)));
        }
    }
    let waits = WaitingDevice {
        device_key: vec![6; 32],
        asked_at: 102,
        refused_at: None,
    };
    assert_eq!(store.waiting_device(seat.id).await.unwrap(), Some(waits.clone()));
    let stale = change(&seat, 1, DeviceChange::Take);
    assert!(
        !store.change_sitting(stale).await.unwrap(),
        "decided on what was before"
    );
    assert_eq!(store.waiting_device(seat.id).await.unwrap(), Some(waits));
    assert!(
        store
            .change_sitting(change(&seat, 3, DeviceChange::Take))
            .await
            .unwrap()
    );
    let moved = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!((moved.device_key, moved.generation), (Some(vec![6; 32]), 1));
    assert_eq!(store.waiting_device(seat.id).await.unwrap(), None);
    let revoked = store.revocations(0, 10).await.unwrap();
    assert_eq!((revoked.len(), revoked[0].generation), (1, 1));
}

async fn nothing_is_taken_over_by_nobody(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let nobody = store.change_sitting(change(&seat, 0, DeviceChange::Take)).await;
    assert!(matches!(nobody, Err(StoreError::Missing)), "{nobody:?}");
    let ask = change(&seat, 0, DeviceChange::Ask(vec![5; 32]));
    assert!(
        store.change_sitting(ask).await.unwrap(),
        "the step was taken back whole"
    );
    assert!(
        store
            .change_sitting(change(&seat, 1, DeviceChange::Refuse))
            .await
            .unwrap()
    );
    let refused = store.change_sitting(change(&seat, 2, DeviceChange::Take)).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    let kept = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!((kept.device_key, kept.generation, kept.sitting_revision), (None, 0, 2));
    assert_eq!(store.timeline(seat.exam, 10).await.unwrap().len(), 2);
}
