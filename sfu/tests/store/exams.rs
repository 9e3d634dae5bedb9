//! Exams and rosters.

use crate::over_both;
use crate::place::{Place, entry, exam, session};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_sfu::store::once::{KEPT_US, Once, Outcome};
use invigil_sfu::store::records::{EditedExam, ExamChange, ExamTimes, ExamsWanted, MAX_EXAMS_LISTED, StoredExam};
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::{ExamId, RosterEntryId};

/// Before every entry.
const FIRST: RosterEntryId = RosterEntryId(sqlx::types::Uuid::nil());

over_both!(
    an_exam_comes_back_as_it_went,
    the_list_is_the_newest_with_their_rosters,
    an_entry_is_found_by_id_label_and_secret,
    labels_and_secrets_are_unique_within_an_exam,
    an_exam_goes_from_status_to_status_once,
    an_edit_is_of_the_revision_that_was_read,
    exams_come_in_pages_with_or_without_drafts,
    a_roster_is_filled_whole_or_not_at_all,
    an_entry_is_edited_and_removed_until_it_is_used,
    a_key_is_good_for_one_create,
);

async fn an_exam_comes_back_as_it_went(place: Place) {
    let store = place.open().await;
    let exam = exam("MATH-1");
    store.create_exam(exam.clone()).await.unwrap();
    assert_eq!(store.exam(exam.id).await.unwrap(), Some(exam.clone()));
    assert_eq!(store.exam_by_code("MATH-1").await.unwrap(), Some(exam));
    assert_eq!(store.exam_by_code("MATH-2").await.unwrap(), None);
    assert_eq!(store.exam(fresh(ExamId::from_parts)).await.unwrap(), None);
    let taken = store.create_exam(crate::place::exam("MATH-1")).await;
    assert!(matches!(taken, Err(StoreError::Exists)), "{taken:?}");
}

async fn the_list_is_the_newest_with_their_rosters(place: Place) {
    let store = place.open().await;
    assert!(store.exams().await.unwrap().is_empty());
    let mut made = Vec::new();
    for n in 0..MAX_EXAMS_LISTED + 3 {
        let exam = exam(&format!("EXAM-{n}"));
        store.create_exam(exam.clone()).await.unwrap();
        made.push((exam, 0));
    }
    let newest = made.last_mut().unwrap();
    for label in ["one", "two"] {
        store.add_entry(entry(newest.0.id, label)).await.unwrap();
    }
    newest.1 = 2;
    made.reverse();
    made.truncate(MAX_EXAMS_LISTED);
    let listed = |exams: Vec<StoredExam>| exams.into_iter().map(|e| (e.info, e.candidates)).collect::<Vec<_>>();
    assert_eq!(listed(store.exams().await.unwrap()), made);
}

async fn an_entry_is_found_by_id_label_and_secret(place: Place) {
    let store = place.open().await;
    let (exam, other) = (exam("A-01"), exam("B-01"));
    for exam in [&exam, &other] {
        store.create_exam(exam.clone()).await.unwrap();
    }
    let mut new = entry(exam.id, "Candidate ä");
    new.entry.seat = None;
    store.add_entry(new.clone()).await.unwrap();
    let (id, hash) = (new.entry.id, new.secret_hash.clone());
    assert_eq!(store.entry(id).await.unwrap().as_ref(), Some(&new.entry));
    let by_label = store.entry_by_label(exam.id, "Candidate ä").await.unwrap();
    assert_eq!(by_label.as_ref(), Some(&new.entry));
    let by_secret = store.entry_by_secret(exam.id, &hash).await.unwrap();
    assert_eq!(by_secret, Some((new.entry, hash.clone())));
    assert_eq!(store.entry_by_label(other.id, "Candidate ä").await.unwrap(), None);
    assert_eq!(store.entry_by_label(exam.id, "candidate ä").await.unwrap(), None);
    assert_eq!(store.entry_by_secret(other.id, &hash).await.unwrap(), None);
    assert_eq!(store.entry_by_secret(exam.id, &hash[1..]).await.unwrap(), None);
}

async fn labels_and_secrets_are_unique_within_an_exam(place: Place) {
    let store = place.open().await;
    let (exam, other) = (exam("A-01"), exam("B-01"));
    for exam in [&exam, &other] {
        store.create_exam(exam.clone()).await.unwrap();
    }
    store.add_entry(entry(exam.id, "one")).await.unwrap();
    store.add_entry(entry(other.id, "one")).await.unwrap();
    let mut same_label = entry(exam.id, "one");
    same_label.secret_hash = vec![9; 32];
    let same_label = store.add_entry(same_label).await;
    assert!(matches!(same_label, Err(StoreError::Exists)), "{same_label:?}");
    let mut same_secret = entry(exam.id, "two");
    same_secret.secret_hash = entry(exam.id, "one").secret_hash;
    let same_secret = store.add_entry(same_secret).await;
    assert!(matches!(same_secret, Err(StoreError::Exists)), "{same_secret:?}");
    let nowhere = store.add_entry(entry(fresh(ExamId::from_parts), "one")).await;
    assert!(matches!(nowhere, Err(StoreError::Missing)), "{nowhere:?}");
}

async fn an_exam_goes_from_status_to_status_once(place: Place) {
    let store = place.open().await;
    let exam = ExamInfo {
        status: ExamStatus::Waiting,
        ..exam("MATH-1")
    };
    store.create_exam(exam.clone()).await.unwrap();
    assert_eq!(store.live_exams().await.unwrap(), std::slice::from_ref(&exam));
    let change = async |from, to, longer_us, at| {
        let exam = exam.id;
        store
            .change_exam(ExamChange {
                exam,
                from,
                to,
                longer_us,
                at,
            })
            .await
            .unwrap()
    };
    let times = async || store.exam_times(exam.id).await.unwrap().unwrap();
    assert_eq!(times().await, ExamTimes::default());
    assert!(change(ExamStatus::Waiting, ExamStatus::Active, 0, 10).await);
    assert!(
        !change(ExamStatus::Waiting, ExamStatus::Active, 0, 11).await,
        "it was another's step"
    );
    assert!(change(ExamStatus::Active, ExamStatus::Paused, 0, 20).await);
    let paused = ExamTimes {
        paused_at: Some(20),
        started_at: Some(10),
        ended_at: None,
        peak: 0,
    };
    assert_eq!(times().await, paused);
    assert!(
        store.live_exams().await.unwrap().is_empty(),
        "a pause waits for a person"
    );
    assert!(change(ExamStatus::Paused, ExamStatus::Active, 5, 25).await);
    assert_eq!(
        times().await,
        ExamTimes {
            paused_at: None,
            ..paused
        }
    );
    assert!(change(ExamStatus::Active, ExamStatus::Closed, 0, 30).await);
    let closed = ExamTimes {
        paused_at: None,
        started_at: Some(10),
        ended_at: Some(30),
        peak: 0,
    };
    assert_eq!(times().await, closed);
    let stored = store.exam(exam.id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.ends_at), (ExamStatus::Closed, exam.ends_at + 5));
    assert_eq!(store.exam_times(fresh(ExamId::from_parts)).await.unwrap(), None);
}

async fn an_edit_is_of_the_revision_that_was_read(place: Place) {
    let store = place.open().await;
    let (one, two) = (exam("MATH-1"), exam("MATH-2"));
    store.make_exam(one.clone(), 3, None).await.unwrap();
    store.create_exam(two.clone()).await.unwrap();
    let read = async || store.stored_exam(one.id).await.unwrap().unwrap();
    let before = read().await;
    assert_eq!(
        (&before.info, before.capacity, before.revision, before.candidates),
        (&one, 3, 0, 0)
    );
    let edited = |info: &ExamInfo, capacity, revision| EditedExam {
        info: info.clone(),
        capacity,
        revision,
    };
    let other = ExamInfo {
        title: "Another".into(),
        code: "MATH-3".into(),
        starts_at: one.starts_at + 1,
        ends_at: one.ends_at + 2,
        status: ExamStatus::Archived,
        ..one.clone()
    };
    assert!(store.edit_exam(edited(&other, 7, 0)).await.unwrap());
    assert!(
        !store.edit_exam(edited(&one, 3, 0)).await.unwrap(),
        "that revision is gone"
    );
    let after = read().await;
    let expected = ExamInfo {
        status: one.status,
        ..other.clone()
    };
    assert_eq!((&after.info, after.capacity, after.revision), (&expected, 7, 1));
    let taken = ExamInfo {
        code: "MATH-2".into(),
        ..other
    };
    let taken = store.edit_exam(edited(&taken, 7, 1)).await;
    assert!(matches!(taken, Err(StoreError::Exists)), "{taken:?}");
    for label in ["one", "two"] {
        store.add_entry(entry(one.id, label)).await.unwrap();
    }
    assert!(
        !store.edit_exam(edited(&expected, 1, 1)).await.unwrap(),
        "two are on the roster"
    );
    assert!(store.edit_exam(edited(&expected, 2, 1)).await.unwrap());
    let step = ExamChange {
        exam: one.id,
        from: one.status,
        to: ExamStatus::Closed,
        longer_us: 0,
        at: 1,
    };
    assert!(store.change_exam(step).await.unwrap());
    assert_eq!(read().await.revision, 3, "a step is a revision too");
    assert_eq!(store.stored_exam(fresh(ExamId::from_parts)).await.unwrap(), None);
}

async fn exams_come_in_pages_with_or_without_drafts(place: Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        let status = if n % 2 == 0 {
            ExamStatus::Draft
        } else {
            ExamStatus::Active
        };
        let exam = ExamInfo {
            status,
            ..exam(&format!("EXAM-{n}"))
        };
        store.create_exam(exam.clone()).await.unwrap();
        ids.insert(0, exam.id);
    }
    let page = async |before: Option<ExamId>, drafts, limit| {
        let all = ExamsWanted::default();
        let before = before.unwrap_or(all.before);
        let wanted = ExamsWanted { before, drafts, limit };
        let exams = store.exams_page(wanted).await.unwrap();
        exams.into_iter().map(|exam| exam.info.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, true, 4).await, ids[..4]);
    assert_eq!(page(Some(ids[3]), true, 4).await, ids[4..]);
    assert_eq!(page(None, false, 2).await, [ids[0], ids[2]]);
    assert_eq!(page(Some(ids[2]), false, 2).await, [ids[4]]);
}

async fn a_roster_is_filled_whole_or_not_at_all(place: Place) {
    let store = place.open().await;
    let exam = exam("A-01");
    store.make_exam(exam.clone(), 3, None).await.unwrap();
    let add = async |labels: &[&str]| {
        let new = labels.iter().map(|label| entry(exam.id, label)).collect();
        store.add_entries(exam.id, new, None).await
    };
    let labels = async || {
        let roster = store.roster(exam.id, FIRST, 10).await.unwrap();
        roster.into_iter().map(|item| item.entry.label).collect::<Vec<_>>()
    };
    add(&["one"]).await.unwrap();
    let again = add(&["two", "one"]).await;
    assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
    let full = add(&["two", "three", "four"]).await;
    assert!(matches!(full, Err(StoreError::Full { capacity: 3 })), "{full:?}");
    assert_eq!(labels().await, ["one"]);
    let records = store.audit_head().await.unwrap().seq;
    assert_eq!(records, 2, "what was taken back left no record");
    add(&["two", "three"]).await.unwrap();
    assert_eq!(labels().await, ["one", "two", "three"]);
    let second = store.roster(exam.id, FIRST, 2).await.unwrap()[1].entry.id;
    let rest = store.roster(exam.id, second, 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].entry.label.as_str()), (1, "three"));
}

async fn an_entry_is_edited_and_removed_until_it_is_used(place: Place) {
    let store = place.open().await;
    let (exam, other) = (exam("A-01"), exam("B-01"));
    for exam in [&exam, &other] {
        store.create_exam(exam.clone()).await.unwrap();
    }
    let (used, mut free) = (entry(exam.id, "used"), entry(exam.id, "free"));
    for new in [&used, &free] {
        store.add_entry(new.clone()).await.unwrap();
    }
    store.open_session(session(&used.entry)).await.unwrap();
    let roster = store.roster(exam.id, FIRST, 10).await.unwrap();
    let seen: Vec<_> = roster
        .iter()
        .map(|item| (item.entry.label.as_str(), item.used))
        .collect();
    assert_eq!(seen, [("used", true), ("free", false)]);

    free.entry.label = "freer".into();
    free.entry.allowances.second_display = true;
    assert!(store.edit_entry(free.entry.clone()).await.unwrap());
    assert_eq!(store.entry(free.entry.id).await.unwrap().as_ref(), Some(&free.entry));
    let taken = invigil_shared::exam::RosterEntry {
        label: "used".into(),
        ..free.entry.clone()
    };
    let taken = store.edit_entry(taken).await;
    assert!(matches!(taken, Err(StoreError::Exists)), "{taken:?}");
    assert!(!store.edit_entry(used.entry.clone()).await.unwrap());
    assert!(!store.remove_entry(exam.id, used.entry.id).await.unwrap());
    assert!(
        !store.remove_entry(other.id, free.entry.id).await.unwrap(),
        "it is another exam's"
    );

    let (old, new) = (free.secret_hash.clone(), vec![77; 32]);
    assert!(!store.renew_secret(other.id, free.entry.id, new.clone()).await.unwrap());
    assert!(store.renew_secret(exam.id, free.entry.id, new.clone()).await.unwrap());
    assert_eq!(store.entry_by_secret(exam.id, &old).await.unwrap(), None);
    let found = store.entry_by_secret(exam.id, &new).await.unwrap().unwrap();
    assert_eq!(found.0.id, free.entry.id);
    assert!(store.remove_entry(exam.id, free.entry.id).await.unwrap());
    assert!(!store.remove_entry(exam.id, free.entry.id).await.unwrap());
    assert_eq!(store.entry(free.entry.id).await.unwrap(), None);
}

async fn a_key_is_good_for_one_create(place: Place) {
    let store = place.open().await;
    let once = |actor: &str, key: &str, request: u8, at: i64| Once {
        actor: actor.into(),
        key: key.into(),
        request: vec![request; 32],
        salt: vec![request, 1],
        answer: format!("answer {at}"),
        at,
    };
    let make = async |code: &str, once| store.make_exam(exam(code), 5, Some(once)).await;
    assert_eq!(make("EXAM-1", once("me", "k", 1, 10)).await.unwrap(), Outcome::Done);
    let repeated = Outcome::Repeated {
        salt: vec![1, 1],
        answer: "answer 10".into(),
    };
    assert_eq!(make("EXAM-1", once("me", "k", 1, 20)).await.unwrap(), repeated);
    assert_eq!(make("EXAM-2", once("me", "k", 2, 20)).await.unwrap(), Outcome::Mismatch);
    assert_eq!(make("EXAM-2", once("you", "k", 2, 20)).await.unwrap(), Outcome::Done);
    let refused = make("EXAM-2", once("me", "free", 3, 20)).await;
    assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
    assert_eq!(
        make("EXAM-3", once("me", "free", 4, 20)).await.unwrap(),
        Outcome::Done,
        "the key went back"
    );
    assert_eq!(store.exams().await.unwrap().len(), 3);
    // A day later it is forgotten, and good for another.
    let day = 10 + KEPT_US;
    assert_eq!(
        make("EXAM-4", once("me", "k", 5, day)).await.unwrap(),
        Outcome::Mismatch
    );
    assert_eq!(
        make("EXAM-4", once("me", "k", 5, day + 1)).await.unwrap(),
        Outcome::Done
    );
    // Roster entries have the same keys, and time alone drops them too.
    let id = store.exams().await.unwrap()[0].info.id;
    let add = async |label: &str, once| store.add_entries(id, vec![entry(id, label)], Some(once)).await;
    assert_eq!(add("one", once("me", "r", 6, day)).await.unwrap(), Outcome::Done);
    assert_eq!(add("one", once("me", "k", 6, day)).await.unwrap(), Outcome::Mismatch);
    store.forget_keys(day + 1).await.unwrap();
    assert_eq!(add("two", once("me", "r", 7, day + 1)).await.unwrap(), Outcome::Done);
}
