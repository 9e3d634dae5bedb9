//! The exam office: from a lead's clicks to calls, and from their answers to what is shown. The server decides what may be done;
//! here is only remembered what was asked, so that an answer that comes late changes nothing it is not about.

use super::*;
use invigil_shared::limits::MAX_ROSTER_CSV;
use invigil_shared::office::{EntryEdit, EntrySecret, ExamEdit, ImportPreview, NewExam, RosterItem};
use invigil_shared::participation::Participation;
use invigil_view::office::{OfficeCommand, OfficeStep, OfficeView};

/// A call to the server that the office makes.
#[derive(Clone, Debug, PartialEq)]
pub enum OfficeCall {
    /// The exam and its roster.
    Read(ExamId),
    /// Who was there.
    Stays(ExamId),
    Create(NewExam),
    Save(ExamId, u32, ExamEdit),
    Step(ExamId, OfficeStep),
    Add(ExamId, EntryEdit),
    Edit(ExamId, RosterEntryId, EntryEdit),
    Remove(ExamId, RosterEntryId),
    Renew(ExamId, RosterEntryId),
    Link(ExamId, RosterEntryId),
    Hold(ExamId, Option<RosterEntryId>, String),
    Release(ExamId, Option<RosterEntryId>),
    Erase(ExamId, RosterEntryId),
    Preview(ExamId, String),
    Import(ExamId, String),
}

impl OfficeCall {
    /// The exam that it is about; none for one that is being made.
    pub fn exam(&self) -> Option<ExamId> {
        match self {
            Self::Create(_) => None,
            Self::Read(exam)
            | Self::Stays(exam)
            | Self::Save(exam, ..)
            | Self::Step(exam, _)
            | Self::Add(exam, _)
            | Self::Edit(exam, ..)
            | Self::Remove(exam, _)
            | Self::Renew(exam, _)
            | Self::Link(exam, _)
            | Self::Hold(exam, ..)
            | Self::Release(exam, _)
            | Self::Erase(exam, _)
            | Self::Preview(exam, _)
            | Self::Import(exam, _) => Some(*exam),
        }
    }
}

/// What such a call was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum OfficeAnswer {
    Read(Box<ExamListItem>, Vec<RosterItem>),
    /// The exam, whose counts go with it, and who was there.
    Stays(Box<ExamListItem>, Vec<Participation>),
    /// Made, edited, or a step further.
    Exam(Box<ExamListItem>),
    /// Entries that were made, or have a new secret.
    Secrets(Vec<EntrySecret>),
    Preview(ImportPreview),
    /// Edited, removed, held, released, erased.
    Done,
}

/// The office while it is open.
#[derive(Clone, Debug, Default)]
pub struct Office {
    pub view: OfficeView,
    /// The file behind the preview.
    csv: Option<String>,
}

impl ProctorState {
    pub(super) fn office(&mut self, command: OfficeCommand, effects: &mut Vec<Effect>) {
        let looks = matches!(
            command,
            OfficeCommand::Manage { .. } | OfficeCommand::Stays | OfficeCommand::Leave
        );
        let may = self.leads || self.reviews() && looks;
        if self.step != ProctorStep::Exams || !may || self.busy {
            return;
        }
        self.notice = None;
        match command {
            OfficeCommand::New => self.office = Some(Office::default()),
            OfficeCommand::Manage { exam } => {
                let listed = self.exams.iter().find(|item| item.exam.id == exam).cloned();
                let Some(listed) = listed else { return };
                let mut office = Office::default();
                office.view.exam = Some(listed);
                self.office = Some(office);
                let call = if self.leads {
                    OfficeCall::Read(exam)
                } else {
                    OfficeCall::Stays(exam)
                };
                self.ask_office(call, effects);
            }
            OfficeCommand::Leave => {
                self.office = None;
                self.busy = true;
                effects.push(Effect::ListExams);
            }
            OfficeCommand::DropPreview => {
                if let Some(office) = &mut self.office {
                    (office.view.preview, office.csv) = (None, None);
                }
            }
            OfficeCommand::DropSecrets => {
                if let Some(office) = &mut self.office {
                    office.view.secrets.clear();
                }
            }
            OfficeCommand::Create { exam } => {
                if self.office.as_ref().is_some_and(|office| office.view.exam.is_none()) {
                    self.ask_office(OfficeCall::Create(exam), effects);
                }
            }
            about => self.about_exam(about, effects),
        }
    }

    fn about_exam(&mut self, command: OfficeCommand, effects: &mut Vec<Effect>) {
        let Some(office) = &mut self.office else { return };
        let Some(exam) = &office.view.exam else { return };
        let (id, revision) = (exam.exam.id, exam.revision);
        let call = match command {
            OfficeCommand::Stays => OfficeCall::Stays(id),
            OfficeCommand::Save { edit } => OfficeCall::Save(id, revision, edit),
            OfficeCommand::Step { step } => OfficeCall::Step(id, step),
            OfficeCommand::Add { entry } => OfficeCall::Add(id, entry),
            OfficeCommand::Edit { id: entry, entry: edit } => OfficeCall::Edit(id, entry, edit),
            OfficeCommand::Remove { id: entry } => OfficeCall::Remove(id, entry),
            OfficeCommand::Renew { id: entry } => OfficeCall::Renew(id, entry),
            OfficeCommand::Link { id: entry } => OfficeCall::Link(id, entry),
            OfficeCommand::Hold { id: entry, reason } => OfficeCall::Hold(id, entry, reason),
            OfficeCommand::Release { id: entry } => OfficeCall::Release(id, entry),
            OfficeCommand::Erase { id: entry } => OfficeCall::Erase(id, entry),
            OfficeCommand::Preview { csv } => {
                if csv.len() > MAX_ROSTER_CSV {
                    self.notice = Some(Notice::new("too_large").with("limit", MAX_ROSTER_CSV));
                    return;
                }
                (office.csv, office.view.preview) = (Some(csv.clone()), None);
                OfficeCall::Preview(id, csv)
            }
            OfficeCommand::Import => match office.csv.clone().filter(|_| office.view.preview.is_some()) {
                Some(csv) => OfficeCall::Import(id, csv),
                None => return,
            },
            _ => return,
        };
        self.ask_office(call, effects);
    }

    /// Only looks at what was: no room is theirs to enter, and no exam theirs to change.
    pub(super) fn reviews(&self) -> bool {
        self.role == Some(Role::Reviewer)
    }

    fn ask_office(&mut self, call: OfficeCall, effects: &mut Vec<Effect>) {
        self.busy = true;
        effects.push(Effect::Office(call));
    }

    /// An answer. One that is about another exam than the one that is shown comes too late to be shown.
    pub(super) fn office_answered(
        &mut self,
        call: &OfficeCall,
        result: Result<OfficeAnswer, CallFailure>,
        effects: &mut Vec<Effect>,
    ) {
        self.busy = false;
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => return self.office_failed(call, &failure, effects),
        };
        let Some(office) = &mut self.office else { return };
        if office.view.exam.as_ref().map(|exam| exam.exam.id) != call.exam() {
            return;
        }
        match answer {
            OfficeAnswer::Read(exam, roster) => (office.view.exam, office.view.roster) = (Some(*exam), roster),
            OfficeAnswer::Stays(exam, stays) => (office.view.exam, office.view.stays) = (Some(*exam), Some(stays)),
            OfficeAnswer::Exam(exam) => {
                office.view.exam = Some(*exam);
                office.view.saved += 1;
            }
            OfficeAnswer::Preview(preview) => office.view.preview = Some(preview),
            OfficeAnswer::Secrets(secrets) => {
                if matches!(call, OfficeCall::Import(..)) {
                    (office.view.preview, office.csv) = (None, None);
                }
                office.view.secrets = secrets;
                office.view.saved += 1;
                self.read_again(effects);
            }
            OfficeAnswer::Done => {
                office.view.saved += 1;
                self.read_again(effects);
            }
        }
    }

    fn read_again(&mut self, effects: &mut Vec<Effect>) {
        let exam = self.office.as_ref().and_then(|office| office.view.exam.as_ref());
        if let Some(exam) = exam.map(|exam| exam.exam.id) {
            self.ask_office(OfficeCall::Read(exam), effects);
        }
    }

    fn office_failed(&mut self, call: &OfficeCall, failure: &CallFailure, effects: &mut Vec<Effect>) {
        if failure.ends_sign_in() {
            (self.office, self.step) = (None, ProctorStep::SignIn);
        }
        let code = match failure {
            CallFailure::Refused(error) => Some(error.code),
            _ => None,
        };
        match (call, code) {
            // The file is held against the roster as it is now: the rows that are refused are shown beside it.
            (
                OfficeCall::Import(exam, csv),
                Some(ErrorCode::ImportRefused | ErrorCode::LabelTaken | ErrorCode::RosterFull),
            ) => {
                self.ask_office(OfficeCall::Preview(*exam, csv.clone()), effects);
            }
            // What is shown is not what is stored any more.
            (
                _,
                Some(
                    ErrorCode::EditConflict | ErrorCode::ExamTransition | ErrorCode::ExamFrozen | ErrorCode::EntryUsed,
                ),
            ) => {
                self.read_again(effects);
            }
            _ => {}
        }
        self.notice = Some(failure.notice());
    }
}

#[cfg(test)]
mod tests;
