//! Nothing is left of an exam that was closed: not in control, not on the shards. What is stored is finished.

use crate::common::metrics::scrape;
use crate::common::{Client, World, device, text, within};
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::ParticipationId;
use invigil_shared::participation::Departure;
use invigil_shared::role::Role;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a room and its people make a server hold.
const HELD: [&str; 10] = [
    "invigil_rooms",
    "invigil_participants",
    "invigil_placed_participants",
    "invigil_sockets",
    "invigil_browser_transports",
    "invigil_shard_participants",
    "invigil_shard_transports",
    "invigil_shard_publications",
    "invigil_shard_subscriptions",
    "invigil_shard_retransmission_bytes",
];

async fn held(world: &World) -> BTreeMap<String, f64> {
    let page = scrape(world.server.as_ref().unwrap().metrics.unwrap()).await;
    let wanted = |name: &str| HELD.contains(&name.split('{').next().unwrap_or(name));
    page.into_iter().filter(|(name, _)| wanted(name)).collect()
}

fn sum(held: &BTreeMap<String, f64>, name: &str) -> f64 {
    let of = held.iter().filter(|(sample, _)| sample.split('{').next() == Some(name));
    of.map(|(_, value)| value).sum()
}

/// A candidate who publishes.
async fn sits(world: &World, exam: &ExamInfo, n: u8) -> (Client, Value) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let (mut client, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let made = client
        .request(json!({ "type": "transport:create", "direction": "publish" }))
        .await;
    assert_eq!(made["type"], "transport:created", "{made}");
    let layer = json!({ "rid": "low", "ssrc": u32::from(n), "rtx_ssrc": null, "width": 320, "height": 180, "fps": 10, "kbps": 100 });
    let publish = json!({ "type": "publish", "publication": "camera/0", "codec": "video/H264", "layers": [layer], "test_picture": false });
    let published = client.request(publish).await;
    assert_eq!(published["type"], "published", "{published}");
    (client, joined)
}

#[tokio::test]
async fn nothing_is_left_of_an_exam_that_was_closed() {
    let world = World::start_set(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let before = held(&world).await;
    assert!(before.values().all(|value| *value == 0.0), "{before:?}");
    let exam = world.exam("EXAM-1").await;
    let mut sitting = Vec::new();
    for n in 1..=4 {
        sitting.push(sits(&world, &exam, n).await);
    }
    // One who is away when it is closed, and one who has handed in.
    let (away, _) = sitting.pop().unwrap();
    drop(away);
    let (mut done, _) = sitting.pop().unwrap();
    assert_eq!(done.request(json!({ "type": "session:finish" })).await["type"], "ok");
    let token = world.user_token("l@x.org", Role::Lead).await;
    let (mut lead, _) = world.in_room(&token, exam.id).await;
    let made = lead
        .request(json!({ "type": "transport:create", "direction": "subscribe" }))
        .await;
    assert_eq!(made["type"], "transport:created", "{made}");
    let wanted = sitting.iter().enumerate().map(|(slot, (_, joined))| {
        json!({ "slot": slot, "participant": joined["participant"], "publication": "camera/0", "layer": "low", "priority": "tile" })
    });
    let intents = json!({ "type": "intents:set", "revision": 1, "intents": wanted.collect::<Vec<_>>() });
    assert_eq!(lead.request(intents).await["type"], "subscribed");

    let during = held(&world).await;
    assert_eq!(
        (sum(&during, "invigil_rooms"), sum(&during, "invigil_sockets")),
        (1.0, 4.0)
    );
    // The one who is away is waited for.
    for name in ["invigil_placed_participants", "invigil_shard_participants"] {
        assert_eq!(sum(&during, name), 4.0, "{name}: {during:?}");
    }
    assert_eq!(sum(&during, "invigil_participants"), 5.0);
    assert_eq!(sum(&during, "invigil_shard_transports"), 4.0, "{during:?}");
    assert!(sum(&during, "invigil_shard_publications") >= 3.0, "{during:?}");

    let close = json!({ "type": "action", "action": "close", "reason": "it is over" });
    assert_eq!(lead.request(close).await["type"], "ok");
    for (client, _) in &mut sitting {
        assert!(client.closed().await.contains("exam_closed"));
    }
    assert!(lead.closed().await.contains("exam_closed"));
    drop(done);
    let empty = async { while held(&world).await != before {} };
    within("an empty server", empty).await;

    let sessions = world.store.joined_sessions(exam.id).await.unwrap();
    assert_eq!(sessions.len(), 4);
    assert!(sessions.iter().all(|(session, _)| session.finished_at.is_some()));
    let first = ParticipationId(sqlx::types::Uuid::nil());
    let ended = async {
        loop {
            let stays = world.store.participations(exam.id, first, 50).await.unwrap();
            if stays.len() == 5 && stays.iter().all(|stay| stay.left_at.is_some()) {
                return stays;
            }
        }
    };
    let stays = within("five stays that have ended", ended).await;
    let peak = async { while world.store.exam_times(exam.id).await.unwrap().unwrap().peak != 4 {} };
    within("the most who were there at once", peak).await;
    let closed = stays
        .iter()
        .filter(|stay| stay.departure == Some(Departure::Closed))
        .count();
    // The lead, two candidates who were there, and perhaps the one whose loss was not noticed yet.
    assert!((3..=4).contains(&closed), "{stays:?}");
}
