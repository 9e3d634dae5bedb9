//! The grammar of single attributes. Values come from peers and some go into our answer, so each is checked here.

use super::MAX_TOKEN;
use super::offer::MediaDirection;

/// A token (RFC 8866 section 9) short enough to be kept.
pub(super) fn token(text: &str) -> Option<&str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    (!text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(is_token)).then_some(text)
}

/// An RTP stream id: letters, digits, `-` and `_` (RFC 8851 section 10, with what browsers write).
pub(super) fn rid(text: &str) -> Option<&str> {
    token(text).filter(|text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

/// A payload type that RTCP multiplexing leaves free (RFC 5761 section 4).
pub(super) fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|pt| matches!(pt, 0..=63 | 96..=127))
}

/// `rtpmap`: payload type, name, clock rate, channels.
pub(super) fn rtpmap(value: &str) -> Option<(u8, &str, u32, u8)> {
    let (pt, format) = value.split_once(' ')?;
    let mut parts = format.trim().split('/');
    let (name, clock) = (token(parts.next()?)?, parts.next()?.parse().ok()?);
    let channels = match parts.next() {
        Some(channels) => channels.parse().ok()?,
        None => 1,
    };
    Some((payload_type(pt)?, name, clock, channels))
}

/// `fmtp` and `rtcp-fb`: a payload type (none for `*`) and printable text.
pub(super) fn for_payload(value: &str, max: usize) -> Option<(Option<u8>, &str)> {
    let (pt, text) = value.split_once(' ')?;
    let text = text.trim();
    let printable = text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let pt = if pt == "*" { None } else { Some(payload_type(pt)?) };
    printable.then_some((pt, text))
}

/// One parameter of an fmtp line, by its name in any case.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// `extmap`: the id, the direction if there is one, and the URI (RFC 8285 section 5).
pub(super) fn extmap(value: &str) -> Option<(u16, Option<MediaDirection>, &str)> {
    let mut parts = value.split(' ');
    let id = parts.next()?;
    let (id, direction) = match id.split_once('/') {
        Some((id, direction)) => (id, Some(MediaDirection::parse(direction)?)),
        None => (id, None),
    };
    let uri = parts.next()?.trim();
    (!uri.is_empty()).then_some((id.parse().ok()?, direction, uri))
}

/// `msid`: the stream and the track (RFC 8830 section 2).
pub(super) fn msid(value: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = value.split(' ').filter(|part| !part.is_empty());
    let stream = token(parts.next()?)?;
    match parts.next() {
        Some(track) => Some((stream, Some(token(track)?))),
        None => Some((stream, None)),
    }
}

/// The first alternative of each stream in the `send` part of `a=simulcast` (RFC 8853 section 5.1).
pub(super) fn simulcast_send(value: &str) -> impl Iterator<Item = &str> {
    let mut parts = value.split(' ').filter(|part| !part.is_empty());
    let mut list = "";
    while let Some(direction) = parts.next() {
        let streams = parts.next().unwrap_or_default();
        if direction == "send" {
            list = streams;
        }
    }
    list.split(';')
        .filter_map(|stream| rid(stream.split(',').next()?.trim_start_matches('~')))
}
