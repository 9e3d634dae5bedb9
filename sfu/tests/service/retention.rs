//! What is kept of a candidate, over REST: who may hold it, who may erase it, and what is left then.

use crate::common::office::{HOUR_US, Office};
use crate::common::{device, text};
use invigil_sfu::clock::now_us;
use invigil_sfu::retention::{due_at, sweep};
use invigil_shared::exam::ExamStatus;
use invigil_shared::role::Role;
use serde_json::{Value, json};

const REASON: &str = "Appeal 12 is not decided";

/// An exam that runs, with one candidate who has joined: its id, the entry's, and the candidate's token.
async fn sat(office: &Office) -> (String, String, String) {
    let exam = office.draft("MATH-1").await;
    let told = office.add(&exam, "Ada Zweistein").await;
    let entry = text(&told["entry"]).to_owned();
    office.set_status(&exam, ExamStatus::Draft, ExamStatus::Active).await;
    let joined = office.world.join("MATH-1", text(&told["secret"]), &device(1)).await;
    (exam, entry, text(&joined["access_token"]).to_owned())
}

#[tokio::test]
async fn a_hold_stands_before_an_erasure() {
    let office = Office::open().await;
    let (exam, entry, candidate) = sat(&office).await;
    let admin = office.world.user_token("a@x.org", Role::Admin).await;
    let hold = format!("/api/v1/exams/{exam}/roster/{entry}/hold");
    let erase = format!("/api/v1/exams/{exam}/roster/{entry}/erase");
    let call = async |method: &str, path: &str, token: &str, body: Value| {
        let (status, answer) = office.world.rest(method, path, Some(token), &body).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let reason = || json!({ "reason": REASON });
    // Not by those who may not, and not while the exam runs.
    assert_eq!(call("PUT", &hold, &candidate, reason()).await.0, 403);
    let proctor = office.world.user_token("p@x.org", Role::Proctor).await;
    for path in [&hold, &format!("/api/v1/exams/{exam}/hold")] {
        assert_eq!(call("PUT", path, &proctor, reason()).await, (403, "forbidden".into()));
        assert_eq!(
            call("DELETE", path, &proctor, Value::Null).await,
            (403, "forbidden".into())
        );
    }
    assert_eq!(
        call("POST", &erase, &office.lead, Value::Null).await,
        (403, "forbidden".into())
    );
    assert_eq!(
        call("POST", &erase, &admin, Value::Null).await,
        (409, "exam_not_over".into())
    );
    let refused = json!({ "reason": " " });
    assert_eq!(
        call("PUT", &hold, &office.lead, refused).await,
        (422, "field_invalid".into())
    );
    assert_eq!(call("PUT", &hold, &office.lead, reason()).await.0, 204);
    assert_eq!(office.roster(&exam).await[0]["hold"], REASON);
    office.set_status(&exam, ExamStatus::Active, ExamStatus::Closed).await;
    assert_eq!(
        call("POST", &erase, &admin, Value::Null).await,
        (409, "legal_hold".into())
    );
    assert_eq!(call("DELETE", &hold, &office.lead, Value::Null).await.0, 204);
    // Of the whole exam, told to leads and to nobody else.
    let all = format!("/api/v1/exams/{exam}/hold");
    assert_eq!(call("PUT", &all, &office.lead, reason()).await.0, 204);
    assert_eq!(
        call("POST", &erase, &admin, Value::Null).await,
        (409, "legal_hold".into())
    );
    assert_eq!(office.get(&format!("exams/{exam}")).await.expect(200)["hold"], REASON);
    let (_, seen) = office
        .world
        .rest("GET", &format!("/api/v1/exams/{exam}"), Some(&proctor), &Value::Null)
        .await;
    assert_eq!((&seen["code"], &seen["hold"]), (&json!("MATH-1"), &Value::Null));
    assert_eq!(call("DELETE", &all, &office.lead, Value::Null).await.0, 204);
    assert_eq!(call("POST", &erase, &admin, Value::Null).await.0, 204);
    assert_eq!(
        call("POST", &erase, &admin, Value::Null).await.0,
        204,
        "asking twice is no mistake"
    );
    assert_eq!(
        call("POST", &erase.replace(&entry, &exam), &admin, Value::Null).await.0,
        404
    );

    let left = office.roster(&exam).await;
    assert!(
        text(&left[0]["label"]).starts_with("Erased ") && left[0]["erased"] == true,
        "{left:?}"
    );
    assert!(office.get(&format!("exams/{exam}")).await.expect(200)["erased_at"].is_i64());
    let (status, refused) = office
        .world
        .rest("POST", "/api/v1/refresh", Some(&candidate), &Value::Null)
        .await;
    assert_eq!((status, &refused["code"]), (403, &json!("session_revoked")));
    // The log says that it was done, and for whom by nothing but an id.
    let records = office.world.store.audit_records(0, 200).await.unwrap();
    let told: Vec<_> = records.iter().filter(|record| record.salt.is_some()).collect();
    let of = |action: &str| told.iter().filter(|record| record.action == action).count();
    // The hold and release of the entry went with it; those of the exam stay.
    assert_eq!((of("hold"), of("release"), of("erase")), (1, 1, 1));
    assert!(
        records
            .iter()
            .all(|record| !record.metadata.contains("Zweistein") && !record.metadata.contains(REASON))
    );
}

#[tokio::test]
async fn what_the_policy_promised_is_kept() {
    let office = Office::open().await;
    let (exam, _, _) = sat(&office).await;
    office.set_status(&exam, ExamStatus::Active, ExamStatus::Closed).await;
    let read = office.get(&format!("exams/{exam}")).await.expect(200);
    let days = u16::try_from(read["policy"]["retention_days"].as_u64().unwrap()).unwrap();
    let due = due_at(read["ended_at"].as_i64().unwrap(), days);
    assert!(due > now_us() + HOUR_US);
    sweep(&*office.world.store, due - 1).await.unwrap();
    assert_eq!(office.roster(&exam).await[0]["label"], "Ada Zweistein");
    sweep(&*office.world.store, due).await.unwrap();
    assert!(text(&office.roster(&exam).await[0]["label"]).starts_with("Erased "));
}
