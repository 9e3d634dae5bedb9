//! The rules of the service once more, with PostgreSQL behind the server (`common::World` asks for the name of this test).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::large_futures)] // a test's failure is a panic, its stack is large
#![allow(clippy::duplicate_mod)] // each of these is a test target of its own too, with `common` in it

#[path = "access.rs"]
mod access;
#[path = "audit_log.rs"]
mod audit_log;
#[path = "isolation.rs"]
mod isolation;
#[path = "kills.rs"]
mod kills;
#[path = "messages.rs"]
mod messages;
#[path = "office.rs"]
mod office;
#[path = "people.rs"]
mod people;
#[path = "rosters.rs"]
mod rosters;
#[path = "sessions.rs"]
mod sessions;
#[path = "signalling.rs"]
mod signalling;
#[path = "sittings.rs"]
mod sittings;

mod common;

#[tokio::test]
async fn nothing_of_it_is_in_the_embedded_database() {
    let world = common::World::start().await;
    world.exam("EXAM-1").await;
    let data = world.directory.path().join("data");
    assert!(data.join("token-key.p8").exists() && !data.join(invigil_sfu::store::sqlite::DATABASE_FILE).exists());
}
