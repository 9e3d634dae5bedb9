//! Schemas: made once, brought up to date by one process at a time, and refused when they are not ours to read.

use crate::over_both;
use crate::place::{Place, exam};
use invigil_sfu::store::StoreError;

over_both!(
    a_newer_schema_is_refused,
    a_changed_migration_is_refused,
    many_processes_start_on_an_empty_database,
);

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| {
        let path = format!("{}/src/store/{folder}/migrations", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        assert!(!names.is_empty());
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

async fn a_newer_schema_is_refused(place: Place) {
    place.open().await.close().await;
    place
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9000, 'from the future', true, '00', 0)",
        )
        .await;
    match place.try_open().await.err() {
        Some(StoreError::NewerSchema { found: 9000, known }) => assert!(known < 9000),
        other => panic!("{other:?}"),
    }
}

async fn a_changed_migration_is_refused(place: Place) {
    place.open().await.close().await;
    place
        .tamper("UPDATE _sqlx_migrations SET checksum = '00' WHERE version = 1")
        .await;
    match place.try_open().await.err() {
        Some(StoreError::ChangedMigration(1)) => {}
        other => panic!("{other:?}"),
    }
}

async fn many_processes_start_on_an_empty_database(place: Place) {
    let stores = futures_util::future::join_all((0..8).map(|_| place.open())).await;
    for (n, store) in stores.iter().enumerate() {
        store.create_exam(exam(&format!("EXAM-{n}"))).await.unwrap();
    }
    assert_eq!(stores[0].exams().await.unwrap().len(), 8);
}
