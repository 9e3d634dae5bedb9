//! A candidate's way in: by exam code and secret once, by the device key ever after.

use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::audit::Refused;
use crate::auth::challenge;
use crate::auth::identity::Person;
use crate::auth::secret::{self, JOIN_TOKEN_DIGITS};
use crate::clock;
use crate::control::policy;
use crate::store::audit::{Action, Actor};
use crate::store::join_links::JoinLinkRecord;
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
    let device_key = device_key.ok_or_else(|| ApiError::from(ErrorCode::FieldInvalid).with("field", "device_key"))?;
    let code = secret::normalise_exam_code(&request.exam_code);
    let typed = secret::normalise(&request.secret);
    let found = match (&code, &typed) {
        (Some(code), Some(typed)) => find(&service, code, typed).await?,
        _ => None,
    };
    let Some(Found { exam, entry, link }) = found else {
        // Only wrong ones are counted: a right secret, of 65 random bits, is never kept out by whoever guesses behind the same address.
        // A code that can't be is guessed at like any other, so that it tells nothing.
        let name = code.as_deref().unwrap_or("-");
        let attempt = service.throttle.begin(name, peer.ip(), Instant::now())?;
        service.refusals.count(Refused::Join, peer.ip());
        let code = match typed {
            Some(typed) if typed.len() == JOIN_TOKEN_DIGITS => ErrorCode::JoinLinkInvalid,
            _ => ErrorCode::SecretWrong,
        };
        return Err(attempt.failed(code).into());
    };
    if let Some(link) = &link {
        may_use(&service, link, &device_key).await?;
    }
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
        proctor: None,
    };
    // Whose session it is is known when it is opened; until then its roster entry acts.
    let actor = Actor {
        name: entry.id.to_string(),
        role: Role::Candidate.as_str(),
        address: Some(peer.ip().to_canonical()),
    };
    // Who asks again and again writes nothing.
    let held = service.store.session_of_entry(entry.id).await?;
    let taken = |record: &SessionRecord| record.device_key.as_ref().is_some_and(|key| *key != device_key);
    if let Some(record) = held.filter(taken) {
        return Err(wait_for(&service, record, exam, entry, device_key, actor).await?.into());
    }
    let store = service.store.acting(actor);
    let record = store.open_session(fresh).await?;
    if record.device_key.as_deref() != Some(&device_key) {
        return Err(ErrorCode::SessionElsewhere.into());
    }
    // The device holds the session now: whoever has the same link finds it taken, also if this were never noted.
    if let Some(link) = link.filter(|link| link.used_at.is_none()) {
        store
            .use_join_link(link.entry, link.token_hash, clock::now_us())
            .await?;
    }
    respond(&service, &record, exam, entry)
}

/// How long a device that asked keeps others from asking, microseconds: it may have gone away.
const ASKED_US: i64 = 10 * 60 * 1_000_000;
/// How long a refusal stands before the same device may ask again.
const REFUSED_US: i64 = 60 * 1_000_000;

/// "Move to this device": what a second device with the right secret is told while another one holds the session.
async fn wait_for(
    service: &Service,
    record: SessionRecord,
    exam: ExamInfo,
    entry: RosterEntry,
    device_key: Vec<u8>,
    actor: Actor,
) -> Result<ErrorCode, ApiError> {
    let now = clock::now_us();
    may_go_on(&record, &exam, &entry, now)?;
    if let Some(asked) = service.store.waiting_device(record.id).await? {
        let same = asked.device_key == device_key;
        match asked.refused_at {
            None if same => return Ok(ErrorCode::DeviceWaits),
            None if now - asked.asked_at < ASKED_US => return Ok(ErrorCode::SessionElsewhere),
            Some(at) if same && now - at < REFUSED_US => return Ok(ErrorCode::DeviceRefused),
            _ => {}
        }
    }
    service
        .control
        .ask_to_move(record, exam, &entry, device_key, actor)
        .await?;
    Ok(ErrorCode::DeviceWaits)
}

fn may_go_on(record: &SessionRecord, exam: &ExamInfo, entry: &RosterEntry, now: i64) -> Result<(), ApiError> {
    if record.revoked_at.is_some() {
        return Err(ErrorCode::SessionRevoked.into());
    }
    policy::may_sit(record)?;
    let end = policy::open_until(exam, &entry.allowances, &record.sitting);
    policy::room_open(exam, end, now)?;
    Ok(())
}

/// Whose secret, or link, it is.
struct Found {
    exam: ExamInfo,
    entry: RosterEntry,
    link: Option<JoinLinkRecord>,
}

/// A link is used once. The device that used it comes back with it, as with a secret: its answer may have been lost.
async fn may_use(service: &Service, link: &JoinLinkRecord, device_key: &[u8]) -> Result<(), ApiError> {
    if link.used_at.is_some() {
        let session = service.store.session_of_entry(link.entry).await?;
        let same = session.is_some_and(|session| session.device_key.as_deref() == Some(device_key));
        return if same {
            Ok(())
        } else {
            Err(ErrorCode::JoinLinkUsed.into())
        };
    }
    if link.expires_at <= clock::now_us() {
        return Err(ErrorCode::JoinLinkInvalid.into());
    }
    Ok(())
}

async fn find(service: &Service, code: &str, typed: &str) -> Result<Option<Found>, ApiError> {
    let Some(exam) = service.store.exam_by_code(code).await? else {
        return Ok(None);
    };
    if typed.len() == JOIN_TOKEN_DIGITS {
        let hash = service.secrets.join_link(exam.id, typed);
        let link = service.store.join_link(exam.id, &hash).await?;
        let Some(link) = link.filter(|link| secret::equal(&link.token_hash, &hash)) else {
            return Ok(None);
        };
        let entry = service.store.entry(link.entry).await?;
        return Ok(entry.map(|entry| Found {
            exam,
            entry,
            link: Some(link),
        }));
    }
    let hash = service.secrets.roster(exam.id, typed);
    let found = service.store.entry_by_secret(exam.id, &hash).await?;
    Ok(found
        .filter(|(_, stored)| secret::equal(stored, &hash))
        .map(|(entry, _)| Found {
            exam,
            entry,
            link: None,
        }))
}

fn respond(
    service: &Service,
    record: &SessionRecord,
    exam: ExamInfo,
    entry: RosterEntry,
) -> Result<Json<JoinResponse>, ApiError> {
    may_go_on(record, &exam, &entry, clock::now_us())?;
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
        exam: exam.for_candidate(),
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
