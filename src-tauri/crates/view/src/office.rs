//! The exam office in the proctor's window, for leads and admins: exams are made and edited, rosters filled.

use invigil_shared::id::{ExamId, RosterEntryId};
use invigil_shared::office::{EntryEdit, EntrySecret, ExamEdit, ImportPreview, NewExam, RosterItem};
use invigil_shared::participation::Participation;
use invigil_shared::rest::ExamListItem;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the office shows of one exam.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct OfficeView {
    /// None while a new one is being made.
    pub exam: Option<ExamListItem>,
    pub roster: Vec<RosterItem>,
    /// Who was there, once it was asked for.
    pub stays: Option<Vec<Participation>>,
    /// The file that would be imported, and what is wrong with it.
    pub preview: Option<ImportPreview>,
    /// Just made, and told this once: gone when they are dismissed.
    pub secrets: Vec<EntrySecret>,
    /// Counts what was stored, so that a form knows when its own edit was.
    pub saved: u32,
}

/// A step of an exam's status that the office takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum OfficeStep {
    Schedule,
    Unschedule,
    Archive,
}

/// What a lead asks the office for. All but the first two are about the exam that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum OfficeCommand {
    /// An empty form.
    New,
    Manage {
        exam: ExamId,
    },
    /// Who was there, as it is known now.
    Stays,
    /// Back to the list.
    Leave,
    Create {
        exam: NewExam,
    },
    Save {
        edit: ExamEdit,
    },
    Step {
        step: OfficeStep,
    },
    Add {
        entry: EntryEdit,
    },
    Edit {
        id: RosterEntryId,
        entry: EntryEdit,
    },
    Remove {
        id: RosterEntryId,
    },
    /// A new secret; the one before is void.
    Renew {
        id: RosterEntryId,
    },
    /// A join link that is good once.
    Link {
        id: RosterEntryId,
    },
    /// What is kept stays, whatever the policy says: of one candidate, or of the whole exam.
    Hold {
        id: Option<RosterEntryId>,
        reason: String,
    },
    /// Takes that back.
    Release {
        id: Option<RosterEntryId>,
    },
    /// Erases what is kept of a candidate, for good.
    Erase {
        id: RosterEntryId,
    },
    /// A roster as CSV: what is in it and what is wrong with it.
    Preview {
        csv: String,
    },
    /// Imports what was previewed.
    Import,
    DropPreview,
    /// The secrets were handed out.
    DropSecrets,
}
