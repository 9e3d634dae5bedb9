//! A candidate's access, taken away and given back by a lead. What was recorded stays.

use super::account::{Account, Bearer};
use super::page::Ids;
use super::{ApiError, Peer, Service};
use crate::clock;
use crate::control::permission::{self, Act};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, RosterEntryId, SessionId};
use std::net::SocketAddr;
use std::sync::Arc;

/// Done, now or before: asking twice is no mistake.
async fn set(
    service: &Service,
    account: &Account,
    peer: SocketAddr,
    session: SessionId,
    revoked: bool,
) -> Result<StatusCode, ApiError> {
    let store = service.store_for(&account.identity, peer);
    if store.set_session_revoked(session, revoked, clock::now_us()).await? {
        service.revoked().await;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn of_entry(service: &Service, exam: ExamId, entry: RosterEntryId) -> Result<SessionId, ApiError> {
    let session = service.store.session_of_entry(entry).await?;
    let session = session.filter(|session| session.exam == exam);
    Ok(session.ok_or(ErrorCode::NotFound)?.id)
}

/// `POST /api/v1/sessions/{session}/revoke`.
pub async fn revoke(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(session): Ids<SessionId>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::RevokeSession)?;
    set(&service, &account, peer, session, true).await
}

/// `POST /api/v1/sessions/{session}/reinstate`.
pub async fn reinstate(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids(session): Ids<SessionId>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::RevokeSession)?;
    set(&service, &account, peer, session, false).await
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/revoke`: the session of a roster entry, as leads know candidates.
pub async fn revoke_entry(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((exam, entry)): Ids<(ExamId, RosterEntryId)>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::RevokeSession)?;
    let session = of_entry(&service, exam, entry).await?;
    set(&service, &account, peer, session, true).await
}

/// `POST /api/v1/exams/{exam}/roster/{entry}/reinstate`.
pub async fn reinstate_entry(
    State(service): State<Arc<Service>>,
    Extension(Peer(peer)): Extension<Peer>,
    Ids((exam, entry)): Ids<(ExamId, RosterEntryId)>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    permission::check(account.identity.role, Act::RevokeSession)?;
    let session = of_entry(&service, exam, entry).await?;
    set(&service, &account, peer, session, false).await
}
