//! Exams: what someone may watch, and the office that makes, edits, schedules and archives them.

use super::caller::Caller;
use super::keyed::{Keyed, settled};
use super::page::{Ids, Page};
use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::clock;
use crate::control::exam_status::Step;
use crate::control::office;
use crate::control::permission::Act;
use crate::store::StoreError;
use crate::store::records::{ExamsWanted, StoredExam};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use invigil_shared::error::ErrorCode;
use invigil_shared::exam::{ExamInfo, ExamStatus};
use invigil_shared::id::ExamId;
use invigil_shared::office::{ExamEdit, NewExam};
use invigil_shared::rest::ExamListItem;
use std::sync::Arc;

/// An edit that meets a step or another edit is tried again on what they left; so many in a row are not by chance.
const EDIT_TRIES: usize = 5;

fn item(service: &Service, caller: &Caller, exam: StoredExam) -> ExamListItem {
    let online = service.control.online(exam.info.id);
    let told = caller.may(Act::HoldData);
    let peak = exam.times.peak.max(service.control.peak(exam.info.id));
    ExamListItem {
        exam: exam.info,
        roster: exam.candidates,
        online,
        capacity: exam.capacity,
        revision: exam.revision,
        started_at: exam.times.started_at,
        ended_at: exam.times.ended_at,
        peak,
        hold: exam.hold.filter(|_| told).map(|hold| hold.reason),
        erased_at: exam.erased_at,
    }
}

fn tag(revision: u32) -> String {
    format!("\"{revision}\"")
}

/// An exam with its revision as `ETag`.
fn tagged(status: StatusCode, item: ExamListItem) -> Response {
    let tag = HeaderValue::from_str(&tag(item.revision)).unwrap_or(HeaderValue::from_static("\"\""));
    (status, [(header::ETAG, tag)], Json(item)).into_response()
}

/// Drafts are their makers' business.
async fn find(service: &Service, caller: &Caller, exam: ExamId) -> Result<StoredExam, ApiError> {
    let found = service.store.stored_exam(exam).await?.ok_or(ErrorCode::NotFound)?;
    let shown = found.info.status != ExamStatus::Draft || caller.may(Act::EditExams);
    if shown {
        Ok(found)
    } else {
        Err(ErrorCode::NotFound.into())
    }
}

/// `GET /api/v1/exams`, newest first.
pub async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    page: Page<ExamId>,
) -> Result<Response, ApiError> {
    caller.check(Act::ReadExams)?;
    let all = ExamsWanted::default();
    let wanted = ExamsWanted {
        before: page.cursor.unwrap_or(all.before),
        drafts: caller.may(Act::EditExams),
        limit: page.wanted(),
    };
    let exams = service.store.exams_page(wanted).await?;
    let items = exams.into_iter().map(|exam| item(&service, &caller, exam)).collect();
    Ok(page.answer(items, |item: &ExamListItem| item.exam.id))
}

/// `GET /api/v1/exams/{exam}`.
pub async fn read(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Ids(exam): Ids<ExamId>,
) -> Result<Response, ApiError> {
    caller.check(Act::ReadExams)?;
    let found = find(&service, &caller, exam).await?;
    Ok(tagged(StatusCode::OK, item(&service, &caller, found)))
}

/// `POST /api/v1/exams`.
pub async fn create(State(service): State<Arc<Service>>, caller: Caller, request: Keyed) -> Result<Response, ApiError> {
    caller.check(Act::EditExams)?;
    let NewExam {
        title,
        code,
        starts_at,
        ends_at,
        policy,
        capacity,
    } = request.json()?;
    if policy.allow_test_picture {
        return Err(office::invalid("policy.allow_test_picture").into());
    }
    let typed = ExamInfo {
        id: clock::fresh(ExamId::from_parts),
        title,
        code,
        status: ExamStatus::Draft,
        starts_at,
        ends_at,
        policy,
    };
    let exam = office::checked(typed, capacity, service.exam_capacity)?;
    service.control.ice().can_hold(&exam.policy)?;
    let item = ExamListItem {
        exam: exam.clone(),
        roster: 0,
        online: 0,
        capacity,
        revision: 0,
        started_at: None,
        ended_at: None,
        peak: 0,
        hold: None,
        erased_at: None,
    };
    let answer = serde_json::to_string(&item).map_err(|_| ErrorCode::Internal)?;
    let once = request.once(&caller, answer.clone());
    let store = service.store.acting(request.actor(&caller));
    let made = match store.make_exam(exam, capacity, once).await {
        Err(StoreError::Exists) => return Err(ErrorCode::ExamCodeTaken.into()),
        made => made?,
    };
    let (_, answer) = settled(made, request.salt, answer)?;
    let item: ExamListItem = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal)?;
    let place = format!("/api/v1/exams/{}", item.exam.id);
    let mut response = tagged(StatusCode::CREATED, item);
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `PATCH /api/v1/exams/{exam}`. With `If-Match`, only the revision that it names is edited.
pub async fn edit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(exam): Ids<ExamId>,
    headers: HeaderMap,
    Body(edit): Body<ExamEdit>,
) -> Result<Response, ApiError> {
    caller.check(Act::EditExams)?;
    let store = caller.store(&service, peer.ip());
    for _ in 0..EDIT_TRIES {
        let before = find(&service, &caller, exam).await?;
        if !matches(&headers, before.revision) {
            return Err(ErrorCode::EditConflict.into());
        }
        let Some(edited) = office::edited(&before, edit.clone(), service.exam_capacity, clock::now_us())? else {
            return Ok(tagged(StatusCode::OK, item(&service, &caller, before)));
        };
        service.control.ice().can_hold(&edited.info.policy)?;
        match store.edit_exam(edited).await {
            Ok(true) => {
                // It is stored: a room that could not be told reads it when somebody comes.
                if let Err(error) = service.control.exam_edited(exam).await {
                    tracing::warn!(%exam, %error, "a room did not learn of an edit");
                }
                let after = find(&service, &caller, exam).await?;
                return Ok(tagged(StatusCode::OK, item(&service, &caller, after)));
            }
            Ok(false) => {}
            Err(StoreError::Exists) => return Err(ErrorCode::ExamCodeTaken.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(ErrorCode::EditConflict.into())
}

/// `If-Match` (RFC 9110 section 13.1.1), where it is given.
fn matches(headers: &HeaderMap, revision: u32) -> bool {
    let mut given = headers.get_all(header::IF_MATCH).iter().peekable();
    given.peek().is_none()
        || given
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|one| matches!(one.trim(), "*") || one.trim() == tag(revision))
}

/// `POST /api/v1/exams/{exam}/schedule`.
pub async fn schedule(
    state: State<Arc<Service>>,
    caller: Caller,
    peer: Extension<Peer>,
    exam: Ids<ExamId>,
) -> Result<Response, ApiError> {
    step(state, caller, peer, exam, Step::Schedule).await
}

/// `POST /api/v1/exams/{exam}/unschedule`.
pub async fn unschedule(
    state: State<Arc<Service>>,
    caller: Caller,
    peer: Extension<Peer>,
    exam: Ids<ExamId>,
) -> Result<Response, ApiError> {
    step(state, caller, peer, exam, Step::Withdraw).await
}

/// `POST /api/v1/exams/{exam}/archive`.
pub async fn archive(
    state: State<Arc<Service>>,
    caller: Caller,
    peer: Extension<Peer>,
    exam: Ids<ExamId>,
) -> Result<Response, ApiError> {
    step(state, caller, peer, exam, Step::Archive).await
}

async fn step(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(exam): Ids<ExamId>,
    step: Step,
) -> Result<Response, ApiError> {
    caller.check(Act::ScheduleExams)?;
    let before = find(&service, &caller, exam).await?;
    if step == Step::Schedule {
        office::may_schedule(&before.info, clock::now_us())?;
    }
    let actor = caller.actor(Some(peer.ip()));
    service.control.take_step(exam, step, actor).await?;
    let after = find(&service, &caller, exam).await?;
    Ok(tagged(StatusCode::OK, item(&service, &caller, after)))
}

/// `GET /healthz`: the process answers and the database can be read.
pub async fn health(State(service): State<Arc<Service>>) -> Result<Json<serde_json::Value>, ApiError> {
    service.store.has_admin().await?;
    Ok(Json(
        serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }),
    ))
}
