//! A candidate's way in: by exam code and secret once, by the device key ever after.

use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::challenge;
use crate::auth::identity::Person;
use crate::auth::secret;
use crate::clock;
use crate::control::policy;
use crate::store::audit::{Action, Actor};
use crate::store::records::SessionRecord;
use axum::extract::State;
use axum::{Extension, Json};
use invigil_shared::chain::ChainHead;
use invigil_shared::error::ErrorCode;
use invigil_shared::exam::{ExamInfo, RosterEntry};
use invigil_shared::id::{ParticipantId, SessionId};
use invigil_shared::rest::{JoinRequest, JoinResponse, ResumeChallenge, ResumeChallengeRequest, ResumeRequest};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of an Ed25519 public key (RFC 8032).
const DEVICE_KEY: usize = 32;

/// `POST /api/v1/join`.
pub async fn join(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinResponse>, ApiError> {
    let device_key = challenge::decode(&request.device_key).filter(|key| key.len() == DEVICE_KEY);
    let device_key = device_key.ok_or_else(|| ApiError::from(ErrorCode::BadMessage).with("field", "device_key"))?;
    let code = secret::normalise_exam_code(&request.exam_code);
    let found = match (&code, secret::normalise(&request.secret)) {
        (Some(code), Some(typed)) => find(&service, code, &typed).await?,
        _ => None,
    };
    let Some((exam, entry)) = found else {
        // Only wrong ones are counted: a right secret, of 65 random bits, is never kept out by whoever guesses behind the same address.
        // A code that can't be is guessed at like any other, so that it tells nothing.
        let name = code.as_deref().unwrap_or("-");
        let attempt = service.throttle.begin(name, peer.ip(), Instant::now())?;
        service.refusals.count(Refused::Join, peer.ip());
        return Err(attempt.failed(ErrorCode::SecretWrong).into());
    };
    // Whether the candidate's own time is over is known with the session.
    policy::room_open(&exam, i64::MAX, clock::now_us())?;
    let id = clock::fresh(SessionId::from_parts);
    let fresh = SessionRecord {
        id,
        exam: exam.id,
        entry: entry.id,
        participant: clock::fresh(ParticipantId::from_parts),
        device_key: Some(device_key.clone()),
        created_at: clock::now_us(),
        joined_at: None,
        finished_at: None,
        looked_at: 0,
        revoked_at: None,
        generation: 0,
        chain: ChainHead::new(id),
        sitting: Sitting::default(),
        sitting_revision: 0,
    };
    // Whose session it is is known when it is opened; until then its roster entry acts.
    let actor = Actor {
        name: entry.id.to_string(),
        role: Role::Candidate.as_str(),
        address: Some(peer.ip().to_canonical()),
    };
    let record = service.store.acting(actor).open_session(fresh).await?;
    if record.device_key.as_deref() != Some(&device_key) {
        return Err(ErrorCode::SessionElsewhere.into());
    }
    respond(&service, &record, exam, entry)
}

async fn find(service: &Service, code: &str, typed: &str) -> Result<Option<(ExamInfo, RosterEntry)>, ApiError> {
    let Some(exam) = service.store.exam_by_code(code).await? else {
        return Ok(None);
    };
    let hash = service.secrets.roster(exam.id, typed);
    let found = service.store.entry_by_secret(exam.id, &hash).await?;
    Ok(found
        .filter(|(_, stored)| secret::equal(stored, &hash))
        .map(|(entry, _)| (exam, entry)))
}

fn respond(
    service: &Service,
    record: &SessionRecord,
    exam: ExamInfo,
    entry: RosterEntry,
) -> Result<Json<JoinResponse>, ApiError> {
    if record.revoked_at.is_some() {
        return Err(ErrorCode::SessionRevoked.into());
    }
    policy::may_sit(record)?;
    policy::room_open(
        &exam,
        policy::open_until(&exam, &entry.allowances, &record.sitting),
        clock::now_us(),
    )?;
    let person = Person::Candidate {
        session: record.id,
        exam: exam.id,
    };
    let token = service
        .tokens
        .issue(record.participant, Role::Candidate, person, record.generation)?;
    Ok(Json(JoinResponse {
        access_token: token.text,
        expires_at: token.expires_at,
        session: record.id,
        participant: record.participant,
        exam,
        candidate_label: entry.label,
        seat: entry.seat,
        allowances: entry.allowances,
    }))
}

/// `POST /api/v1/resume/challenge`. Any session gets one, so that asking tells nothing.
pub async fn challenge(
    State(service): State<Arc<Service>>,
    Body(request): Body<ResumeChallengeRequest>,
) -> Json<ResumeChallenge> {
    let challenge = service.challenges.issue(request.session, Instant::now());
    Json(ResumeChallenge {
        challenge: challenge::encode(&challenge),
    })
}

/// `POST /api/v1/resume`.
pub async fn resume(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<ResumeRequest>,
) -> Result<Json<JoinResponse>, ApiError> {
    let refused = || ApiError::from(ErrorCode::ResumeRefused);
    let given = challenge::decode(&request.challenge).ok_or_else(refused)?;
    if !service.challenges.redeem(&given, request.session, Instant::now()) {
        return Err(refused());
    }
    let record = service.store.session(request.session).await?.ok_or_else(refused)?;
    let key = record.device_key.as_deref().ok_or_else(refused)?;
    if !challenge::proves(key, request.session, &given, &request.signature) {
        return Err(refused());
    }
    let exam = service.store.exam(record.exam).await?.ok_or_else(refused)?;
    let entry = service.store.entry(record.entry).await?.ok_or_else(refused)?;
    let answer = respond(&service, &record, exam, entry)?;
    let person = Person::Candidate {
        session: record.id,
        exam: record.exam,
    };
    let store = service
        .store
        .acting(Actor::person(person, Role::Candidate, Some(peer.ip())));
    store.note(Action::Resume, record.id.to_string(), json!({})).await?;
    Ok(answer)
}
