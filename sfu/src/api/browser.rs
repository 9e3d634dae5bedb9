//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03), callable by pages of configured origins only.
//!
//! An offer is taken whole or refused. WHEP's counter-offers (its 406) are never made: a browser's offer holds what it can play.

use super::account::Bearer;
use super::conditions::{accepts, precondition};
use super::problem::TextBody;
use super::{ApiError, Service, ice};
use crate::auth::Identity;
use crate::control::browser::{Created, Patched, Refused};
use crate::core::transport::sdp::{Fragment, SdpError};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::publication::{Layer, PublicationRef};
use invigil_shared::signal::Direction;
use serde::Deserialize;
use std::sync::Arc;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Linked Data Platform 1.0 section 7.1.
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// RFC 5789 section 3.1.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

fn check_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), ApiError> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let hint = if wanted == SDP { ACCEPT_POST } else { ACCEPT_PATCH };
    let error = ApiError::from(ErrorCode::Unsupported).with("content_type", wanted);
    Err(error
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .with_header(hint, HeaderValue::from_static(wanted)))
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ErrorCode::NotFound.into())
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// The answer to a POST, with a `Link` to each server that helps to reach us.
fn created(
    service: &Service,
    identity: &Identity,
    (kind, exam): (&str, ExamId),
    made: Result<Created, ErrorBody>,
) -> Result<Response, ApiError> {
    let made = made.map_err(unusable)?;
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, format!("/{kind}/{exam}/{}", made.transport)),
        (header::ETAG, quoted(&made.tag)),
    ];
    let mut response = (StatusCode::CREATED, headers, made.answer).into_response();
    ice::link(service.control.ice(), identity, response.headers_mut());
    Ok(response)
}

/// SDP that is right and can't be used is 422 (RFC 9725 section 4.4); what is not SDP stays 400.
fn unusable(error: ErrorBody) -> ApiError {
    let malformed = error.params.get("reason") == Some(&SdpError::Malformed.to_string());
    match error.code {
        ErrorCode::SdpInvalid if malformed => error.into(),
        ErrorCode::SdpInvalid
        | ErrorCode::FingerprintMismatch
        | ErrorCode::PublicationInvalid
        | ErrorCode::PublicationLimit => ApiError::from(error).with_status(StatusCode::UNPROCESSABLE_ENTITY),
        _ => error.into(),
    }
}

/// `POST /whip/{exam}`: the candidate of the token publishes.
pub async fn whip(
    State(service): State<Arc<Service>>,
    Path(exam): Path<String>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers, SDP)?;
    if !accepts(&headers, SDP) {
        let error = ApiError::from(ErrorCode::Unsupported).with("accept", SDP);
        return Err(error.with_status(StatusCode::NOT_ACCEPTABLE));
    }
    let exam: ExamId = id(&exam)?;
    let made = service.control.whip(&account.identity, exam, offer).await;
    created(&service, &account.identity, ("whip", exam), made)
}

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default = "best")]
    layer: Layer,
}

fn layer(wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Layer, ApiError> {
    let Query(Wanted { layer }) = wanted.map_err(|_| ApiError::from(ErrorCode::BadMessage).with("field", "layer"))?;
    Ok(layer)
}

fn best() -> Layer {
    Layer::High
}

/// `POST /whep/{exam}/{participant}/{kind}/{instance}?layer=low`: plays one publication. The participant stands in it because
/// `camera/0` is a publication's name within its participant only (DESIGN.md section 1).
pub async fn whep(
    State(service): State<Arc<Service>>,
    Path((exam, participant, kind, instance)): Path<(String, String, String, String)>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers, SDP)?;
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
        .await;
    created(&service, &account.identity, ("whep", exam), made)
}

/// `POST /whep/{exam}?layer=low`: plays what is published in the exam, as far as the offer has m-lines; what comes later takes
/// lines that are free. A line's stream (`a=msid`) is called by the participant's id for camera and microphone,
/// `{id}.screen-0` for the screen; `invigil` where nothing was published when the answer was made.
pub async fn whep_exam(
    State(service): State<Arc<Service>>,
    Path(exam): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    Bearer(account): Bearer,
    headers: HeaderMap,
    TextBody(offer): TextBody,
) -> Result<Response, ApiError> {
    check_type(&headers, SDP)?;
    let layer = layer(wanted)?;
    let exam: ExamId = id(&exam)?;
    let made = service.control.whep(&account.identity, exam, None, layer, offer).await;
    created(&service, &account.identity, ("whep", exam), made)
}

async fn patch(
    service: &Service,
    (exam, transport): (String, String),
    Bearer(account): Bearer,
    direction: Direction,
    headers: &HeaderMap,
    TextBody(body): TextBody,
) -> Result<Response, ApiError> {
    check_type(headers, FRAGMENT)?;
    let resource: (ExamId, TransportId) = (id(&exam)?, id(&transport)?);
    let condition = |status| {
        let error = ApiError::from(ErrorCode::BadMessage).with("field", "if-match");
        error.with_status(status)
    };
    let required = precondition(headers).ok_or_else(|| condition(StatusCode::PRECONDITION_REQUIRED))?;
    let fragment = Fragment::parse(&body).map_err(ErrorBody::from)?;
    let patched = service
        .control
        .patch_browser(&account.identity, resource, direction, &required, fragment)
        .await;
    match patched {
        Ok(Patched::Trickled) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Patched::Restarted { fragment, tag }) => {
            let headers = [
                (header::CONTENT_TYPE, FRAGMENT.to_owned()),
                (header::ETAG, quoted(&tag)),
            ];
            Ok((StatusCode::OK, headers, fragment).into_response())
        }
        Err(Refused::Stale) => Err(condition(StatusCode::PRECONDITION_FAILED)),
        Err(Refused::Error(error)) => Err(error.into()),
    }
}

/// `PATCH` of a WHIP resource: trickled candidates, or an ICE restart.
pub async fn patch_whip(
    State(service): State<Arc<Service>>,
    Path(resource): Path<(String, String)>,
    bearer: Bearer,
    headers: HeaderMap,
    body: TextBody,
) -> Result<Response, ApiError> {
    patch(&service, resource, bearer, Direction::Publish, &headers, body).await
}

/// `PATCH` of a WHEP resource.
pub async fn patch_whep(
    State(service): State<Arc<Service>>,
    Path(resource): Path<(String, String)>,
    bearer: Bearer,
    headers: HeaderMap,
    body: TextBody,
) -> Result<Response, ApiError> {
    patch(&service, resource, bearer, Direction::Subscribe, &headers, body).await
}

fn end(
    service: &Service,
    (exam, transport): (String, String),
    Bearer(account): Bearer,
    direction: Direction,
) -> Result<StatusCode, ApiError> {
    let resource: (ExamId, TransportId) = (id(&exam)?, id(&transport)?);
    service.control.end_browser(&account.identity, resource, direction)?;
    Ok(StatusCode::OK)
}

/// `DELETE` of a WHIP resource. An `If-Match` is ignored (RFC 9725 section 4.3.1).
pub async fn end_whip(
    State(service): State<Arc<Service>>,
    Path(resource): Path<(String, String)>,
    bearer: Bearer,
) -> Result<StatusCode, ApiError> {
    end(&service, resource, bearer, Direction::Publish)
}

/// `DELETE` of a WHEP resource.
pub async fn end_whep(
    State(service): State<Arc<Service>>,
    Path(resource): Path<(String, String)>,
    bearer: Bearer,
) -> Result<StatusCode, ApiError> {
    end(&service, resource, bearer, Direction::Subscribe)
}

/// `GET`: neither endpoints nor resources have a representation (RFC 9725 section 4.1).
pub async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `OPTIONS` of an endpoint: what a page's browser asks first, and what may be posted.
pub async fn endpoint_options() -> impl IntoResponse {
    (StatusCode::OK, [(ACCEPT_POST, SDP)])
}

/// `OPTIONS` of a resource.
pub async fn resource_options() -> impl IntoResponse {
    (StatusCode::OK, [(ACCEPT_PATCH, FRAGMENT)])
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
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "GET, POST, PATCH, DELETE, OPTIONS",
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, if-match",
            ),
            (
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                "location, etag, link, accept-post, accept-patch, retry-after",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
