//! WHIP (RFC 9725) and WHEP, callable by pages of configured origins only.

use super::account::Bearer;
use super::problem::TextBody;
use super::{ApiError, Service};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::publication::{Layer, PublicationRef};
use serde::Deserialize;
use std::sync::Arc;

const SDP: &str = "application/sdp";

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(SDP) {
        Ok(())
    } else {
        Err(ApiError::from(ErrorCode::Unsupported).with("content_type", SDP))
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ErrorCode::NotFound.into())
}

fn created(location: String, sdp: String) -> Response {
    (
        StatusCode::CREATED,
        [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, location)],
        sdp,
    )
        .into_response()
}

/// `POST /whip/{exam}`: the candidate of the token publishes.
pub async fn whip(
    State(service): State<Arc<Service>>,
    Path(exam): Path<String>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers)?;
    let exam: ExamId = id(&exam)?;
    let made = service.control.whip(&account.identity, exam, offer).await?;
    Ok(created(format!("/whip/{exam}/{}", made.transport), made.answer))
}

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default = "best")]
    layer: Layer,
}

fn layer(wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>) -> Result<Layer, ApiError> {
    let Query(Wanted { layer }) = wanted.map_err(|_| ApiError::from(ErrorCode::BadMessage).with("field", "layer"))?;
    Ok(layer)
}

fn best() -> Layer {
    Layer::High
}

/// `POST /whep/{exam}/{participant}/{kind}/{instance}?layer=low`: plays one publication.
pub async fn whep(
    State(service): State<Arc<Service>>,
    Path((exam, participant, kind, instance)): Path<(String, String, String, String)>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers)?;
    let layer = layer(wanted)?;
    let exam: ExamId = id(&exam)?;
    let participant: ParticipantId = id(&participant)?;
    let source = PublicationRef {
        participant,
        publication: id(&format!("{kind}/{instance}"))?,
    };
    let made = service
        .control
        .whep(&account.identity, exam, Some(source), layer, offer)
        .await?;
    Ok(created(format!("/whep/{exam}/{}", made.transport), made.answer))
}

/// `POST /whep/{exam}?layer=low`: plays what is published in the exam now, as far as the offer has m-lines. A line's
/// stream (`a=msid`) is called by the participant's id for camera and microphone, `{id}.screen-0` for the screen.
pub async fn whep_exam(
    State(service): State<Arc<Service>>,
    Path(exam): Path<String>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers)?;
    let layer = layer(wanted)?;
    let exam: ExamId = id(&exam)?;
    let made = service
        .control
        .whep(&account.identity, exam, None, layer, offer)
        .await?;
    Ok(created(format!("/whep/{exam}/{}", made.transport), made.answer))
}

/// `DELETE` of a resource's location.
pub async fn end(
    State(service): State<Arc<Service>>,
    Path((exam, transport)): Path<(String, String)>,
    Bearer(account): Bearer,
) -> Result<StatusCode, ApiError> {
    let (exam, transport): (ExamId, TransportId) = (id(&exam)?, id(&transport)?);
    service.control.end_browser(&account.identity, exam, transport)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `OPTIONS`: what a page's browser asks first.
pub async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Lets pages of the configured origins read the answers (Fetch standard, CORS protocol).
pub async fn cors(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let allowed = origin.filter(|origin| {
        service
            .origins
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes())
    });
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let fixed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, DELETE, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "location"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
