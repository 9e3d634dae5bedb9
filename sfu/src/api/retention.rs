//! What is kept: a legal hold on an exam or a candidate, and erasing a candidate's data when somebody asked for it. Days that are over
//! are the server's own business, [`crate::retention`].

use super::account::{Account, Bearer};
use super::page::Ids;
use super::problem::Body;
use super::{ApiError, Peer, Service};
use crate::clock;
use crate::control::office;
use crate::control::permission::{self, Act};
use crate::store::erasure::{Cause, Hold, Kept};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use invigil_shared::id::{ExamId, RosterEntryId};
use invigil_shared::office::HoldRequest;
use std::net::SocketAddr;
use std::sync::Arc;

/// Characters of a reason.
pub const MAX_REASON: usize = 200;

async fn set(
    service: &Service,
    account: &Account,
    peer: SocketAddr,
    kept: Kept,
    asked: Option<HoldRequest>,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::HoldData)?;
    let line = |typed: HoldRequest| {
        office::line(&typed.reason, MAX_REASON).ok_or_else(|| office::invalid("reason").with("limit", MAX_REASON))
    };
    let reason = asked.map(line).transpose()?;
    let hold = reason.map(|reason| Hold {
        at: clock::now_us(),
        reason,
    });
    service.store_for(&account.identity, peer).set_hold(kept, hold).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/v1/exams/{exam}/hold`.
pub async fn hold_exam(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(exam): Ids<ExamId>,
    Bearer(account): Bearer,
    Body(request): Body<HoldRequest>,
) -> Result<StatusCode, ApiError> {
    set(&service, &account, peer, Kept::Exam(exam), Some(request)).await
}

/// `DELETE /api/v1/exams/{exam}/hold`.
pub async fn release_exam(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(exam): Ids<ExamId>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    set(&service, &account, peer, Kept::Exam(exam), None).await
}

/// `PUT /api/v1/exams/{exam}/roster/{entry}/hold`.
pub async fn hold_entry(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((exam, entry)): Ids<(ExamId, RosterEntryId)>,
    Bearer(account): Bearer,
    Body(request): Body<HoldRequest>,
) -> Result<StatusCode, ApiError> {
    set(&service, &account, peer, Kept::Candidate(exam, entry), Some(request)).await
}

/// `DELETE /api/v1/exams/{exam}/roster/{entry}/hold`.
pub async fn release_entry(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((exam, entry)): Ids<(ExamId, RosterEntryId)>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    set(&service, &account, peer, Kept::Candidate(exam, entry), None).await
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/erase`. Asking twice is no mistake.
pub async fn erase(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((exam, entry)): Ids<(ExamId, RosterEntryId)>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::EraseData)?;
    let store = service.store_for(&account.identity, peer);
    if store.erase(exam, entry, Cause::Asked, clock::now_us()).await? {
        store.mark_erased(exam, clock::now_us()).await?;
        service.revoked().await;
    }
    Ok(StatusCode::NO_CONTENT)
}
