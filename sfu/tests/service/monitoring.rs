//! What supervisors and monitoring see: readiness and metrics.
#![allow(clippy::disallowed_types)] // the bans are for core: this test has a real socket

use crate::common::metrics::scrape;
use crate::common::{World, device, text, within};
use invigil_shared::chain::ChainHead;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::role::Role;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor};

const DASHBOARD: &str = include_str!("../../../installers/grafana/invigil-sfu.json");

async fn readiness(world: &World) -> (u16, Value) {
    world.rest("GET", "/readyz", None, &Value::Null).await
}

#[tokio::test]
async fn a_server_whose_database_takes_no_write_is_not_ready() {
    let world = World::start().await;
    let good = json!({ "database": "ok", "shards": "ok", "disk": "ok", "serving": "ok" });
    assert_eq!(readiness(&world).await, (200, json!({ "ready": true, "checks": good })));
    let file = world.directory.path().join("data/invigil.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let blocked = async {
        loop {
            let (status, found) = readiness(&world).await;
            // What was found a moment ago may still be told.
            if status == 503 {
                break found;
            }
        }
    };
    let found = within("not being ready", blocked).await;
    assert_eq!(found["ready"], false);
    assert_eq!(
        (&found["checks"]["database"], &found["checks"]["shards"]),
        (&json!("failed"), &json!("ok"))
    );
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    let free = async { while readiness(&world).await.0 != 200 {} };
    within("being ready again", free).await;
}

#[tokio::test]
async fn a_server_without_room_on_its_disk_is_not_ready() {
    let world = World::start_set(|config| config.limits.free_disk_mib = 1 << 40).await;
    let (status, found) = readiness(&world).await;
    assert_eq!((status, &found["checks"]["disk"]), (503, &json!("failed")));
    assert_eq!(
        world.rest("GET", "/healthz", None, &Value::Null).await.0,
        200,
        "it lives all the same"
    );
}

#[tokio::test]
async fn what_happens_is_in_the_metrics_and_nobody_is() {
    let world = World::start_set(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let address = world.server.as_ref().unwrap().metrics.unwrap();
    let before = scrape(address).await;
    let online = |role: &str| format!("invigil_participants{{role=\"{role}\",presence=\"online\"}}");
    assert_eq!((before["invigil_rooms"], before["invigil_sockets"]), (0.0, 0.0));
    assert_eq!(before["invigil_shards{state=\"alive\"}"], 2.0);

    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Zacharias Unusual").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let session: SessionId = text(&joined["session"]).parse().unwrap();
    let (mut candidate, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let proctor = world.user_token("pat@x.org", Role::Proctor).await;
    let (_proctor, _) = world.in_room(&proctor, exam.id).await;
    let payload = IntegrityPayload {
        kind: IntegrityKind::FocusLost,
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
    let event = ChainHead::new(session).append(session, [1; 16], serde_json::to_string(&payload).unwrap());
    let answer = candidate
        .request(json!({ "type": "integrity:event", "events": [event] }))
        .await;
    assert_eq!(answer["type"], "integrity:ack", "{answer}");

    let after = scrape(address).await;
    assert_eq!((after["invigil_rooms"], after["invigil_sockets"]), (1.0, 2.0));
    assert_eq!((after[&online("candidate")], after[&online("proctor")]), (1.0, 1.0));
    assert!(after["invigil_connections"] >= 2.0);
    assert_eq!(before["invigil_event_ack_seconds_count"], 0.0);
    assert_eq!(after["invigil_event_ack_seconds_count"], 1.0);
    // A stranger's datagram is counted, and that is all that happens to it.
    let media = world.server.as_ref().unwrap().media[0];
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&[0x80; 40], media).await.unwrap();
    let unroutable = "invigil_dropped_total{shard=\"0\",cause=\"unroutable\"}";
    let counted = async { while scrape(address).await[unroutable] < 1.0 {} };
    within("the stranger's datagram", counted).await;

    let page: Vec<_> = after.keys().cloned().collect();
    let page = page.join("\n");
    for secret in [
        "Zacharias",
        "EXAM-1",
        "pat@",
        &exam.id.to_string(),
        &session.to_string(),
        "127.0.0.1",
    ] {
        assert!(!page.contains(secret), "{secret} stands in the metrics");
    }
    let (status, _) = world.rest("GET", "/metrics", None, &Value::Null).await;
    assert_eq!(status, 404, "the public port has no metrics");
}

/// Metric names in a query.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("invigil_"))
}

#[tokio::test]
async fn the_dashboard_asks_for_metrics_that_there_are() {
    let world = World::start_set(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let page = scrape(world.server.as_ref().unwrap().metrics.unwrap()).await;
    let known = |name: &str| page.keys().any(|sample| sample.split('{').next() == Some(name));
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = text(&target["expr"]);
            assert!(names(expression).next().is_some(), "{expression}");
            for name in names(expression) {
                assert!(known(name), "{}: there is no {name}", panel["title"]);
                asked += 1;
            }
        }
    }
    assert!(asked >= 15, "{asked} metrics are shown");
}
