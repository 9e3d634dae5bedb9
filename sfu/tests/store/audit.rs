//! The audit log: written with each change, and whoever changes it behind the store's back is found.

use crate::over_both;
use crate::place::{Place, entry, exam, presence, seated, user};
use invigil_sfu::audit::checkpoint::public_key;
use invigil_sfu::audit::verify::{Finding, Verdict, verify};
use invigil_sfu::audit::{CHECKPOINT_FILE, Checkpoints};
use invigil_sfu::store::audit::{Action, Actor};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::role::Role;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

over_both!(
    each_change_writes_who_did_what,
    an_untouched_log_is_as_it_was_written,
    an_edit_is_found,
    a_deletion_is_found,
    a_reorder_is_found,
    a_cut_tail_is_found,
    a_log_written_anew_is_found,
    emptying_a_record_leaves_the_chain_and_is_found,
    processes_write_one_log,
);

/// A log of ten records, the last of which a checkpoint has seen.
struct Log {
    place: Place,
    store: Arc<dyn Store>,
}

impl Log {
    async fn of_ten(place: Place) -> Self {
        let store = place.open().await;
        for n in 0..10 {
            store.add_user(user(&format!("{n}@x"), Role::Proctor)).await.unwrap();
        }
        let log = Self { place, store };
        log.checkpoint().await;
        log
    }

    fn directory(&self) -> &Path {
        self.place.directory.path()
    }

    async fn checkpoint(&self) {
        let head = self.store.audit_head().await.unwrap();
        Checkpoints::open(self.directory()).unwrap().append(head).unwrap();
    }

    async fn verdict(&self) -> Verdict {
        let lines = std::fs::read_to_string(self.directory().join(CHECKPOINT_FILE)).unwrap_or_default();
        let public = public_key(self.directory()).unwrap();
        verify(&*self.store, &lines, &public).await.unwrap()
    }

    async fn findings(&self) -> Vec<Finding> {
        self.verdict().await.findings
    }
}

async fn each_change_writes_who_did_what(place: Place) {
    let store = place.open().await;
    let lead = Actor {
        name: "somebody".into(),
        role: "lead",
        address: Some("192.0.2.7".parse().unwrap()),
    };
    let acting = store.acting(lead);
    let exam = exam("A-01");
    acting.create_exam(exam.clone()).await.unwrap();
    let new = entry(exam.id, "one");
    acting.add_entry(new.clone()).await.unwrap();
    let refused = acting.add_entry(new).await;
    assert!(
        matches!(refused, Err(StoreError::Exists | StoreError::Database(_))),
        "{refused:?}"
    );
    let seat = seated(&*store, "B-01").await;
    assert!(store.mark_joined(seat.id, 5).await.unwrap());
    assert!(!store.mark_joined(seat.id, 6).await.unwrap());
    let ending = presence(seat.participant, 7);
    assert!(acting.finish(seat.id, seat.exam, ending.clone()).await.unwrap());
    assert!(!acting.finish(seat.id, seat.exam, ending).await.unwrap());
    acting
        .note(Action::SignIn, "me".into(), json!({ "a": 1 }))
        .await
        .unwrap();
    let records = store.audit_records(0, 100).await.unwrap();
    let told: Vec<_> = records.iter().map(|r| (r.action.as_str(), r.actor.as_str())).collect();
    let expected = [
        ("create_exam", "somebody"),
        ("add_roster_entry", "somebody"),
        ("create_exam", "server"),
        ("add_roster_entry", "server"),
        ("join", "server"),
        ("enter_room", "server"),
        ("finish", "somebody"),
        ("sign_in", "somebody"),
    ];
    assert_eq!(told, expected, "what was refused or changed nothing is not among them");
    assert_eq!(records[0].target, exam.id.to_string());
    let last = &records[7];
    assert_eq!(
        (last.role.as_str(), last.address.as_deref()),
        ("lead", Some("192.0.2.7"))
    );
    assert_eq!((last.target.as_str(), last.metadata.as_str()), ("me", "{\"a\":1}"));
    assert_eq!(store.audit_records(5, 2).await.unwrap(), records[5..7]);
    assert_eq!(store.audit_head().await.unwrap().hash, last.hash);
}

async fn an_untouched_log_is_as_it_was_written(place: Place) {
    let log = Log::of_ten(place).await;
    log.store.add_user(user("later@x", Role::Lead)).await.unwrap();
    let verdict = log.verdict().await;
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.head.seq, verdict.erased, verdict.checkpoints), (11, 0, 1));
    // Checkpoints of another server's key say nothing, and neither does a changed one.
    let path = log.directory().join(CHECKPOINT_FILE);
    let lines = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, lines.replace("\"seq\":10", "\"seq\":11")).unwrap();
    assert_eq!(
        log.findings().await,
        [Finding::WrongKey { line: 1 }, Finding::NoCheckpoints]
    );
    std::fs::write(&path, "{}\n").unwrap();
    assert_eq!(log.findings().await[0], Finding::NoCheckpoint { line: 1 });
    let other = tempfile::tempdir().unwrap();
    let public = public_key(other.path()).unwrap();
    let verdict = verify(&*log.store, &lines, &public).await.unwrap();
    assert_eq!(verdict.findings[0], Finding::WrongKey { line: 1 });
}

async fn an_edit_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    for edit in [
        "target = 'x'",
        "actor = 'x'",
        "role = 'x'",
        "action = 'x'",
        "metadata = '{}'",
        "at = at + 1",
        "address = '::1'",
    ] {
        let columns = "target, actor, role, action, metadata, at, address";
        let tamper =
            format!("CREATE TABLE kept AS SELECT seq, {columns} FROM audit; UPDATE audit SET {edit} WHERE seq = 4");
        log.place.tamper(&tamper).await;
        assert_eq!(log.findings().await, [Finding::Edited(4)], "{edit}");
        let undo: Vec<_> = columns
            .split(", ")
            .map(|c| format!("UPDATE audit SET {c} = (SELECT {c} FROM kept WHERE kept.seq = audit.seq)"))
            .collect();
        log.place.tamper(&format!("{}; DROP TABLE kept", undo.join("; "))).await;
        assert_eq!(log.findings().await, []);
    }
    // Whoever knows how the hash is made has to make all that follow, and meets the checkpoint.
    let mut edited = log.store.audit_records(9, 1).await.unwrap().remove(0);
    edited.target = "x".into();
    let salt = edited.salt.clone().unwrap();
    let before = invigil_sfu::store::audit::AuditHead {
        seq: 9,
        hash: edited.prev,
    };
    let content = edited.hash_of_content(&salt);
    let hash = before.next(content).hash;
    let blob = |hash: invigil_shared::chain::Hash| log.place.blob(&hash.to_string());
    let (content, hash) = (blob(content), blob(hash));
    log.place
        .tamper(&format!(
            "UPDATE audit SET target = 'x', record_hash = {content}, hash = {hash} WHERE seq = 10"
        ))
        .await;
    assert_eq!(log.findings().await, [Finding::Rewritten { seq: 10, line: 1 }]);
}

async fn a_deletion_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    log.place.tamper("DELETE FROM audit WHERE seq IN (5, 6)").await;
    assert_eq!(log.findings().await, [Finding::Missing { from: 5, to: 6 }]);
    log.place.tamper("DELETE FROM audit WHERE seq = 1").await;
    let first = Finding::Missing { from: 1, to: 1 };
    assert_eq!(log.findings().await, [first, Finding::Missing { from: 5, to: 6 }]);
}

async fn a_reorder_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    log.place
        .tamper("UPDATE audit SET seq = 1000 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 1000")
        .await;
    let findings = log.findings().await;
    for seq in [3, 4] {
        assert!(findings.contains(&Finding::Broken(seq)), "{findings:?}");
    }
}

async fn a_cut_tail_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    log.place.tamper("DELETE FROM audit WHERE seq > 7").await;
    let cut = Finding::Cut {
        end: 7,
        seen: 10,
        line: 1,
    };
    assert_eq!(log.findings().await, [cut]);
    // What is written after it does not hide it.
    for n in 10..14 {
        log.store
            .add_user(user(&format!("{n}@x"), Role::Proctor))
            .await
            .unwrap();
    }
    assert_eq!(log.findings().await, [Finding::Rewritten { seq: 10, line: 1 }]);
    log.checkpoint().await;
    assert_eq!(log.findings().await, [Finding::Rewritten { seq: 10, line: 1 }]);
}

async fn a_log_written_anew_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    log.place.tamper("DELETE FROM audit").await;
    assert_eq!(
        log.findings().await,
        [Finding::Cut {
            end: 0,
            seen: 10,
            line: 1
        }]
    );
    for n in 10..25 {
        log.store
            .add_user(user(&format!("{n}@x"), Role::Proctor))
            .await
            .unwrap();
    }
    let verdict = log.verdict().await;
    assert_eq!(verdict.head.seq, 15, "a chain without a flaw");
    assert_eq!(verdict.findings, [Finding::Rewritten { seq: 10, line: 1 }]);
}

async fn emptying_a_record_leaves_the_chain_and_is_found(place: Place) {
    let log = Log::of_ten(place).await;
    log.place
        .tamper("UPDATE audit SET salt = NULL, actor = '', target = '', metadata = '{}', address = NULL WHERE seq = 2")
        .await;
    let verdict = log.verdict().await;
    assert_eq!((verdict.findings, verdict.erased), (vec![Finding::Blanked(2)], 1));
}

async fn processes_write_one_log(place: Place) {
    let log = Log::of_ten(place).await;
    let other = log.place.open().await;
    let writers: Vec<_> = [Arc::clone(&log.store), other]
        .into_iter()
        .enumerate()
        .map(|(process, store)| {
            tokio::spawn(async move {
                for n in 0..50 {
                    store
                        .add_user(user(&format!("{process}-{n}@x"), Role::Proctor))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let verdict = log.verdict().await;
    assert_eq!((verdict.findings, verdict.head.seq), (vec![], 110));
}
