//! Who is told what happens, how far each has been told, and what a human should look at. What is told is read from what is committed anyway,
//! the audit log and the incidents, so that nothing is told that is not so, and nothing that is so can be forgotten.

use crate::store::Stored;
use crate::store::append::word;
use crate::store::once::{Once, Outcome};
use async_trait::async_trait;
use invigil_shared::id::{ExamId, SessionId, WebhookId};
use invigil_shared::timeline::Severity;
use invigil_shared::webhook::EventKind;

/// Webhooks that a server has.
pub const MAX_WEBHOOKS: usize = 20;

/// Something that a human should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIncident {
    pub exam: ExamId,
    pub session: SessionId,
    /// As the protocol writes it.
    pub kind: String,
    pub severity: Severity,
    pub at: i64,
}

impl NewIncident {
    pub(super) fn severity_text(&self) -> String {
        word(&self.severity).unwrap_or_default()
    }
}

/// The same as stored; empty once it was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Rises with each.
    pub seq: u64,
    pub exam: ExamId,
    pub session: SessionId,
    pub kind: String,
    pub severity: String,
    pub at: i64,
}

/// How far one has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub audit_seq: u64,
    pub incident_seq: u64,
    /// Tries that failed since the last that did not.
    pub attempts: u32,
    /// Not told again before.
    pub next_at: i64,
    pub last_error: Option<String>,
    pub delivered_at: Option<i64>,
}

/// A webhook as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    pub id: WebhookId,
    pub url: String,
    /// Empty: everything.
    pub kinds: Vec<EventKind>,
    pub salt: Vec<u8>,
    pub created_at: i64,
    pub stopped: Option<String>,
    pub progress: Progress,
}

#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// It is told what happens from now on. [`crate::store::StoreError::Full`] when there are [`MAX_WEBHOOKS`].
    async fn add_webhook(&self, new: WebhookRecord, once: Option<Once>) -> Stored<Outcome>;
    /// All of them, in the order in which they were added.
    async fn webhooks(&self) -> Stored<Vec<WebhookRecord>>;
    async fn webhook(&self, id: WebhookId) -> Stored<Option<WebhookRecord>>;
    /// Changes address, wishes and whether it is told; one that goes on is told at once. False when there is none.
    async fn change_webhook(&self, changed: WebhookRecord) -> Stored<bool>;
    async fn remove_webhook(&self, id: WebhookId) -> Stored<bool>;
    /// Takes one for this server alone until then; false when it is another's, is not due, or is stopped.
    async fn lease_webhook(&self, id: WebhookId, now: i64, until: i64) -> Stored<bool>;
    /// Gives it back, with how far it came; `stopped` says that it is not told any more, and why.
    async fn settle_webhook(&self, id: WebhookId, progress: Progress, stopped: Option<&'static str>) -> Stored<()>;
    /// Number of the last one; 0 when there is none.
    async fn last_incident(&self) -> Stored<u64>;
    /// Incidents after a number, in order.
    async fn incidents(&self, after: u64, count: usize) -> Stored<Vec<Incident>>;
}
