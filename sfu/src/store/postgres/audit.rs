//! The audit log's table.

use super::PostgresStore;
use crate::store::audit::{self, Action, Actor, AuditHead, AuditTable, Record};
use crate::store::rows::{all, audit_head as last, limit, record, sql_seq};
use crate::store::{AuditStore, Store, Stored};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::PgConnection;
use std::sync::Arc;

const LAST: &str = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";

#[async_trait]
impl AuditTable for PgConnection {
    async fn audit_head(&mut self) -> Stored<AuditHead> {
        let row = sqlx::query(LAST).fetch_optional(self).await?;
        last(row.as_ref())
    }

    async fn add_record(&mut self, record: &Record) -> Stored<()> {
        sqlx::query(
            "INSERT INTO audit (seq, prev, hash, salt, record_hash, at, actor, role, action, target, metadata, address) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(sql_seq(record.seq)?)
        .bind(record.prev.0.to_vec())
        .bind(record.hash.0.to_vec())
        .bind(&record.salt)
        .bind(record.record_hash.0.to_vec())
        .bind(record.at)
        .bind(&record.actor)
        .bind(&record.role)
        .bind(&record.action)
        .bind(&record.target)
        .bind(&record.metadata)
        .bind(&record.address)
        .execute(self)
        .await?;
        Ok(())
    }
}

#[async_trait]
impl AuditStore for PostgresStore {
    fn acting(&self, actor: Actor) -> Arc<dyn Store> {
        Arc::new(Self {
            actor: Arc::new(actor),
            ..self.clone()
        })
    }

    async fn note(&self, action: Action, target: String, metadata: Value) -> Stored<()> {
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move { audit::record(connection, &actor, action, target, &metadata).await })
            })
            .await
    }

    async fn audit_head(&self) -> Stored<AuditHead> {
        let row = sqlx::query(LAST).fetch_optional(&self.readers).await?;
        last(row.as_ref())
    }

    async fn audit_records(&self, after: u64, count: usize) -> Stored<Vec<Record>> {
        let query = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2");
        let query = query.bind(sql_seq(after)?).bind(limit(count));
        all(&query.fetch_all(&self.readers).await?, record)
    }
}
