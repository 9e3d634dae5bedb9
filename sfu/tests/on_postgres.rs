//! The rules of the service once more, with PostgreSQL behind the server (`common::World` asks for the name of this test).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::large_futures)] // a test's failure is a panic, its stack is large

#[path = "service/access.rs"]
mod access;
#[path = "service/api_keys.rs"]
mod api_keys;
#[path = "service/assignment.rs"]
mod assignment;
#[path = "service/audit_log.rs"]
mod audit_log;
#[path = "service/broadcast.rs"]
mod broadcast;
#[path = "service/common/mod.rs"]
mod common;
#[path = "service/entering.rs"]
mod entering;
#[path = "service/full_house.rs"]
mod full_house;
#[path = "service/isolation.rs"]
mod isolation;
#[cfg(unix)]
#[path = "service/kills.rs"]
mod kills;
#[path = "service/leftovers.rs"]
mod leftovers;
#[path = "service/messages.rs"]
mod messages;
#[path = "service/office.rs"]
mod office;
#[path = "service/oidc.rs"]
mod oidc;
#[path = "service/once.rs"]
mod once;
#[path = "service/own_account.rs"]
mod own_account;
#[path = "service/participations.rs"]
mod participations;
#[path = "service/people.rs"]
mod people;
#[path = "service/relayed.rs"]
mod relayed;
#[path = "service/retention.rs"]
mod retention;
#[path = "service/rosters.rs"]
mod rosters;
#[path = "service/sessions.rs"]
mod sessions;
#[path = "service/signalling.rs"]
mod signalling;
#[path = "service/sittings.rs"]
mod sittings;
#[path = "service/staff.rs"]
mod staff;
#[path = "service/upgrades.rs"]
mod upgrades;
#[path = "service/webhooks.rs"]
mod webhooks;

#[tokio::test]
async fn nothing_of_it_is_in_the_embedded_database() {
    let world = common::World::start().await;
    world.exam("EXAM-1").await;
    let data = world.directory.path().join("data");
    assert!(data.join("token-key.p8").exists() && !data.join(invigil_sfu::store::sqlite::DATABASE_FILE).exists());
}
