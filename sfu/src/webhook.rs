//! Tells institutions' systems what happens. Each webhook has its place in the audit log and among the incidents, and is told what comes after it,
//! in order, one event at a time; an event that it did not take is told again until it does. So every event arrives at least once, with
//! the same id each time.

mod event;
mod send;
mod sign;

pub use send::{Sender, Taken};
pub use sign::shown;

use crate::auth::secret::SecretHasher;
use crate::clock;
use crate::shutdown::ShutdownSignal;
use crate::store::webhooks::{Progress, WebhookRecord};
use crate::store::{Store, Stored};
use invigil_shared::webhook::Event;
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often is looked whether something happened.
const EVERY: Duration = Duration::from_secs(1);
/// What was not delivered is tried again after so many seconds; after the last one the webhook is stopped (about three days in all, as
/// the specification proposes).
const AGAIN_S: [i64; 10] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// One server tells a webhook for so long before it looks at the others' again.
const TURN: Duration = Duration::from_secs(60);
/// Longer than a turn with its last request: another server takes over from one that has died.
const LEASE_US: i64 = 5 * 60 * 1_000_000;
/// A server that stops waits so long for what is on its way.
pub const LONGEST: Duration = send::DEADLINE.saturating_add(Duration::from_secs(5));
/// Records and incidents that are read at once.
const PAGE: usize = 100;

/// What tells them.
pub struct Webhooks {
    store: Arc<dyn Store>,
    secrets: SecretHasher,
    sender: Sender,
    /// A turn ends after the event that is on its way.
    stopping: AtomicBool,
}

impl Webhooks {
    pub fn new(store: Arc<dyn Store>, secrets: SecretHasher, sender: Sender) -> Self {
        let stopping = AtomicBool::new(false);
        Self {
            store,
            secrets,
            sender,
            stopping,
        }
    }

    /// Tells what happens until the server stops.
    pub async fn tell(self: Arc<Self>, mut shutdown: ShutdownSignal) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // A webhook has one turn at a time: its lease is held until it ends.
        let mut turns = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.begun() => break,
                Some(_) = turns.join_next() => continue,
                _ = ticks.tick() => {}
            }
            match self.due().await {
                Ok(due) => {
                    for webhook in due {
                        turns.spawn(Arc::clone(&self).turn(webhook));
                    }
                }
                Err(error) => tracing::warn!(%error, "webhooks were not looked at"),
            }
        }
        self.stopping.store(true, Ordering::Release);
        while turns.join_next().await.is_some() {}
    }

    /// Those that have something to be told, leased to this server.
    async fn due(&self) -> Stored<Vec<WebhookRecord>> {
        let now = clock::now_us();
        let (mut due, mut heads) = (Vec::new(), None);
        for webhook in self.store.webhooks().await? {
            if webhook.stopped.is_some() || webhook.progress.next_at > now {
                continue;
            }
            let (log, incident) = match heads {
                Some(heads) => heads,
                None => *heads.insert((self.store.audit_head().await?.seq, self.store.last_incident().await?)),
            };
            let told = webhook.progress.audit_seq >= log && webhook.progress.incident_seq >= incident;
            if !told && self.store.lease_webhook(webhook.id, now, now + LEASE_US).await? {
                // As it is now: another server may have told it since it was read.
                due.extend(self.store.webhook(webhook.id).await?);
            }
        }
        Ok(due)
    }

    async fn turn(self: Arc<Self>, webhook: WebhookRecord) {
        let (id, mut progress) = (webhook.id, webhook.progress.clone());
        let stopped = match self.tell_one(&webhook, &mut progress).await {
            Ok(stopped) => stopped,
            Err(error) => {
                tracing::warn!(%error, webhook = %id, "what a webhook should be told was not read");
                None
            }
        };
        if let Some(reason) = stopped {
            tracing::error!(webhook = %id, reason, "a webhook is not told any more until an admin lets it go on");
        }
        if let Err(error) = self.store.settle_webhook(id, progress, stopped).await {
            tracing::error!(%error, webhook = %id, "how far a webhook was told is not stored: it is told again");
        }
    }

    fn is_over(&self, begun: Instant) -> bool {
        begun.elapsed() >= TURN || self.stopping.load(Ordering::Acquire)
    }

    /// Says why it should not be told any more, if so.
    async fn tell_one(&self, webhook: &WebhookRecord, progress: &mut Progress) -> Stored<Option<&'static str>> {
        let begun = Instant::now();
        while !self.is_over(begun) {
            let records = self.store.audit_records(progress.audit_seq, PAGE).await?;
            for record in &records {
                let told = event::of_record(record);
                if let Some(event) = told.filter(|event| wants(webhook, event)) {
                    let stopped = self
                        .deliver(webhook, &format!("evt_a{}", record.seq), &event, progress)
                        .await;
                    if progress.attempts > 0 || self.is_over(begun) {
                        progress.audit_seq = record.seq - u64::from(progress.attempts > 0);
                        return Ok(stopped);
                    }
                }
                progress.audit_seq = record.seq;
            }
            let incidents = self.store.incidents(progress.incident_seq, PAGE).await?;
            for incident in &incidents {
                let told = event::of_incident(incident);
                if let Some(event) = told.filter(|event| wants(webhook, event)) {
                    let stopped = self
                        .deliver(webhook, &format!("evt_i{}", incident.seq), &event, progress)
                        .await;
                    if progress.attempts > 0 || self.is_over(begun) {
                        progress.incident_seq = incident.seq - u64::from(progress.attempts > 0);
                        return Ok(stopped);
                    }
                }
                progress.incident_seq = incident.seq;
            }
            if records.len() < PAGE && incidents.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// Sends one event, and notes in `progress` whether it was taken.
    async fn deliver(
        &self,
        webhook: &WebhookRecord,
        id: &str,
        event: &Event,
        progress: &mut Progress,
    ) -> Option<&'static str> {
        let taken = self.send(webhook, id, event).await;
        let now = clock::now_us();
        if taken.is_taken() {
            (progress.attempts, progress.next_at, progress.last_error) = (0, 0, None);
            progress.delivered_at = Some(now);
            return None;
        }
        let after = usize::try_from(progress.attempts)
            .ok()
            .and_then(|tries| AGAIN_S.get(tries));
        progress.attempts = progress.attempts.saturating_add(1);
        progress.last_error = taken.error();
        // Not all at once to a receiver that comes back.
        let spread = |s: i64| s * 1_000_000 + rand::rng().random_range(0..=s * 200_000);
        progress.next_at = now.saturating_add(after.map_or(0, |s| spread(*s)));
        match (taken, after) {
            (Taken::Refused(410), _) => Some("gone"),
            (_, None) => Some("failed"),
            _ => None,
        }
    }

    /// Sends one event now.
    pub async fn send(&self, webhook: &WebhookRecord, id: &str, event: &Event) -> Taken {
        let key = self.secrets.webhook(&webhook.salt);
        self.sender.send(&webhook.url, &key, id, event).await
    }
}

fn wants(webhook: &WebhookRecord, event: &Event) -> bool {
    webhook.kinds.is_empty() || webhook.kinds.contains(&event.kind)
}
