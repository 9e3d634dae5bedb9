//! A server that is started on the database of any released version goes on: a candidate's device comes back to its sitting by its key, finds
//! what was said to it, and continues its chain. What the store makes of each snapshot is `tests/store/snapshots.rs`' business.

use crate::common::{World, device, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invigil_sfu::audit::CHECKPOINT_FILE;
use invigil_sfu::store::sqlite::DATABASE_FILE;
use invigil_shared::device::sign_challenge;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityKind, IntegrityPayload, Observer};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use std::path::Path;

fn snapshots(database: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/store/snapshots")
        .join(database);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() >= 12, "{files:?}");
    files
}

/// Puts a snapshot in the place of what the server had.
async fn replace(world: &World, sql: &str) {
    let data = world.directory.path().join("data");
    // The log that it speaks of is not there any more.
    std::fs::remove_file(data.join(CHECKPOINT_FILE)).unwrap();
    match &world.database {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection
                .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                .await
                .unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
        None => {
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(data.join(format!("{DATABASE_FILE}{ending}")));
            }
            let options = SqliteConnectOptions::new().filename(data.join(DATABASE_FILE));
            let mut connection = options.create_if_missing(true).connect().await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_sitting_of_any_version_is_gone_on_with() {
    let mut world = World::start().await;
    let database = if world.database.is_some() { "postgres" } else { "sqlite" };
    let data = world.directory.path().join("data");
    for file in snapshots(database) {
        let snapshot = file.display();
        world.stop().await;
        world.store.close().await;
        replace(&world, &std::fs::read_to_string(&file).unwrap()).await;
        world.move_to(&data).await;
        let exam = world.store.exam_by_code("SNAP-1").await.unwrap().unwrap();
        let (seat, _) = world.store.joined_sessions(exam.id).await.unwrap().remove(0);
        let session: SessionId = seat.id;
        let asked = world
            .rest("POST", "/api/v1/resume/challenge", None, &json!({ "session": session }))
            .await;
        let challenge = &asked.1["challenge"];
        let proof = sign_challenge(&device(1), session, &URL_SAFE_NO_PAD.decode(text(challenge)).unwrap());
        let body = json!({ "session": session, "challenge": challenge, "signature": URL_SAFE_NO_PAD.encode(proof) });
        let (status, resumed) = world.rest("POST", "/api/v1/resume", None, &body).await;
        assert_eq!(status, 200, "{snapshot}: {resumed}");
        let (mut client, state) = world.in_room(text(&resumed["access_token"]), exam.id).await;
        let words = |message: &Value| text(&message["text"]).to_owned();
        let messages: Vec<String> = state["messages"].as_array().unwrap().iter().map(words).collect();
        assert!(messages[0].contains("Put the phone away"), "{snapshot}: {messages:?}");
        assert_eq!(state["chain"]["seq"], 3, "{snapshot}");
        let payload = IntegrityPayload {
            kind: IntegrityKind::FocusReturned,
            time: EventTime {
                boot_id: BootId::from_parts(1, [1; 10]),
                monotonic_us: 1,
                wall_us: 1,
            },
            observer: Observer::System,
            confidence: 90,
            begins: None,
            facts: Default::default(),
        };
        let mut head = seat.chain;
        let event = head.append(session, [4; 16], serde_json::to_string(&payload).unwrap());
        let answer = client
            .request(json!({ "type": "integrity:event", "events": [event] }))
            .await;
        assert_eq!(answer["head"]["seq"], 4, "{snapshot}: {answer}");
    }
}
