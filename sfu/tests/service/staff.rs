//! Muting candidates, putting people out of a room, and changing the role of those who watch.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::ExamInfo;
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, Value, String) {
    let secret = world.entry(exam, &format!("Candidate {n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, state["you"]["id"].clone(), token)
}

async fn watcher(world: &World, exam: &ExamInfo, email: &str, role: Role) -> (Client, Value) {
    let token = world.user_token(email, role).await;
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, state["you"]["id"].clone())
}

async fn act(client: &mut Client, action: Value) -> String {
    let mut request = json!({ "type": "action" });
    for (name, value) in action.as_object().unwrap() {
        request[name] = value.clone();
    }
    let answer = client.request(request).await;
    answer["code"].as_str().unwrap_or("ok").to_owned()
}

async fn muted(client: &mut Client, wanted: bool) {
    let frame = client.until_type("sitting:updated").await;
    assert_eq!(frame["sitting"]["muted"].as_bool().unwrap_or(false), wanted);
}

#[tokio::test]
async fn a_muted_candidate_stays_so_over_reconnect_and_restart_until_unmuted() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, who, token) = seated(&world, &exam, 1).await;
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    assert_eq!(
        act(&mut proctor, json!({ "action": "mute", "participant": who })).await,
        "ok"
    );
    muted(&mut one, true).await;
    let line = proctor
        .until(|frame| frame["type"] == "timeline:entry" && frame["entry"]["body"]["step"] == "mute")
        .await;
    assert_eq!(line["entry"]["body"]["by"], "Name of p@x.org");

    world.restart().await;
    let (mut one, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["you"]["sitting"]["muted"], true);
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    assert_eq!(
        act(&mut proctor, json!({ "action": "unmute", "participant": who })).await,
        "ok"
    );
    muted(&mut one, false).await;
    assert_eq!(act(&mut proctor, json!({ "action": "mute_all" })).await, "forbidden");
    assert_eq!(
        act(&mut one, json!({ "action": "unmute", "participant": who })).await,
        "forbidden"
    );
}

#[tokio::test]
async fn a_lead_mutes_everybody_at_once_and_each_hears_of_it_alone() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut lead, _) = watcher(&world, &exam, "l@x.org", Role::Lead).await;
    let mut all = Vec::new();
    for n in 1..=12 {
        all.push(seated(&world, &exam, n).await);
    }
    let (mut done, _, _) = all.pop().unwrap();
    assert_eq!(done.request(json!({ "type": "session:finish" })).await["type"], "ok");
    assert_eq!(act(&mut lead, json!({ "action": "mute_all" })).await, "ok");
    for (client, ..) in &mut all {
        muted(client, true).await;
    }
    assert_eq!(
        act(&mut lead, json!({ "action": "mute_all" })).await,
        "ok",
        "again changes nothing"
    );
    assert_eq!(act(&mut lead, json!({ "action": "unmute_all" })).await, "ok");
    for (client, ..) in &mut all {
        muted(client, false).await;
    }
    let told = lead.settled().await;
    assert!(
        told.iter().all(|frame| frame["entry"]["body"]["what"] != "sitting"),
        "more than a few at once are not a line each"
    );
    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    let steps = audit.iter().filter(|record| record.metadata.contains("mute")).count();
    assert_eq!(steps, 22, "the audit log has each");
}

#[tokio::test]
async fn a_candidate_who_was_put_out_comes_back_by_admission() {
    let mut world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut one, who, token) = seated(&world, &exam, 1).await;
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    let (mut lead, _) = watcher(&world, &exam, "l@x.org", Role::Lead).await;
    let remove = json!({ "action": "remove", "participant": who, "reason": "two people in the picture" });
    assert_eq!(act(&mut proctor, remove.clone()).await, "forbidden");
    assert_eq!(act(&mut lead, remove.clone()).await, "ok");
    let told = one
        .until(|frame| frame["type"] == "error" && frame["code"] == "removed")
        .await;
    assert_eq!(told["params"]["reason"], "two people in the picture");
    assert_eq!(one.closed().await, "removed");
    let seen = proctor
        .until(|frame| {
            frame["type"] == "participant:updated" && frame["participant"]["sitting"]["admission"] == "removed"
        })
        .await;
    assert_eq!(seen["participant"]["presence"], "lost");
    assert_eq!(act(&mut lead, remove).await, "sitting_transition");

    world.restart().await;
    let (mut proctor, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    let (mut one, state) = world.in_room(&token, exam.id).await;
    assert_eq!(state["you"]["sitting"]["admission"], "waiting", "back, and at the door");
    proctor
        .until(|frame| {
            frame["type"] == "participant:updated" && frame["participant"]["sitting"]["admission"] == "waiting"
        })
        .await;
    assert_eq!(
        act(&mut proctor, json!({ "action": "admit", "participant": who })).await,
        "ok"
    );
    let told = one.until_type("sitting:updated").await;
    assert_eq!(told["sitting"]["admission"], "admitted");
}

#[tokio::test]
async fn whoever_watches_is_put_out_by_leads_and_may_enter_again() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let (mut proctor, proctor_id) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    let (mut second, _) = watcher(&world, &exam, "p@x.org", Role::Proctor).await;
    let (mut lead, lead_id) = watcher(&world, &exam, "l@x.org", Role::Lead).await;
    let (_admin, admin_id) = watcher(&world, &exam, "a@x.org", Role::Admin).await;
    let remove = |who: &Value| json!({ "action": "remove", "participant": who, "reason": "" });
    assert_eq!(act(&mut proctor, remove(&lead_id)).await, "forbidden");
    assert_eq!(
        act(&mut lead, remove(&lead_id)).await,
        "forbidden",
        "nobody puts themselves out"
    );
    assert_eq!(act(&mut lead, remove(&admin_id)).await, "forbidden");
    assert_eq!(act(&mut lead, remove(&proctor_id)).await, "ok");
    for client in [&mut proctor, &mut second] {
        assert!(client.closed().await.contains("removed"));
    }
    for _ in 0..2 {
        lead.until_type("participant:left").await;
    }
    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    assert!(audit.iter().any(|record| record.action == "remove_watcher"));
    watcher(&world, &exam, "p@x.org", Role::Proctor).await;
}

#[tokio::test]
async fn a_role_changes_live_and_tokens_of_before_are_refused() {
    let world = World::start().await;
    let exam = world.exam("EXAM-1").await;
    let old = world.user_token("p@x.org", Role::Proctor).await;
    let (mut proctor, state) = world.in_room(&old, exam.id).await;
    let proctor_id = state["you"]["id"].clone();
    let (mut lead, lead_id) = watcher(&world, &exam, "l@x.org", Role::Lead).await;
    let (_admin, admin_id) = watcher(&world, &exam, "a@x.org", Role::Admin).await;
    let (_one, candidate, _) = seated(&world, &exam, 1).await;
    let change = |who: &Value, role: &str| json!({ "action": "change_role", "participant": who, "role": role });
    assert_eq!(act(&mut proctor, change(&proctor_id, "lead")).await, "forbidden");
    assert_eq!(
        act(&mut lead, change(&lead_id, "proctor")).await,
        "forbidden",
        "not the own one"
    );
    assert_eq!(act(&mut lead, change(&admin_id, "proctor")).await, "forbidden");
    assert_eq!(act(&mut lead, change(&proctor_id, "admin")).await, "bad_message");
    assert_eq!(act(&mut lead, change(&candidate, "lead")).await, "not_found");
    assert_eq!(act(&mut lead, change(&proctor_id, "lead")).await, "ok");
    assert!(proctor.closed().await.contains("access_revoked"));
    let mut stale = world.bare().await;
    assert_eq!(stale.authenticate(&old).await["code"], "access_revoked");
    // Signed in again, as a lead, who may do what a lead may.
    let (mut promoted, promoted_id) = watcher(&world, &exam, "p@x.org", Role::Lead).await;
    assert_eq!(act(&mut promoted, json!({ "action": "mute_all" })).await, "ok");
    assert_eq!(act(&mut lead, change(&promoted_id, "proctor")).await, "ok");
    assert!(promoted.closed().await.contains("access_revoked"));
    let account = world.store.user_by_email("p@x.org").await.unwrap().unwrap();
    assert_eq!((account.role, account.generation), (Role::Proctor, 2));
    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    assert_eq!(audit.iter().filter(|record| record.action == "change_user").count(), 2);
}
