//! What the service does, at real servers on real sockets: one program, because each that is linked with the whole server costs the gate a
//! minute. A module for each topic; `on_postgres` has most of them once more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::large_futures)] // a test's failure is a panic, its stack is large

mod access;
mod api_keys;
mod assignment;
mod audit_log;
mod backup;
mod broadcast;
mod browser;
mod command_line;
mod common;
mod entering;
mod exam_status;
mod full_house;
mod isolation;
mod keys;
#[cfg(unix)]
mod kills;
mod leftovers;
mod mail;
mod messages;
mod monitoring;
mod office;
mod oidc;
mod once;
mod own_account;
mod participations;
mod people;
#[cfg(unix)]
mod process;
mod relayed;
mod retention;
mod rosters;
mod sessions;
mod shards;
mod signalling;
mod sittings;
mod staff;
mod tokens;
mod upgrades;
mod webhooks;

pub(crate) use invigil_sfu::core; // what the world of the core's own tests, in `shards`, knows it by
