//! Databases of every schema that was ever released, as SQL text with real data in it: each is brought up to date and goes on being used.
//! A migration that is changed after its release is found here too: a snapshot has the checksums that it was made with.
//!
//! `INVIGIL_NEW_SNAPSHOTS=1 cargo test -p invigil-sfu --test store snapshots::` writes those that are missing, and only those: today's data as
//! far as the older schema has a place for them.

use crate::chain::{append, event};
use crate::over_both;
use crate::place::{Place, entry, exam, presence, session, user};
use ed25519_dalek::SigningKey;
use invigil_sfu::audit::{chains, verify};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::Store;
use invigil_sfu::store::oidc::OidcSubject;
use invigil_sfu::store::records::{ExamChange, NewBroadcast, NewMessage, SessionRecord};
use invigil_shared::exam::{ExamInfo, ExamStatus, RosterEntry};
use invigil_shared::id::{ExamId, MessageId, RosterEntryId};
use invigil_shared::integrity::Observer;
use invigil_shared::role::Role;
use invigil_shared::signal::Message;
use invigil_shared::timeline::{MessageKind, Reach, TimelineBody};
use std::path::PathBuf;

over_both!(every_released_schema_is_brought_up_to_date);

/// The newest schema that was released. Raise it with each release, and freeze what it was.
const RELEASED: i64 = 13;
/// A year in which nobody sits this exam any more: until then it is open.
const FAR: i64 = 4_102_444_800_000_000;
/// Tables as they can be filled, row by row: what is referred to comes first.
const TABLES: [&str; 27] = [
    "exams",
    "roster",
    "users",
    "sessions",
    "integrity_events",
    "messages",
    "broadcasts",
    "broadcast_recipients",
    "timeline",
    "settings",
    "audit",
    "idempotency",
    "revocations",
    "invitations",
    "api_keys",
    "second_factors",
    "recovery_codes",
    "join_links",
    "device_moves",
    "incidents",
    "webhooks",
    "device_keys",
    "participations",
    "statistics",
    "oidc_links",
    "_sqlx_migrations",
    "sqlite_sequence",
];

fn device() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

async fn candidate(store: &dyn Store, exam: &ExamInfo, label: &str) -> (RosterEntry, SessionRecord) {
    let new = entry(exam.id, label);
    store.add_entry(new.clone()).await.unwrap();
    let opened = SessionRecord {
        device_key: Some(device().verifying_key().as_bytes().to_vec()),
        ..session(&new.entry)
    };
    let seat = store.open_session(opened).await.unwrap();
    assert!(store.mark_joined(seat.id, 1_700_000_000_000_100).await.unwrap());
    (new.entry, seat)
}

fn known_elsewhere() -> OidcSubject {
    OidcSubject {
        issuer: "https://login.example.org".into(),
        subject: "ä-1".into(),
    }
}

/// What every snapshot holds, as far as its schema had a place for it.
async fn fill(store: &dyn Store) {
    let lead = user("lead@example.org", Role::Lead);
    store.add_user(lead.clone()).await.unwrap();
    store.link_oidc(lead.id, known_elsewhere(), 40).await.unwrap();
    store.add_user(user("admin@example.org", Role::Admin)).await.unwrap();
    let exam = ExamInfo {
        ends_at: FAR,
        ..exam("SNAP-1")
    };
    store.create_exam(exam.clone()).await.unwrap();
    let (_, seat) = candidate(store, &exam, "Candidate 1").await;
    candidate(store, &exam, "Candidate 2").await;
    let mut head = seat.chain;
    let events = (0..3).map(|_| event(&mut head, seat.id)).collect();
    assert!(store.append(append(&seat, events)).await.unwrap().broken.is_none());
    let mut told = presence(seat.participant, 50);
    let message = Message {
        id: fresh(MessageId::from_parts),
        kind: MessageKind::Warning,
        candidate: seat.participant,
        from_candidate: false,
        author: "Lead".into(),
        text: "Put the phone away, it's \"seen\"".into(),
        at: 50,
        acknowledged: false,
    };
    told.body = TimelineBody::Message {
        message: message.id,
        kind: message.kind,
        from_candidate: false,
        text: message.text.clone(),
        delivered: false,
        acknowledged: false,
    };
    let new = NewMessage {
        exam: exam.id,
        message,
        entry: told,
        once: None,
    };
    store.add_message(new).await.unwrap();
    let (id, mut told) = (fresh(MessageId::from_parts), presence(seat.participant, 60));
    told.body = TimelineBody::Broadcast {
        message: id,
        audience: invigil_shared::timeline::Audience::Everyone,
        by: "Lead".into(),
        text: "Ten minutes".into(),
        reach: Reach::default(),
    };
    let broadcast = NewBroadcast {
        id,
        exam: exam.id,
        author: "Lead".into(),
        text: "Ten minutes".into(),
        at: 60,
        recipients: vec![seat.participant],
        entry: told,
        once: None,
    };
    store.add_broadcast(broadcast).await.unwrap();
    // One that is over, with somebody who had not handed in.
    let over = crate::place::exam("SNAP-2");
    store.create_exam(over.clone()).await.unwrap();
    candidate(store, &over, "Candidate 3").await;
    let change = ExamChange {
        exam: over.id,
        from: ExamStatus::Active,
        to: ExamStatus::Closed,
        longer_us: 0,
        at: over.ends_at,
    };
    assert!(store.change_exam(change).await.unwrap());
}

fn folder(place: &Place) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/store/snapshots")
        .join(place.database())
}

fn migrations(place: &Place) -> Vec<(i64, String)> {
    let path = format!(
        "{}/src/store/{}/migrations",
        env!("CARGO_MANIFEST_DIR"),
        place.database()
    );
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<(i64, String)> = files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name[..4].parse().unwrap(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// The text of a snapshot: the schema as its migrations made it, then the rows of `newest`.
async fn snapshot(place: &Place, newest: &Place, version: i64) -> String {
    let older = place.another();
    let mut text = format!("-- A database as of migration {version}, with what was in it. Frozen.\n");
    for (number, sql) in migrations(place) {
        if number <= version {
            text += &sql;
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
    text += newest.migrations_table();
    older.tamper(&text).await;
    let columns = older.columns().await;
    for table in TABLES {
        let mut columns: Vec<&str> = columns
            .iter()
            .filter_map(|column| column.strip_prefix(&format!("{table}.")))
            .collect();
        columns.sort_unstable();
        if columns.is_empty() {
            continue;
        }
        let broadcasts = table == "timeline" && !columns.contains(&"broadcast");
        let only = match table {
            "_sqlx_migrations" => format!("WHERE version <= {version}"),
            // There was no such line then.
            _ if broadcasts => "WHERE broadcast IS NULL".to_owned(),
            _ => String::new(),
        };
        for row in newest.rows(table, &columns, &only).await {
            text += &format!("INSERT INTO {table} ({}) VALUES ({row});\n", columns.join(", "));
        }
    }
    text
}

async fn make_missing(place: &Place) {
    let (folder, newest) = (folder(place), place.another());
    std::fs::create_dir_all(&folder).unwrap();
    let store = newest.open().await;
    fill(&*store).await;
    for (version, _) in migrations(place)
        .into_iter()
        .filter(|(version, _)| *version <= RELEASED)
    {
        let file = folder.join(format!("{version:04}.sql"));
        if !file.exists() {
            std::fs::write(file, snapshot(place, &newest, version).await).unwrap();
        }
    }
}

async fn every_released_schema_is_brought_up_to_date(place: Place) {
    if std::env::var_os("INVIGIL_NEW_SNAPSHOTS").is_some() {
        make_missing(&place).await;
    }
    for version in 1..=RELEASED {
        let file = folder(&place).join(format!("{version:04}.sql"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let old = place.another();
        old.tamper(&text).await;
        let opened = old.try_open().await;
        let store = opened.unwrap_or_else(|error| panic!("migration {version}: {error}"));
        everything_is_there(&*store, version).await;
        it_goes_on(&*store, version).await;
        store.close().await;
        // A second start finds nothing to do.
        old.open().await.close().await;
    }
}

async fn everything_is_there(store: &dyn Store, version: i64) {
    let exam = store.exam_by_code("SNAP-1").await.unwrap().unwrap();
    assert_eq!(
        (exam.title.as_str(), exam.ends_at),
        ("The exam SNAP-1, ä and 試験", FAR)
    );
    let stored = store.stored_exam(exam.id).await.unwrap().unwrap();
    assert!(
        stored.candidates == 2 && stored.capacity >= 100,
        "{version}: {stored:?}"
    );
    let first = RosterEntryId(ExamId::from_parts(0, [0; 10]).0);
    let roster = store.roster(exam.id, first, 10).await.unwrap();
    let labels: Vec<_> = roster
        .iter()
        .map(|item| (item.entry.label.as_str(), item.used))
        .collect();
    assert_eq!(labels, [("Candidate 1", true), ("Candidate 2", true)]);
    assert_eq!(roster[0].entry.allowances.extra_time_percent, 25);
    let secret = entry(exam.id, "Candidate 1").secret_hash;
    let (by_secret, _) = store.entry_by_secret(exam.id, &secret).await.unwrap().unwrap();
    assert_eq!(by_secret, roster[0].entry);
    let lead = store.user_by_email("lead@example.org").await.unwrap().unwrap();
    assert!(lead.active() && lead.role == Role::Lead && lead.password_hash.is_some());
    assert!(store.has_admin().await.unwrap());
    let linked = store.oidc_link(lead.id).await.unwrap();
    assert_eq!(
        linked,
        (version >= 13).then(known_elsewhere),
        "{version}: links came with 13"
    );

    let seat = store.session_of_entry(roster[0].entry.id).await.unwrap().unwrap();
    let key = device().verifying_key().as_bytes().to_vec();
    assert_eq!((seat.device_key.as_ref(), seat.finished_at), (Some(&key), None));
    let keys = store.device_keys(seat.id).await.unwrap();
    assert!(
        keys.len() == 1 && keys[0].device_key == key && keys[0].superseded.is_none(),
        "{version}: {keys:?}"
    );
    let payloads = store.payloads(seat.id).await.unwrap();
    assert!(
        payloads.len() == 3 && payloads.iter().all(|payload| payload.contains("ü")),
        "{version}"
    );
    let waiting = store.unacknowledged(seat.participant).await.unwrap();
    assert_eq!(waiting[0].message.text, "Put the phone away, it's \"seen\"");
    assert_eq!(
        waiting.len(),
        if version >= 11 { 2 } else { 1 },
        "{version}: broadcasts came with 11"
    );
    let timeline = store.timeline(exam.id, 100).await.unwrap();
    let seen = |body: fn(&TimelineBody) -> bool| timeline.iter().filter(|entry| body(&entry.body)).count();
    let of_system = |body: &TimelineBody| {
        matches!(
            body,
            TimelineBody::Integrity {
                observer: Observer::System,
                ..
            }
        )
    };
    assert_eq!(seen(of_system), 3);
    assert_eq!(seen(|body| matches!(body, TimelineBody::Message { .. })), 1);

    let over = store.exam_by_code("SNAP-2").await.unwrap().unwrap();
    let left = store.joined_sessions(over.id).await.unwrap();
    assert_eq!(
        left[0].0.finished_at,
        Some(over.ends_at),
        "{version}: closing has ended it"
    );
}

/// What was chained holds, and is continued.
async fn it_goes_on(store: &dyn Store, version: i64) {
    let sound = async || {
        let chains = chains::verify(store).await.unwrap();
        assert!(chains.findings.is_empty(), "{version}: {}", chains.words());
        let log = verify::verify(store, "", &[]).await.unwrap();
        // That there is no checkpoint is found, and nothing else.
        assert_eq!(log.findings.len(), 1, "{version}: {:?}", log.findings);
        (chains.events, store.audit_head().await.unwrap().seq)
    };
    let (events, records) = sound().await;
    assert_eq!(events, 3);
    assert_eq!(records > 10, version >= 2, "{version}: the log came with 2");
    let exam = store.exam_by_code("SNAP-1").await.unwrap().unwrap();
    let (seat, entry) = store.joined_sessions(exam.id).await.unwrap().remove(0);
    let mut head = seat.chain;
    let next = vec![event(&mut head, seat.id)];
    assert!(store.append(append(&seat, next)).await.unwrap().broken.is_none());
    let again = store.open_session(session(&entry)).await.unwrap();
    assert_eq!((again.id, &again.device_key), (seat.id, &seat.device_key));
    let (_, other) = candidate(store, &exam, "Candidate 4").await;
    assert!(
        store
            .finish(other.id, exam.id, presence(other.participant, 90))
            .await
            .unwrap()
    );
    assert_eq!(sound().await, (4, records + 5));
}
