//! Groups of writes: what fails takes only itself back, what was answered is there.

use crate::over_both;
use crate::place::{Place, exam, seated, user};
use invigil_sfu::store::StoreError;
use invigil_shared::role::Role;
use std::sync::Arc;

over_both!(
    a_failing_job_takes_only_itself_back,
    a_closed_store_has_written_what_was_queued,
    processes_write_beside_each_other,
);

async fn a_failing_job_takes_only_itself_back(place: Place) {
    let store = place.open().await;
    let jobs: Vec<_> = (0..400)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.add_user(user(&format!("{}@x", n % 200), Role::Proctor)).await })
        })
        .collect();
    let mut failed = 0;
    for job in jobs {
        match job.await.unwrap() {
            Ok(()) => {}
            Err(StoreError::Exists) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(failed, 200);
    for n in 0..200 {
        assert!(store.user_by_email(&format!("{n}@x")).await.unwrap().is_some());
    }
}

async fn a_closed_store_has_written_what_was_queued(place: Place) {
    let store = place.open().await;
    let jobs: Vec<_> = (0..100)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.add_user(user(&format!("{n}@x"), Role::Proctor)).await })
        })
        .collect();
    store.close().await;
    let again = place.open().await;
    for (n, job) in jobs.into_iter().enumerate() {
        let kept = again.user_by_email(&format!("{n}@x")).await.unwrap().is_some();
        match job.await.unwrap() {
            Ok(()) => assert!(kept, "{n} was acknowledged"),
            Err(StoreError::Closed) => assert!(!kept, "{n} was refused"),
            Err(other) => panic!("{other}"),
        }
    }
    let late = store.add_user(user("late@x", Role::Proctor)).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    let late = store.user_by_email("0@x").await;
    assert!(late.is_err());
}

/// The command line writes while the server does, to the same rows; neither waits for the other in a circle.
async fn processes_write_beside_each_other(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let (first, second) = (seated(&*here, "A-01").await, seated(&*here, "B-01").await);
    let writers: Vec<_> = [
        (here, [first.clone(), second.clone()]),
        (there, [second.clone(), first.clone()]),
    ]
    .into_iter()
    .map(|(store, seats)| {
        tokio::spawn(async move {
            for at in 0..100 {
                let looks = seats.each_ref().map(|seat| store.mark_looked(seat.participant, at));
                for look in futures_util::future::join_all(looks).await {
                    look.unwrap();
                }
            }
            store.create_exam(exam(&format!("C-{}", seats[0].exam))).await.unwrap();
        })
    })
    .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = place.open().await;
    for seat in [first, second] {
        assert_eq!(store.session(seat.id).await.unwrap().unwrap().looked_at, 99);
    }
    assert_eq!(store.exams().await.unwrap().len(), 4);
}
