//! Invitations and people, without a window or a server.

use super::people::{PeopleAnswer, PeopleCall};
use super::*;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::UserId;
use invigil_shared::people::{AccountState, ChangeUserRequest, InviteRequest, UserInfo, UserLink};
use invigil_view::people::PeopleCommand;

const LINK: &str = "invigil://exam.example.org:8443/invite?token=abc-_1";

fn pin() -> String {
    "0f".repeat(32)
}

fn told(state: &mut ProctorState, input: Input) -> Vec<Effect> {
    state.handle(input, 0).0
}

fn command(state: &mut ProctorState, command: ProctorCommand) -> Vec<Effect> {
    told(state, Input::Command(command))
}

fn people(state: &mut ProctorState, act: PeopleCommand) -> Vec<Effect> {
    command(state, ProctorCommand::People { command: act })
}

fn who() -> InvitationInfo {
    InvitationInfo {
        email: "pat@example.org".into(),
        name: "Pat".into(),
        role: Role::Lead,
        reset: false,
    }
}

fn refused(code: ErrorCode) -> CallFailure {
    CallFailure::Refused(code.into())
}

fn signed_in(state: &mut ProctorState, role: Role) -> Vec<Effect> {
    let answer = SignInResponse {
        access_token: "t".into(),
        expires_at: 0,
        participant: ParticipantId::from_parts(1, [1; 10]),
        role,
        name: "Ada".into(),
    };
    told(state, Input::SignedIn(Ok(Box::new(answer))))
}

/// The page of an invitation that names its server's certificate.
fn invited() -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    let link = format!("{LINK}&sha256={}", pin());
    let effects = command(&mut state, ProctorCommand::OpenInvitation { link });
    let look = Effect::LookAtInvitation {
        authority: "exam.example.org:8443".into(),
        pin: Some(pin()),
        token: "abc-_1".into(),
    };
    assert_eq!(effects, [look]);
    assert!(told(&mut state, Input::Invitation(Ok(who()))).is_empty());
    state
}

fn user(n: u8, state: AccountState) -> UserInfo {
    UserInfo {
        second_factor: false,
        oidc_linked: false,
        id: UserId::from_parts(1, [n; 10]),
        email: format!("{n}@example.org"),
        name: format!("Person {n}"),
        role: Role::Proctor,
        state,
        created_at: 0,
        link_expires_at: None,
    }
}

/// An admin who has two people listed.
fn listed() -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    let sign_in = ProctorCommand::SignIn {
        server: "exam.example.org".into(),
        email: "ada@example.org".into(),
        password: "p".into(),
    };
    command(&mut state, sign_in);
    signed_in(&mut state, Role::Admin);
    told(&mut state, Input::Exams(Ok(Vec::new())));
    let effects = command(&mut state, ProctorCommand::ShowPeople);
    assert_eq!(effects, [Effect::People(PeopleCall::List)]);
    let users = vec![user(1, AccountState::Active), user(2, AccountState::Invited)];
    told(&mut state, Input::People(Ok(PeopleAnswer::Listed(users))));
    assert!(!state.view().busy && state.view().people.users.len() == 2);
    state
}

#[test]
fn an_invitation_becomes_a_password_and_a_sign_in() {
    let mut state = invited();
    let view = state.view();
    assert_eq!((view.step, view.busy), (ProctorStep::Invitation, false));
    assert_eq!(view.invitation, Some(who()));
    let password = "correct horse".to_owned();
    let effects = command(
        &mut state,
        ProctorCommand::AcceptInvitation {
            password: password.clone(),
        },
    );
    assert!(
        matches!(&effects[..], [Effect::AcceptInvitation { token, password: p, .. }] if token == "abc-_1" && *p == password)
    );
    let authority = "exam.example.org:8443".to_owned();
    let expected = [
        Effect::Remember {
            authority: authority.clone(),
            sha256: pin(),
        },
        Effect::SignIn {
            authority,
            pin: Some(pin()),
            email: "pat@example.org".into(),
            password,
            code: None,
        },
    ];
    assert_eq!(told(&mut state, Input::Accepted(Ok(who()))), expected);
    assert_eq!(signed_in(&mut state, Role::Lead), [Effect::ListExams]);
    let view = state.view();
    assert_eq!(
        (view.step, view.invitation, view.role),
        (ProctorStep::Exams, None, Some(Role::Lead))
    );
}

#[test]
fn an_invitation_that_is_none_says_so_and_one_that_was_used_ends() {
    let mut state = ProctorState::new(Start::default());
    let link = "invigil://h/join?exam=A&secret=B".to_owned();
    assert!(command(&mut state, ProctorCommand::OpenInvitation { link }).is_empty());
    assert_eq!(state.view().notice.unwrap().code, "invitation_link");

    let mut state = invited();
    let accept = || ProctorCommand::AcceptInvitation {
        password: "long enough".into(),
    };
    command(&mut state, accept());
    told(&mut state, Input::Accepted(Err(CallFailure::Unreachable)));
    let view = state.view();
    assert_eq!(
        (view.step, view.busy),
        (ProctorStep::Invitation, false),
        "once more is possible"
    );
    assert_eq!(command(&mut state, accept()).len(), 1);
    told(&mut state, Input::Accepted(Err(refused(ErrorCode::InvitationInvalid))));
    let view = state.view();
    assert_eq!((view.step, view.invitation), (ProctorStep::SignIn, None));
    assert_eq!(view.notice.unwrap().code, "invitation_invalid");
}

#[test]
fn the_server_of_an_invitation_is_believed_first() {
    let mut state = ProctorState::new(Start::default());
    command(&mut state, ProctorCommand::OpenInvitation { link: LINK.into() });
    let effects = told(&mut state, Input::Invitation(Err(CallFailure::Untrusted)));
    assert!(matches!(&effects[..], [Effect::Probe { .. }]), "{effects:?}");
    told(&mut state, Input::Probed(Ok(pin())));
    assert_eq!(state.view().certificate.unwrap().sha256, pin());
    let effects = command(&mut state, ProctorCommand::Trust { accept: true });
    let [Effect::Remember { .. }, Effect::LookAtInvitation { pin: trusted, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*trusted, Some(pin()));
}

#[test]
fn only_an_admin_opens_people() {
    for role in [Role::Proctor, Role::Lead, Role::Reviewer] {
        let mut state = ProctorState::new(Start::default());
        let sign_in = ProctorCommand::SignIn {
            server: "h".into(),
            email: "e@h".into(),
            password: "p".into(),
        };
        command(&mut state, sign_in);
        signed_in(&mut state, role);
        told(&mut state, Input::Exams(Ok(Vec::new())));
        assert!(command(&mut state, ProctorCommand::ShowPeople).is_empty());
        assert_eq!(state.view().step, ProctorStep::Exams);
    }
}

#[test]
fn an_admin_invites_and_the_link_stays_until_it_is_put_away() {
    let mut state = listed();
    let invite = |name: &str| PeopleCommand::Invite {
        email: " new@example.org ".into(),
        name: name.into(),
        role: Role::Lead,
    };
    assert!(people(&mut state, invite("  ")).is_empty());
    assert_eq!(state.view().notice.unwrap().params["field"], "name");
    let request = InviteRequest {
        email: "new@example.org".into(),
        name: "New".into(),
        role: Role::Lead,
    };
    assert_eq!(
        people(&mut state, invite("New")),
        [Effect::People(PeopleCall::Invite(request))]
    );
    assert!(people(&mut state, invite("Twice")).is_empty(), "one at a time");
    let link = |user, link: &str| {
        let link = link.to_owned();
        Input::People(Ok(PeopleAnswer::Link(Box::new(UserLink {
            user,
            link,
            expires_at: 9,
            mailed: Some(false),
        }))))
    };
    told(&mut state, link(user(3, AccountState::Invited), "invigil://1"));
    let view = state.view().people;
    assert_eq!(
        (view.users.len(), view.link.as_ref().map(|l| (l.reset, l.mailed))),
        (3, Some((false, Some(false))))
    );
    people(&mut state, PeopleCommand::PutLinkAway);
    assert_eq!(state.view().people.link, None);
    let id = user(1, AccountState::Active).id;
    assert_eq!(
        people(&mut state, PeopleCommand::NewLink { user: id }),
        [Effect::People(PeopleCall::NewLink(id))]
    );
    told(&mut state, link(user(1, AccountState::Active), "invigil://2"));
    let view = state.view().people;
    assert_eq!((view.users.len(), view.link.map(|l| l.reset)), (3, Some(true)));
}

#[test]
fn what_the_server_changed_is_shown_and_what_it_refused_is_said() {
    let mut state = listed();
    let id = user(1, AccountState::Active).id;
    let off = ChangeUserRequest {
        active: Some(false),
        ..ChangeUserRequest::default()
    };
    let set = PeopleCommand::SetActive {
        user: id,
        active: false,
    };
    assert_eq!(
        people(&mut state, set.clone()),
        [Effect::People(PeopleCall::Change(id, off))]
    );
    let gone = user(1, AccountState::Deactivated);
    told(
        &mut state,
        Input::People(Ok(PeopleAnswer::Changed(Box::new(gone.clone())))),
    );
    assert_eq!(state.view().people.users[0], gone);
    people(&mut state, set);
    told(&mut state, Input::People(Err(refused(ErrorCode::LastAdmin))));
    let view = state.view();
    assert_eq!(
        (view.step, view.notice.unwrap().code.as_str()),
        (ProctorStep::People, "last_admin")
    );
    people(&mut state, PeopleCommand::Refresh);
    told(&mut state, Input::People(Err(refused(ErrorCode::AccessRevoked))));
    let view = state.view();
    assert_eq!((view.step, view.people.users.len()), (ProctorStep::SignIn, 0));
    assert_eq!(view.notice.unwrap().code, "access_revoked");
}
