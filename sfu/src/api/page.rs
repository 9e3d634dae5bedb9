//! Lists in pages: `?limit=` and `?cursor=`, the next page in a `Link` field with `rel="next"` (RFC 8288). The body stays a plain
//! array, so that whoever asks for no page gets what they always got.

use super::ApiError;
use crate::control::office::invalid;
use crate::store::records::MAX_EXAMS_LISTED;
use axum::Json;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use invigil_shared::error::ErrorCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::str::FromStr;

/// Items of a page at most, and when nobody says how many.
pub const MAX_PAGE: usize = MAX_EXAMS_LISTED;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)] // a misspelt one would give the wrong page
struct Asked {
    limit: Option<String>,
    cursor: Option<String>,
}

/// Which page of a list; its cursor is an id.
pub struct Page<T> {
    pub cursor: Option<T>,
    pub limit: usize,
    path: String,
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Page<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri).map_err(|_| ErrorCode::BadMessage)?;
        let limit = match asked.limit {
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)),
            None => Some(MAX_PAGE),
        };
        let limit = limit.ok_or_else(|| invalid("limit").with("limit", MAX_PAGE))?;
        let cursor = match asked.cursor {
            Some(text) => Some(text.parse().map_err(|_| invalid("cursor"))?),
            None => None,
        };
        let path = parts.uri.path().to_owned();
        Ok(Self { cursor, limit, path })
    }
}

impl<T> Page<T> {
    /// What to read: one more than the page holds, to know whether there is another.
    pub fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// The page of what was read, and where the next one is.
    pub fn answer<I: Serialize, C: Display>(&self, mut items: Vec<I>, cursor: impl Fn(&I) -> C) -> Response {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| more).map(cursor);
        let mut response = Json(items).into_response();
        if let Some(last) = last {
            let next = format!("<{}?limit={}&cursor={last}>; rel=\"next\"", self.path, self.limit);
            // A path that was routed, digits and an id always are a value.
            if let Ok(next) = HeaderValue::from_str(&next) {
                response.headers_mut().insert(header::LINK, next);
            }
        }
        response
    }
}

/// Ids in the path; what can't be one is not found.
pub struct Ids<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(ErrorCode::NotFound.into()),
        }
    }
}
