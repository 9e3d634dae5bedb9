//! The REST calls of the exam office: exams, rosters, what is kept, webhooks.

use super::of;
use super::operations::{Also, CALL, Input, KEY, Operation, Output, PAGE, Parameter, done};
use crate::control::permission::Act;
use invigil_shared::office::{
    EntryEdit, EntrySecret, ExamEdit, HoldRequest, ImportPreview, ImportProblem, Imported, JoinLinkRequest, NewExam,
    RosterItem,
};
use invigil_shared::participation::{Participation, StatisticsPoint};
use invigil_shared::rest::{ExamListItem, Problem};
use invigil_shared::webhook::{NewWebhook, WebhookEdit, WebhookInfo, WebhookSecret, WebhookTest};

pub(super) const OFFICE: &[Operation] = &[
    Operation {
        path: "/api/v1/exams",
        id: "listExams",
        key: Some(Act::ReadExams),
        summary: "The exams that the caller may watch, newest first",
        parameters: PAGE,
        answer: "A page; `Link` with rel=next names the one that follows.",
        output: Output::Json(of::<Vec<ExamListItem>>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/exams",
        id: "createExam",
        key: Some(Act::EditExams),
        summary: "Makes an exam, as a draft",
        parameters: KEY,
        input: Input::Json(of::<NewExam>),
        status: "201",
        answer: "The exam.",
        output: Output::Json(of::<ExamListItem>),
        ..CALL
    },
    Operation {
        path: "/api/v1/exams/{exam}",
        id: "readExam",
        key: Some(Act::ReadExams),
        summary: "One exam, with its revision as ETag",
        answer: "The exam.",
        output: Output::Json(of::<ExamListItem>),
        ..CALL
    },
    Operation {
        method: "patch",
        path: "/api/v1/exams/{exam}",
        id: "editExam",
        key: Some(Act::EditExams),
        summary: "Edits what its status lets be edited",
        parameters: &[Parameter::IfMatch],
        input: Input::Json(of::<ExamEdit>),
        answer: "The exam.",
        output: Output::Json(of::<ExamListItem>),
        ..CALL
    },
    step("/api/v1/exams/{exam}/schedule", "scheduleExam", "Announces a draft"),
    step(
        "/api/v1/exams/{exam}/unschedule",
        "unscheduleExam",
        "Takes a scheduled exam back to be changed",
    ),
    step("/api/v1/exams/{exam}/archive", "archiveExam", "Archives a closed exam"),
    Operation {
        path: "/api/v1/exams/{exam}/participations",
        id: "listParticipations",
        summary: "Who was in the exam's room, from when to when, and how their connection was",
        parameters: PAGE,
        answer: "A page, in the order in which the stays began; `Link` with rel=next names the one that follows.",
        output: Output::Json(of::<Vec<Participation>>),
        ..CALL
    },
    Operation {
        path: "/api/v1/exams/{exam}/participations/{participation}/statistics",
        id: "readStatistics",
        summary: "How the connection of one stay was, point by point",
        answer: "The whole series, at most 4,000 points.",
        output: Output::Json(of::<Vec<StatisticsPoint>>),
        ..CALL
    },
    Operation {
        path: "/api/v1/exams/{exam}/roster",
        id: "listRoster",
        key: Some(Act::ReadRosters),
        summary: "The roster, in the order in which it was filled",
        parameters: PAGE,
        answer: "A page; `Link` with rel=next names the one that follows.",
        output: Output::Json(of::<Vec<RosterItem>>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/exams/{exam}/roster",
        id: "addEntry",
        key: Some(Act::EditRosters),
        summary: "Adds a candidate",
        parameters: KEY,
        input: Input::Json(of::<EntryEdit>),
        status: "201",
        answer: "The secret and the join link, told this once.",
        output: Output::Json(of::<EntrySecret>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/exams/{exam}/roster/import",
        id: "importRoster",
        key: Some(Act::EditRosters),
        summary: "Adds a list of candidates, all or none; 422 lists what is wrong",
        parameters: &[Parameter::DryRun, Parameter::IdempotencyKey],
        input: Input::Csv,
        status: "201",
        answer: "The secrets and join links, told this once.",
        output: Output::Json(of::<Imported>),
        also: &[
            Also {
                status: "200",
                answer: "What a dry run found.",
                media: "application/json",
                schema: of::<ImportPreview>,
            },
            Also {
                status: "422",
                answer: "What is wrong; nothing was stored.",
                media: "application/problem+json",
                schema: of::<ImportRefusal>,
            },
        ],
        ..CALL
    },
    Operation {
        path: "/api/v1/exams/{exam}/roster/export",
        id: "exportRoster",
        key: Some(Act::ReadRosters),
        summary: "The roster as a file that an import takes, without secrets",
        answer: "The file.",
        output: Output::Csv,
        ..CALL
    },
    Operation {
        method: "put",
        path: "/api/v1/exams/{exam}/roster/{entry}",
        id: "editEntry",
        key: Some(Act::EditRosters),
        summary: "Edits an entry that nobody has joined with",
        input: Input::Json(of::<EntryEdit>),
        answer: "The entry.",
        output: Output::Json(of::<RosterItem>),
        ..CALL
    },
    Operation {
        method: "delete",
        path: "/api/v1/exams/{exam}/roster/{entry}",
        id: "removeEntry",
        key: Some(Act::EditRosters),
        summary: "Removes an entry that nobody has joined with",
        status: "204",
        answer: "It is gone.",
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/exams/{exam}/roster/{entry}/secret",
        id: "renewSecret",
        key: Some(Act::EditRosters),
        summary: "A new secret; the one before is void",
        answer: "The secret and the join link, told this once.",
        output: Output::Json(of::<EntrySecret>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/exams/{exam}/roster/{entry}/link",
        id: "makeJoinLink",
        key: Some(Act::EditRosters),
        summary: "A join link that is good once, apart from the secret; the one before is void",
        input: Input::Json(of::<JoinLinkRequest>),
        answer: "The link, told this once.",
        output: Output::Json(of::<EntrySecret>),
        ..CALL
    },
    done(
        "/api/v1/exams/{exam}/roster/{entry}/revoke",
        "revokeEntry",
        "Refuses the session of a roster entry from now on",
    ),
    done(
        "/api/v1/exams/{exam}/roster/{entry}/reinstate",
        "reinstateEntry",
        "Takes that back",
    ),
    Operation {
        method: "put",
        input: Input::Json(of::<HoldRequest>),
        ..done(
            "/api/v1/exams/{exam}/hold",
            "holdExam",
            "Keeps the data of an exam's candidates, whatever its policy says",
        )
    },
    Operation {
        method: "delete",
        ..done("/api/v1/exams/{exam}/hold", "releaseExam", "Takes that back")
    },
    Operation {
        method: "put",
        input: Input::Json(of::<HoldRequest>),
        ..done(
            "/api/v1/exams/{exam}/roster/{entry}/hold",
            "holdEntry",
            "Keeps the data of one candidate",
        )
    },
    Operation {
        method: "delete",
        ..done(
            "/api/v1/exams/{exam}/roster/{entry}/hold",
            "releaseEntry",
            "Takes that back",
        )
    },
    done(
        "/api/v1/exams/{exam}/roster/{entry}/erase",
        "eraseEntry",
        "Erases what is kept of a candidate, once the exam is over; it can't be taken back",
    ),
    Operation {
        path: "/api/v1/webhooks",
        id: "listWebhooks",
        summary: "Where this server tells what happens, and how far each was told",
        answer: "All of them: a server has 20 at most.",
        output: Output::Json(of::<Vec<WebhookInfo>>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/webhooks",
        id: "addWebhook",
        summary: "One more, told from now on",
        parameters: KEY,
        input: Input::Json(of::<NewWebhook>),
        status: "201",
        answer: "It, with the key of its signatures, told this once.",
        output: Output::Json(of::<WebhookSecret>),
        ..CALL
    },
    Operation {
        method: "patch",
        path: "/api/v1/webhooks/{webhook}",
        id: "changeWebhook",
        summary: "Another address or other wishes; stops it, or lets it go on where it stopped",
        input: Input::Json(of::<WebhookEdit>),
        answer: "As it is now.",
        output: Output::Json(of::<WebhookInfo>),
        ..CALL
    },
    Operation {
        method: "delete",
        ..done(
            "/api/v1/webhooks/{webhook}",
            "removeWebhook",
            "Tells it nothing any more",
        )
    },
    Operation {
        method: "post",
        path: "/api/v1/webhooks/{webhook}/test",
        id: "testWebhook",
        summary: "Sends a ping now and says what became of it",
        answer: "Whether it was taken.",
        output: Output::Json(of::<WebhookTest>),
        ..CALL
    },
];

const fn step(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "post",
        path,
        id,
        key: Some(Act::ScheduleExams),
        summary,
        answer: "The exam.",
        output: Output::Json(of::<ExamListItem>),
        ..CALL
    }
}

/// A refused import has its faults beside the problem; other refusals of the same status have not.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // only its schema is wanted
enum ImportRefusal {
    Faults(ImportProblem),
    Other(Problem),
}
