//! The store against a real file.

use super::*;
use crate::store::UserStore;
use crate::store::records::UserRecord;
use invigil_shared::id::UserId;
use invigil_shared::role::Role;

fn user(email: &str) -> UserRecord {
    UserRecord {
        id: crate::clock::fresh(UserId::from_parts),
        email: email.into(),
        name: "N".into(),
        role: Role::Proctor,
        password_hash: None,
        created_at: 1,
    }
}

#[tokio::test]
async fn a_failing_job_takes_only_itself_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let jobs = (0..40).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.add_user(user(&format!("{}@x", n % 20))).await })
    });
    let results: Vec<_> = jobs.collect();
    let mut failed = 0;
    for result in results {
        match result.await.unwrap() {
            Ok(()) => {}
            Err(StoreError::Exists) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(failed, 20);
    store.close().await;
    assert!(matches!(store.add_user(user("late@x")).await, Err(StoreError::Closed)));
    let again = SqliteStore::open(directory.path()).await.unwrap();
    for n in 0..20 {
        assert!(again.user_by_email(&format!("{n}@x")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    store
        .writer
        .write(|connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9000, 'from the future', 1, x'00', 0)",
                )
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    store.close().await;
    let error = SqliteStore::open(directory.path()).await.err().unwrap();
    assert!(
        matches!(error, StoreError::NewerSchema { found: 9000, known: 1 }),
        "{error}"
    );
}
