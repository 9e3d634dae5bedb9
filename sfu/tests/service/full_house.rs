//! An exam as large as a server takes by default: filled, opened, sat by everybody at once, written to and closed.

use crate::common::office::{Office, new_exam};
use crate::common::{Client, World, text, within};
use ed25519_dalek::SigningKey;
use futures_util::future::join_all;
use invigil_shared::exam::ExamStatus;
use invigil_shared::id::ExamId;
use invigil_shared::role::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

const SEATS: usize = 500;
/// That come through the door side by side, each with its TLS handshakes.
const AT_ONCE: usize = 25;

async fn enter(world: &World, exam: ExamId, n: usize, secret: &str) -> (Client, Value) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let joined = world.join("HALL-500", secret, &SigningKey::from_bytes(&seed)).await;
    world.in_room(text(&joined["access_token"]), exam).await
}

/// Who a candidate is that is online.
fn there(one: &Value) -> Option<String> {
    (one["role"] == "candidate" && one["presence"] == "online").then(|| text(&one["id"]).to_owned())
}

#[tokio::test]
async fn five_hundred_sit_one_exam() {
    let office = Office::open().await;
    let world = &office.world;
    let mut wish = new_exam("HALL-500");
    wish["capacity"] = json!(SEATS + 1);
    let params = office.post("exams", &wish).await.refused(422, "field_invalid");
    assert_eq!(
        params["field"], "capacity",
        "a server takes as many as its settings say"
    );
    wish["capacity"] = json!(SEATS);
    let id = text(&office.post("exams", &wish).await.expect(201)["id"]).to_owned();
    let exam: ExamId = id.parse().unwrap();

    let mut list = "label,seat\n".to_owned();
    for n in 1..=SEATS {
        writeln!(list, "Candidate {n:03},{n}").unwrap();
    }
    let imported = office.import(&id, "", &list).await.expect(201);
    let secrets: Vec<String> = imported["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| text(&told["secret"]).to_owned())
        .collect();
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), SEATS);
    office
        .post(&format!("exams/{id}/roster"), &json!({ "label": "One more" }))
        .await
        .refused(409, "roster_full");
    office.set_status(&id, ExamStatus::Draft, ExamStatus::Active).await;
    let (mut lead, _) = world.in_room(&office.lead, exam).await;
    let mut seated = Vec::with_capacity(SEATS);
    for (group, some) in secrets.chunks(AT_ONCE).enumerate() {
        let coming = some
            .iter()
            .enumerate()
            .map(|(n, secret)| enter(world, exam, group * AT_ONCE + n, secret));
        seated.extend(within("a group of candidates", join_all(coming)).await);
    }
    assert!(seated.iter().all(|(_, state)| state["you"]["role"] == "candidate"));

    // Who comes later sees the whole hall: as many as a frame holds at once, the others right after it.
    let proctor = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, state) = world.in_room(&proctor, exam).await;
    let mut present: BTreeSet<String> = state["participants"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(there)
        .collect();
    while present.len() < SEATS {
        let joined = proctor.until_type("participant:joined").await;
        assert!(present.insert(there(&joined["participant"]).unwrap()), "told once");
    }
    let shown = office.get(&format!("exams/{id}")).await.expect(200);
    assert_eq!((&shown["online"], &shown["roster"]), (&json!(SEATS), &json!(SEATS)));

    let say = json!({ "type": "message:broadcast", "audience": "everyone", "text": "Ten minutes are left." });
    assert_eq!(lead.request(say).await["type"], "message:sent");
    let all = json!({ "recipients": SEATS, "delivered": SEATS, "acknowledged": 0 });
    proctor
        .until(|frame| frame["type"] == "broadcast:updated" && frame["reach"] == all)
        .await;
    for (client, _) in &mut seated {
        let told = client.until_type("message:received").await;
        assert_eq!(told["message"]["text"], "Ten minutes are left.");
    }
    let close = json!({ "type": "action", "action": "close", "reason": "it is over" });
    assert_eq!(lead.request(close).await["type"], "ok");
    for (client, _) in &mut seated {
        assert_eq!(client.closed().await, "exam_closed");
    }
}
