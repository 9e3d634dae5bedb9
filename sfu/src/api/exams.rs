//! What someone may watch, and whether the server is well.

use super::account::Bearer;
use super::{ApiError, Service};
use crate::control::permission::{self, Act};
use crate::control::policy;
use axum::Json;
use axum::extract::State;
use invigil_shared::rest::ExamListItem;
use std::sync::Arc;

/// `GET /api/v1/exams`.
pub async fn list(
    State(service): State<Arc<Service>>,
    Bearer(account): Bearer,
) -> Result<Json<Vec<ExamListItem>>, ApiError> {
    permission::check(account.identity.role, Act::EnterAnyRoom)?;
    let exams = service.store.exams().await?;
    let visible = exams
        .into_iter()
        .filter(|(exam, _)| policy::may_enter(&account.identity, exam).is_ok());
    let item = |(exam, roster)| {
        let exam: invigil_shared::exam::ExamInfo = exam;
        let online = service.control.online(exam.id);
        ExamListItem { exam, roster, online }
    };
    Ok(Json(visible.map(item).collect()))
}

/// `GET /healthz`: the process answers and the database can be read.
pub async fn health(State(service): State<Arc<Service>>) -> Result<Json<serde_json::Value>, ApiError> {
    service.store.has_admin().await?;
    Ok(Json(
        serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }),
    ))
}
