//! Identifiers: UUIDv7 (RFC 9562 section 5.7), made by us, never a database's counter.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use ts_rs::TS;
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(transparent)]
        #[ts(export, type = "string")]
        pub struct $name(pub Uuid);

        impl $name {
            /// Builds an id from milliseconds since the Unix epoch and 10 random bytes; both are passed in.
            pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }
        }
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!(stringify!($name), "({})"), self.0) }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> { Uuid::parse_str(s).map(Self) }
        }
    )*};
}

id! {
    /// What is sat.
    ExamId,
    /// A candidate who may sit an exam.
    RosterEntryId,
    /// One candidate's sitting of one exam; survives reconnects, crashes and restarts.
    SessionId,
    /// Someone connected to a room. A candidate's participant id is stable for its session.
    ParticipantId,
    /// A person with an account: proctor, lead, reviewer, admin.
    UserId,
    /// A key of an institution's system.
    ApiKeyId,
    /// One ICE + DTLS + SRTP association with a participant.
    TransportId,
    /// A text between people.
    MessageId,
    /// What a client asks for once, however often it sends it.
    RequestId,
    /// One line of a timeline.
    TimelineEntryId,
    /// What a human or a rule made of one or more integrity events.
    IncidentId,
    /// Where an institution's system is told what happens.
    WebhookId,
    /// One stay of somebody in a room.
    ParticipationId,
    /// One start of a client's machine, as that client reports it.
    BootId,
}
