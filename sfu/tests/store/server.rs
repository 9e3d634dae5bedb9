//! PostgreSQL as a server that can be set wrongly, break, or stand on another machine.

use crate::place::user;
use invigil_postgres::Postgres;
use invigil_sfu::store::postgres::{DatabaseUrl, PostgresStore};
use invigil_sfu::store::{Store, StoreError, UserStore};
use invigil_shared::role::Role;
use std::net::TcpListener;
use std::time::Duration;

async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(&DatabaseUrl::from(url)).await
}

#[tokio::test]
async fn settings_that_lose_what_was_acknowledged_are_refused() {
    for setting in ["synchronous_commit", "fsync", "full_page_writes"] {
        let postgres = Postgres::start_with(&[&format!("{setting}=off")]).unwrap();
        let url = postgres.database().unwrap();
        match open(&url).await.err() {
            Some(StoreError::Setting { name, value, .. }) => assert_eq!((name, value.as_str()), (setting, "off")),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            postgres
                .sql("d0", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
                .unwrap(),
            "0"
        );
    }
}

#[tokio::test]
async fn an_encoding_that_holds_no_names_is_refused() {
    let postgres = invigil_postgres::shared();
    postgres
        .sql(
            "postgres",
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
        )
        .unwrap();
    match open(&postgres.url("ascii")).await.err() {
        Some(StoreError::Setting { name, .. }) => assert_eq!(name, "server_encoding"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let postgres = invigil_postgres::shared();
    let url = postgres.database().unwrap();
    let errors = [
        postgres.url("nowhere"),
        url.replacen("invigil:", "stranger:", 1),
        url.replace("5432", "5433"),
        url.replace("5432", "x"),
    ];
    for url in errors {
        let error = open(&url).await.err().unwrap_or_else(|| panic!("{url} opens"));
        let said = format!("{error} {error:?} {:?}", DatabaseUrl::from(url.as_str()));
        for password in Postgres::passwords() {
            assert!(!said.contains(password), "{said}");
        }
    }
}

/// What was acknowledged before a crash of the database is there after it, and the store goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_database_loses_nothing_acknowledged() {
    let mut postgres = Postgres::start().unwrap();
    let store = open(&postgres.database().unwrap()).await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let writer = {
            let store = store.clone();
            tokio::spawn(async move {
                let mut kept = Vec::new();
                for n in 0.. {
                    let email = format!("{round}-{n}@x");
                    if store.add_user(user(&email, Role::Proctor)).await.is_err() {
                        break;
                    }
                    kept.push(email);
                }
                kept
            })
        };
        // Not before it writes.
        let first = format!("{round}-10@x");
        while store.user_by_email(&first).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        postgres.crash().unwrap();
        let kept = writer.await.unwrap();
        assert!(kept.len() > 10);
        acknowledged.extend(kept);
        let down = store.add_user(user("down@x", Role::Proctor)).await;
        assert!(down.is_err(), "nobody is there to keep it");
        postgres.run().unwrap();
        store
            .add_user(user(&format!("{round}-after@x"), Role::Proctor))
            .await
            .unwrap();
    }
    for email in acknowledged {
        assert!(store.user_by_email(&email).await.unwrap().is_some(), "{email} is lost");
    }
    assert!(store.user_by_email("down@x").await.unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn a_database_on_another_machine_proves_its_name() {
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();

    let mut postgres = Postgres::prepare().unwrap();
    let certificate = postgres.give("server.pem", certificate.pem().as_bytes()).unwrap();
    let key = postgres.give("server-key.pem", key.serialize_pem().as_bytes()).unwrap();
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), authority_certificate.pem()).unwrap();
    // It can't be told to take any port and say which.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    postgres.set(&["listen_addresses=127.0.0.1", "ssl=on"]);
    postgres.set(&[
        &format!("port={port}"),
        &format!("ssl_cert_file={}", certificate.display()),
        &format!("ssl_key_file={}", key.display()),
    ]);
    postgres.run().unwrap();
    let url = postgres.url_by_tcp("postgres");
    let root = root.path().display();

    let store = open(&format!("{url}?sslmode=verify-full&sslrootcert={root}"))
        .await
        .unwrap();
    store.add_user(user("a@x", Role::Proctor)).await.unwrap();
    let encrypted = postgres
        .sql("postgres", "SELECT count(*) FROM pg_stat_ssl WHERE ssl")
        .unwrap();
    assert_ne!(encrypted, "0");
    store.close().await;
    let unknown = open(&format!("{url}?sslmode=verify-full")).await.err();
    assert!(
        matches!(
            unknown,
            Some(StoreError::Database(sqlx::Error::Tls(_) | sqlx::Error::Io(_)))
        ),
        "{unknown:?}"
    );
    let by_address = url.replace("@localhost", "@127.0.0.1");
    let another = open(&format!("{by_address}?sslmode=verify-full&sslrootcert={root}"))
        .await
        .err();
    assert!(
        matches!(
            another,
            Some(StoreError::Database(sqlx::Error::Tls(_) | sqlx::Error::Io(_)))
        ),
        "{another:?}"
    );
}
