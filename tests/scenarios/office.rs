//! The exam office through the client library and the real server: a lead makes an exam, imports its roster, schedules it, and a
//! candidate comes in by the link that the import gave.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::ClientError;
use invigil_client::device::DeviceKey;
use invigil_shared::error::ErrorCode;
use invigil_shared::exam::{ExamStatus, Policy};
use invigil_shared::office::{EntryEdit, ExamEdit, FaultCode, NewExam};
use invigil_shared::rest::JoinLink;
use invigil_tests::bot::api_of;
use invigil_tests::sfu::Sfu;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE_US: i64 = 60_000_000;
/// The clock looks at exams that nobody is in every 10 s.
const LIMIT: Duration = Duration::from_secs(30);

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> ErrorCode {
    match result {
        Err(ClientError::Refused(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_is_run_from_the_office_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sfu = Sfu::start(folder.path()).unwrap();
    sfu.add_user("lea@example.org", "Lea", "lead", "correct horse battery")
        .unwrap();
    let api = sfu.api().unwrap();
    let token = api
        .sign_in("lea@example.org", "correct horse battery")
        .await
        .unwrap()
        .access_token;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let new = NewExam {
        title: "Contract law".into(),
        code: "law-1".into(),
        starts_at: now + 20 * MINUTE_US,
        ends_at: now + 80 * MINUTE_US,
        policy: Policy::default(),
        capacity: 3,
    };
    let exam = api.create_exam(&token, &new, "a-key").await.unwrap();
    assert_eq!(
        exam,
        api.create_exam(&token, &new, "a-key").await.unwrap(),
        "asked again, done once"
    );
    let id = exam.exam.id;

    let bad = api
        .preview_roster(&token, id, "label;extra_time_percent\nAda;lots\n")
        .await
        .unwrap();
    assert_eq!((bad.faults.len(), bad.faults[0].code), (1, FaultCode::Invalid));
    let csv = "label;extra_time_percent\nAda;25\nGrace;\n";
    assert!(api.preview_roster(&token, id, csv).await.unwrap().faults.is_empty());
    let secrets = api.import_roster(&token, id, csv, "b-key").await.unwrap().secrets;
    assert_eq!(
        secrets,
        api.import_roster(&token, id, csv, "b-key").await.unwrap().secrets
    );
    assert_eq!(
        refused(api.import_roster(&token, id, csv, "c-key").await),
        ErrorCode::ImportRefused
    );

    let entry = |label: &str| EntryEdit {
        label: label.into(),
        seat: None,
        allowances: invigil_shared::exam::Allowances::default(),
    };
    let eve = api.add_entry(&token, id, &entry("Eve"), "d-key").await.unwrap();
    assert_eq!(
        refused(api.add_entry(&token, id, &entry("Tom"), "e-key").await),
        ErrorCode::RosterFull
    );
    api.edit_entry(&token, id, eve.entry, &entry("Eva")).await.unwrap();
    assert_eq!(
        refused(api.edit_entry(&token, id, eve.entry, &entry("Ada")).await),
        ErrorCode::LabelTaken
    );
    assert_ne!(
        api.renew_secret(&token, id, eve.entry).await.unwrap().secret,
        eve.secret
    );
    api.remove_entry(&token, id, eve.entry).await.unwrap();
    assert_eq!(
        refused(api.remove_entry(&token, id, eve.entry).await),
        ErrorCode::NotFound
    );
    let labels: Vec<_> = api
        .roster(&token, id)
        .await
        .unwrap()
        .into_iter()
        .map(|item| item.entry.label)
        .collect();
    assert_eq!(labels, ["Ada", "Grace"]);

    let edit = ExamEdit {
        title: Some("Contract law I".into()),
        ..ExamEdit::default()
    };
    let edited = api.edit_exam(&token, id, exam.revision, &edit).await.unwrap();
    assert_eq!((edited.exam.title.as_str(), edited.roster), ("Contract law I", 2));
    let late = api
        .edit_exam(
            &token,
            id,
            exam.revision,
            &ExamEdit {
                capacity: Some(9),
                ..ExamEdit::default()
            },
        )
        .await;
    assert_eq!(refused(late), ErrorCode::EditConflict);
    assert_eq!(
        api.step_exam(&token, id, "schedule").await.unwrap().exam.status,
        ExamStatus::Scheduled
    );
    let opened = async {
        while api.exam(&token, id).await.unwrap().exam.status != ExamStatus::Waiting {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(LIMIT, opened)
        .await
        .expect("the waiting room opens by itself");

    let link = JoinLink::parse(&secrets[0].link).unwrap();
    let joined = api_of(&link)
        .unwrap()
        .join(&link.exam_code, &link.secret, &DeviceKey::generate())
        .await
        .unwrap();
    assert_eq!(
        (joined.candidate_label.as_str(), joined.allowances.extra_time_percent),
        ("Ada", 25)
    );
    let roster = api.roster(&token, id).await.unwrap();
    assert_eq!(roster.iter().map(|item| item.used).collect::<Vec<_>>(), [true, false]);
    let listed = api.exams(&token).await.unwrap();
    assert_eq!((listed.len(), listed[0].roster), (1, 2));
}
