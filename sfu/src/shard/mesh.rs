//! The rings between all shards of a process, and each shard's end of them.

use crate::core::Shard;
use crate::core::relay::RelayMessage;
use crate::shard::ShardId;
use crate::shard::ring::{Ring, Taken};
use crate::shard::waker::Waker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

struct Link {
    sibling: ShardId,
    outgoing: Arc<Ring>,
    incoming: Arc<Ring>,
    waker: Arc<Waker>,
    taken: Taken,
    /// Collected for the next [`Ring::put`].
    messages: VecDeque<RelayMessage>,
    /// The sibling has ended.
    over: bool,
}

/// A shard's end of the rings from and to its siblings.
#[derive(Default)]
pub(super) struct Port {
    links: Vec<Link>,
    told_dropped: u64,
}

/// Connects every shard with every other; one port for each, in order.
pub(super) fn mesh(shards: &[(ShardId, Arc<Waker>)]) -> Vec<Port> {
    let rings: Vec<Vec<Arc<Ring>>> = shards
        .iter()
        .map(|_| shards.iter().map(|_| Arc::default()).collect())
        .collect();
    let port = |own: usize| {
        let others = shards.iter().enumerate().filter(|(other, _)| *other != own);
        let links = others.map(|(other, (sibling, waker))| Link {
            sibling: *sibling,
            outgoing: Arc::clone(&rings[own][other]),
            incoming: Arc::clone(&rings[other][own]),
            waker: Arc::clone(waker),
            taken: Taken::default(),
            messages: VecDeque::new(),
            over: false,
        });
        Port {
            links: links.collect(),
            told_dropped: 0,
        }
    };
    (0..shards.len()).map(port).collect()
}

impl Port {
    /// Hands to the core what siblings have sent. Call it between taking control's letters and reading them: what a letter
    /// presupposes of a sibling has arrived then.
    pub fn read(&mut self, now: Instant, core: &mut Shard) {
        for link in &mut self.links {
            // Looked at first: what a sibling sent before its end is not lost.
            link.over = link.incoming.is_closed();
            if link.incoming.take(&mut link.taken) {
                if std::mem::take(&mut link.taken.overrun) {
                    tracing::warn!(sibling = %link.sibling, "messages of a sibling were lost, asking for everything again");
                    core.handle_sibling_overrun(now, link.sibling);
                }
                while let Some(message) = link.taken.messages.pop_front() {
                    core.handle_relay(now, link.sibling, message);
                }
                core.read_relayed(now, link.sibling, &mut link.taken.packets);
            }
            if link.over {
                core.handle_sibling_lost(now, link.sibling);
            }
        }
        self.links.retain(|link| !link.over);
    }

    /// Passes on what the core has for siblings, and wakes those that have got something.
    pub fn write(&mut self, core: &mut Shard) {
        if self.links.is_empty() {
            return;
        }
        while let Some((to, message)) = core.poll_relay() {
            if let Some(link) = self.links.iter_mut().find(|link| link.sibling == to) {
                link.messages.push_back(message);
            }
        }
        for (to, packets) in core.relays() {
            if let Some(link) = self.links.iter_mut().find(|link| link.sibling == to) {
                link.outgoing.put(&mut link.messages, Some(packets));
                link.waker.wake();
            } else {
                packets.clear();
            }
        }
        for link in self.links.iter_mut().filter(|link| !link.messages.is_empty()) {
            link.outgoing.put(&mut link.messages, None);
            link.waker.wake();
        }
    }

    /// How many more packets of siblings came too late to be forwarded, since this was last asked.
    pub fn take_dropped(&mut self, core: &Shard) -> u64 {
        let (_, dropped) = core.relayed();
        dropped - std::mem::replace(&mut self.told_dropped, dropped)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        for link in &self.links {
            link.outgoing.close();
            link.waker.wake();
        }
    }
}
