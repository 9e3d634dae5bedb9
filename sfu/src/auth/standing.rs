//! Whose tokens hold no more, in memory: the newest generation of everybody who was ever revoked. What this server changes is known at once,
//! what the command line or another server changes is read from the store soon after, so that no message needs the store.

use super::identity::{Identity, Subject};
use crate::store::people::Revocation;
use crate::store::{Store, Stored};
use invigil_shared::error::ErrorBody;
use parking_lot::RwLock;
use std::collections::HashMap;

/// Changes that are read at once.
const PAGE: usize = 1_000;

/// Whose tokens hold no more.
#[derive(Default)]
pub struct Standings {
    newest: RwLock<HashMap<Subject, u64>>,
    /// Up to which change the store was read.
    read: tokio::sync::Mutex<u64>,
}

impl Standings {
    /// # Errors
    /// The code to tell the bearer, when the token is from before a revocation.
    pub fn holds(&self, identity: &Identity) -> Result<(), ErrorBody> {
        let subject = identity.person.subject();
        match self.newest.read().get(&subject) {
            Some(&newest) if identity.generation < newest => Err(subject.revoked().into()),
            _ => Ok(()),
        }
    }

    /// Reads what has changed since the last time, and returns it. It counts already: whoever authenticates now is refused.
    pub async fn follow(&self, store: &dyn Store) -> Stored<Vec<Revocation>> {
        let mut read = self.read.lock().await;
        let mut changes = Vec::new();
        loop {
            let page = store.revocations(*read, PAGE).await?;
            let last = page.len() < PAGE;
            {
                let mut newest = self.newest.write();
                for change in &page {
                    newest.insert(change.subject, change.generation);
                    *read = change.seq;
                }
            }
            changes.extend(page);
            if last {
                return Ok(changes);
            }
        }
    }
}
