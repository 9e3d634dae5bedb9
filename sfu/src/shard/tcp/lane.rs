//! Where connections and the shard's thread meet: a gate for the tasks, a lane for the thread.

use super::line::{Line, number};
use crate::core::Shard;
use crate::shard::ShardId;
use crate::shard::waker::Waker;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

/// Connections that are read before datagrams, letters and timers get their turn. Each has at most one buffer of 8 KiB.
const ROUND: usize = 32;
/// The address of ours that connections use, as the core sees it. No socket has it, so what leaves for a connection is never
/// taken for a datagram of a UDP socket.
pub(in crate::shard) const LOCAL: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, u32::MAX, 0));

struct Shared {
    shard: ShardId,
    waker: Arc<Waker>,
    next: AtomicU32,
    /// Connections with frames to be read, or that have ended: each at most once, so the cap of connections bounds it.
    arrivals: Mutex<VecDeque<Arc<Line>>>,
    /// There is something in `arrivals`.
    any: AtomicBool,
    /// The shard's thread has ended.
    closed: AtomicBool,
    /// What clients are told, and the listeners until somebody serves them.
    announced: Vec<SocketAddr>,
    listeners: Mutex<Vec<std::net::TcpListener>>,
}

/// The tasks' side of a shard. Cheap to clone.
#[derive(Clone)]
pub struct TcpGate(Arc<Shared>);

/// The thread's side.
pub(in crate::shard) struct TcpLane {
    shared: Arc<Shared>,
    /// Connections that belong to a transport, by number.
    lines: HashMap<u32, Arc<Line>>,
    /// What was in `arrivals`.
    taken: VecDeque<Arc<Line>>,
}

/// Makes both sides.
pub(in crate::shard) fn lane(
    shard: ShardId,
    waker: Arc<Waker>,
    announced: Vec<SocketAddr>,
    listeners: Vec<std::net::TcpListener>,
) -> (TcpGate, TcpLane) {
    let shared = Arc::new(Shared {
        shard,
        waker,
        next: AtomicU32::new(1),
        arrivals: Mutex::default(),
        any: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        announced,
        listeners: Mutex::new(listeners),
    });
    let lane = TcpLane {
        shared: Arc::clone(&shared),
        lines: HashMap::new(),
        taken: VecDeque::new(),
    };
    (TcpGate(shared), lane)
}

impl TcpGate {
    /// Whose gate it is.
    pub fn shard(&self) -> ShardId {
        self.0.shard
    }

    /// The addresses that clients reach the shard's own TCP port by.
    pub fn announced(&self) -> &[SocketAddr] {
        &self.0.announced
    }

    /// The shard's listeners; whoever takes them serves them.
    pub(super) fn take_listeners(&self) -> Vec<std::net::TcpListener> {
        std::mem::take(&mut self.0.listeners.lock())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    pub(super) fn open(&self, peer: SocketAddr) -> Arc<Line> {
        // 0 is no label, the last is ours. After four thousand million connections the first has long ended.
        let id = loop {
            let id = self.0.next.fetch_add(1, Ordering::Relaxed);
            if id != 0 && id != u32::MAX {
                break id;
            }
        };
        Arc::new(Line::new(id, peer))
    }

    /// The shard should look at the connection.
    pub(super) fn announce(&self, line: &Arc<Line>) {
        {
            let mut arrivals = self.0.arrivals.lock();
            // Looked at under the lock: the thread closes under it too, so no connection waits for a thread that is gone.
            if self.is_closed() {
                line.refuse();
                return;
            }
            arrivals.push_back(Arc::clone(line));
            self.0.any.store(true, Ordering::Release);
        }
        self.0.waker.wake();
    }
}

impl TcpLane {
    /// Has the core read what connections have brought ([`Shard::fan_out`] has to follow); true when more may be waiting. Costs one
    /// load when there is nothing.
    pub fn receive(&mut self, core: &mut Shard) -> bool {
        if self.taken.is_empty() {
            if !self.shared.any.load(Ordering::Acquire) {
                return false;
            }
            let mut arrivals = self.shared.arrivals.lock();
            self.shared.any.store(false, Ordering::Release);
            std::mem::swap(&mut *arrivals, &mut self.taken);
        }
        for _ in 0..ROUND {
            let Some(line) = self.taken.pop_front() else { break };
            if line.has_ended() {
                self.lines.remove(&line.id);
            } else {
                self.read(&line, core);
            }
        }
        !self.taken.is_empty()
    }

    fn read(&mut self, line: &Arc<Line>, core: &mut Shard) {
        let now = Instant::now();
        let mut frames = line.inbound.lock();
        super::each_frame(&mut frames, |datagram| {
            core.read(now, line.source, LOCAL, datagram);
        });
        frames.clear();
        drop(frames);
        if core.knows(line.source) {
            self.lines.entry(line.id).or_insert_with(|| Arc::clone(line));
            line.read.notify_one();
        } else {
            // A stranger, or its transport is gone.
            line.refuse();
        }
    }

    /// Queues what the core has for connections.
    pub fn transmit(&mut self, core: &Shard) {
        if self.lines.is_empty() {
            return;
        }
        for batch in core.transmits() {
            for run in batch.runs().iter().filter(|run| run.source == LOCAL) {
                if let Some(line) = number(run.destination).and_then(|id| self.lines.get(&id)) {
                    line.send(batch.datagrams(run));
                }
            }
        }
    }
}

impl Drop for TcpLane {
    fn drop(&mut self) {
        let mut arrivals = self.shared.arrivals.lock();
        self.shared.closed.store(true, Ordering::Release);
        let waiting = arrivals.drain(..).chain(self.taken.drain(..));
        for line in waiting.chain(self.lines.drain().map(|(_, line)| line)) {
            line.refuse();
        }
    }
}
