//! Header fields that decide about a request before it is carried out: `If-Match` and `Accept` (RFC 9110 sections 13.1.1, 12.5.1).

use crate::control::browser::Precondition;
use axum::http::{HeaderMap, header};

/// What `If-Match` requires; none when it is missing. Weak tags match nothing (RFC 9110 section 8.8.3.2).
pub fn precondition(headers: &HeaderMap) -> Option<Precondition> {
    let mut tags = Vec::new();
    let mut given = headers.get_all(header::IF_MATCH).iter().peekable();
    given.peek()?;
    for item in given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let item = item.trim();
        // RFC 9725's own example has the asterisk in quotes.
        if item == "*" || item == "\"*\"" {
            return Some(Precondition::Any);
        }
        let strong = item.strip_prefix('"').and_then(|item| item.strip_suffix('"'));
        tags.extend(strong.map(str::to_owned));
    }
    Some(Precondition::OneOf(tags))
}

/// Whether `Accept` lets an answer be of the type `wanted`. A request without one takes anything.
pub fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut given = headers.get_all(header::ACCEPT).iter().peekable();
    if given.peek().is_none() {
        return true;
    }
    let group = wanted.split('/').next().unwrap_or_default();
    let fits = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        !refused && (essence == wanted || essence == "*/*" || essence == format!("{group}/*"))
    };
    given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn if_match_is_any_or_strong_tags() {
        let of = |values: &[&str]| match precondition(&headers(&header::IF_MATCH, values)) {
            None => "missing".to_owned(),
            Some(Precondition::Any) => "any".to_owned(),
            Some(Precondition::OneOf(tags)) => tags.join(" "),
        };
        for (given, expected) in [
            (&[][..], "missing"),
            (&["*"], "any"),
            (&["\"*\""], "any"),
            (&["\"a\""], "a"),
            (&["\"a\", W/\"b\" ,\"c\"", "\"d\""], "a c d"),
            (&["a"], ""),
            (&[""], ""),
            (&["\""], ""),
        ] {
            assert_eq!(of(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_type_is_accepted_by_name_by_group_and_by_default() {
        let takes = |values: &[&str]| accepts(&headers(&header::ACCEPT, values), "application/sdp");
        for yes in [
            &[][..],
            &["*/*"],
            &["application/*;q=0.1"],
            &["text/html, Application/SDP"],
            &["text/html", "application/sdp; q=1"],
        ] {
            assert!(takes(yes), "{yes:?}");
        }
        for no in [
            &["text/html"][..],
            &["application/sdp;q=0"],
            &["application/json, text/*"],
            &[""],
        ] {
            assert!(!takes(no), "{no:?}");
        }
    }
}
