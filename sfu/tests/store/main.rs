//! What every store has to do, done to both: SQLite in a folder, and PostgreSQL as Debian has it. Each test stands once, and runs
//! over `sqlite::…` and `postgres::…`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::large_futures)] // a test's failure is a panic, its stack is large

mod accounts;
mod api_keys;
mod audit;
mod chain;
mod entering;
mod erasure;
mod exams;
mod messages;
mod oidc;
mod participations;
mod people;
mod place;
mod schema;
mod second_factors;
mod secret_key;
mod server;
mod sessions;
mod snapshots;
mod webhooks;
mod writer;

/// Runs each test over both databases.
macro_rules! over_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::place::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::place::Place::postgres()).await;
            })*
        }
    };
}
pub(crate) use over_both;
