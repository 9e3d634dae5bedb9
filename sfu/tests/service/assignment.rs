//! Who watches whom: given by itself to the least loaded as far as the ratio reaches, kept over reconnects and restarts, changed by leads,
//! filled again when a proctor leaves for good.

use crate::common::{Client, World, device, text};
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::role::Role;
use serde_json::{Value, json};

async fn exam_of(world: &World, ratio: u16) -> ExamInfo {
    let policy = Policy {
        candidates_per_proctor: ratio,
        ..Policy::default()
    };
    world.exam_with("EXAM-1", policy).await
}

/// A candidate who has joined: its client, id and token.
async fn seated(world: &World, exam: &ExamInfo, n: u8) -> (Client, String, String) {
    let secret = world.entry(exam, &format!("Person-{n}{n}{n}")).await;
    let joined = world.join(&exam.code, &secret, &device(n)).await;
    let token = text(&joined["access_token"]).to_owned();
    let (client, state) = world.in_room(&token, exam.id).await;
    (client, text(&state["you"]["id"]).to_owned(), token)
}

async fn watcher(world: &World, exam: &ExamInfo, email: &str, role: Role) -> Client {
    let token = world.user_token(email, role).await;
    world.in_room(&token, exam.id).await.0
}

async fn user(world: &World, email: &str) -> String {
    let record = world.store.user_by_email(email).await.unwrap().unwrap();
    record.id.to_string()
}

/// Whom somebody watches, as those who watch are told.
fn of(frame: &Value, user: &str) -> Vec<String> {
    let proctors = frame["proctors"].as_array().unwrap();
    let load = proctors.iter().find(|load| load["proctor"] == user);
    let candidates = load.map(|load| load["candidates"].as_array().unwrap().clone());
    let mut ids: Vec<String> = candidates
        .unwrap_or_default()
        .iter()
        .map(|id| text(id).to_owned())
        .collect();
    ids.sort();
    ids
}

fn counts(frame: &Value, users: &[&str]) -> Vec<usize> {
    users.iter().map(|user| of(frame, user).len()).collect()
}

/// The first state in which each of the users has so many.
async fn until(client: &mut Client, users: &[&str], wanted: &[usize]) -> Value {
    client
        .until(|frame| frame["type"] == "assignments" && counts(frame, users) == wanted)
        .await
}

#[tokio::test]
async fn candidates_go_to_the_least_loaded_and_stay_there_over_reconnect_and_restart() {
    let mut world = World::start().await;
    let exam = exam_of(&world, 2).await;
    let mut one = watcher(&world, &exam, "one@x.org", Role::Proctor).await;
    let _two = watcher(&world, &exam, "two@x.org", Role::Proctor).await;
    let (one_id, two_id) = (user(&world, "one@x.org").await, user(&world, "two@x.org").await);
    let users = [one_id.as_str(), two_id.as_str()];
    let mut sitting = Vec::new();
    for n in 1..=5 {
        sitting.push(seated(&world, &exam, n).await);
    }
    let full = until(&mut one, &users, &[2, 2]).await;
    assert_eq!(full["ratio"], 2);
    let (of_one, of_two) = (of(&full, &one_id), of(&full, &two_id));
    assert!(of_one.iter().all(|id| !of_two.contains(id)));

    // A candidate comes back on a new connection, a proctor too.
    let (_, id, token) = &sitting[0];
    let before = [&of_one, &of_two].map(|theirs| theirs.contains(id));
    let _again = world.in_room(token, exam.id).await;
    let mut one = watcher(&world, &exam, "one@x.org", Role::Proctor).await;
    let told = until(&mut one, &users, &[2, 2]).await;
    assert_eq!(
        [of(&told, &one_id), of(&told, &two_id)].map(|theirs| theirs.contains(id)),
        before
    );

    world.restart().await;
    // Nobody of them is back, and a third one is there first: what is stored holds.
    let mut three = watcher(&world, &exam, "three@x.org", Role::Proctor).await;
    let three_id = user(&world, "three@x.org").await;
    let told = until(&mut three, &[&one_id, &two_id, &three_id], &[2, 2, 1]).await;
    assert_eq!((of(&told, &one_id), of(&told, &two_id)), (of_one, of_two));
    let load = |user: &str| {
        let found = told["proctors"]
            .as_array()
            .unwrap()
            .iter()
            .find(|load| load["proctor"] == user);
        found.unwrap().clone()
    };
    assert_eq!(load(&one_id)["here"], json!([]), "who is away is expected back");
    assert_eq!(load(&one_id)["name"], "Name of one@x.org");
}

#[tokio::test]
async fn whoever_leaves_for_good_is_followed_by_others_at_once() {
    let world = World::start().await;
    let exam = exam_of(&world, 3).await;
    let one = watcher(&world, &exam, "one@x.org", Role::Proctor).await;
    let mut two = watcher(&world, &exam, "two@x.org", Role::Proctor).await;
    let (one_id, two_id) = (user(&world, "one@x.org").await, user(&world, "two@x.org").await);
    let users = [one_id.as_str(), two_id.as_str()];
    let mut sitting = Vec::new();
    for n in 1..=4 {
        sitting.push(seated(&world, &exam, n).await);
    }
    until(&mut two, &users, &[2, 2]).await;
    // A connection that breaks keeps them: within the time to come back nothing moves.
    let mut again = {
        drop(one);
        two.until(|frame| frame["type"] == "participant:left").await;
        let away = until(&mut two, &users, &[2, 2]).await;
        assert!(away["proctors"].as_array().unwrap().len() == 2);
        watcher(&world, &exam, "one@x.org", Role::Proctor).await
    };
    until(&mut again, &users, &[2, 2]).await;
    two.forget();
    assert_eq!(again.request(json!({ "type": "room:leave" })).await["type"], "ok");
    // The ratio leaves room for one of the two.
    let filled = until(&mut two, &users, &[0, 3]).await;
    assert!(!filled.to_string().contains(&one_id), "who has gone is not on the list");
    // Room is made when somebody hands in.
    let theirs = of(&filled, &two_id);
    let (client, ..) = sitting.iter_mut().find(|(_, id, _)| *id == theirs[0]).unwrap();
    assert_eq!(client.request(json!({ "type": "session:finish" })).await["type"], "ok");
    let filled = two
        .until(|frame| frame["type"] == "assignments" && of(frame, &two_id).len() == 4)
        .await;
    assert!(
        of(&filled, &two_id).contains(&theirs[0]),
        "who has handed in stays on the list, and counts no more"
    );
    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    assert!(
        audit
            .iter()
            .any(|record| record.action == "assign" && record.actor == "server")
    );
}

#[tokio::test]
async fn a_lead_gives_one_or_all_of_somebody_to_another_and_only_a_lead() {
    let world = World::start().await;
    let exam = exam_of(&world, 3).await;
    let mut proctor = watcher(&world, &exam, "one@x.org", Role::Proctor).await;
    let mut lead = watcher(&world, &exam, "lead@x.org", Role::Lead).await;
    let (one_id, lead_id) = (user(&world, "one@x.org").await, user(&world, "lead@x.org").await);
    let (mut candidate, first, _) = seated(&world, &exam, 1).await;
    let (_two, second, _) = seated(&world, &exam, 2).await;
    let users = [one_id.as_str(), lead_id.as_str()];
    until(&mut lead, &users, &[2, 0]).await;

    let ask = |more: Value| {
        let mut request = json!({ "type": "action", "action": "reassign", "to": lead_id });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let refused = proctor.request(ask(json!({ "participants": [first] }))).await;
    assert_eq!(refused["code"], "forbidden");
    let refused = candidate.request(ask(json!({ "participants": [second] }))).await;
    assert_eq!(refused["code"], "forbidden");
    for unknown in [
        json!({ "participants": [exam.id.to_string()] }),
        json!({ "participants": [first], "to": exam.id.to_string() }),
    ] {
        assert_eq!(lead.request(ask(unknown)).await["code"], "not_found");
    }
    let many: Vec<&String> = std::iter::repeat_n(&first, 101).collect();
    assert_eq!(
        lead.request(ask(json!({ "participants": many }))).await["code"],
        "bad_message"
    );

    let answer = lead.request(ask(json!({ "participants": [first] }))).await;
    assert_eq!(answer["type"], "ok");
    let told = until(&mut proctor, &users, &[1, 1]).await;
    assert_eq!(of(&told, &lead_id), [first.as_str()]);
    let line = proctor
        .until(|frame| frame["type"] == "timeline:entry" && frame["entry"]["body"]["what"] == "assigned")
        .await;
    assert_eq!(line["entry"]["participant"], first.as_str());
    assert_eq!(
        line["entry"]["body"],
        json!({ "what": "assigned", "to": "Name of lead@x.org", "by": "Name of lead@x.org" })
    );
    assert_eq!(lead.request(ask(json!({ "from": one_id }))).await["type"], "ok");
    let told = until(&mut proctor, &users, &[0, 2]).await;
    let mut both = vec![first, second];
    both.sort();
    assert_eq!(of(&told, &lead_id), both);

    let audit = world.store.audit_records(0, 1_000).await.unwrap();
    let by_lead = audit
        .iter()
        .filter(|record| record.action == "assign" && record.actor == lead_id);
    assert_eq!(by_lead.count(), 2);
    // What the candidate heard says nothing of who watches, nor that somebody is given to somebody.
    candidate.settled().await;
    for trace in [&one_id, &lead_id, "assign", "candidates_per_proctor", "x.org"] {
        assert!(!candidate.transcript.contains(trace), "a candidate heard {trace}");
    }
    assert!(lead.transcript.contains("candidates_per_proctor"), "the check can see");
}
