//! How clients learn of STUN and TURN servers, and exams whose media take no other way.

use crate::common::office::{Office, new_exam};
use crate::common::{Client, World, device, text};
use invigil_sfu::config::IceConfig;
use invigil_shared::exam::Policy;
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn told(client: &mut Client) -> Value {
    client.until_type("ice:config").await
}

/// Until when a TURN credential is good: the first part of its name.
fn ends(config: &Value) -> i64 {
    let name = text(&config["servers"][1]["username"]);
    name.split_once(':').unwrap().0.parse().unwrap()
}

/// What does not differ from one issue to the next.
fn lasting(config: &Value) -> (Value, Value, Value, String) {
    let name = text(&config["servers"][1]["username"]);
    let whose = name.split_once(':').unwrap().1.to_owned();
    let urls = |at: usize| config["servers"][at]["urls"].clone();
    (urls(0), urls(1), config["relay_only"].clone(), whose)
}

#[tokio::test]
async fn a_client_is_told_after_authentication_as_rest_tells_it_and_again_before_the_credentials_end() {
    let world = World::start_set(|config| config.ice.turn_credential_s = 4).await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Ada").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]);
    let mut candidate = world.client(token).await;
    let first = told(&mut candidate).await;
    assert_eq!(first["relay_only"], false);
    assert_eq!(first["servers"][0]["urls"], json!(["stun:stun.example.org:3478"]));
    assert_eq!(first["servers"].as_array().unwrap().len(), 2);
    let (status, rest) = world.rest("GET", "/api/v1/ice-config", Some(token), &Value::Null).await;
    assert_eq!((status, lasting(&rest)), (200, lasting(&first)));

    let mut before = ends(&first);
    for _ in 0..2 {
        let next = told(&mut candidate).await;
        assert_eq!(lasting(&next), lasting(&first));
        assert!(ends(&next) > before, "{next}");
        before = ends(&next);
    }

    // Who watches may enter any exam: it is told with the one that it enters.
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let mut lead = world.client(&lead).await;
    let early = lead.settled().await.iter().any(|frame| frame["type"] == "ice:config");
    assert!(!early);
    lead.request(json!({ "type": "room:join", "exam": exam.id })).await;
    let config = told(&mut lead).await;
    assert_eq!(config["servers"][1]["urls"], first["servers"][1]["urls"]);
}

#[tokio::test]
async fn an_exam_for_relays_only_says_so_and_brings_no_other_way() {
    let world = World::start().await;
    let policy = Policy {
        relay_only: true,
        ..Policy::default()
    };
    let exam = world.exam_with("EXAM-1", policy).await;
    let secret = world.entry(&exam, "Ada").await;
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let token = text(&joined["access_token"]);
    let (mut candidate, _) = world.in_room(token, exam.id).await;
    assert_eq!(told(&mut candidate).await["relay_only"], true);
    let (_, rest) = world.rest("GET", "/api/v1/ice-config", Some(token), &Value::Null).await;
    assert_eq!(rest["relay_only"], true);
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let (mut lead, _) = world.in_room(&lead, exam.id).await;
    assert_eq!(told(&mut lead).await["relay_only"], true);
}

#[tokio::test]
async fn without_a_turn_server_no_exam_is_for_relays_only() {
    let world = World::start_set(|config| config.ice = IceConfig::default()).await;
    let lead = world.user_token("l@x.org", Role::Lead).await;
    let office = Office { world, lead };
    let mut new = new_exam("EXAM-1");
    new["policy"] = json!({ "relay_only": true });
    let params = office.post("exams", &new).await.refused(409, "relay_missing");
    assert_eq!(params["setting"], "ice.turn");
    let draft = office.draft("EXAM-2").await;
    let wished = json!({ "policy": { "relay_only": true } });
    office.patch(&draft, wished).await.refused(409, "relay_missing");
    // The command line makes exams beside the server, and settings change: nobody enters such a room.
    let policy = Policy {
        relay_only: true,
        ..Policy::default()
    };
    let exam = office.world.exam_with("EXAM-3", policy).await;
    let mut lead = office.world.client(&office.lead).await;
    let answer = lead.request(json!({ "type": "room:join", "exam": exam.id })).await;
    assert_eq!(answer["code"], "relay_missing", "{answer}");
    let secret = office.world.entry(&exam, "Ada").await;
    let joined = office.world.join("EXAM-3", &secret, &device(1)).await;
    let mut candidate = office.world.client(text(&joined["access_token"])).await;
    let answer = candidate.request(json!({ "type": "room:join", "exam": exam.id })).await;
    assert_eq!(answer["code"], "relay_missing", "{answer}");
}

#[tokio::test]
async fn with_one_the_office_makes_exams_for_relays_only() {
    let office = Office::open().await;
    let mut new = new_exam("EXAM-1");
    new["policy"] = json!({ "relay_only": true });
    let made = office.post("exams", &new).await.expect(201);
    assert_eq!(made["policy"]["relay_only"], true);
    let id = text(&made["id"]).to_owned();
    let edited = office.patch(&id, json!({ "policy": {} })).await.expect(200);
    assert_eq!(edited["policy"].get("relay_only"), None, "what is off is left out");
}
