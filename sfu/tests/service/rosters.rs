//! Rosters over REST: filled by hand or from a spreadsheet, and what candidates come in by.

use crate::common::office::Office;
use crate::common::{device, text};
use invigil_shared::exam::ExamStatus;
use serde_json::{Value, json};

#[tokio::test]
async fn a_candidate_comes_in_by_what_the_office_told() {
    let office = Office::open().await;
    let id = office.draft("MATH-1").await;
    let told = office.add(&id, "Ada").await;
    let link = invigil_shared::rest::JoinLink::parse(text(&told["link"])).unwrap();
    assert_eq!(
        (link.exam_code.as_str(), link.secret.as_str()),
        ("MATH-1", text(&told["secret"]))
    );
    assert!(link.certificate_sha256.is_some());
    office.set_status(&id, ExamStatus::Draft, ExamStatus::Active).await;
    let entry = text(&told["entry"]);
    let path = format!("exams/{id}/roster/{entry}");

    let renewed = office.post(&format!("{path}/secret"), &Value::Null).await.expect(200);
    let (status, _) = office.world.try_join("MATH-1", text(&told["secret"]), &device(1)).await;
    assert_eq!(status, 401, "the old secret is void");
    let edited = json!({ "label": "Ada L.", "seat": "B2", "allowances": { "extra_time_percent": 25 } });
    let edited = office.call("PUT", &path, &[], &edited.to_string()).await.expect(200);
    assert_eq!((&edited["label"], &edited["used"]), (&json!("Ada L."), &json!(false)));
    let joined = office.world.join("MATH-1", text(&renewed["secret"]), &device(1)).await;
    assert_eq!(joined["candidate_label"], "Ada L.");

    assert_eq!(office.roster(&id).await[0]["used"], true);
    office
        .call("PUT", &path, &[], r#"{"label":"Eve"}"#)
        .await
        .refused(409, "entry_used");
    office.call("DELETE", &path, &[], "").await.refused(409, "entry_used");
    let spare = office.add(&id, "Spare").await;
    office
        .post(&format!("exams/{id}/roster"), &json!({ "label": "Spare" }))
        .await
        .refused(409, "label_taken");
    let spare = format!("exams/{id}/roster/{}", text(&spare["entry"]));
    office
        .call("PUT", &spare, &[], r#"{"label":"Ada L."}"#)
        .await
        .refused(409, "label_taken");
    // Another exam's path is no way to it.
    let other = office.draft("MATH-2").await;
    let elsewhere = spare.replace(&id, &other);
    office
        .call("DELETE", &elsewhere, &[], "")
        .await
        .refused(404, "not_found");
    office.call("DELETE", &spare, &[], "").await.expect(204);
    office.call("DELETE", &spare, &[], "").await.refused(404, "not_found");
    office.set_status(&id, ExamStatus::Active, ExamStatus::Closed).await;
    office
        .post(&format!("exams/{id}/roster"), &json!({ "label": "Late" }))
        .await
        .refused(403, "exam_closed");
    office
        .post(&format!("{path}/secret"), &Value::Null)
        .await
        .refused(403, "exam_closed");
}

#[tokio::test]
async fn a_roster_is_imported_whole_or_not_at_all() {
    let office = Office::open().await;
    let id = office.draft("MATH-1").await;
    office.add(&id, "Ada").await;
    let bad = "\u{feff}label;seat;extra_time_percent\r\nGrace;A1;25\r\nAda;A2;\r\nEve;A3;lots\r\n";
    let preview = office.import(&id, "?dry_run=true", bad).await.expect(200);
    assert_eq!(preview["rows"].as_array().unwrap().len(), 3);
    assert_eq!(preview["rows"][2]["extra_time_percent"], "lots");
    let faults = json!([
        { "row": 3, "column": "label", "code": "taken", "limit": null },
        { "row": 4, "column": "extra_time_percent", "code": "invalid", "limit": 300 },
    ]);
    assert_eq!(preview["faults"], faults);
    let refused = office.import(&id, "", bad).await;
    refused.refused(422, "import_refused");
    assert_eq!(refused.json()["faults"], faults);
    assert_eq!(office.roster(&id).await.len(), 1, "nothing of it came in");

    let good =
        "label,seat,extra_time_percent,second_display,assistive_tools\nGrace,A1,25,yes,reader | lens\n=Eve,,,,\n";
    assert_eq!(
        office.import(&id, "?dry_run=true", good).await.expect(200)["faults"],
        json!([])
    );
    assert_eq!(office.roster(&id).await.len(), 1, "a dry run stores nothing");
    let imported = office.import(&id, "", good).await.expect(201);
    assert_eq!(imported["secrets"].as_array().unwrap().len(), 2);
    let export = office.get(&format!("exams/{id}/roster/export")).await;
    assert_eq!(export.status, 200);
    assert!(export.header("content-type").unwrap().starts_with("text/csv"));
    assert_eq!(
        export.header("content-disposition"),
        Some("attachment; filename=\"roster-math-1.csv\"")
    );
    assert_eq!(
        export.text,
        "\u{feff}label,seat,extra_time_percent,second_display,assistive_tools\r\nAda,,0,no,\r\nGrace,A1,25,yes,reader | lens\r\n'=Eve,,0,no,\r\n"
    );
    let copy = office.draft("MATH-2").await;
    office.import(&copy, "", &export.text).await.expect(201);
    assert_eq!(office.roster(&copy).await[2]["label"], "=Eve");
    let large = "x".repeat(600 * 1024);
    office.import(&copy, "", &large).await.refused(413, "too_large");
}

#[tokio::test]
async fn a_roster_holds_as_many_as_its_exam_has_places() {
    let office = Office::open().await;
    let id = office.draft("MATH-1").await;
    office.patch(&id, json!({ "capacity": 2 })).await.expect(200);
    office.add(&id, "Ada").await;
    let three = office
        .import(&id, "?dry_run=true", "label\nGrace\nEve\n")
        .await
        .expect(200);
    let fault = json!([{ "row": 3, "column": null, "code": "roster_full", "limit": 1 }]);
    assert_eq!(three["faults"], fault);
    office
        .import(&id, "", "label\nGrace\nEve\n")
        .await
        .refused(422, "import_refused");
    office.add(&id, "Grace").await;
    let full = office
        .post(&format!("exams/{id}/roster"), &json!({ "label": "Eve" }))
        .await;
    assert_eq!(full.refused(409, "roster_full")["capacity"], "2");
    let less = office
        .patch(&id, json!({ "capacity": 1 }))
        .await
        .refused(422, "field_invalid");
    assert_eq!((&less["field"], &less["least"]), (&json!("capacity"), &json!("2")));
    office.patch(&id, json!({ "capacity": 3 })).await.expect(200);
    office.add(&id, "Eve").await;
}
