use super::*;
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy, RosterEntry};

fn item(n: u8) -> ExamListItem {
    ExamListItem {
        exam: ExamInfo {
            id: ExamId::from_parts(1, [n; 10]),
            title: format!("Exam {n}"),
            code: format!("EXAM-{n}"),
            status: ExamStatus::Draft,
            starts_at: 0,
            ends_at: 1,
            policy: Policy::default(),
        },
        roster: 0,
        online: 0,
        capacity: 100,
        revision: 7,
        started_at: None,
        ended_at: None,
        peak: 0,
        hold: None,
        erased_at: None,
    }
}

fn entry(n: u8) -> RosterItem {
    RosterItem {
        entry: RosterEntry {
            id: RosterEntryId::from_parts(1, [n; 10]),
            exam: item(1).exam.id,
            label: format!("Candidate {n}"),
            seat: None,
            allowances: Allowances::default(),
        },
        used: false,
        hold: None,
        erased: false,
    }
}

fn secret(n: u8) -> EntrySecret {
    EntrySecret {
        once_until: None,
        entry: entry(n).entry.id,
        label: format!("Candidate {n}"),
        seat: None,
        secret: "7K3F".into(),
        link: "invigil://x".into(),
    }
}

/// Somebody of this role, with two exams listed.
fn listed(role: Role) -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    let sign_in = ProctorCommand::SignIn {
        server: "exam.example.org".into(),
        email: "l@example.org".into(),
        password: "secret".into(),
    };
    state.handle(Input::Command(sign_in), 0);
    let answer = SignInResponse {
        access_token: "token".into(),
        expires_at: 0,
        participant: ParticipantId::from_parts(1, [9; 10]),
        role,
        name: "Lea".into(),
    };
    state.handle(Input::SignedIn(Ok(Box::new(answer))), 0);
    state.handle(Input::Exams(Ok(vec![item(1), item(2)])), 0);
    state
}

fn ask(state: &mut ProctorState, ask: OfficeCommand) -> Vec<Effect> {
    state.handle(Input::Command(ProctorCommand::Office { ask }), 0).0
}

fn answer(state: &mut ProctorState, call: OfficeCall, answer: OfficeAnswer) -> Vec<Effect> {
    state.handle(Input::Office(Box::new(call), Ok(Box::new(answer))), 0).0
}

fn refuse(state: &mut ProctorState, call: OfficeCall, code: ErrorCode) -> Vec<Effect> {
    let refused = CallFailure::Refused(code.into());
    state.handle(Input::Office(Box::new(call), Err(refused)), 0).0
}

/// The office with the first exam and its roster.
fn managed() -> ProctorState {
    let mut state = listed(Role::Lead);
    let read = OfficeCall::Read(item(1).exam.id);
    let manage = OfficeCommand::Manage { exam: item(1).exam.id };
    assert_eq!(ask(&mut state, manage), [Effect::Office(read.clone())]);
    assert_eq!(
        answer(&mut state, read, OfficeAnswer::Read(Box::new(item(1)), vec![entry(1)])),
        []
    );
    state
}

fn office(state: &ProctorState) -> OfficeView {
    state.view().office.expect("the office is open")
}

#[test]
fn only_leads_and_admins_have_an_office() {
    for (role, has) in [(Role::Lead, true), (Role::Admin, true), (Role::Proctor, false)] {
        let mut state = listed(role);
        assert_eq!(state.view().leads, has, "{role:?}");
        ask(&mut state, OfficeCommand::New);
        assert_eq!(state.view().office.is_some(), has, "{role:?}");
    }
}

#[test]
fn a_reviewer_sees_who_was_there_and_changes_nothing() {
    let mut state = listed(Role::Reviewer);
    let id = item(1).exam.id;
    ask(&mut state, OfficeCommand::New);
    assert!(state.view().office.is_none());
    let open = ProctorCommand::OpenExam { exam: id };
    assert_eq!(state.handle(Input::Command(open), 0).0, [], "no room to enter");
    let call = OfficeCall::Stays(id);
    assert_eq!(
        ask(&mut state, OfficeCommand::Manage { exam: id }),
        [Effect::Office(call.clone())]
    );
    answer(&mut state, call, OfficeAnswer::Stays(Box::new(item(1)), Vec::new()));
    assert_eq!(office(&state).stays, Some(Vec::new()));
    for command in [
        OfficeCommand::Step {
            step: OfficeStep::Archive,
        },
        OfficeCommand::Erase { id: entry(1).entry.id },
        OfficeCommand::Import,
    ] {
        assert_eq!(ask(&mut state, command.clone()), [], "{command:?}");
    }
    assert_eq!(ask(&mut state, OfficeCommand::Leave), [Effect::ListExams]);
}

#[test]
fn a_new_exam_is_made_and_shown() {
    let mut state = listed(Role::Lead);
    ask(&mut state, OfficeCommand::New);
    assert_eq!(office(&state).exam, None);
    let new = NewExam {
        title: "Exam 3".into(),
        code: "EXAM-3".into(),
        starts_at: 0,
        ends_at: 1,
        policy: Policy::default(),
        capacity: 5,
    };
    let call = OfficeCall::Create(new.clone());
    assert_eq!(
        ask(&mut state, OfficeCommand::Create { exam: new.clone() }),
        [Effect::Office(call.clone())]
    );
    assert!(state.view().busy);
    assert_eq!(
        ask(&mut state, OfficeCommand::Create { exam: new }),
        [],
        "a second click while it is on its way"
    );
    refuse(&mut state, call.clone(), ErrorCode::ExamCodeTaken);
    let view = state.view();
    assert_eq!(
        (view.busy, view.notice.unwrap().code.as_str()),
        (false, "exam_code_taken")
    );
    answer(&mut state, call, OfficeAnswer::Exam(Box::new(item(3))));
    assert_eq!((office(&state).exam, office(&state).saved), (Some(item(3)), 1));
    assert_eq!(ask(&mut state, OfficeCommand::Leave), [Effect::ListExams]);
    assert_eq!(state.view().office, None);
}

#[test]
fn who_was_there_is_read_each_time_that_somebody_looks() {
    use invigil_shared::id::ParticipationId;
    use invigil_shared::participation::PathAverages;
    let mut state = managed();
    let id = item(1).exam.id;
    assert_eq!(office(&state).stays, None, "nobody has looked");
    let stay = Participation {
        id: ParticipationId::from_parts(1, [1; 10]),
        participant: ParticipantId::from_parts(1, [1; 10]),
        role: Role::Candidate,
        name: "Candidate 1".into(),
        entry: Some(entry(1).entry.id),
        account: None,
        joined_at: 5,
        left_at: None,
        departure: None,
        averages: PathAverages::default(),
        trend: Vec::new(),
    };
    let call = OfficeCall::Stays(id);
    assert_eq!(ask(&mut state, OfficeCommand::Stays), [Effect::Office(call.clone())]);
    let there = ExamListItem { peak: 1, ..item(1) };
    answer(
        &mut state,
        call.clone(),
        OfficeAnswer::Stays(Box::new(there.clone()), vec![stay.clone()]),
    );
    assert_eq!(
        (office(&state).exam, office(&state).stays),
        (Some(there), Some(vec![stay]))
    );
    assert_eq!(ask(&mut state, OfficeCommand::Stays), [Effect::Office(call.clone())]);
    // Of an exam that is not shown any more.
    let manage = OfficeCommand::Manage { exam: item(2).exam.id };
    answer(
        &mut state,
        call.clone(),
        OfficeAnswer::Stays(Box::new(item(1)), Vec::new()),
    );
    ask(&mut state, OfficeCommand::Leave);
    state.handle(Input::Exams(Ok(vec![item(1), item(2)])), 0);
    ask(&mut state, manage);
    answer(&mut state, call, OfficeAnswer::Stays(Box::new(item(1)), Vec::new()));
    assert_eq!(office(&state).stays, None);
}

#[test]
fn an_edit_is_of_the_revision_that_is_shown_and_a_conflict_reads_again() {
    let mut state = managed();
    let id = item(1).exam.id;
    let edit = ExamEdit {
        title: Some("Better".into()),
        ..ExamEdit::default()
    };
    let call = OfficeCall::Save(id, 7, edit.clone());
    assert_eq!(
        ask(&mut state, OfficeCommand::Save { edit }),
        [Effect::Office(call.clone())]
    );
    let again = [Effect::Office(OfficeCall::Read(id))];
    assert_eq!(refuse(&mut state, call, ErrorCode::EditConflict), again);
    let changed = ExamListItem { revision: 8, ..item(1) };
    answer(
        &mut state,
        OfficeCall::Read(id),
        OfficeAnswer::Read(Box::new(changed), vec![]),
    );
    assert_eq!(office(&state).exam.unwrap().revision, 8);
    assert_eq!(
        state.view().notice.unwrap().code,
        "edit_conflict",
        "and the person is told"
    );
    let step = OfficeCommand::Step {
        step: OfficeStep::Schedule,
    };
    assert_eq!(
        ask(&mut state, step),
        [Effect::Office(OfficeCall::Step(id, OfficeStep::Schedule))]
    );
}

#[test]
fn what_was_previewed_is_what_is_imported() {
    let mut state = managed();
    let id = item(1).exam.id;
    assert_eq!(ask(&mut state, OfficeCommand::Import), [], "nothing was previewed");
    let preview = |csv: &str| OfficeCommand::Preview { csv: csv.into() };
    let call = OfficeCall::Preview(id, "label\nAda\n".into());
    assert_eq!(ask(&mut state, preview("label\nAda\n")), [Effect::Office(call.clone())]);
    answer(&mut state, call, OfficeAnswer::Preview(ImportPreview::default()));
    // Another file whose preview failed is not imported in place of the first one.
    ask(&mut state, preview("label\nEve\n"));
    refuse(
        &mut state,
        OfficeCall::Preview(id, "label\nEve\n".into()),
        ErrorCode::StorageFailed,
    );
    assert_eq!(office(&state).preview, None);
    assert_eq!(ask(&mut state, OfficeCommand::Import), []);
    ask(&mut state, preview("label\nAda\n"));
    answer(
        &mut state,
        OfficeCall::Preview(id, "label\nAda\n".into()),
        OfficeAnswer::Preview(ImportPreview::default()),
    );
    let import = OfficeCall::Import(id, "label\nAda\n".into());
    assert_eq!(ask(&mut state, OfficeCommand::Import), [Effect::Office(import.clone())]);
    // The roster was filled by somebody else meanwhile: the rows are held against it again.
    let checked = refuse(&mut state, import.clone(), ErrorCode::ImportRefused);
    assert_eq!(
        checked,
        [Effect::Office(OfficeCall::Preview(id, "label\nAda\n".into()))]
    );
    let told = answer(&mut state, import, OfficeAnswer::Secrets(vec![secret(1)]));
    assert_eq!(told, [Effect::Office(OfficeCall::Read(id))], "the roster is longer now");
    let view = office(&state);
    assert_eq!((view.preview, view.secrets.len(), view.saved), (None, 1, 1));
    let large = "x".repeat(MAX_ROSTER_CSV + 1);
    answer(
        &mut state,
        OfficeCall::Read(id),
        OfficeAnswer::Read(Box::new(item(1)), vec![entry(1)]),
    );
    assert_eq!(ask(&mut state, preview(&large)), []);
    assert_eq!(state.view().notice.unwrap().code, "too_large");
}

#[test]
fn secrets_are_shown_until_they_are_dismissed_and_no_longer() {
    let mut state = managed();
    let id = item(1).exam.id;
    let renew = OfficeCall::Renew(id, entry(1).entry.id);
    ask(&mut state, OfficeCommand::Renew { id: entry(1).entry.id });
    answer(&mut state, renew, OfficeAnswer::Secrets(vec![secret(1)]));
    answer(
        &mut state,
        OfficeCall::Read(id),
        OfficeAnswer::Read(Box::new(item(1)), vec![entry(1)]),
    );
    assert_eq!(office(&state).secrets, [secret(1)]);
    assert!(!format!("{:?}", state.view()).contains("7K3F"), "no log has them");
    ask(&mut state, OfficeCommand::DropSecrets);
    assert!(office(&state).secrets.is_empty());
}

#[test]
fn an_answer_about_another_exam_comes_too_late() {
    let mut state = managed();
    let id = item(1).exam.id;
    ask(&mut state, OfficeCommand::Leave);
    state.handle(Input::Exams(Ok(vec![item(1), item(2)])), 0);
    ask(&mut state, OfficeCommand::Manage { exam: item(2).exam.id });
    answer(
        &mut state,
        OfficeCall::Read(id),
        OfficeAnswer::Read(Box::new(item(1)), vec![entry(1)]),
    );
    let view = office(&state);
    assert_eq!((view.exam.unwrap().exam.id, view.roster.len()), (item(2).exam.id, 0));
}

#[test]
fn a_sign_in_that_ran_out_closes_the_office() {
    let mut state = managed();
    ask(&mut state, OfficeCommand::Remove { id: entry(1).entry.id });
    refuse(
        &mut state,
        OfficeCall::Remove(item(1).exam.id, entry(1).entry.id),
        ErrorCode::TokenExpired,
    );
    let view = state.view();
    assert_eq!((view.step, view.office), (ProctorStep::SignIn, None));
}
