//! What is kept of a candidate is erased when its days are over or somebody asks, unless a hold is on it; and what was chained can still be
//! verified.

use crate::chain::{append, event};
use crate::over_both;
use crate::place::{Place, entry, exam, presence, session};
use invigil_sfu::audit::{chains, verify};
use invigil_sfu::clock::{fresh, random};
use invigil_sfu::retention::{Swept, due_at, sweep};
use invigil_sfu::store::audit::{Action, Actor};
use invigil_sfu::store::erasure::{Cause, Hold, Kept};
use invigil_sfu::store::once::Once;
use invigil_sfu::store::records::{ExamChange, NewMessage, SessionRecord, SittingChange};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::chain::{ChainHead, hex};
use invigil_shared::exam::{ExamInfo, ExamStatus, RosterEntry};
use invigil_shared::id::{ExamId, MessageId, RosterEntryId, SessionId};
use invigil_shared::role::Role;
use invigil_shared::signal::Message;
use invigil_shared::sitting::Sitting;
use invigil_shared::timeline::{MessageKind, TimelineBody};
use serde_json::json;
use std::sync::Arc;

over_both!(
    nothing_of_a_candidate_is_left_and_everything_of_the_others,
    a_hold_keeps_what_it_is_on,
    days_that_are_over_are_over,
    nothing_is_erased_while_the_exam_runs,
    whoever_empties_a_record_or_an_event_is_found,
);

const END: i64 = 1_000_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

struct Room {
    store: Arc<dyn Store>,
    exam: ExamInfo,
}

impl Room {
    async fn open(place: &Place, code: &str) -> Self {
        let store = place.open().await;
        let exam = exam(code);
        store.create_exam(exam.clone()).await.unwrap();
        Self { store, exam }
    }

    /// A candidate about whom everything is kept that can be.
    async fn candidate(&self, name: &str) -> (RosterEntry, SessionRecord, String) {
        let new = entry(self.exam.id, name);
        let listed = new.entry.clone();
        let once = Once {
            actor: "lead".into(),
            key: format!("key of {name}"),
            request: vec![1],
            salt: random::<32>().to_vec(),
            answer: serde_json::to_string(&[&listed]).unwrap(),
            at: 1,
        };
        self.store
            .add_entries(self.exam.id, vec![new], Some(once))
            .await
            .unwrap();
        let opened = SessionRecord {
            device_key: Some(random::<32>().to_vec()),
            ..session(&listed)
        };
        let device = hex(opened.device_key.as_deref().unwrap());
        let seat = self.acting(None).open_session(opened).await.unwrap();
        let own = self.acting(Some(&seat));
        assert!(own.mark_joined(seat.id, 5).await.unwrap());
        let mut head = seat.chain;
        let mut events: Vec<_> = (0..3).map(|_| event(&mut head, seat.id)).collect();
        for new in &mut events {
            new.event.payload = new.event.payload.replace("window", &format!("window of {name}"));
        }
        let mut head = seat.chain;
        for new in &mut events {
            new.event = head.append(seat.id, random(), new.event.payload.clone());
        }
        assert_eq!(own.append(append(&seat, events)).await.unwrap().broken, None);
        let message = Message {
            id: fresh(MessageId::from_parts),
            kind: MessageKind::Chat,
            candidate: seat.participant,
            from_candidate: true,
            author: name.into(),
            text: format!("{name} asks"),
            at: 9,
            acknowledged: false,
        };
        let mut told = presence(seat.participant, 9);
        told.body = TimelineBody::Message {
            message: message.id,
            kind: MessageKind::Chat,
            from_candidate: true,
            text: message.text.clone(),
            delivered: false,
            acknowledged: false,
        };
        let new = NewMessage {
            exam: self.exam.id,
            message,
            entry: told,
            once: None,
        };
        own.add_message(new).await.unwrap();
        let change = SittingChange {
            session: seat.id,
            exam: self.exam.id,
            revision: 0,
            step: "pause",
            sitting: Sitting {
                reason: format!("{name} is unwell"),
                ..Sitting::default()
            },
            device: None,
            entry: Some(presence(seat.participant, 10)),
            at: 10,
            once: None,
        };
        assert!(self.store.change_sitting(change).await.unwrap());
        own.note(Action::Resume, seat.id.to_string(), json!({ "device": device }))
            .await
            .unwrap();
        (listed, seat, device)
    }

    fn acting(&self, seat: Option<&SessionRecord>) -> Arc<dyn Store> {
        self.store.acting(Actor {
            name: seat.map_or_else(String::new, |seat| seat.id.to_string()),
            role: Role::Candidate.as_str(),
            address: Some("198.51.100.77".parse().unwrap()),
        })
    }

    async fn close(&self) {
        let change = ExamChange {
            exam: self.exam.id,
            from: ExamStatus::Active,
            to: ExamStatus::Closed,
            longer_us: 0,
            at: END,
        };
        assert!(self.store.change_exam(change).await.unwrap());
    }

    async fn erase(&self, entry: &RosterEntry) -> Result<bool, StoreError> {
        self.store.erase(self.exam.id, entry.id, Cause::Asked, END + 1).await
    }

    /// What a reading of log and chains finds, the missing checkpoints apart.
    async fn found(&self) -> (usize, usize, u64, u64) {
        let log = verify::verify(&*self.store, "", &[]).await.unwrap();
        let chains = chains::verify(&*self.store).await.unwrap();
        (log.findings.len() - 1, chains.findings.len(), log.erased, chains.erased)
    }
}

async fn nothing_of_a_candidate_is_left_and_everything_of_the_others(place: Place) {
    let room = Room::open(&place, "GONE-1").await;
    let (ada, seat, device) = room.candidate("Ada Zweistein").await;
    let (ben, other, other_device) = room.candidate("Ben Dreistein").await;
    room.close().await;
    let before = place.dump().await;
    for trace in [
        "ada zweistein",
        "ben dreistein",
        &device,
        &other_device,
        "198.51.100.77",
        "is unwell",
    ] {
        assert!(before.contains(trace), "{trace} was never there");
    }
    assert_eq!(room.found().await, (0, 0, 0, 0));

    assert!(room.erase(&ada).await.unwrap());
    assert!(!room.erase(&ada).await.unwrap(), "once");

    let after = place.dump().await;
    let traces: Vec<&str> = after
        .lines()
        .filter(|line| line.contains("ada zweistein") || line.contains(&device))
        .collect();
    assert!(traces.is_empty(), "{traces:#?}");
    let lines = |dump: &str, what: &str| dump.lines().filter(|line| line.contains(what)).count();
    for kept in ["ben dreistein", &*other_device] {
        assert_eq!(lines(&after, kept), lines(&before, kept), "{kept}");
    }
    assert!(lines(&after, "198.51.100.77") < lines(&before, "198.51.100.77"));

    // Refused from now on, on every server that follows.
    let gone = room.store.session(seat.id).await.unwrap().unwrap();
    assert!(gone.revoked_at.is_some() && gone.generation == seat.generation + 1 && gone.device_key.is_none());
    assert!(
        room.store
            .session(other.id)
            .await
            .unwrap()
            .unwrap()
            .revoked_at
            .is_none()
    );
    let revoked = room.store.revocations(0, 10).await.unwrap();
    assert_eq!(revoked.len(), 1);
    // Nobody reads as somebody.
    let items = room
        .store
        .roster(room.exam.id, RosterEntryId(ExamId::from_parts(0, [0; 10]).0), 10)
        .await
        .unwrap();
    let names: Vec<_> = items
        .iter()
        .map(|item| (item.entry.label.as_str(), item.erased))
        .collect();
    assert!(names[0].0.starts_with("Erased ") && names[0].1, "{names:?}");
    assert_eq!(names[1], (ben.label.as_str(), false));
    // Both chains hold, and say what they lost.
    let (log, events, records, payloads) = room.found().await;
    assert_eq!((log, events, payloads), (0, 0, 3));
    assert!(records >= 4, "{records}");
}

async fn a_hold_keeps_what_it_is_on(place: Place) {
    let room = Room::open(&place, "HELD-1").await;
    let (ada, _, _) = room.candidate("Ada").await;
    let (ben, _, _) = room.candidate("Ben").await;
    room.close().await;
    let hold = |reason: &str| {
        Some(Hold {
            at: 7,
            reason: reason.to_owned(),
        })
    };
    let one = Kept::Candidate(room.exam.id, ada.id);
    let all = Kept::Exam(room.exam.id);
    room.store.set_hold(one, hold("case 12")).await.unwrap();
    assert!(matches!(room.erase(&ada).await, Err(StoreError::Held)));
    room.store.set_hold(all, hold("case 13")).await.unwrap();
    assert!(matches!(room.erase(&ben).await, Err(StoreError::Held)));
    let listed = room.store.stored_exam(room.exam.id).await.unwrap().unwrap();
    assert_eq!(listed.hold, hold("case 13"));
    let item = room.store.roster_item(room.exam.id, ada.id).await.unwrap().unwrap();
    assert_eq!(item.hold.as_deref(), Some("case 12"));
    // The days of the policy don't matter to a hold.
    assert_eq!(sweep(&*room.store, i64::MAX).await.unwrap(), Swept::default());
    room.store.set_hold(all, None).await.unwrap();
    let swept = sweep(&*room.store, i64::MAX).await.unwrap();
    assert_eq!((swept.candidates, swept.exams), (1, 0), "Ada's stay");
    assert!(
        room.store
            .roster_item(room.exam.id, ben.id)
            .await
            .unwrap()
            .unwrap()
            .erased
    );
    room.store.set_hold(one, None).await.unwrap();
    let swept = sweep(&*room.store, i64::MAX).await.unwrap();
    assert_eq!((swept.candidates, swept.exams), (1, 1));
    for nothing in [
        Kept::Exam(fresh(ExamId::from_parts)),
        Kept::Candidate(fresh(ExamId::from_parts), ada.id),
    ] {
        let refused = room.store.set_hold(nothing, hold("x")).await;
        assert!(matches!(refused, Err(StoreError::Missing)), "{nothing:?}");
    }
}

async fn days_that_are_over_are_over(place: Place) {
    let room = Room::open(&place, "DAYS-1").await;
    room.candidate("Ada").await;
    room.close().await;
    let days = room.exam.policy.retention_days;
    let due = due_at(END, days);
    assert_eq!(due, END + i64::from(days) * DAY);
    assert_eq!(sweep(&*room.store, due - 1).await.unwrap(), Swept::default());
    let swept = sweep(&*room.store, due).await.unwrap();
    assert_eq!((swept.candidates, swept.exams), (1, 1));
    let stored = room.store.stored_exam(room.exam.id).await.unwrap().unwrap();
    assert_eq!(stored.erased_at, Some(due));
    assert_eq!(
        sweep(&*room.store, i64::MAX).await.unwrap(),
        Swept::default(),
        "nothing is left to do"
    );
    let said = room.store.audit_records(0, 100).await.unwrap();
    let erase = said.iter().find(|record| record.action == "erase").unwrap();
    assert!(
        erase.actor == "server" && erase.metadata.contains("retention"),
        "{erase:?}"
    );
}

async fn nothing_is_erased_while_the_exam_runs(place: Place) {
    let room = Room::open(&place, "RUNS-1").await;
    let (ada, seat, _) = room.candidate("Ada").await;
    assert!(matches!(room.erase(&ada).await, Err(StoreError::Running)));
    assert_eq!(sweep(&*room.store, i64::MAX).await.unwrap(), Swept::default());
    assert_eq!(room.store.payloads(seat.id).await.unwrap().len(), 3);
    let nobody = room
        .store
        .erase(room.exam.id, fresh(RosterEntryId::from_parts), Cause::Asked, 1)
        .await;
    assert!(matches!(nobody, Err(StoreError::Missing)));
}

async fn whoever_empties_a_record_or_an_event_is_found(place: Place) {
    let room = Room::open(&place, "FAKE-1").await;
    let (ada, seat, _) = room.candidate("Ada").await;
    let (_, other, _) = room.candidate("Ben").await;
    room.close().await;
    assert!(room.erase(&ada).await.unwrap());
    assert_eq!(room.found().await.0, 0);
    let chains = chains::verify(&*room.store).await.unwrap();
    assert_eq!((chains.sessions, chains.events, chains.findings.len()), (2, 6, 0));

    place
        .tamper("UPDATE audit SET salt = NULL, actor = '', target = '', metadata = '{}' WHERE action = 'create_exam'")
        .await;
    let log = verify::verify(&*room.store, "", &[]).await.unwrap();
    assert!(
        log.findings.contains(&verify::Finding::Blanked(1)),
        "{:?}",
        log.findings
    );

    let of = |session: SessionId, sql: &str| match place.blob("00").starts_with('x') {
        true => format!("{sql} session = '{session}'"),
        false => format!("{sql} session = '{session}'::uuid"),
    };
    let head = |session: SessionId| ChainHead::new(session).seq;
    for (sql, found) in [
        (
            "UPDATE integrity_events SET salt = NULL, payload = NULL WHERE seq = 2 AND",
            chains::ChainFinding::Blanked(other.id, 2),
        ),
        (
            "UPDATE integrity_events SET salt = '00', payload = 'x' WHERE seq = 2 AND",
            chains::ChainFinding::Edited(other.id, 2),
        ),
        (
            "DELETE FROM integrity_events WHERE seq = 2 AND",
            chains::ChainFinding::Missing(other.id, 3),
        ),
        (
            "DELETE FROM integrity_events WHERE",
            chains::ChainFinding::Cut(other.id, head(other.id)),
        ),
        (
            "DELETE FROM integrity_events WHERE seq = 3 AND",
            chains::ChainFinding::Cut(seat.id, 2),
        ),
    ] {
        let session = match found {
            chains::ChainFinding::Cut(session, _) => session,
            _ => other.id,
        };
        place.tamper(&of(session, sql)).await;
        let findings = chains::verify(&*room.store).await.unwrap().findings;
        assert!(findings.contains(&found), "{sql}: {findings:?}");
    }
}
