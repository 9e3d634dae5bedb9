//! Publication -> the slots that it goes to. Only settled intents of control reach this table, and it holds nothing else,
//! so a packet can't go where no decision sent it.

use crate::core::demux::PeerKey;
use std::collections::BTreeMap;

/// A slot of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub peer: PeerKey,
    pub slot: u16,
}

/// The table of one shard.
#[derive(Debug, Default)]
pub struct ForwardTable {
    targets: BTreeMap<u64, Vec<Target>>,
}

impl ForwardTable {
    pub fn add(&mut self, publication: u64, target: Target) {
        let targets = self.targets.entry(publication).or_default();
        if let Err(at) = targets.binary_search(&target) {
            targets.insert(at, target);
        }
    }

    pub fn remove(&mut self, publication: u64, target: Target) {
        if let Some(targets) = self.targets.get_mut(&publication) {
            targets.retain(|other| *other != target);
            if targets.is_empty() {
                self.targets.remove(&publication);
            }
        }
    }

    /// Forgets a publication.
    pub fn remove_publication(&mut self, publication: u64) {
        self.targets.remove(&publication);
    }

    /// Where a publication goes, transport by transport.
    pub fn targets(&self, publication: u64) -> &[Target] {
        self.targets.get(&publication).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stands_once_and_goes_for_good() {
        let mut table = ForwardTable::default();
        let target = Target { peer: 3, slot: 1 };
        table.add(7, target);
        table.add(7, target);
        table.add(7, Target { peer: 1, slot: 9 });
        assert_eq!(table.targets(7), [Target { peer: 1, slot: 9 }, target]);
        table.remove(7, target);
        assert_eq!(table.targets(7).len(), 1);
        assert!(table.targets(8).is_empty());
        table.remove_publication(7);
        assert!(table.targets(7).is_empty());
    }
}
