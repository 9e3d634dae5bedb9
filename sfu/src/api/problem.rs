//! Errors as problem details (RFC 9457), and bodies that are checked before they are used.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::rest::Problem;
use serde::de::DeserializeOwned;

/// An error on its way to an HTTP client.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    header: Option<(HeaderName, HeaderValue)>,
}

fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::BadMessage | E::SdpInvalid | E::Unsupported | E::PublicationInvalid | E::IntentInvalid => {
            StatusCode::BAD_REQUEST
        }
        E::NotAuthenticated | E::TokenInvalid | E::TokenExpired => StatusCode::UNAUTHORIZED,
        E::AccessRevoked | E::InvitationInvalid => StatusCode::UNAUTHORIZED,
        E::AccountDeactivated | E::SessionRevoked => StatusCode::FORBIDDEN,
        E::EmailTaken | E::LastAdmin | E::SecondFactorExists | E::LegalHold | E::ExamNotOver => StatusCode::CONFLICT,
        E::OidcUnavailable => StatusCode::BAD_GATEWAY,
        E::OidcRefused => StatusCode::UNAUTHORIZED,
        E::OidcNoAccount | E::OidcEmailUnverified => StatusCode::FORBIDDEN,
        E::OidcLinkTaken => StatusCode::CONFLICT,
        E::SecondFactorRequired | E::SecondFactorWrong => StatusCode::UNAUTHORIZED,
        E::SecretWrong | E::CredentialsWrong | E::SetupCodeWrong | E::ResumeRefused => StatusCode::UNAUTHORIZED,
        E::Forbidden | E::ExamNotOpen | E::ExamClosed | E::SittingEnded | E::NotAdmitted | E::Removed => {
            StatusCode::FORBIDDEN
        }
        E::NotFound | E::TransportUnknown => StatusCode::NOT_FOUND,
        E::FieldInvalid | E::ImportRefused | E::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        E::ExamFrozen | E::RelayMissing | E::ExamCodeTaken | E::LabelTaken | E::RosterFull | E::EntryUsed => {
            StatusCode::CONFLICT
        }
        E::EditConflict => StatusCode::PRECONDITION_FAILED,
        E::JoinLinkInvalid => StatusCode::UNAUTHORIZED,
        E::JoinLinkUsed | E::DeviceWaits => StatusCode::CONFLICT,
        E::DeviceRefused | E::SessionMoved => StatusCode::FORBIDDEN,
        E::SessionElsewhere | E::ExamTransition | E::SittingTransition | E::NotInRoom | E::FingerprintMismatch => {
            StatusCode::CONFLICT
        }
        E::TooLarge | E::MessageTooLong => StatusCode::PAYLOAD_TOO_LARGE,
        E::RateLimited | E::SecretThrottled | E::TransportLimit | E::PublicationLimit => StatusCode::TOO_MANY_REQUESTS,
        E::VersionTooOld => StatusCode::UPGRADE_REQUIRED,
        E::RoomFull | E::ServerDraining | E::StorageFailed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<ErrorBody> for ApiError {
    fn from(body: ErrorBody) -> Self {
        Self {
            status: status(body.code),
            body,
            header: None,
        }
    }
}
impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        ErrorBody::from(code).into()
    }
}
impl From<crate::store::StoreError> for ApiError {
    fn from(error: crate::store::StoreError) -> Self {
        ErrorBody::from(error).into()
    }
}

impl ApiError {
    /// The path exists, the method does not (RFC 9110 section 15.5.6).
    pub fn method_not_allowed() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            body: ErrorCode::Unsupported.into(),
            header: None,
        }
    }

    /// A status that says more than the code's own.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A header field that says how to do better.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    pub fn is_any(&self, codes: &[ErrorCode]) -> bool {
        codes.contains(&self.body.code)
    }

    pub fn with(self, name: &str, value: impl std::fmt::Display) -> Self {
        Self {
            body: self.body.with(name, value),
            ..self
        }
    }
}

/// `type` of a problem document.
pub fn problem_type(code: ErrorCode) -> String {
    format!("urn:invigil:error:{code}")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = problem_type(self.body.code);
        let retry = self
            .body
            .params
            .get("retry_after_s")
            .and_then(|s| HeaderValue::from_str(s).ok());
        let problem = Problem {
            kind,
            status: self.status.as_u16(),
            error: self.body,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry) = retry {
            headers.insert(header::RETRY_AFTER, retry);
        }
        headers.extend(self.header);
        response
    }
}

/// A JSON body of a known shape.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|_| ErrorCode::BadMessage.into())
    }
}

/// A body as text, for SDP.
pub struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        String::from_utf8(bytes.into())
            .map(TextBody)
            .map_err(|_| ErrorCode::SdpInvalid.into())
    }
}

pub async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge.into(),
            _ => ErrorCode::BadMessage.into(),
        })
}
