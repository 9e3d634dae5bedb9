//! Webhooks and incidents.

use super::SqliteStore;
use crate::store::audit::{self, Action};
use crate::store::once::{self, Once, Outcome};
use crate::store::rows::{Columns, all, incident, limit, one, seq, sql_seq, to_json, webhook};
use crate::store::webhooks::{Incident, MAX_WEBHOOKS, NewIncident, Progress, WebhookRecord, WebhookStore};
use crate::store::{StoreError, Stored};
use async_trait::async_trait;
use invigil_shared::id::WebhookId;
use serde_json::json;
use sqlx::SqliteConnection;
use std::sync::Arc;

const HEADS: &str = "SELECT (SELECT count(*) FROM webhooks) AS held, (SELECT coalesce(max(seq), 0) FROM audit) AS audit_seq, \
                     (SELECT coalesce(max(seq), 0) FROM incidents) AS incident_seq";

pub(super) async fn insert(connection: &mut SqliteConnection, new: NewIncident) -> Stored<()> {
    let severity = new.severity_text();
    sqlx::query(
        "INSERT INTO incidents (seq, exam, session, kind, severity, at) \
         VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM incidents), ?, ?, ?, ?, ?)",
    )
    .bind(new.exam.to_string())
    .bind(new.session.to_string())
    .bind(new.kind)
    .bind(severity)
    .bind(new.at)
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn add_webhook(&self, new: WebhookRecord, once: Option<Once>) -> Stored<Outcome> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(before) = once::begin(connection, once.as_ref()).await? {
                        return Ok(before);
                    }
                    let heads = sqlx::query(HEADS).fetch_one(&mut *connection).await?;
                    if heads.integer("held")? >= limit(MAX_WEBHOOKS) {
                        return Err(StoreError::Full {
                            capacity: limit(MAX_WEBHOOKS),
                        });
                    }
                    sqlx::query(
                        "INSERT INTO webhooks (id, url, kinds, salt, created_at, audit_seq, incident_seq) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(new.id.to_string())
                    .bind(&new.url)
                    .bind(to_json(&new.kinds)?)
                    .bind(&new.salt)
                    .bind(new.created_at)
                    .bind(heads.integer("audit_seq")?)
                    .bind(heads.integer("incident_seq")?)
                    .execute(&mut *connection)
                    .await?;
                    let said = json!({ "url": new.url, "kinds": new.kinds });
                    audit::record(connection, &actor, Action::AddWebhook, new.id, &said).await?;
                    Ok(Outcome::Done)
                })
            })
            .await
    }

    async fn webhooks(&self) -> Stored<Vec<WebhookRecord>> {
        let query = sqlx::query("SELECT * FROM webhooks ORDER BY id LIMIT ?").bind(limit(MAX_WEBHOOKS));
        all(&query.fetch_all(&self.readers).await?, webhook)
    }

    async fn webhook(&self, wanted: WebhookId) -> Stored<Option<WebhookRecord>> {
        let query = sqlx::query("SELECT * FROM webhooks WHERE id = ?").bind(wanted.to_string());
        one(query.fetch_optional(&self.readers).await?.as_ref(), webhook)
    }

    async fn change_webhook(&self, changed: WebhookRecord) -> Stored<bool> {
        let kinds = to_json(&changed.kinds)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let said =
                        json!({ "url": changed.url, "kinds": changed.kinds, "active": changed.stopped.is_none() });
                    let query = sqlx::query(
                        "UPDATE webhooks SET url = ?, kinds = ?, stopped = ?, attempts = 0, next_at = 0 WHERE id = ?",
                    );
                    let done = query
                        .bind(changed.url)
                        .bind(kinds)
                        .bind(changed.stopped)
                        .bind(changed.id.to_string())
                        .execute(&mut *connection)
                        .await?;
                    if done.rows_affected() == 0 {
                        return Ok(false);
                    }
                    audit::record(connection, &actor, Action::ChangeWebhook, changed.id, &said).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn remove_webhook(&self, id: WebhookId) -> Stored<bool> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query("DELETE FROM webhooks WHERE id = ?").bind(id.to_string());
                    if query.execute(&mut *connection).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                    audit::record(connection, &actor, Action::RemoveWebhook, id, &json!({})).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn lease_webhook(&self, id: WebhookId, now: i64, until: i64) -> Stored<bool> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(
                        "UPDATE webhooks SET leased_until = ? WHERE id = ? AND leased_until <= ? AND next_at <= ? AND stopped IS NULL",
                    );
                    let query = query.bind(until).bind(id.to_string()).bind(now).bind(now);
                    Ok(query.execute(connection).await?.rows_affected() > 0)
                })
            })
            .await
    }

    async fn settle_webhook(&self, id: WebhookId, progress: Progress, stopped: Option<&'static str>) -> Stored<()> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE webhooks SET audit_seq = ?, incident_seq = ?, attempts = ?, next_at = ?, last_error = ?, \
                         delivered_at = ?, leased_until = 0, stopped = coalesce(stopped, ?) WHERE id = ?",
                    )
                    .bind(sql_seq(progress.audit_seq)?)
                    .bind(sql_seq(progress.incident_seq)?)
                    .bind(i64::from(progress.attempts))
                    .bind(progress.next_at)
                    .bind(progress.last_error)
                    .bind(progress.delivered_at)
                    .bind(stopped)
                    .bind(id.to_string())
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn last_incident(&self) -> Stored<u64> {
        let query = sqlx::query("SELECT coalesce(max(seq), 0) AS seq FROM incidents");
        seq(&query.fetch_one(&self.readers).await?, "seq")
    }

    async fn incidents(&self, after: u64, count: usize) -> Stored<Vec<Incident>> {
        let query = sqlx::query("SELECT * FROM incidents WHERE seq > ? ORDER BY seq LIMIT ?");
        let query = query.bind(sql_seq(after)?).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, incident)
    }
}
