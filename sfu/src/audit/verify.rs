//! Reads the whole log and says where it is not what was written: a record that was edited, is missing or stands elsewhere by the
//! chain; a cut tail and a log that was written anew by the checkpoints.

use super::checkpoint::Checkpoint;
use crate::store::audit::{Action, AuditHead, Record};
use crate::store::{Store, Stored, erasure};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write;

/// Records that are read at once.
const PAGE: usize = 1_000;
/// Findings that are told; what is wrong at one place makes many others wrong.
const MAX_FINDINGS: usize = 20;

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Missing {
        from: u64,
        to: u64,
    },
    Edited(u64),
    /// What it says is gone, and no erasure says so.
    Blanked(u64),
    /// It does not continue the record before.
    Broken(u64),
    /// The log says something else than when the checkpoint was signed.
    Rewritten {
        seq: u64,
        line: usize,
    },
    /// The log ends before what a checkpoint saw.
    Cut {
        end: u64,
        seen: u64,
        line: usize,
    },
    NoCheckpoint {
        line: usize,
    },
    WrongKey {
        line: usize,
    },
    NoCheckpoints,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { from, to } if from == to => write!(f, "record {from} is missing"),
            Self::Missing { from, to } => write!(f, "records {from} to {to} are missing"),
            Self::Edited(seq) => write!(f, "record {seq} was edited"),
            Self::Blanked(seq) => write!(f, "what record {seq} says is gone, and no erasure took it"),
            Self::Broken(seq) => write!(
                f,
                "record {seq} does not continue the one before: one of them was put there later"
            ),
            Self::Rewritten { seq, line } => write!(
                f,
                "record {seq} is not the one that checkpoint line {line} saw: the log was written anew from there or before"
            ),
            Self::Cut { end, seen, line } => write!(
                f,
                "the log ends at record {end}, and checkpoint line {line} saw record {seen}: the end was cut off"
            ),
            Self::NoCheckpoint { line } => write!(f, "checkpoint line {line} can't be read"),
            Self::WrongKey { line } => write!(f, "checkpoint line {line} was not signed by this server's key"),
            Self::NoCheckpoints => {
                f.write_str("there is no checkpoint to compare the log with: `serve` writes one a minute")
            }
        }
    }
}

/// What a reading found.
#[derive(Debug)]
pub struct Verdict {
    pub head: AuditHead,
    /// Records of which only the hash is left.
    pub erased: u64,
    pub checkpoints: usize,
    pub findings: Vec<Finding>,
    /// Records without content that no erasure has named yet; a later one does.
    blank: BTreeSet<u64>,
}

impl Verdict {
    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// The findings, one a line.
    pub fn words(&self) -> String {
        self.findings.iter().fold(String::new(), |mut words, finding| {
            let _ = write!(words, "\n{finding}");
            words
        })
    }

    fn take(&mut self, record: &Record) {
        let expected = self.head.seq + 1;
        if record.seq != expected {
            self.find(Finding::Missing {
                from: expected,
                to: record.seq.saturating_sub(1),
            });
        } else if record.prev != self.head.hash {
            self.find(Finding::Broken(record.seq));
        }
        let before = AuditHead {
            seq: record.seq.saturating_sub(1),
            hash: record.prev,
        };
        let content_is_right = match &record.salt {
            Some(salt) => record.hash_of_content(salt) == record.record_hash,
            None => true,
        };
        if record.salt.is_none() {
            self.erased += 1;
            self.blank.insert(record.seq);
        } else if content_is_right && record.action == Action::Erase.as_str() {
            for (from, to) in erasure::records_of(&record.metadata) {
                // Whoever can write the log can write a range that ends before it begins.
                let named: Vec<u64> = self.blank.range(from..).copied().take_while(|seq| *seq <= to).collect();
                for seq in named {
                    self.blank.remove(&seq);
                }
            }
        }
        if !content_is_right || before.next(record.record_hash).hash != record.hash {
            self.find(Finding::Edited(record.seq));
        }
        self.head = AuditHead {
            seq: record.seq,
            hash: record.hash,
        };
    }
}

/// Reads the log beside the lines of a checkpoint file, which `public` has signed.
pub async fn verify(store: &dyn Store, checkpoints: &str, public: &[u8]) -> Stored<Verdict> {
    let mut verdict = Verdict {
        head: AuditHead::genesis(),
        erased: 0,
        checkpoints: 0,
        findings: Vec::new(),
        blank: BTreeSet::new(),
    };
    let mut seen: BTreeMap<u64, Vec<(usize, AuditHead)>> = BTreeMap::new();
    for (line, text) in (1..).zip(checkpoints.lines()) {
        match serde_json::from_str::<Checkpoint>(text) {
            Err(_) => verdict.find(Finding::NoCheckpoint { line }),
            Ok(checkpoint) if !checkpoint.is_signed_by(public) => verdict.find(Finding::WrongKey { line }),
            Ok(checkpoint) => {
                verdict.checkpoints += 1;
                seen.entry(checkpoint.seq).or_default().push((line, checkpoint.head()));
            }
        }
    }
    if verdict.checkpoints == 0 {
        verdict.find(Finding::NoCheckpoints);
    }
    // Everything before the first record is one head too.
    let empty = seen.remove(&0).unwrap_or_default();
    for (line, _) in empty.into_iter().filter(|(_, head)| *head != AuditHead::genesis()) {
        verdict.find(Finding::Rewritten { seq: 0, line });
    }
    loop {
        let records = store.audit_records(verdict.head.seq, PAGE).await?;
        for record in &records {
            verdict.take(record);
            let head = verdict.head;
            for (line, _) in seen
                .remove(&record.seq)
                .into_iter()
                .flatten()
                .filter(|(_, saw)| *saw != head)
            {
                verdict.find(Finding::Rewritten { seq: record.seq, line });
            }
        }
        if records.len() < PAGE {
            break;
        }
    }
    for seq in std::mem::take(&mut verdict.blank) {
        verdict.find(Finding::Blanked(seq));
    }
    let end = verdict.head.seq;
    if let Some((&seq, lines)) = seen.range(end + 1..).next_back() {
        let line = lines.first().map_or(0, |(line, _)| *line);
        verdict.find(Finding::Cut { end, seen: seq, line });
    }
    Ok(verdict)
}
