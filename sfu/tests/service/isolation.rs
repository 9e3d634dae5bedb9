//! A candidate never learns that another candidate exists: whatever anybody does, no byte about others reaches it.

use crate::common::{Client, World, device, text};
use invigil_shared::chain::ChainHead;
use invigil_shared::id::SessionId;
use invigil_shared::role::Role;
use proptest::prelude::*;
use serde_json::{Value, json};

const CANDIDATES: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    Publish(usize),
    Unpublish(usize),
    Freshness(usize),
    Event(usize),
    Chat(usize),
    Stats(usize),
    Reconnect(usize),
    /// Tries to reach another candidate with what it must not know.
    Pry(usize, usize, u8),
    Watch(Vec<(usize, bool)>),
    Warn(usize),
    Look(usize),
    Mute(usize, bool),
    Transport(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..CANDIDATES;
    prop_oneof![
        who.clone().prop_map(Act::Publish),
        who.clone().prop_map(Act::Unpublish),
        who.clone().prop_map(Act::Freshness),
        who.clone().prop_map(Act::Event),
        who.clone().prop_map(Act::Chat),
        who.clone().prop_map(Act::Stats),
        who.clone().prop_map(Act::Reconnect),
        (who.clone(), who.clone(), 0..6u8).prop_map(|(a, b, how)| Act::Pry(a, b, how)),
        prop::collection::vec((who.clone(), any::<bool>()), 0..6).prop_map(Act::Watch),
        who.clone().prop_map(Act::Warn),
        who.clone().prop_map(Act::Look),
        (who.clone(), any::<bool>()).prop_map(|(n, muted)| Act::Mute(n, muted)),
        who.prop_map(Act::Transport),
    ]
}

struct Sitting {
    label: String,
    token: String,
    participant: String,
    session: SessionId,
    chain: ChainHead,
    client: Client,
    /// What earlier connections received.
    heard: String,
}

async fn play(acts: Vec<Act>) {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let proctor_token = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, _) = world.in_room(&proctor_token, exam.id).await;
    let mut sittings = Vec::new();
    for n in 0..CANDIDATES {
        let label = format!("Person-{n}-{n}{n}{n}");
        let secret = world.entry(&exam, &label).await;
        let joined = world.join("EXAM-1", &secret, &device(n as u8)).await;
        let token = text(&joined["access_token"]).to_owned();
        let (client, _) = world.in_room(&token, exam.id).await;
        let session: SessionId = text(&joined["session"]).parse().unwrap();
        let participant = text(&joined["participant"]).to_owned();
        let (chain, heard) = (ChainHead::new(session), String::new());
        sittings.push(Sitting {
            label,
            token,
            participant,
            session,
            chain,
            client,
            heard,
        });
    }
    let mut revision = 0;
    for act in acts {
        let ids: Vec<_> = sittings.iter().map(|s| s.participant.clone()).collect();
        match act {
            Act::Publish(n) => {
                let layer = json!({ "rid": "low", "ssrc": 100 + n, "rtx_ssrc": 200 + n, "width": 320, "height": 180, "fps": 10, "kbps": 100 });
                let message = json!({ "type": "publish", "publication": "camera/0", "codec": "video/H264", "layers": [layer], "test_picture": true });
                sittings[n].client.request(message).await;
            }
            Act::Unpublish(n) => {
                sittings[n]
                    .client
                    .request(json!({ "type": "unpublish", "publication": "camera/0" }))
                    .await;
            }
            Act::Freshness(n) => {
                let fresh = json!({ "publication": "camera/0", "state": "live", "captured_at": 5, "changed_at": 5 });
                sittings[n]
                    .client
                    .send(json!({ "type": "publication:freshness", "publications": [fresh] }))
                    .await;
            }
            Act::Event(n) => {
                let payload = json!({ "kind": "focus_lost", "observer": "system", "confidence": 90,
                    "time": { "boot_id": ids[n], "monotonic_us": 1, "wall_us": 1 } });
                let sitting = &mut sittings[n];
                let event = sitting.chain.append(sitting.session, [3; 16], payload.to_string());
                let ack = sitting
                    .client
                    .request(json!({ "type": "integrity:event", "events": [event] }))
                    .await;
                assert_eq!(text(&ack["type"]), "integrity:ack");
            }
            Act::Chat(n) => {
                let words = format!("words of {}", sittings[n].label);
                sittings[n]
                    .client
                    .request(json!({ "type": "message:send", "to": null, "kind": "chat", "text": words }))
                    .await;
            }
            Act::Stats(n) => {
                sittings[n]
                    .client
                    .send(json!({ "type": "stats:report", "stats": { "rtt_us": 900_000 } }))
                    .await;
            }
            Act::Reconnect(n) => {
                let (client, _) = world.in_room(&sittings[n].token, exam.id).await;
                let older = std::mem::replace(&mut sittings[n].client, client);
                sittings[n].heard += &older.transcript;
            }
            Act::Pry(n, at, how) => {
                let at = &ids[at];
                let message = match how {
                    0 => json!({ "type": "message:send", "to": at, "kind": "chat", "text": "psst" }),
                    1 => {
                        json!({ "type": "intents:set", "revision": 1, "intents": [{ "slot": 0, "participant": at, "publication": "camera/0", "layer": "low", "priority": "tile" }] })
                    }
                    2 => {
                        json!({ "type": "keyframe:request", "source": { "participant": at, "publication": "camera/0" }, "layer": "low" })
                    }
                    3 => json!({ "type": "attention:look", "participant": at }),
                    4 => json!({ "type": "transport:create", "direction": "subscribe" }),
                    _ => json!({ "type": "transport:close", "transport": at }),
                };
                let answer = sittings[n].client.request(message).await;
                assert!(answer["type"] == "error" || how == 0, "{answer}");
            }
            Act::Watch(wanted) => {
                revision += 1;
                let intents: Vec<Value> = wanted
                    .iter()
                    .enumerate()
                    .map(|(slot, (n, sound))| {
                        let (slot, key) = if *sound { (64 + slot % 4, "microphone/0") } else { (slot, "camera/0") };
                        json!({ "slot": slot, "participant": ids[*n], "publication": key, "layer": "low", "priority": "tile" })
                    })
                    .collect();
                proctor
                    .request(json!({ "type": "intents:set", "revision": revision, "intents": intents }))
                    .await;
            }
            Act::Warn(n) => {
                proctor
                    .request(json!({ "type": "message:send", "to": ids[n], "kind": "warning", "text": "careful" }))
                    .await;
            }
            Act::Look(n) => {
                proctor
                    .request(json!({ "type": "attention:look", "participant": ids[n] }))
                    .await;
            }
            Act::Mute(n, muted) => {
                let action = if muted { "mute" } else { "unmute" };
                proctor
                    .request(json!({ "type": "action", "action": action, "participant": ids[n] }))
                    .await;
            }
            Act::Transport(n) => {
                let made = sittings[n]
                    .client
                    .request(json!({ "type": "transport:create", "direction": "publish" }))
                    .await;
                assert!(
                    made["type"] == "transport:created" || made["code"] == "rate_limited",
                    "{made}"
                );
            }
        }
    }
    proctor.settled().await;
    for sitting in &mut sittings {
        sitting.client.settled().await;
        sitting.heard += &std::mem::take(&mut sitting.client.transcript);
    }
    let mut told = 0;
    for own in &sittings {
        assert!(own.heard.contains(&own.participant), "a candidate does hear of itself");
        for other in sittings.iter().filter(|other| other.participant != own.participant) {
            for trace in [&other.participant, &other.label, &other.session.to_string()] {
                assert!(!own.heard.contains(trace.as_str()), "{} heard of {trace}", own.label);
            }
            told += usize::from(proctor.transcript.contains(&other.label));
        }
        for trace in ["p@x.org", "assignments"] {
            assert!(!own.heard.contains(trace), "{} heard who watches: {trace}", own.label);
        }
    }
    assert!(
        told > 0 && proctor.transcript.contains("assignments"),
        "the proctor does hear of them: the check can see"
    );
}

#[test]
fn no_byte_about_one_candidate_reaches_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 12,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let strategy = prop::collection::vec(act(), 20..60);
    runner
        .run(&strategy, |acts| {
            runtime.block_on(play(acts));
            Ok(())
        })
        .unwrap();
}
