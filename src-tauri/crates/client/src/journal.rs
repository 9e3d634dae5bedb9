//! The journal of integrity events, in memory: numbered and chained on the way out, kept until the server has committed them.
//!
//! A session may be older than this process, so that its chain's head is known only from `room:state` or `resumed`. Events
//! observed before wait unnumbered. The journal on disk has the same face and comes with its own issue.

use crate::bounds::MAX_JOURNAL;
use crate::clock::wall_us;
use crate::error::ClientError;
use invigil_shared::chain::ChainHead;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{BootId, SessionId};
use invigil_shared::integrity::{EventTime, IntegrityEvent, IntegrityKind, IntegrityPayload, Observer};
use invigil_shared::limits::{MAX_EVENT_FACTS, MAX_EVENT_PAYLOAD, MAX_EVENTS_PER_MESSAGE};
use parking_lot::Mutex;
use rand::RngCore;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Tickets whose sequence numbers are remembered, for the ends of facts that began long ago.
const REMEMBERED: usize = 1024;

/// Names an event within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventTicket(u64);

/// What was observed; the journal adds the time, the number and the link to the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventReport {
    pub kind: IntegrityKind,
    pub observer: Observer,
    /// Percent, 0 to 100.
    pub confidence: u8,
    /// For an end: its beginning.
    pub begins: Option<EventTicket>,
    /// Facts by name. At most [`MAX_EVENT_FACTS`].
    pub facts: BTreeMap<String, String>,
}

impl EventReport {
    pub fn new(kind: IntegrityKind) -> Self {
        Self {
            kind,
            observer: Observer::System,
            confidence: 100,
            begins: None,
            facts: BTreeMap::new(),
        }
    }
}

struct Waiting {
    ticket: EventTicket,
    report: EventReport,
    time: EventTime,
}

struct State {
    session: SessionId,
    boot: BootId,
    started: Instant,
    next_ticket: u64,
    /// Observed, not numbered yet: the head is unknown.
    waiting: VecDeque<Waiting>,
    head: Option<ChainHead>,
    /// Numbered, not acknowledged, in order.
    unacknowledged: VecDeque<IntegrityEvent>,
    /// Sequence number of the last event handed to the present link.
    sent: u64,
    numbers: VecDeque<(EventTicket, u64)>,
}

/// Shared between the app's handle and the client's task.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<State>>);

impl Journal {
    pub fn new(session: SessionId) -> Self {
        let mut random = [0u8; 10];
        rand::rng().fill_bytes(&mut random);
        Self(Arc::new(Mutex::new(State {
            session,
            boot: BootId::from_parts(u64::try_from(wall_us() / 1000).unwrap_or(0), random),
            started: Instant::now(),
            next_ticket: 1,
            waiting: VecDeque::new(),
            head: None,
            unacknowledged: VecDeque::new(),
            sent: 0,
            numbers: VecDeque::new(),
        })))
    }

    /// Takes an event with the clocks of this moment.
    ///
    /// # Errors
    /// `busy` when [`MAX_JOURNAL`] events wait; `too_large` when payload or facts pass their bounds.
    pub fn add(&self, report: EventReport) -> Result<EventTicket, ClientError> {
        let size: usize = report.facts.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
        // Escaping can make JSON of a byte six; what the real payload may take beyond that is below a kilobyte.
        if report.facts.len() > MAX_EVENT_FACTS || size * 6 > MAX_EVENT_PAYLOAD - 1024 {
            return Err(ClientError::Refused(ErrorCode::TooLarge.into()));
        }
        let mut state = self.0.lock();
        if state.waiting.len() + state.unacknowledged.len() >= MAX_JOURNAL {
            return Err(ClientError::Busy);
        }
        let ticket = EventTicket(state.next_ticket);
        state.next_ticket += 1;
        let monotonic_us = i64::try_from(state.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        let time = EventTime {
            boot_id: state.boot,
            monotonic_us,
            wall_us: wall_us(),
        };
        state.waiting.push_back(Waiting { ticket, report, time });
        state.number();
        Ok(ticket)
    }

    /// The server's head, on every join or return: what it has is dropped, the rest goes out again in order.
    ///
    /// # Errors
    /// `chain_fork` when the server's chain is not a beginning of ours: the events can't be appended there.
    pub fn reconcile(&self, server: ChainHead) -> Result<(), ErrorCode> {
        let mut state = self.0.lock();
        let Some(head) = state.head else {
            state.head = Some(server);
            state.sent = server.seq;
            state.number();
            return Ok(());
        };
        // Where our own chain stood at the server's number: what the next unacknowledged event continues.
        let ours = state
            .unacknowledged
            .iter()
            .find(|e| e.seq == server.seq + 1)
            .map(|e| e.prev);
        let agrees = if server.seq == head.seq {
            head.hash == server.hash
        } else {
            ours == Some(server.hash)
        };
        if !agrees {
            return Err(ErrorCode::ChainFork);
        }
        state.acknowledge(server);
        state.sent = server.seq;
        Ok(())
    }

    /// What to send next on this link: at most [`MAX_EVENTS_PER_MESSAGE`], in order. Empty when all went out.
    pub fn take_batch(&self) -> Vec<IntegrityEvent> {
        let mut state = self.0.lock();
        let sent = state.sent;
        let batch: Vec<_> = state
            .unacknowledged
            .iter()
            .filter(|e| e.seq > sent)
            .take(MAX_EVENTS_PER_MESSAGE)
            .cloned()
            .collect();
        if let Some(last) = batch.last() {
            state.sent = last.seq;
        }
        batch
    }

    /// The server has committed everything up to `head`.
    pub fn acknowledge(&self, head: ChainHead) {
        self.0.lock().acknowledge(head);
    }

    /// The server refused a batch: everything unacknowledged is to be sent again.
    pub fn rewind(&self) {
        let mut state = self.0.lock();
        state.sent = state.unacknowledged.front().map_or(state.sent, |e| e.seq - 1);
    }

    /// Events that the server has not acknowledged.
    pub fn unsent(&self) -> u32 {
        let state = self.0.lock();
        u32::try_from(state.waiting.len() + state.unacknowledged.len()).unwrap_or(u32::MAX)
    }
}

impl State {
    /// Numbers what waits, once the head is known.
    fn number(&mut self) {
        let Some(mut head) = self.head else { return };
        while let Some(waiting) = self.waiting.pop_front() {
            let begins = waiting
                .report
                .begins
                .and_then(|t| self.numbers.iter().find(|(known, _)| *known == t).map(|(_, s)| *s));
            let payload = IntegrityPayload {
                kind: waiting.report.kind,
                time: waiting.time,
                observer: waiting.report.observer,
                confidence: waiting.report.confidence.min(100),
                begins,
                facts: waiting.report.facts,
            };
            let Ok(payload) = serde_json::to_string(&payload) else {
                tracing::error!("an integrity payload can't be encoded");
                continue;
            };
            let mut salt = [0u8; 16];
            rand::rng().fill_bytes(&mut salt);
            let event = head.append(self.session, salt, payload);
            if self.numbers.len() == REMEMBERED {
                self.numbers.pop_front();
            }
            self.numbers.push_back((waiting.ticket, event.seq));
            self.unacknowledged.push_back(event);
        }
        self.head = Some(head);
    }

    fn acknowledge(&mut self, head: ChainHead) {
        while self.unacknowledged.front().is_some_and(|e| e.seq <= head.seq) {
            self.unacknowledged.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> SessionId {
        SessionId::from_parts(5, [3; 10])
    }

    /// What the server does with a batch: checks and advances, or says where it stands.
    fn commit(server: &mut ChainHead, batch: &[IntegrityEvent]) {
        for event in batch {
            server.advance(session(), event).unwrap();
        }
    }

    #[test]
    fn events_of_before_the_first_link_are_chained_to_the_servers_head() {
        let journal = Journal::new(session());
        let mut server = ChainHead::new(session());
        server.append(session(), [1; 16], "{}".to_owned()); // of an earlier process
        let lost = journal.add(EventReport::new(IntegrityKind::FocusLost)).unwrap();
        let end = EventReport {
            begins: Some(lost),
            ..EventReport::new(IntegrityKind::FocusReturned)
        };
        journal.add(end).unwrap();
        assert!(journal.take_batch().is_empty());
        journal.reconcile(server).unwrap();
        let batch = journal.take_batch();
        assert_eq!(batch.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3]);
        let payload: IntegrityPayload = serde_json::from_str(&batch[1].payload).unwrap();
        assert_eq!((payload.kind, payload.begins), (IntegrityKind::FocusReturned, Some(2)));
        commit(&mut server, &batch);
        assert!(journal.take_batch().is_empty(), "sent once a link");
        assert_eq!(journal.unsent(), 2);
        journal.acknowledge(server);
        assert_eq!(journal.unsent(), 0);
    }

    #[test]
    fn a_server_with_another_chain_is_refused() {
        let journal = Journal::new(session());
        journal.reconcile(ChainHead::new(session())).unwrap();
        journal.add(EventReport::new(IntegrityKind::ScreenLost)).unwrap();
        let mut other = ChainHead::new(session());
        other.append(session(), [9; 16], "another".to_owned());
        assert_eq!(journal.reconcile(other), Err(ErrorCode::ChainFork));
        assert_eq!(journal.unsent(), 1, "nothing is thrown away");
    }

    #[test]
    fn the_bounds_hold() {
        let journal = Journal::new(session());
        let mut large = EventReport::new(IntegrityKind::CameraLost);
        large.facts.insert("error".to_owned(), "x".repeat(MAX_EVENT_PAYLOAD));
        assert_eq!(journal.add(large).unwrap_err().code(), "too_large");
        for _ in 0..MAX_JOURNAL {
            journal.add(EventReport::new(IntegrityKind::CameraLost)).unwrap();
        }
        assert_eq!(
            journal
                .add(EventReport::new(IntegrityKind::CameraLost))
                .unwrap_err()
                .code(),
            "busy"
        );
    }

    #[test]
    fn the_largest_payload_fits_its_bound() {
        let journal = Journal::new(session());
        journal.reconcile(ChainHead::new(session())).unwrap();
        let mut report = EventReport::new(IntegrityKind::MicrophoneReturned);
        // The character that JSON escapes longest.
        report
            .facts
            .insert("f".to_owned(), "\u{1}".repeat((MAX_EVENT_PAYLOAD - 1024) / 6 - 9));
        journal.add(report).unwrap();
        assert!(journal.take_batch()[0].payload.len() <= MAX_EVENT_PAYLOAD);
    }

    proptest! {
        /// Links and acknowledgements may be lost anywhere: the server ends with every event, once, in order.
        #[test]
        fn nothing_is_lost_or_doubled(steps in prop::collection::vec((1usize..6, any::<bool>(), any::<bool>()), 1..40)) {
            let journal = Journal::new(session());
            let mut server = ChainHead::new(session());
            journal.reconcile(server).unwrap();
            let mut added = 0;
            for (events, arrives, acknowledged) in steps {
                for _ in 0..events {
                    journal.add(EventReport::new(IntegrityKind::FocusLost)).unwrap();
                    added += 1;
                }
                let batch = journal.take_batch();
                prop_assert!(batch.len() <= MAX_EVENTS_PER_MESSAGE);
                if arrives {
                    commit(&mut server, &batch);
                }
                if arrives && acknowledged {
                    journal.acknowledge(server);
                } else {
                    journal.reconcile(server).unwrap(); // the next link
                }
            }
            loop {
                let batch = journal.take_batch();
                if batch.is_empty() {
                    break;
                }
                commit(&mut server, &batch);
                journal.acknowledge(server);
            }
            prop_assert_eq!(server.seq, added);
            prop_assert_eq!(journal.unsent(), 0);
        }
    }
}
