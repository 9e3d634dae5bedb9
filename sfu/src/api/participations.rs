//! Who was in an exam's room, from when to when, and how their connection was.

use super::account::Bearer;
use super::page::{Ids, Page};
use super::{ApiError, Service};
use crate::control::permission::{self, Act};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipationId};
use invigil_shared::participation::{Participation, StatisticsPoint};
use std::sync::Arc;

/// `GET /api/v1/exams/{exam}/participations`, in the order in which the stays began.
pub async fn list(
    State(service): State<Arc<Service>>,
    Ids(exam): Ids<ExamId>,
    page: Page<ParticipationId>,
    Bearer(account): Bearer,
) -> Result<Response, ApiError> {
    permission::check(account.identity.role, Act::ReadParticipations)?;
    if service.store.exam(exam).await?.is_none() {
        return Err(ErrorCode::NotFound.into());
    }
    let after = page.cursor.unwrap_or(ParticipationId(sqlx::types::Uuid::nil()));
    let stays = service.store.participations(exam, after, page.wanted()).await?;
    Ok(page.answer(stays, |stay: &Participation| stay.id))
}

/// `GET /api/v1/exams/{exam}/participations/{participation}/statistics`: the whole series.
pub async fn statistics(
    State(service): State<Arc<Service>>,
    Ids((exam, participation)): Ids<(ExamId, ParticipationId)>,
    Bearer(account): Bearer,
) -> Result<Json<Vec<StatisticsPoint>>, ApiError> {
    permission::check(account.identity.role, Act::ReadParticipations)?;
    let series = service.store.statistics(exam, participation).await?;
    Ok(Json(series.ok_or(ErrorCode::NotFound)?))
}
