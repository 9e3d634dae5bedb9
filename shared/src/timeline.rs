//! Timeline entries: an event, message, connection change or action, as shown and stored.

use crate::id::{MessageId, ParticipantId, TimelineEntryId};
use crate::integrity::{IntegrityKind, Observer};
use crate::sitting::SittingStep;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How urgent a human should find it. Not how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    #[serde(other)]
    Unknown,
}

/// Presence of a candidate in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Presence {
    Online,
    Degraded,
    Lost,
    Finished,
    #[serde(other)]
    Unknown,
}

/// What a candidate is told: chat stays in the dock, a warning asks for "I understand".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum MessageKind {
    Chat,
    Warning,
    #[serde(other)]
    Unknown,
}

/// Whom a broadcast is for: whoever sits the exam when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Audience {
    Everyone,
    /// Whom its author watches.
    Mine,
    #[serde(other)]
    Unknown,
}

/// How far a broadcast has come; candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Reach {
    pub recipients: u16,
    /// On whose machine it is.
    pub delivered: u16,
    pub acknowledged: u16,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "what", rename_all = "snake_case")]
#[ts(export)]
pub enum TimelineBody {
    Integrity {
        kind: IntegrityKind,
        #[ts(type = "number")]
        seq: u64,
        observer: Observer,
        confidence: u8,
        severity: Severity,
        /// For an end: the sequence number of its beginning.
        #[ts(type = "number | null")]
        begins: Option<u64>,
    },
    /// The chain had a gap or a broken link: itself an incident.
    ChainBroken {
        code: String,
        #[ts(type = "number")]
        seq: u64,
        severity: Severity,
    },
    Presence {
        presence: Presence,
    },
    Message {
        message: MessageId,
        kind: MessageKind,
        from_candidate: bool,
        text: String,
        delivered: bool,
        acknowledged: bool,
    },
    /// Words to many at once. The entry's `participant` is the author.
    Broadcast {
        message: MessageId,
        audience: Audience,
        /// The author's name.
        by: String,
        text: String,
        reach: Reach,
    },
    /// A candidate joined for the first time or came back.
    Joined {
        resumed: bool,
    },
    /// What a proctor did to the sitting, or its candidate asked for.
    Sitting {
        step: SittingStep,
        /// The proctor's name; empty for the candidate.
        by: String,
        reason: String,
        /// Extra time, minutes; 0 for other steps.
        minutes: u16,
    },
    /// The candidate was given another proctor by a lead.
    Assigned {
        /// The name of who watches from now on.
        to: String,
        /// The lead's name.
        by: String,
    },
    #[serde(other)]
    Unknown,
}

/// One line of a timeline. Times are server time, microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TimelineEntry {
    pub id: TimelineEntryId,
    /// The candidate whom it is about.
    pub participant: ParticipantId,
    pub at: i64,
    pub received_at: i64,
    pub body: TimelineBody,
}
