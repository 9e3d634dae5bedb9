//! Webhooks: where an institution's systems are told what happens (the bodies and headers of <https://www.standardwebhooks.com>).

use crate::id::WebhookId;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// What an event is about. Its name is the wire's, and is never changed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[ts(export)]
pub enum EventKind {
    /// An exam was made.
    #[serde(rename = "exam.created")]
    ExamCreated,
    /// Title, times, policy or places were edited.
    #[serde(rename = "exam.edited")]
    ExamEdited,
    /// Its status changed: `from`, `to`.
    #[serde(rename = "exam.changed")]
    ExamChanged,
    /// A candidate came into the room for the first time.
    #[serde(rename = "session.entered")]
    SessionEntered,
    /// A step of one sitting: `step`.
    #[serde(rename = "session.changed")]
    SessionChanged,
    /// Handed in.
    #[serde(rename = "session.finished")]
    SessionFinished,
    /// Access was taken away.
    #[serde(rename = "session.revoked")]
    SessionRevoked,
    #[serde(rename = "session.reinstated")]
    SessionReinstated,
    /// What was kept of a candidate was erased.
    #[serde(rename = "candidate.erased")]
    CandidateErased,
    /// Something that a human should look at: `kind`, `severity`.
    #[serde(rename = "incident.noticed")]
    IncidentNoticed,
    /// Nothing has happened: an admin asked whether it arrives.
    #[serde(rename = "ping")]
    Ping,
}

impl EventKind {
    pub const ALL: [Self; 11] = [
        Self::ExamCreated,
        Self::ExamEdited,
        Self::ExamChanged,
        Self::SessionEntered,
        Self::SessionChanged,
        Self::SessionFinished,
        Self::SessionRevoked,
        Self::SessionReinstated,
        Self::CandidateErased,
        Self::IncidentNoticed,
        Self::Ping,
    ];
}

/// `POST /api/v1/webhooks` (admin).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWebhook {
    /// `https://…`, at most 2,000 characters, without a password in it.
    pub url: String,
    /// What it wants; empty: everything.
    #[serde(default)]
    pub kinds: Vec<EventKind>,
}

/// `PATCH /api/v1/webhooks/{webhook}`: what is left out stays.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookEdit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<EventKind>>,
    /// False stops it; true goes on where it stopped, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// `GET /api/v1/webhooks`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct WebhookInfo {
    pub id: WebhookId,
    pub url: String,
    pub kinds: Vec<EventKind>,
    /// Why it is not told any more: `asked`, `gone` (it answered 410), `failed` (for about three days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Microseconds since the Unix epoch, as all times.
    pub created_at: i64,
    pub delivered_at: Option<i64>,
    /// Tries that failed since the last that did not, why the last one did, and when the next one is.
    pub attempts: u32,
    pub last_error: Option<String>,
    pub next_at: Option<i64>,
}

/// Answer to `POST /api/v1/webhooks`. The secret is told this once.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSecret {
    #[serde(flatten)]
    pub webhook: WebhookInfo,
    /// `whsec_` and base64: the key of the signatures.
    pub secret: String,
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret")
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// Answer to `POST /api/v1/webhooks/{webhook}/test`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct WebhookTest {
    /// It took the event.
    pub taken: bool,
    /// Its status, when it answered.
    pub status: Option<u16>,
    /// Why it did not take it, for people.
    pub error: Option<String>,
}

/// Body of every event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When it happened: microseconds since the Unix epoch, UTC.
    pub at: i64,
    /// Ids and facts, never names.
    pub data: serde_json::Value,
}
