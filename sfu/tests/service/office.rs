//! The exam office over REST: exams are made, edited, scheduled and archived, and whoever may not do it can't.

use crate::common::office::{HOUR_US, Office, new_exam};
use crate::common::{device, text};
use invigil_sfu::clock::now_us;
use invigil_shared::exam::{ExamStatus, Policy};
use invigil_shared::role::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn an_exam_goes_from_draft_to_archive() {
    let office = Office::open().await;
    let made = office.post("exams", &new_exam(" math-1 ")).await;
    let body = made.expect(201);
    let id = text(&body["id"]).to_owned();
    assert_eq!(made.header("location"), Some(format!("/api/v1/exams/{id}").as_str()));
    assert_eq!((&body["code"], &body["status"]), (&json!("MATH-1"), &json!("draft")));
    assert_eq!((&body["capacity"], &body["roster"]), (&json!(100), &json!(0)));
    assert_eq!(body["policy"], serde_json::to_value(Policy::default()).unwrap());

    let step = async |step: &str| office.post(&format!("exams/{id}/{step}"), &Value::Null).await;
    assert_eq!(step("archive").await.refused(409, "exam_transition")["status"], "draft");
    assert_eq!(step("schedule").await.expect(200)["status"], "scheduled");
    assert_eq!(step("unschedule").await.expect(200)["status"], "draft");
    assert_eq!(step("schedule").await.expect(200)["status"], "scheduled");
    office.set_status(&id, ExamStatus::Scheduled, ExamStatus::Closed).await;
    assert_eq!(
        step("unschedule").await.refused(409, "exam_transition")["status"],
        "closed"
    );
    let archived = step("archive").await.expect(200);
    assert_eq!(archived["status"], "archived");
    assert!(archived["ended_at"].is_i64());
    assert_eq!(office.get(&format!("exams/{id}")).await.expect(200), archived);

    // One that would be over at once is not announced.
    let past = now_us() - 2 * HOUR_US;
    let old = json!({ "title": "Old", "code": "OLD-1", "starts_at": past, "ends_at": past + HOUR_US });
    let old = office.post("exams", &old).await.expect(201);
    let refused = office
        .post(&format!("exams/{}/schedule", text(&old["id"])), &Value::Null)
        .await;
    assert_eq!(refused.refused(422, "field_invalid")["field"], "ends_at");
}

#[tokio::test]
async fn what_can_not_be_is_refused_with_its_field() {
    let office = Office::open().await;
    for (field, value) in [
        ("title", json!("")),
        ("code", json!("x")),
        ("starts_at", json!(-5)),
        ("ends_at", json!(0)),
        ("capacity", json!(501)),
        ("capacity", json!(0)),
    ] {
        let mut body = new_exam("MATH-1");
        body[field] = value;
        assert_eq!(
            office.post("exams", &body).await.refused(422, "field_invalid")["field"],
            field
        );
    }
    let mut body = new_exam("MATH-1");
    body["policy"] = json!({ "allow_test_picture": true });
    let refused = office.post("exams", &body).await.refused(422, "field_invalid");
    assert_eq!(refused["field"], "policy.allow_test_picture");
    for body in ["", "[]", "{\"title\":1}", "nothing"] {
        office
            .call("POST", "exams", &[], body)
            .await
            .refused(400, "bad_message");
    }
    office.draft("MATH-1").await;
    office
        .post("exams", &new_exam("MATH-1"))
        .await
        .refused(409, "exam_code_taken");
    for path in ["exams/1", "exams/01900000-0000-7000-8000-000000000000"] {
        office.get(path).await.refused(404, "not_found");
        office.call("PATCH", path, &[], "{}").await.refused(404, "not_found");
        office.get(&format!("{path}/roster")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn edits_keep_to_what_was_read_and_to_the_status() {
    let office = Office::open().await;
    let (id, other) = (office.draft("MATH-1").await, office.draft("MATH-2").await);
    let before = office.get(&format!("exams/{id}")).await;
    let tag = before.header("etag").unwrap().to_owned();
    let edit = json!({ "title": "Algebra", "capacity": 2, "policy": { "microphone": "off" } });
    let edited = office.patch(&id, edit).await.expect(200);
    assert_eq!((&edited["title"], &edited["capacity"]), (&json!("Algebra"), &json!(2)));
    assert_eq!(
        (&edited["policy"]["microphone"], &edited["code"]),
        (&json!("off"), &json!("MATH-1"))
    );
    let path = format!("exams/{id}");
    let late = office
        .call("PATCH", &path, &[("if-match", &tag)], r#"{"title":"Late"}"#)
        .await;
    late.refused(412, "edit_conflict");
    let tag = office.get(&path).await.header("etag").unwrap().to_owned();
    let timely = office
        .call("PATCH", &path, &[("if-match", &tag)], r#"{"title":"Sets"}"#)
        .await;
    assert_eq!(timely.expect(200)["title"], "Sets");
    office
        .patch(&other, json!({ "code": "MATH-1" }))
        .await
        .refused(409, "exam_code_taken");

    office
        .post(&format!("exams/{id}/schedule"), &Value::Null)
        .await
        .expect(200);
    let frozen = office
        .patch(&id, json!({ "code": "MATH-9" }))
        .await
        .refused(409, "exam_frozen");
    assert_eq!(
        (&frozen["field"], &frozen["status"]),
        (&json!("code"), &json!("scheduled"))
    );
    office.patch(&id, json!({ "policy": {} })).await.expect(200);
    office.set_status(&id, ExamStatus::Scheduled, ExamStatus::Waiting).await;
    let policy = office.patch(&id, json!({ "policy": { "camera": "off" } })).await;
    assert_eq!(policy.refused(409, "exam_frozen")["field"], "policy");
    office
        .patch(&id, json!({ "title": "Still possible" }))
        .await
        .expect(200);
    office.set_status(&id, ExamStatus::Waiting, ExamStatus::Closed).await;
    office
        .patch(&id, json!({ "title": "No more" }))
        .await
        .refused(409, "exam_frozen");
}

#[tokio::test]
async fn an_open_room_learns_of_an_edit() {
    let office = Office::open().await;
    let exam = office.world.exam("EXAM-1").await;
    let secret = office.world.entry(&exam, "Candidate 1").await;
    let joined = office.world.join("EXAM-1", &secret, &device(1)).await;
    let (mut candidate, _) = office.world.in_room(text(&joined["access_token"]), exam.id).await;
    let id = exam.id.to_string();
    let longer = exam.ends_at + HOUR_US;
    office.patch(&id, json!({ "ends_at": longer })).await.expect(200);
    let told = candidate.until_type("exam:updated").await;
    assert_eq!(told["ends_at"], longer);
    // The step that follows knows of it too, and does not take it back.
    let (mut lead, state) = office.world.in_room(&office.lead, exam.id).await;
    assert_eq!(state["exam"]["ends_at"], longer);
    for action in ["pause", "continue"] {
        let request = json!({ "type": "action", "action": action, "participant": null, "reason": "alarm" });
        assert_eq!(lead.request(request).await["type"], "ok");
    }
    let after = office.get(&format!("exams/{id}")).await.expect(200);
    assert!(after["ends_at"].as_i64().unwrap() >= longer, "{after}");
    let past = office
        .patch(&id, json!({ "ends_at": exam.starts_at + 60_000_000 }))
        .await;
    assert_eq!(
        past.status, 200,
        "a minute after the start is still to come: {}",
        past.text
    );
}

#[tokio::test]
async fn a_create_is_done_once_for_its_key() {
    let mut office = Office::open().await;
    let body = new_exam("MATH-1").to_string();
    let (a, b) = tokio::join!(office.keyed("exams", "k-1", &body), office.keyed("exams", "k-1", &body));
    assert_eq!(a.expect(201), b.expect(201), "two at once");
    let id = text(&a.json()["id"]).to_owned();
    office.patch(&id, json!({ "title": "Edited since" })).await.expect(200);
    assert_eq!(office.keyed("exams", "k-1", &body).await.expect(201), a.json());
    let other = new_exam("MATH-2").to_string();
    office
        .keyed("exams", "k-1", &other)
        .await
        .refused(422, "idempotency_mismatch");
    assert_eq!(office.get("exams").await.expect(200).as_array().unwrap().len(), 1);

    let path = format!("exams/{id}/roster");
    let entry = json!({ "label": "Ada", "seat": "A1" }).to_string();
    let (a, b) = tokio::join!(office.keyed(&path, "k-2", &entry), office.keyed(&path, "k-2", &entry));
    assert_eq!(a.expect(201), b.expect(201), "the same secret, too");
    office.world.restart().await;
    // The link names the server's new port; the secret is the same.
    let told = office.keyed(&path, "k-2", &entry).await.expect(201);
    assert_eq!(
        (&told["entry"], &told["secret"]),
        (&a.json()["entry"], &a.json()["secret"])
    );
    office
        .keyed(&path, "k-1", &entry)
        .await
        .refused(422, "idempotency_mismatch");
    let csv = "label\nGrace\nEve\n";
    let import = format!("{path}/import");
    let first = office.keyed(&import, "k-3", csv).await.expect(201);
    assert_eq!(office.keyed(&import, "k-3", csv).await.expect(201), first);
    office.keyed(&import, "k-4", csv).await.refused(422, "import_refused");
    assert_eq!(office.roster(&id).await.len(), 3);

    // A key is its person's own, and a refused create leaves it free.
    let second = Office {
        lead: office.world.user_token("second@x.org", Role::Lead).await,
        world: office.world,
    };
    second
        .keyed("exams", "k-1", &body)
        .await
        .refused(409, "exam_code_taken");
    second.keyed("exams", "k-1", &other).await.expect(201);
    for key in ["", "with blank", "ä"] {
        let refused = second.keyed("exams", key, &new_exam("MATH-3").to_string()).await;
        assert_eq!(refused.refused(422, "field_invalid")["field"], "idempotency-key");
    }
    // What is kept of the answers has no secret in it.
    let secret = text(&a.json()["secret"]).to_owned();
    let data = second.world.directory.path().join("data");
    for file in std::fs::read_dir(data).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let office = Office::open().await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(office.draft(&format!("EXAM-{n}")).await);
    }
    let id = ids[0].clone();
    ids.reverse();
    let read = async |first: &str| {
        let (mut next, mut all, mut pages) = (Some(first.to_owned()), Vec::new(), 0);
        while let Some(path) = next {
            let page = office.get(&path).await;
            let items = page.expect(200).as_array().unwrap().clone();
            assert!(items.len() <= 2);
            all.extend(items.iter().map(|item| text(&item["id"]).to_owned()));
            pages += 1;
            next = page.header("link").map(|link| {
                let (url, rest) = link.split_once('>').unwrap();
                assert_eq!(rest, "; rel=\"next\"");
                url.strip_prefix("</api/v1/").unwrap().to_owned()
            });
        }
        (all, pages)
    };
    assert_eq!(read("exams?limit=2").await, (ids, 3));
    let mut labels = Vec::new();
    for n in 1..=4 {
        labels.push(text(&office.add(&id, &format!("Candidate {n}")).await["entry"]).to_owned());
    }
    assert_eq!(read(&format!("exams/{id}/roster?limit=2")).await, (labels, 2));
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let refused = office.get(&format!("exams?{query}")).await;
        assert_eq!(refused.refused(422, "field_invalid")["field"], field);
    }
}

#[tokio::test]
async fn only_leads_and_admins_run_the_office() {
    let mut office = Office::open().await;
    let exam = office.world.exam("EXAM-1").await;
    let secret = office.world.entry(&exam, "Candidate 1").await;
    let joined = office.world.join("EXAM-1", &secret, &device(1)).await;
    let draft = office.draft("MATH-1").await;
    let entry = text(&office.add(&draft, "Ada").await["entry"]).to_owned();
    let body = new_exam("MATH-2").to_string();
    let calls = [
        ("POST", "exams".to_owned(), body.as_str()),
        ("PATCH", format!("exams/{draft}"), "{}"),
        ("POST", format!("exams/{draft}/schedule"), ""),
        ("POST", format!("exams/{draft}/unschedule"), ""),
        ("POST", format!("exams/{draft}/archive"), ""),
        ("GET", format!("exams/{draft}/roster"), ""),
        ("POST", format!("exams/{draft}/roster"), r#"{"label":"Eve"}"#),
        ("POST", format!("exams/{draft}/roster/import"), "label\nEve\n"),
        ("GET", format!("exams/{draft}/roster/export"), ""),
        ("PUT", format!("exams/{draft}/roster/{entry}"), r#"{"label":"Eve"}"#),
        ("DELETE", format!("exams/{draft}/roster/{entry}"), ""),
        ("POST", format!("exams/{draft}/roster/{entry}/secret"), ""),
    ];
    let admin = office.world.user_token("a@x.org", Role::Admin).await;
    for role in [Role::Proctor, Role::Reviewer, Role::Candidate] {
        office.lead = match role {
            Role::Candidate => text(&joined["access_token"]).to_owned(),
            role => office.world.user_token(&format!("{}@x.org", role.as_str()), role).await,
        };
        for (method, path, body) in &calls {
            office.call(method, path, &[], body).await.refused(403, "forbidden");
        }
    }
    office.lead = office.world.user_token("proctor@x.org", Role::Proctor).await;
    let seen = office.get("exams").await.expect(200);
    assert_eq!(
        seen.as_array().unwrap().len(),
        1,
        "drafts are their makers' business: {seen}"
    );
    office.get(&format!("exams/{draft}")).await.refused(404, "not_found");
    office.lead = "forged".into();
    for (method, path, body) in &calls {
        office.call(method, path, &[], body).await.refused(401, "token_invalid");
    }
    office.lead = admin;
    office.call("POST", "exams", &[], &body).await.expect(201);
    office.get(&format!("exams/{draft}/roster")).await.expect(200);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log() {
    let mut office = Office::open().await;
    let lead = office
        .world
        .store
        .user_by_email("l@x.org")
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let id = office.draft("MATH-1").await;
    office.patch(&id, json!({ "title": "Algebra" })).await.expect(200);
    office.patch(&id, json!({ "title": "Algebra" })).await.expect(200);
    let entry = text(&office.add(&id, "Ada").await["entry"]).to_owned();
    let path = format!("exams/{id}/roster/{entry}");
    office
        .call("PUT", &path, &[], r#"{"label":"Ada L."}"#)
        .await
        .expect(200);
    let renewed = office.post(&format!("{path}/secret"), &Value::Null).await.expect(200);
    office.call("DELETE", &path, &[], "").await.expect(204);
    office.import(&id, "", "label\nGrace\nEve\n").await.expect(201);
    office
        .post(&format!("exams/{id}/schedule"), &Value::Null)
        .await
        .expect(200);
    office.world.stop().await;
    let records = office.world.store.audit_records(0, 100).await.unwrap();
    let told: Vec<_> = records.iter().filter(|r| r.role == "lead").collect();
    let actions: Vec<_> = told.iter().map(|r| r.action.as_str()).collect();
    let expected = [
        "create_exam",
        "edit_exam",
        "add_roster_entry",
        "edit_roster_entry",
        "renew_secret",
        "remove_roster_entry",
        "add_roster_entry",
        "add_roster_entry",
        "change_exam",
    ];
    assert_eq!(actions, expected);
    for record in &told {
        assert_eq!(
            (record.actor.as_str(), record.address.as_deref()),
            (lead.as_str(), Some("127.0.0.1"))
        );
    }
    assert!(!format!("{records:?}").contains(text(&renewed["secret"])));
}
