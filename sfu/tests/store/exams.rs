//! Exams and rosters.

use crate::over_both;
use crate::place::{Place, entry, exam};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_sfu::store::records::{ExamChange, ExamTimes, MAX_EXAMS_LISTED};
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::ExamId;

over_both!(
    an_exam_comes_back_as_it_went,
    the_list_is_the_newest_with_their_rosters,
    an_entry_is_found_by_id_label_and_secret,
    labels_and_secrets_are_unique_within_an_exam,
    an_exam_goes_from_status_to_status_once,
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
    assert_eq!(store.exams().await.unwrap(), made);
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
    assert!(matches!(nowhere, Err(StoreError::Database(_))), "{nowhere:?}");
}

async fn an_exam_goes_from_status_to_status_once(place: Place) {
    let store = place.open().await;
    let exam = ExamInfo {
        status: ExamStatus::Waiting,
        ..exam("MATH-1")
    };
    store.create_exam(exam.clone()).await.unwrap();
    assert_eq!(store.live_exams().await.unwrap(), std::slice::from_ref(&exam));
    let change = async |from, to, ends_at, at| {
        let exam = exam.id;
        store
            .change_exam(ExamChange {
                exam,
                from,
                to,
                ends_at,
                at,
            })
            .await
            .unwrap()
    };
    let times = async || store.exam_times(exam.id).await.unwrap().unwrap();
    assert_eq!(times().await, ExamTimes::default());
    assert!(change(ExamStatus::Waiting, ExamStatus::Active, exam.ends_at, 10).await);
    assert!(
        !change(ExamStatus::Waiting, ExamStatus::Active, exam.ends_at, 11).await,
        "it was another's step"
    );
    assert!(change(ExamStatus::Active, ExamStatus::Paused, exam.ends_at, 20).await);
    let paused = ExamTimes {
        paused_at: Some(20),
        started_at: Some(10),
        ended_at: None,
    };
    assert_eq!(times().await, paused);
    assert!(
        store.live_exams().await.unwrap().is_empty(),
        "a pause waits for a person"
    );
    assert!(change(ExamStatus::Paused, ExamStatus::Active, exam.ends_at + 5, 25).await);
    assert_eq!(
        times().await,
        ExamTimes {
            paused_at: None,
            ..paused
        }
    );
    assert!(change(ExamStatus::Active, ExamStatus::Closed, exam.ends_at + 5, 30).await);
    let closed = ExamTimes {
        paused_at: None,
        started_at: Some(10),
        ended_at: Some(30),
    };
    assert_eq!(times().await, closed);
    let stored = store.exam(exam.id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.ends_at), (ExamStatus::Closed, exam.ends_at + 5));
    assert_eq!(store.exam_times(fresh(ExamId::from_parts)).await.unwrap(), None);
}
