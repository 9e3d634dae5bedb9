//! What of the log and of the incidents is told, and in which words.

use crate::store::audit::{Action, Record};
use crate::store::webhooks::Incident;
use invigil_shared::webhook::{Event, EventKind};
use serde_json::{Value, json};

/// What an audit record tells: ids and facts. None for what is nobody's business outside, and once it was erased.
pub fn of_record(record: &Record) -> Option<Event> {
    record.salt.as_ref()?;
    let said: Value = serde_json::from_str(&record.metadata).ok()?;
    let target = &record.target;
    let is = |action: Action| record.action == action.as_str();
    let session = || json!({ "session": target, "exam": said["exam"], "entry": said["entry"] });
    let (kind, data) = if is(Action::CreateExam) {
        (EventKind::ExamCreated, json!({ "exam": target, "code": said["code"] }))
    } else if is(Action::EditExam) {
        (EventKind::ExamEdited, json!({ "exam": target, "code": said["code"] }))
    } else if is(Action::ChangeExam) {
        let data = json!({ "exam": target, "from": said["from"], "to": said["to"], "ends_at": said["ends_at"] });
        (EventKind::ExamChanged, data)
    } else if is(Action::EnterRoom) {
        (EventKind::SessionEntered, session())
    } else if is(Action::ChangeSitting) {
        let data = json!({ "session": target, "exam": said["exam"], "step": said["step"] });
        (EventKind::SessionChanged, data)
    } else if is(Action::Finish) {
        (
            EventKind::SessionFinished,
            json!({ "session": target, "exam": said["exam"] }),
        )
    } else if is(Action::RevokeSession) {
        (EventKind::SessionRevoked, session())
    } else if is(Action::ReinstateSession) {
        (EventKind::SessionReinstated, session())
    } else if is(Action::Erase) {
        (
            EventKind::CandidateErased,
            json!({ "entry": target, "exam": said["exam"] }),
        )
    } else {
        return None;
    };
    Some(Event {
        kind,
        at: record.at,
        data,
    })
}

/// The same of an incident.
pub fn of_incident(incident: &Incident) -> Option<Event> {
    let Incident {
        seq,
        exam,
        session,
        kind,
        severity,
        at,
    } = incident;
    if kind.is_empty() {
        return None;
    }
    Some(Event {
        kind: EventKind::IncidentNoticed,
        at: *at,
        data: json!({ "incident": seq, "exam": exam, "session": session, "kind": kind, "severity": severity }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::chain::Hash;

    fn record(action: Action, metadata: &Value) -> Record {
        Record {
            seq: 7,
            prev: Hash([0; 32]),
            hash: Hash([0; 32]),
            salt: Some(vec![1]),
            record_hash: Hash([0; 32]),
            at: 42,
            actor: "somebody".into(),
            role: "lead".into(),
            action: action.as_str().into(),
            target: "t".into(),
            metadata: metadata.to_string(),
            address: Some("192.0.2.1".into()),
        }
    }

    #[test]
    fn what_is_told_names_nobody_and_says_no_address() {
        let said = json!({
            "exam": "x", "entry": "e", "from": "active", "to": "closed", "step": "pause", "code": "MATH-1", "label": "Ada",
            "device": "00ff", "title": "Mathematics",
        });
        let mut told = 0;
        for action in [
            Action::CreateExam,
            Action::EditExam,
            Action::ChangeExam,
            Action::EnterRoom,
            Action::ChangeSitting,
            Action::Finish,
            Action::RevokeSession,
            Action::ReinstateSession,
            Action::Erase,
        ] {
            let event = of_record(&record(action, &said)).unwrap();
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(event.at, 42);
            for secret in ["Ada", "192.0.2.1", "somebody", "00ff", "Mathematics"] {
                assert!(!text.contains(secret), "{text}");
            }
            told += 1;
        }
        assert_eq!(told + 2, EventKind::ALL.len(), "an incident and a ping are no records");
        assert_eq!(of_record(&record(Action::SignIn, &said)), None);
        let erased = Record {
            salt: None,
            ..record(Action::Finish, &said)
        };
        assert_eq!(of_record(&erased), None);
    }

    #[test]
    fn an_event_looks_like_this() {
        let said = json!({ "from": "active", "to": "closed", "ends_at": 5 });
        let event = of_record(&record(Action::ChangeExam, &said)).unwrap();
        let text = serde_json::to_string(&event).unwrap();
        let expected =
            r#"{"type":"exam.changed","at":42,"data":{"ends_at":5,"exam":"t","from":"active","to":"closed"}}"#;
        assert_eq!(text, expected);
    }
}
