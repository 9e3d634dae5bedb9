//! Every request has an id: it stands in the answer's head and in each line of the log that the request causes, so that what a user
//! reports and what the operator reads are found to be one. It is not in the problem documents: those say what went wrong, and are
//! the same for everybody.

use crate::clock;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;
use tracing::Instrument;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What proxies use has at most this many characters.
const MAX_ID: usize = 64;

/// Gives the request its id: that of the proxy before us, when it is one, else a fresh one.
pub async fn identify(request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).filter(|id| is_id(id.as_bytes()));
    let id = match given.cloned() {
        Some(id) => id,
        None => fresh(),
    };
    // The route, not the path: paths hold ids of people.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        route = route.as_deref().unwrap_or("none"),
    );
    let answer = async move {
        let began = Instant::now();
        let mut response = next.run(request).await;
        let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
        if response.status().is_server_error() {
            tracing::warn!(status, ms, "answered");
        } else {
            tracing::debug!(status, ms, "answered");
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    };
    answer.instrument(span).await
}

/// Nothing that could end a line of the log or be taken for another field.
fn is_id(text: &[u8]) -> bool {
    let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=MAX_ID).contains(&text.len()) && text.iter().all(plain)
}

fn fresh() -> HeaderValue {
    let text = invigil_shared::chain::hex(&clock::random::<16>());
    // Hexadecimal digits always are a value.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        assert!(is_id(b"01J9-a_b.c"));
        for bad in [b"".as_slice(), b"a b", b"a\"b", b"a=b", b"\xff", &[b'a'; MAX_ID + 1]] {
            assert!(!is_id(bad), "{bad:?}");
        }
        assert_ne!(fresh(), fresh());
    }
}
