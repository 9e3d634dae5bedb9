//! Sessions, and the timeline of an exam.

use crate::over_both;
use crate::place::{Place, entry, exam, presence, seated, session, user};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_sfu::store::records::{AssignmentChange, AssignmentMove, SessionRecord, SittingChange};
use invigil_shared::id::{ParticipantId, SessionId};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;

over_both!(
    an_entry_has_one_session_and_its_first_device,
    joining_looking_and_finishing_are_noted,
    a_session_ends_once_with_its_entry,
    a_sitting_changes_from_the_revision_that_was_seen,
    candidates_are_given_to_proctors_all_or_none,
    the_timeline_is_the_newest_in_order,
);

async fn an_entry_has_one_session_and_its_first_device(place: Place) {
    let store = place.open().await;
    let exam = exam("A-01");
    store.create_exam(exam.clone()).await.unwrap();
    let new = entry(exam.id, "one");
    store.add_entry(new.clone()).await.unwrap();
    let fresh_session = session(&new.entry);
    let first = store.open_session(fresh_session.clone()).await.unwrap();
    assert_eq!(first, fresh_session);
    let mut device = session(&new.entry);
    device.device_key = Some(vec![5; 32]);
    let second = store.open_session(device).await.unwrap();
    assert_eq!((second.id, second.participant), (first.id, first.participant));
    assert_eq!(second.device_key, Some(vec![5; 32]), "the first device is registered");
    let mut other = session(&new.entry);
    other.device_key = Some(vec![6; 32]);
    let third = store.open_session(other).await.unwrap();
    assert_eq!(third, second, "another device takes nothing over");
    assert_eq!(store.session(first.id).await.unwrap(), Some(second));
    assert_eq!(store.session(fresh(SessionId::from_parts)).await.unwrap(), None);
}

async fn joining_looking_and_finishing_are_noted(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    assert!(store.joined_sessions(seat.exam).await.unwrap().is_empty());
    assert!(store.mark_joined(seat.id, 100).await.unwrap());
    assert!(
        !store.mark_joined(seat.id, 200).await.unwrap(),
        "only the first is noted"
    );
    store.mark_looked(seat.participant, 50).await.unwrap();
    store.mark_looked(seat.participant, 40).await.unwrap();
    let nobody = store.mark_looked(fresh(ParticipantId::from_parts), 50).await;
    assert!(matches!(nobody, Err(StoreError::Missing)), "{nobody:?}");
    let joined = store.joined_sessions(seat.exam).await.unwrap();
    let [(record, entry)] = &joined[..] else {
        panic!("{joined:?}")
    };
    assert_eq!((record.joined_at, record.looked_at), (Some(100), 50));
    assert_eq!(Some(record), store.session(seat.id).await.unwrap().as_ref());
    assert_eq!(Some(entry), store.entry(seat.entry).await.unwrap().as_ref());
}

async fn a_session_ends_once_with_its_entry(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let ending = presence(seat.participant, 900);
    assert!(store.finish(seat.id, seat.exam, ending.clone()).await.unwrap());
    let again = presence(seat.participant, 901);
    assert!(!store.finish(seat.id, seat.exam, again).await.unwrap());
    assert_eq!(store.session(seat.id).await.unwrap().unwrap().finished_at, Some(900));
    assert_eq!(store.timeline(seat.exam, 10).await.unwrap(), [ending]);
}

async fn a_sitting_changes_from_the_revision_that_was_seen(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    assert_eq!((&seat.sitting, seat.sitting_revision), (&Sitting::default(), 0));
    let change = |revision, sitting: Sitting, at| SittingChange {
        device: None,
        session: seat.id,
        exam: seat.exam,
        revision,
        step: "lock",
        sitting,
        entry: Some(presence(seat.participant, at)),
        at,
        once: None,
    };
    let locked = Sitting {
        locked: true,
        reason: "a phone".into(),
        ..Sitting::default()
    };
    assert!(store.change_sitting(change(0, locked.clone(), 10)).await.unwrap());
    assert!(
        !store.change_sitting(change(0, Sitting::default(), 20)).await.unwrap(),
        "somebody was faster"
    );
    let stored = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!(
        (&stored.sitting, stored.sitting_revision, stored.finished_at),
        (&locked, 1, None)
    );
    let ended = Sitting {
        ended: true,
        ..locked.clone()
    };
    assert!(store.change_sitting(change(1, ended, 30)).await.unwrap());
    let stored = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!(stored.finished_at, Some(30), "an ended sitting ends its session");
    assert!(!store.change_sitting(change(2, locked, 40)).await.unwrap(), "for good");
    let at: Vec<i64> = store
        .timeline(seat.exam, 10)
        .await
        .unwrap()
        .iter()
        .map(|e| e.at)
        .collect();
    assert_eq!(at, [10, 30], "an entry is written with its change");
}

async fn candidates_are_given_to_proctors_all_or_none(place: Place) {
    let store = place.open().await;
    let seat = seated(&*store, "A-01").await;
    let new = entry(seat.exam, "Candidate 2");
    store.add_entry(new.clone()).await.unwrap();
    let other = store.open_session(session(&new.entry)).await.unwrap();
    let (one, two) = (user("one@x.org", Role::Proctor), user("two@x.org", Role::Proctor));
    for proctor in [&one, &two] {
        store.add_user(proctor.clone()).await.unwrap();
    }
    let moved = |seat: &SessionRecord, from, to| AssignmentMove {
        session: seat.id,
        participant: seat.participant,
        from,
        to,
    };
    let change = |moves, at: &[i64]| AssignmentChange {
        exam: seat.exam,
        moves,
        entries: at.iter().map(|at| presence(seat.participant, *at)).collect(),
    };
    let both = vec![moved(&seat, None, Some(one.id)), moved(&other, None, Some(one.id))];
    assert!(store.assign(change(both, &[10])).await.unwrap());
    // The first of the two would be right; the second is with somebody else.
    let half = vec![
        moved(&seat, Some(one.id), Some(two.id)),
        moved(&other, None, Some(two.id)),
    ];
    assert!(!store.assign(change(half, &[20])).await.unwrap());
    let proctor_of = async |id| store.session(id).await.unwrap().unwrap().proctor;
    assert_eq!(
        (proctor_of(seat.id).await, proctor_of(other.id).await),
        (Some(one.id), Some(one.id))
    );
    let nobody = vec![moved(&seat, Some(one.id), None)];
    assert!(store.assign(change(nobody, &[])).await.unwrap());
    let reopened = place.open().await;
    assert_eq!(reopened.session(seat.id).await.unwrap().unwrap().proctor, None);
    assert_eq!(reopened.session(other.id).await.unwrap().unwrap().proctor, Some(one.id));
    let timeline = store.timeline(seat.exam, 10).await.unwrap();
    assert_eq!(timeline.iter().map(|entry| entry.at).collect::<Vec<_>>(), [10]);
}

async fn the_timeline_is_the_newest_in_order(place: Place) {
    let store = place.open().await;
    let (seat, elsewhere) = (seated(&*store, "A-01").await, seated(&*store, "B-01").await);
    let entries: Vec<_> = (0..5).map(|at| presence(seat.participant, at)).collect();
    // Whoever writes first, the ids say the order.
    for entry in entries.iter().rev() {
        store.add_timeline(seat.exam, entry.clone()).await.unwrap();
    }
    store
        .add_timeline(elsewhere.exam, presence(elsewhere.participant, 9))
        .await
        .unwrap();
    assert_eq!(store.timeline(seat.exam, 3).await.unwrap(), entries[2..]);
    assert_eq!(store.timeline(seat.exam, 100).await.unwrap(), entries);
}
