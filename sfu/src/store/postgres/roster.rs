//! Roster entries and the keyed hashes of their secrets.

use super::PostgresStore;
use crate::store::audit::{self, Action};
use crate::store::records::NewRosterEntry;
use crate::store::rows::{entry, one, secret_entry, to_json, unique};
use crate::store::{RosterStore, Stored};
use async_trait::async_trait;
use invigil_shared::exam::RosterEntry;
use invigil_shared::id::{ExamId, RosterEntryId};
use serde_json::json;
use std::sync::Arc;

#[async_trait]
impl RosterStore for PostgresStore {
    async fn add_entry(&self, new: NewRosterEntry) -> Stored<()> {
        let allowances = to_json(&new.entry.allowances)?;
        let actor = Arc::clone(&self.actor);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let (id, said) = (
                        new.entry.id,
                        json!({ "exam": new.entry.exam, "label": new.entry.label }),
                    );
                    sqlx::query(
                        "INSERT INTO roster (id, exam, label, seat, allowances, secret_hash, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(new.entry.id.0)
                    .bind(new.entry.exam.0)
                    .bind(new.entry.label)
                    .bind(new.entry.seat)
                    .bind(allowances)
                    .bind(new.secret_hash)
                    .bind(new.created_at)
                    .execute(&mut *connection)
                    .await
                    .map_err(unique)?;
                    audit::record(connection, &actor, Action::AddRosterEntry, id, &said).await
                })
            })
            .await
    }

    async fn entry(&self, wanted: RosterEntryId) -> Stored<Option<RosterEntry>> {
        let query = sqlx::query("SELECT * FROM roster WHERE id = $1").bind(wanted.0);
        one(query.fetch_optional(&self.readers).await?.as_ref(), entry)
    }

    async fn entry_by_label(&self, exam: ExamId, label: &str) -> Stored<Option<RosterEntry>> {
        let query = sqlx::query("SELECT * FROM roster WHERE exam = $1 AND label = $2");
        let query = query.bind(exam.0).bind(label);
        one(query.fetch_optional(&self.readers).await?.as_ref(), entry)
    }

    async fn entry_by_secret(&self, exam: ExamId, secret_hash: &[u8]) -> Stored<Option<(RosterEntry, Vec<u8>)>> {
        let query = sqlx::query("SELECT * FROM roster WHERE exam = $1 AND secret_hash = $2");
        let query = query.bind(exam.0).bind(secret_hash);
        one(query.fetch_optional(&self.readers).await?.as_ref(), secret_entry)
    }
}
