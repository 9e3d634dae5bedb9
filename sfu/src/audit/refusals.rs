//! Wrong passwords and secrets, counted: whoever guesses writes one record a minute for each address, not one for each guess.

use crate::store::audit::{Action, Actor};
use crate::store::{Store, Stored};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses that are counted apart between two checkpoints; the rest are counted together.
const MAX_ADDRESSES: usize = 256;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    SignIn,
    Join,
    ApiKey,
}

/// Refusals that the log does not have yet.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<(Refused, Option<IpAddr>), u64>>);

impl Refusals {
    pub fn count(&self, refused: Refused, address: IpAddr) {
        let mut counts = self.0.lock();
        let key = (refused, Some(address.to_canonical()));
        let key = if counts.contains_key(&key) || counts.len() < MAX_ADDRESSES {
            key
        } else {
            (refused, None)
        };
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    /// Writes what was counted; what the store refuses is counted on.
    pub(super) async fn write(&self, store: &dyn Store) -> Stored<()> {
        while let Some(((refused, address), count)) = self.take() {
            let action = match refused {
                Refused::SignIn => Action::SignInRefused,
                Refused::Join => Action::JoinRefused,
                Refused::ApiKey => Action::ApiKeyRefused,
            };
            let store = store.acting(Actor::unknown(address));
            let noted = store.note(action, String::new(), json!({ "count": count })).await;
            if noted.is_err() {
                let mut counts = self.0.lock();
                let again = counts.entry((refused, address)).or_default();
                *again = again.saturating_add(count);
                return noted;
            }
        }
        Ok(())
    }

    fn take(&self) -> Option<((Refused, Option<IpAddr>), u64)> {
        self.0.lock().pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_addresses_are_counted_together() {
        let refusals = Refusals::default();
        for n in 0..1_000_u32 {
            refusals.count(Refused::Join, IpAddr::from(n.to_be_bytes()));
            refusals.count(Refused::Join, IpAddr::from(7_u32.to_be_bytes()));
        }
        let counts = refusals.0.lock();
        assert_eq!(counts.len(), MAX_ADDRESSES + 1);
        assert_eq!(counts.values().sum::<u64>(), 2_000);
        assert!(counts[&(Refused::Join, Some(IpAddr::from(7_u32.to_be_bytes())))] >= 1_000);
    }
}
