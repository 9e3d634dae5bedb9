//! What an exam and a roster entry may be, and what of an exam may still be edited in which status: pure rules of the exam office.

use crate::auth::secret::normalise_exam_code;
use crate::store::records::{EditedExam, StoredExam};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy};
use invigil_shared::limits::MAX_CANDIDATES_PER_PROCTOR;
use invigil_shared::office::{EntryEdit, ExamEdit};

const MINUTE_US: i64 = 60 * 1_000_000;
/// Nobody sits longer than a week; the command line knows no longer exam either.
const LONGEST_US: i64 = 7 * 24 * 60 * MINUTE_US;
/// The end of the year 9999: clients show dates of four digits.
const LAST_US: i64 = 253_402_300_799 * 1_000_000;
pub const MAX_TITLE: usize = 200;
pub const MAX_LABEL: usize = 200;
pub const MAX_SEAT: usize = 50;
/// Four times the scheduled time; more is a typing error.
pub const MAX_EXTRA_TIME: u16 = 300;
pub const MAX_TOOLS: usize = 8;
pub const MAX_TOOL: usize = 100;
/// Ten years.
const MAX_RETENTION_DAYS: u16 = 3_650;
/// A week, as the longest exam.
const MAX_LATE_MIN: u16 = 10_080;
/// What browsers and proxies take for sure.
const MAX_URL: usize = 2_000;

/// A field of an exam that the office edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Title,
    Code,
    StartsAt,
    EndsAt,
    Policy,
    Capacity,
}

impl Field {
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Code => "code",
            Self::StartsAt => "starts_at",
            Self::EndsAt => "ends_at",
            Self::Policy => "policy",
            Self::Capacity => "capacity",
        }
    }
}

/// In which status a field may still be edited. The code stands in join links that were handed out; the policy is what candidates in
/// the room have agreed to; an exam that has begun began when it did; the end of a paused one moves when it goes on.
pub const EDITABLE: &[(Field, &[ExamStatus])] = {
    use ExamStatus::{Active, Draft, Paused, Scheduled, Waiting};
    &[
        (Field::Title, &[Draft, Scheduled, Waiting, Active, Paused]),
        (Field::Code, &[Draft]),
        (Field::StartsAt, &[Draft, Scheduled, Waiting]),
        (Field::EndsAt, &[Draft, Scheduled, Waiting, Active]),
        (Field::Policy, &[Draft, Scheduled]),
        (Field::Capacity, &[Draft, Scheduled, Waiting, Active, Paused]),
    ]
};

pub fn editable(field: Field, status: ExamStatus) -> bool {
    EDITABLE
        .iter()
        .any(|(row, when)| *row == field && when.contains(&status))
}

/// `field_invalid`.
pub fn invalid(field: &str) -> ErrorBody {
    ErrorBody::from(ErrorCode::FieldInvalid).with("field", field)
}

/// A line of text without blanks round it; none when it is empty, too long, or holds what can't be shown.
pub fn line(typed: &str, most: usize) -> Option<String> {
    let text = typed.trim();
    let sane = !text.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control);
    sane.then(|| text.to_owned())
}

/// An exam as the store will have it, from what was typed.
///
/// # Errors
/// `field_invalid` with the first field that is not possible, and the limit where it has one.
pub fn checked(mut exam: ExamInfo, capacity: u32, most: u32) -> Result<ExamInfo, ErrorBody> {
    exam.title = line(&exam.title, MAX_TITLE).ok_or_else(|| invalid("title").with("limit", MAX_TITLE))?;
    exam.code = normalise_exam_code(&exam.code).ok_or_else(|| invalid("code"))?;
    if !(0..=LAST_US).contains(&exam.starts_at) {
        return Err(invalid("starts_at"));
    }
    let duration = exam.ends_at.saturating_sub(exam.starts_at);
    if !(MINUTE_US..=LONGEST_US).contains(&duration) || exam.ends_at > LAST_US {
        return Err(invalid("ends_at"));
    }
    if !(1..=most).contains(&capacity) {
        return Err(invalid("capacity").with("limit", most));
    }
    check_policy(&exam.policy)?;
    Ok(exam)
}

fn check_policy(policy: &Policy) -> Result<(), ErrorBody> {
    // This version keeps no video, and candidates are told what is kept.
    if policy.keeps_video {
        return Err(invalid("policy.keeps_video"));
    }
    if !(1..=MAX_RETENTION_DAYS).contains(&policy.retention_days) {
        return Err(invalid("policy.retention_days").with("limit", MAX_RETENTION_DAYS));
    }
    if !(1..=MAX_CANDIDATES_PER_PROCTOR).contains(&policy.candidates_per_proctor) {
        return Err(invalid("policy.candidates_per_proctor").with("limit", MAX_CANDIDATES_PER_PROCTOR));
    }
    if policy.late_after_min.is_some_and(|minutes| minutes > MAX_LATE_MIN) {
        return Err(invalid("policy.late_after_min").with("limit", MAX_LATE_MIN));
    }
    let usable = |url: &String| {
        let plain = url.chars().all(|c| c.is_ascii_graphic()) && url.len() <= MAX_URL;
        plain && url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
    };
    if !policy.exam_page_url.as_ref().is_none_or(usable) {
        return Err(invalid("policy.exam_page_url"));
    }
    Ok(())
}

/// The exam after an edit; none when nothing of it is new.
///
/// # Errors
/// `exam_frozen` for what the status does not let be edited any more, `field_invalid` for what is not possible.
pub fn edited(before: &StoredExam, edit: ExamEdit, most: u32, now: i64) -> Result<Option<EditedExam>, ErrorBody> {
    let mut info = before.info.clone();
    let mut capacity = before.capacity;
    let ExamEdit {
        title,
        code,
        starts_at,
        ends_at,
        policy,
        capacity: places,
    } = edit;
    take(&mut info.title, title);
    take(&mut info.code, code);
    take(&mut info.starts_at, starts_at);
    take(&mut info.ends_at, ends_at);
    take(&mut info.policy, policy);
    take(&mut capacity, places);
    // Demo and tests make such exams at the command line; nobody turns a real one into one.
    if info.policy.allow_test_picture && !before.info.policy.allow_test_picture {
        return Err(invalid("policy.allow_test_picture"));
    }
    let old = &before.info;
    if info == *old && capacity == before.capacity {
        return Ok(None);
    }
    let info = checked(info, capacity, most.max(before.capacity))?;
    let changed = [
        (Field::Title, info.title != old.title),
        (Field::Code, info.code != old.code),
        (Field::StartsAt, info.starts_at != old.starts_at),
        (Field::EndsAt, info.ends_at != old.ends_at),
        (Field::Policy, info.policy != old.policy),
        (Field::Capacity, capacity != before.capacity),
    ];
    for (field, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        if !editable(field, old.status) {
            return Err(ErrorBody::from(ErrorCode::ExamFrozen)
                .with("field", field.name())
                .with("status", old.status.as_str()));
        }
    }
    if old.status != ExamStatus::Draft && info.ends_at != old.ends_at && info.ends_at <= now {
        return Err(invalid("ends_at"));
    }
    if capacity < before.candidates {
        return Err(invalid("capacity").with("least", before.candidates));
    }
    let revision = before.revision;
    Ok(Some(EditedExam {
        info,
        capacity,
        revision,
    }))
}

fn take<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// Whether the exam can be announced as it is.
///
/// # Errors
/// `field_invalid` when it would be over at once.
pub fn may_schedule(exam: &ExamInfo, now: i64) -> Result<(), ErrorBody> {
    if exam.ends_at <= now {
        return Err(invalid("ends_at"));
    }
    Ok(())
}

/// A roster entry from what was typed.
///
/// # Errors
/// `field_invalid` with the field, and the limit where it has one.
pub fn checked_entry(typed: EntryEdit) -> Result<EntryEdit, ErrorBody> {
    let label = line(&typed.label, MAX_LABEL).ok_or_else(|| invalid("label").with("limit", MAX_LABEL))?;
    let seat = match typed.seat.as_deref().map(str::trim).filter(|seat| !seat.is_empty()) {
        Some(seat) => Some(line(seat, MAX_SEAT).ok_or_else(|| invalid("seat").with("limit", MAX_SEAT))?),
        None => None,
    };
    let Allowances {
        extra_time_percent,
        second_display,
        assistive_tools,
    } = typed.allowances;
    if extra_time_percent > MAX_EXTRA_TIME {
        return Err(invalid("extra_time_percent").with("limit", MAX_EXTRA_TIME));
    }
    let tools = || invalid("assistive_tools");
    if assistive_tools.len() > MAX_TOOLS {
        return Err(tools().with("limit", MAX_TOOLS));
    }
    let assistive_tools = assistive_tools
        .iter()
        .map(|tool| line(tool, MAX_TOOL).ok_or_else(|| tools().with("limit", MAX_TOOL)))
        .collect::<Result<_, _>>()?;
    Ok(EntryEdit {
        label,
        seat,
        allowances: Allowances {
            extra_time_percent,
            second_display,
            assistive_tools,
        },
    })
}

#[cfg(test)]
mod tests;
