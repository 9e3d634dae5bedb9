//! The roster of an exam: who may sit it. A secret and its join link are told when they are made, and never again.

use super::caller::Caller;
use super::keyed::{Keyed, settled};
use super::page::{Ids, Page};
use super::problem::{Body, problem_type};
use super::roster_csv::{self, Faults};
use super::{ApiError, Peer, Service};
use crate::auth::secret;
use crate::clock;
use crate::config::MOST_CAPACITY;
use crate::control::office;
use crate::control::permission::Act;
use crate::store::StoreError;
use crate::store::join_links::NewJoinLink;
use crate::store::records::NewRosterEntry;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ExamId, RosterEntryId};
use invigil_shared::office::{
    EntryEdit, EntrySecret, FaultCode, ImportPreview, ImportProblem, Imported, JoinLinkRequest, RosterItem, RowFault,
};
use serde::Deserialize;
use sqlx::types::Uuid;
use std::sync::Arc;

/// Before every entry.
const FIRST: RosterEntryId = RosterEntryId(Uuid::nil());
/// Larger than any roster.
const WHOLE: usize = 2 * MOST_CAPACITY as usize;
/// RFC 4180 section 3, and what spreadsheets expect.
const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

async fn exam(service: &Service, caller: &Caller, act: Act, exam: ExamId) -> Result<ExamInfo, ApiError> {
    caller.check(act)?;
    Ok(service.store.exam(exam).await?.ok_or(ErrorCode::NotFound)?)
}

/// The exam, when its roster may still be changed.
async fn open_exam(service: &Service, caller: &Caller, id: ExamId) -> Result<ExamInfo, ApiError> {
    let exam = exam(service, caller, Act::EditRosters, id).await?;
    if exam.status.is_over() {
        return Err(ErrorCode::ExamClosed.into());
    }
    Ok(exam)
}

/// The entry's secret of a salt, and its keyed hash.
fn secret_of(
    service: &Service,
    exam: ExamId,
    entry: RosterEntryId,
    salt: &[u8],
) -> Result<(String, Vec<u8>), ApiError> {
    let typed = service.secrets.derive(salt, entry);
    let normalised = secret::normalise(&typed).ok_or(ErrorCode::Internal)?;
    let hash = service.secrets.roster(exam, &normalised);
    Ok((typed, hash))
}

fn told(service: &Service, exam: &ExamInfo, entry: RosterEntry, secret: String) -> EntrySecret {
    let link = service.address.read().join_link(&exam.code, &secret);
    EntrySecret {
        entry: entry.id,
        label: entry.label,
        seat: entry.seat,
        secret,
        link,
        once_until: None,
    }
}

/// Adds entries, all or none, once for the request's key, and tells their secrets.
async fn add_all(
    service: &Service,
    caller: &Caller,
    exam: &ExamInfo,
    request: &Keyed,
    typed: Vec<EntryEdit>,
) -> Result<Vec<EntrySecret>, ApiError> {
    let entries: Vec<RosterEntry> = typed
        .into_iter()
        .map(
            |EntryEdit {
                 label,
                 seat,
                 allowances,
             }| RosterEntry {
                id: clock::fresh(RosterEntryId::from_parts),
                exam: exam.id,
                label,
                seat,
                allowances,
            },
        )
        .collect();
    let mut new = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (_, secret_hash) = secret_of(service, exam.id, entry.id, &request.salt)?;
        new.push(NewRosterEntry {
            entry: entry.clone(),
            secret_hash,
            created_at: clock::now_us(),
        });
    }
    let answer = serde_json::to_string(&entries).map_err(|_| ErrorCode::Internal)?;
    let once = request.once(caller, answer.clone());
    let store = service.store.acting(request.actor(caller));
    let added = match store.add_entries(exam.id, new, once).await {
        Err(StoreError::Exists) => return Err(ErrorCode::LabelTaken.into()),
        added => added?,
    };
    let (salt, answer) = settled(added, request.salt.clone(), answer)?;
    let entries: Vec<RosterEntry> = serde_json::from_str(&answer).map_err(|_| ErrorCode::Internal)?;
    entries
        .into_iter()
        .map(|entry| {
            let (secret, _) = secret_of(service, exam.id, entry.id, &salt)?;
            Ok(told(service, exam, entry, secret))
        })
        .collect()
}

/// `GET /api/v1/exams/{exam}/roster`, in the order in which they were added.
pub async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Ids(id): Ids<ExamId>,
    page: Page<RosterEntryId>,
) -> Result<Response, ApiError> {
    exam(&service, &caller, Act::ReadRosters, id).await?;
    let after = page.cursor.unwrap_or(FIRST);
    let items = service.store.roster(id, after, page.wanted()).await?;
    Ok(page.answer(items, |item: &RosterItem| item.entry.id))
}

/// `POST /api/v1/exams/{exam}/roster`.
pub async fn add(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Ids(id): Ids<ExamId>,
    request: Keyed,
) -> Result<Response, ApiError> {
    let exam = open_exam(&service, &caller, id).await?;
    let entry = office::checked_entry(request.json()?)?;
    let told = add_all(&service, &caller, &exam, &request, vec![entry]).await?;
    let told = told.into_iter().next().ok_or(ErrorCode::Internal)?;
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// `PUT /api/v1/exams/{exam}/roster/{entry}`.
pub async fn edit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((id, entry)): Ids<(ExamId, RosterEntryId)>,
    Body(typed): Body<EntryEdit>,
) -> Result<Json<RosterItem>, ApiError> {
    open_exam(&service, &caller, id).await?;
    let EntryEdit {
        label,
        seat,
        allowances,
    } = office::checked_entry(typed)?;
    let before = find(&service, id, entry).await?;
    let entry = RosterEntry {
        id: entry,
        exam: id,
        label,
        seat,
        allowances,
    };
    match caller.store(&service, peer.ip()).edit_entry(entry.clone()).await {
        Ok(true) => Ok(Json(RosterItem {
            entry,
            used: false,
            hold: before.hold,
            erased: false,
        })),
        Ok(false) => Err(ErrorCode::EntryUsed.into()),
        Err(StoreError::Exists) => Err(ErrorCode::LabelTaken.into()),
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /api/v1/exams/{exam}/roster/{entry}`.
pub async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((id, entry)): Ids<(ExamId, RosterEntryId)>,
) -> Result<StatusCode, ApiError> {
    open_exam(&service, &caller, id).await?;
    if find(&service, id, entry).await?.hold.is_some() {
        return Err(ErrorCode::LegalHold.into());
    }
    if caller.store(&service, peer.ip()).remove_entry(id, entry).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ErrorCode::EntryUsed.into())
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/secret`: a new one; the one before is void. A device that has joined stays.
pub async fn renew(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((id, entry)): Ids<(ExamId, RosterEntryId)>,
) -> Result<Json<EntrySecret>, ApiError> {
    let exam = open_exam(&service, &caller, id).await?;
    let found = find(&service, id, entry).await?;
    let salt = clock::random::<32>();
    let (secret, hash) = secret_of(&service, id, entry, &salt)?;
    if !caller.store(&service, peer.ip()).renew_secret(id, entry, hash).await? {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(Json(told(&service, &exam, found.entry, secret)))
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/link`: a link that is good once, apart from the secret; the one before is void.
pub async fn link(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((id, entry)): Ids<(ExamId, RosterEntryId)>,
    Body(asked): Body<JoinLinkRequest>,
) -> Result<Json<EntrySecret>, ApiError> {
    let exam = open_exam(&service, &caller, id).await?;
    let found = find(&service, id, entry).await?;
    let created_at = clock::now_us();
    let expires_at = asked.expires_at.unwrap_or(exam.ends_at);
    if expires_at <= created_at {
        return Err(office::invalid("expires_at").into());
    }
    let token = secret::join_token();
    let normalised = secret::normalise(&token).ok_or(ErrorCode::Internal)?;
    let link = NewJoinLink {
        exam: id,
        entry,
        token_hash: service.secrets.join_link(id, &normalised),
        created_at,
        expires_at,
    };
    if !caller.store(&service, peer.ip()).put_join_link(link).await? {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(Json(EntrySecret {
        once_until: Some(expires_at),
        ..told(&service, &exam, found.entry, token)
    }))
}

async fn find(service: &Service, exam: ExamId, entry: RosterEntryId) -> Result<RosterItem, ApiError> {
    let found = service.store.roster_item(exam, entry).await?;
    Ok(found.ok_or(ErrorCode::NotFound)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)] // a misspelt dry run would be none
pub struct Import {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/exams/{exam}/roster/import?dry_run=`: CSV, all of it or nothing.
pub async fn import(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Ids(id): Ids<ExamId>,
    asked: Result<Query<Import>, axum::extract::rejection::QueryRejection>,
    request: Keyed,
) -> Result<Response, ApiError> {
    let Query(Import { dry_run }) = asked.map_err(|_| office::invalid("dry_run"))?;
    let exam = open_exam(&service, &caller, id).await?;
    let stored = service.store.stored_exam(id).await?.ok_or(ErrorCode::NotFound)?;
    let there = service.store.roster(id, FIRST, WHOLE).await?;
    let mut parsed = roster_csv::parse(&request.bytes);
    let labels = there.iter().map(|item| item.entry.label.as_str()).collect();
    parsed.hold_against(&labels, stored.capacity.saturating_sub(stored.candidates));
    let Faults { listed, more } = parsed.faults;
    if dry_run {
        let preview = ImportPreview {
            rows: parsed.rows,
            faults: listed,
            more_faults: more,
        };
        return Ok(Json(preview).into_response());
    }
    let repeated = |fault: &RowFault| matches!(fault.code, FaultCode::Taken | FaultCode::RosterFull);
    // An import that comes again finds its own labels taken: its key decides, and a fresh one is refused by the store.
    if listed.iter().any(|fault| !repeated(fault)) || (!listed.is_empty() && !request.has_key()) {
        return Ok(refusal(listed, more));
    }
    let entries = parsed.entries.into_iter().map(|(_, entry)| entry).collect();
    match add_all(&service, &caller, &exam, &request, entries).await {
        Ok(secrets) => Ok((StatusCode::CREATED, Json(Imported { secrets })).into_response()),
        Err(error) if !listed.is_empty() && error.is_any(&[ErrorCode::LabelTaken, ErrorCode::RosterFull]) => {
            Ok(refusal(listed, more))
        }
        Err(error) => Err(error),
    }
}

fn refusal(faults: Vec<RowFault>, more_faults: bool) -> Response {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = ImportProblem {
        kind: problem_type(ErrorCode::ImportRefused),
        status: status.as_u16(),
        error: ErrorBody::from(ErrorCode::ImportRefused),
        faults,
        more_faults,
    };
    let kind = HeaderValue::from_static("application/problem+json");
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// `GET /api/v1/exams/{exam}/roster/export`: CSV that an import takes, without secrets.
pub async fn export(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Ids(id): Ids<ExamId>,
) -> Result<Response, ApiError> {
    let exam = exam(&service, &caller, Act::ReadRosters, id).await?;
    let items = service.store.roster(id, FIRST, WHOLE).await?;
    let text = roster_csv::write(items.iter().map(|item| &item.entry)).map_err(|_| ErrorCode::Internal)?;
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CSV);
    // An exam's code is of A-Z, 0-9 and -.
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"roster-{}.csv\"", exam.code)) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
