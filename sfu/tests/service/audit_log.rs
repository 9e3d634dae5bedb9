//! What people do through the server is in its audit log, with who they are and where they come from.

use crate::common::{World, device, text};
use invigil_sfu::audit::checkpoint::public_key;
use invigil_sfu::audit::{CHECKPOINT_FILE, verify};
use invigil_shared::role::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn who_did_what_and_from_where_is_kept() {
    let mut world = World::start().await;
    let code = world.setup_code.clone().unwrap();
    let setup = json!({ "setup_code": code, "email": "a@x", "name": "A", "password": "correct horse battery" });
    let (status, _) = world.rest("POST", "/api/v1/setup", None, &setup).await;
    assert_eq!(status, 200);
    let proctor = world.user("p@x", Role::Proctor, Some("correct horse battery")).await;
    let exam = world.exam("EXAM-1").await;
    let secret = world.entry(&exam, "Candidate 1").await;
    for (password, expected) in [
        ("wrong password", 401),
        ("wrong again and again", 401),
        ("correct horse battery", 200),
    ] {
        let body = json!({ "email": "p@x", "password": password });
        let (status, _) = world.rest("POST", "/api/v1/sign-in", None, &body).await;
        assert_eq!(status, expected);
    }
    let (status, _) = world.try_join("EXAM-1", "AAAA-AAAA-AAAA-A", &device(1)).await;
    assert_eq!(status, 401);
    let joined = world.join("EXAM-1", &secret, &device(1)).await;
    let session = text(&joined["session"]).to_owned();
    let (mut candidate, _) = world.in_room(text(&joined["access_token"]), exam.id).await;
    let watching = world.user_token("p@x", Role::Proctor).await;
    let (mut watcher, _) = world.in_room(&watching, exam.id).await;
    let to = &joined["participant"];
    let warning = json!({ "type": "message:send", "to": to, "kind": "warning", "text": "Look here" });
    assert_eq!(watcher.request(warning).await["type"], "message:sent");
    let received = candidate.until_type("message:received").await;
    let acknowledge = json!({ "type": "message:acknowledge", "message": received["message"]["id"] });
    assert_eq!(candidate.request(acknowledge).await["type"], "ok");
    assert_eq!(
        candidate.request(json!({ "type": "session:finish" })).await["type"],
        "ok"
    );
    world.stop().await;

    let records = world.store.audit_records(0, 100).await.unwrap();
    let of = |action: &str| {
        let mut found = records.iter().filter(|record| record.action == action);
        let record = found.next().unwrap_or_else(|| panic!("no {action}: {records:#?}"));
        assert!(found.next().is_none(), "{action} twice");
        record
    };
    let proctor = proctor.id.to_string();
    for (action, actor, role) in [
        ("sign_in", proctor.as_str(), "proctor"),
        ("warn", &proctor, "proctor"),
        ("enter_room", &session, "candidate"),
        ("acknowledge_message", &session, "candidate"),
        ("finish", &session, "candidate"),
    ] {
        let record = of(action);
        assert_eq!((record.actor.as_str(), record.role.as_str()), (actor, role), "{action}");
        assert_eq!(record.address.as_deref(), Some("127.0.0.1"), "{action}");
    }
    assert_eq!(of("join").target, session);
    assert_eq!(of("set_up").role, "admin");
    for (action, count) in [("sign_in_refused", 2), ("join_refused", 1)] {
        let record = of(action);
        let said: Value = serde_json::from_str(&record.metadata).unwrap();
        assert_eq!((&said["count"], record.role.as_str()), (&json!(count), "unknown"));
    }
    let whole = format!("{records:?}");
    assert!(!whole.contains("Look here") && !whole.contains(&secret) && !whole.contains("battery"));

    // The server that stopped has left a checkpoint of everything.
    let data = world.directory.path().join("data");
    let lines = std::fs::read_to_string(data.join(CHECKPOINT_FILE)).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["seq"], records.len());
    let verdict = verify::verify(&*world.store, &lines, &public_key(&data).unwrap())
        .await
        .unwrap();
    assert_eq!(verdict.findings, []);
}
