use super::*;
use crate::store::records::ExamTimes;
use invigil_shared::id::ExamId;

const NOW: i64 = 1_000 * MINUTE_US;
const ALL: [ExamStatus; 8] = [
    ExamStatus::Draft,
    ExamStatus::Scheduled,
    ExamStatus::Waiting,
    ExamStatus::Active,
    ExamStatus::Paused,
    ExamStatus::Closed,
    ExamStatus::Archived,
    ExamStatus::Unknown,
];

fn stored(status: ExamStatus) -> StoredExam {
    StoredExam {
        info: ExamInfo {
            id: ExamId::from_parts(1, [1; 10]),
            title: "Mathematics".into(),
            code: "MATH-1".into(),
            status,
            starts_at: NOW,
            ends_at: NOW + 90 * MINUTE_US,
            policy: Policy::default(),
        },
        capacity: 100,
        revision: 3,
        candidates: 2,
        times: ExamTimes::default(),
        hold: None,
        erased_at: None,
    }
}

/// One edit of each field, by its name.
fn edits() -> [(Field, ExamEdit); 6] {
    let none = ExamEdit::default();
    let policy = Policy {
        retention_days: 7,
        ..Policy::default()
    };
    [
        (
            Field::Title,
            ExamEdit {
                title: Some("Maths".into()),
                ..none.clone()
            },
        ),
        (
            Field::Code,
            ExamEdit {
                code: Some("MATH-2".into()),
                ..none.clone()
            },
        ),
        (
            Field::StartsAt,
            ExamEdit {
                starts_at: Some(NOW + MINUTE_US),
                ..none.clone()
            },
        ),
        (
            Field::EndsAt,
            ExamEdit {
                ends_at: Some(NOW + 60 * MINUTE_US),
                ..none.clone()
            },
        ),
        (
            Field::Policy,
            ExamEdit {
                policy: Some(policy),
                ..none.clone()
            },
        ),
        (
            Field::Capacity,
            ExamEdit {
                capacity: Some(2),
                ..none
            },
        ),
    ]
}

/// Rows: statuses. Columns: title, code, start, end, policy, capacity.
const TABLE: [&str; 8] = [
    "xxxxxx", "x-xxxx", "x-xx-x", "x--x-x", "x----x", "------", "------", "------",
];

#[test]
fn each_field_is_edited_as_long_as_it_may_be() {
    for (status, row) in ALL.into_iter().zip(TABLE) {
        for ((field, edit), cell) in edits().into_iter().zip(row.chars()) {
            match edited(&stored(status), edit, 500, NOW) {
                Ok(after) => {
                    assert_eq!(cell, 'x', "{status:?} {field:?} went through");
                    assert_eq!(after.unwrap().revision, 3);
                }
                Err(error) => {
                    assert_eq!(cell, '-', "{status:?} {field:?}: {error:?}");
                    assert_eq!(error.code, ErrorCode::ExamFrozen);
                    assert_eq!(error.params["field"], field.name());
                    assert_eq!(error.params["status"], status.as_str());
                }
            }
        }
    }
}

#[test]
fn the_readme_shows_what_may_be_edited_when() {
    let readme = include_str!("../../../README.md");
    for (field, when) in EDITABLE {
        let cells: Vec<_> = ALL[..6]
            .iter()
            .map(|status| if when.contains(status) { "yes" } else { "" })
            .collect();
        let line = format!("| `{}` | {} |", field.name(), cells.join(" | "));
        assert!(readme.contains(&line), "sfu/README.md lacks: {line}");
    }
}

#[test]
fn what_is_said_again_is_no_edit_whatever_the_status() {
    for status in ALL {
        let before = stored(status);
        let same = ExamEdit {
            title: Some(before.info.title.clone()),
            policy: Some(Policy::default()),
            capacity: Some(100),
            ..ExamEdit::default()
        };
        assert!(edited(&before, same, 500, NOW).unwrap().is_none());
    }
}

#[test]
fn an_edit_leaves_an_exam_that_can_be() {
    let refused = |status, edit| {
        let error = edited(&stored(status), edit, 500, NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::FieldInvalid);
        error.params
    };
    let none = ExamEdit::default();
    let params = refused(
        ExamStatus::Draft,
        ExamEdit {
            capacity: Some(1),
            ..none.clone()
        },
    );
    assert_eq!((params["field"].as_str(), params["least"].as_str()), ("capacity", "2"));
    let params = refused(
        ExamStatus::Draft,
        ExamEdit {
            capacity: Some(501),
            ..none.clone()
        },
    );
    assert_eq!(
        (params["field"].as_str(), params["limit"].as_str()),
        ("capacity", "500")
    );
    let test = Policy {
        allow_test_picture: true,
        ..Policy::default()
    };
    let params = refused(
        ExamStatus::Draft,
        ExamEdit {
            policy: Some(test),
            ..none.clone()
        },
    );
    assert_eq!(params["field"], "policy.allow_test_picture");
    // An end that has passed would close the exam over the heads of those who sit it.
    let running = stored(ExamStatus::Active);
    let past = ExamEdit {
        ends_at: Some(NOW + 5 * MINUTE_US),
        ..none
    };
    let error = edited(&running, past, 500, NOW + 5 * MINUTE_US).unwrap_err();
    assert_eq!(
        (error.code, error.params["field"].as_str()),
        (ErrorCode::FieldInvalid, "ends_at")
    );
}

#[test]
fn an_exam_has_a_title_a_code_times_and_a_policy_that_is_true() {
    let exam = stored(ExamStatus::Draft).info;
    let typed = ExamInfo {
        title: "  Mathematics ".into(),
        code: " math-1".into(),
        ..exam.clone()
    };
    assert_eq!(checked(typed, 100, 500).unwrap(), exam);
    let policy = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        ExamInfo { policy, ..exam.clone() }
    };
    for (field, exam) in [
        (
            "title",
            ExamInfo {
                title: " ".into(),
                ..exam.clone()
            },
        ),
        (
            "title",
            ExamInfo {
                title: "x".repeat(201),
                ..exam.clone()
            },
        ),
        (
            "title",
            ExamInfo {
                title: "a\nb".into(),
                ..exam.clone()
            },
        ),
        (
            "code",
            ExamInfo {
                code: "A".into(),
                ..exam.clone()
            },
        ),
        (
            "starts_at",
            ExamInfo {
                starts_at: -1,
                ..exam.clone()
            },
        ),
        (
            "starts_at",
            ExamInfo {
                starts_at: i64::MIN,
                ..exam.clone()
            },
        ),
        (
            "ends_at",
            ExamInfo {
                ends_at: exam.starts_at,
                ..exam.clone()
            },
        ),
        (
            "ends_at",
            ExamInfo {
                ends_at: exam.starts_at + LONGEST_US + 1,
                ..exam.clone()
            },
        ),
        (
            "ends_at",
            ExamInfo {
                ends_at: i64::MAX,
                ..exam.clone()
            },
        ),
        ("policy.late_after_min", policy(|p| p.late_after_min = Some(10_081))),
        ("policy.keeps_video", policy(|p| p.keeps_video = true)),
        ("policy.retention_days", policy(|p| p.retention_days = 0)),
        (
            "policy.exam_page_url",
            policy(|p| p.exam_page_url = Some("http://exam.example.org".into())),
        ),
        (
            "policy.exam_page_url",
            policy(|p| p.exam_page_url = Some("https://".into())),
        ),
    ] {
        let error = checked(exam, 100, 500).unwrap_err();
        assert_eq!(
            (error.code, error.params["field"].as_str()),
            (ErrorCode::FieldInvalid, field)
        );
    }
}

#[test]
fn an_entry_is_a_line_that_can_be_read() {
    let entry = EntryEdit {
        label: " Candidate 1 ".into(),
        seat: Some("  ".into()),
        allowances: Allowances {
            extra_time_percent: 25,
            second_display: true,
            assistive_tools: vec![" reader ".into()],
        },
    };
    let clean = checked_entry(entry.clone()).unwrap();
    assert_eq!((clean.label.as_str(), clean.seat), ("Candidate 1", None));
    assert_eq!(clean.allowances.assistive_tools, ["reader"]);
    let allowances = |change: fn(&mut Allowances)| {
        let mut allowances = Allowances::default();
        change(&mut allowances);
        EntryEdit {
            allowances,
            ..entry.clone()
        }
    };
    for (field, entry) in [
        (
            "label",
            EntryEdit {
                label: String::new(),
                ..entry.clone()
            },
        ),
        (
            "label",
            EntryEdit {
                label: "a\u{7}".into(),
                ..entry.clone()
            },
        ),
        (
            "seat",
            EntryEdit {
                seat: Some("x".repeat(51)),
                ..entry.clone()
            },
        ),
        ("extra_time_percent", allowances(|a| a.extra_time_percent = 301)),
        (
            "assistive_tools",
            allowances(|a| a.assistive_tools = vec![String::new()]),
        ),
        (
            "assistive_tools",
            allowances(|a| a.assistive_tools = vec!["x".into(); 9]),
        ),
    ] {
        assert_eq!(checked_entry(entry).unwrap_err().params["field"], field);
    }
}
