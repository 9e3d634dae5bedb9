//! API keys and webhooks, without a window or a server.

use super::systems::{SystemsAnswer, SystemsCall};
use super::*;
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, ApiScope, NewApiKey};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ApiKeyId, WebhookId};
use invigil_shared::webhook::{EventKind, NewWebhook, WebhookEdit, WebhookInfo, WebhookSecret, WebhookTest};
use invigil_view::systems::{HandedSecret, SystemsCommand};

fn told(state: &mut ProctorState, input: Input) -> Vec<Effect> {
    state.handle(input, 0).0
}

fn command(state: &mut ProctorState, command: ProctorCommand) -> Vec<Effect> {
    told(state, Input::Command(command))
}

fn act(state: &mut ProctorState, command: SystemsCommand) -> Vec<Effect> {
    self::command(state, ProctorCommand::Systems { command })
}

fn answered(state: &mut ProctorState, answer: SystemsAnswer) {
    assert!(told(state, Input::Systems(Ok(answer))).is_empty());
    assert!(!state.view().busy);
}

fn signed_in(role: Role) -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    let sign_in = ProctorCommand::SignIn {
        server: "exam.example.org".into(),
        email: "ada@example.org".into(),
        password: "p".into(),
    };
    command(&mut state, sign_in);
    let answer = SignInResponse {
        access_token: "t".into(),
        expires_at: 0,
        participant: ParticipantId::from_parts(1, [1; 10]),
        role,
        name: "Ada".into(),
    };
    told(&mut state, Input::SignedIn(Ok(Box::new(answer))));
    told(&mut state, Input::Exams(Ok(Vec::new())));
    state
}

fn key(n: u8) -> ApiKeyInfo {
    ApiKeyInfo {
        id: ApiKeyId::from_parts(1, [n; 10]),
        name: format!("Key {n}"),
        scopes: vec![ApiScope::RostersWrite],
        created_by: "somebody".into(),
        created_at: 0,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn webhook(n: u8) -> WebhookInfo {
    WebhookInfo {
        id: WebhookId::from_parts(1, [n; 10]),
        url: format!("https://{n}.example.org/"),
        kinds: Vec::new(),
        stopped: None,
        created_at: 0,
        delivered_at: None,
        attempts: 0,
        last_error: None,
        next_at: None,
    }
}

/// An admin who has a key and a webhook listed.
fn listed() -> ProctorState {
    let mut state = signed_in(Role::Admin);
    let effects = command(&mut state, ProctorCommand::ShowSystems);
    assert_eq!(effects, [Effect::Systems(SystemsCall::List)]);
    answered(&mut state, SystemsAnswer::Listed(vec![key(1)], vec![webhook(1)]));
    state
}

#[test]
fn only_an_admin_opens_them_and_goes_back_to_the_exams() {
    for role in [Role::Proctor, Role::Lead, Role::Reviewer] {
        let mut state = signed_in(role);
        assert!(command(&mut state, ProctorCommand::ShowSystems).is_empty());
        assert!(act(&mut state, SystemsCommand::Refresh).is_empty());
    }
    let mut state = listed();
    let view = state.view();
    assert_eq!(
        (view.step, view.systems.keys.len(), view.systems.webhooks.len()),
        (ProctorStep::Systems, 1, 1)
    );
    assert_eq!(command(&mut state, ProctorCommand::LeaveSystems), [Effect::ListExams]);
    assert_eq!(state.view().systems, Default::default());
}

#[test]
fn a_key_is_shown_once_and_only_until_it_is_put_away() {
    let mut state = listed();
    let make = |name: &str, scopes: &[ApiScope]| SystemsCommand::MakeKey {
        name: name.into(),
        scopes: scopes.to_vec(),
        expires_at: Some(7),
    };
    for (name, scopes, field) in [("  ", &[ApiScope::ExamsRead][..], "name"), ("Timetable", &[], "scopes")] {
        assert!(act(&mut state, make(name, scopes)).is_empty());
        assert_eq!(
            state.view().notice,
            Some(Notice::new("field_missing").with("field", field))
        );
    }
    let request = ApiKeyRequest {
        name: "Timetable".into(),
        scopes: vec![ApiScope::ExamsWrite],
        expires_at: Some(7),
    };
    assert_eq!(
        act(&mut state, make(" Timetable ", &[ApiScope::ExamsWrite])),
        [Effect::Systems(SystemsCall::MakeKey(request))]
    );
    assert!(state.view().notice.is_none());
    assert!(act(&mut state, SystemsCommand::Refresh).is_empty(), "one at a time");
    let made = NewApiKey {
        key: key(2),
        token: "ivk_secret".into(),
    };
    answered(&mut state, SystemsAnswer::Key(Box::new(made)));
    let view = state.view().systems;
    assert_eq!(view.keys.len(), 2);
    let handed = HandedSecret::ApiKey {
        name: "Key 2".into(),
        token: "ivk_secret".into(),
    };
    assert_eq!(view.secret, Some(handed));
    assert!(!format!("{view:?}").contains("ivk_secret"));
    act(&mut state, SystemsCommand::PutSecretAway);
    assert_eq!(state.view().systems.secret, None);
    let id = key(1).id;
    assert_eq!(
        act(&mut state, SystemsCommand::RevokeKey { key: id }),
        [Effect::Systems(SystemsCall::RevokeKey(id))]
    );
    let revoked = ApiKeyInfo {
        revoked_at: Some(9),
        ..key(1)
    };
    answered(&mut state, SystemsAnswer::Keys(vec![revoked.clone(), key(2)]));
    assert_eq!(state.view().systems.keys[0], revoked);
}

#[test]
fn a_webhook_is_added_tried_changed_stopped_and_removed() {
    let mut state = listed();
    let add = SystemsCommand::AddWebhook {
        url: " https://2.example.org/ ".into(),
        kinds: vec![EventKind::ExamChanged],
    };
    let new = NewWebhook {
        url: "https://2.example.org/".into(),
        kinds: vec![EventKind::ExamChanged],
    };
    assert_eq!(act(&mut state, add), [Effect::Systems(SystemsCall::AddWebhook(new))]);
    let made = WebhookSecret {
        webhook: webhook(2),
        secret: "whsec_x".into(),
    };
    answered(&mut state, SystemsAnswer::Webhook(Box::new(made)));
    let view = state.view().systems;
    assert_eq!(view.webhooks.len(), 2);
    assert!(matches!(view.secret, Some(HandedSecret::Webhook { secret, .. }) if secret == "whsec_x"));

    let id = webhook(2).id;
    assert_eq!(
        act(&mut state, SystemsCommand::TestWebhook { webhook: id }),
        [Effect::Systems(SystemsCall::TestWebhook(id))]
    );
    let test = WebhookTest {
        taken: false,
        status: Some(500),
        error: Some("it answered 500".into()),
    };
    let all = vec![webhook(1), webhook(2)];
    answered(&mut state, SystemsAnswer::Tested(id, test.clone(), all));
    assert_eq!(state.view().systems.tested.map(|tested| tested.test), Some(test));

    let stop = SystemsCommand::SetWebhookActive {
        webhook: id,
        active: false,
    };
    let edit = WebhookEdit {
        active: Some(false),
        ..WebhookEdit::default()
    };
    assert_eq!(
        act(&mut state, stop),
        [Effect::Systems(SystemsCall::ChangeWebhook(id, edit))]
    );
    assert_eq!(state.view().systems.tested, None, "it was about before");
    let stopped = WebhookInfo {
        stopped: Some("asked".into()),
        ..webhook(2)
    };
    answered(&mut state, SystemsAnswer::Changed(Box::new(stopped.clone())));
    assert_eq!(state.view().systems.webhooks[1], stopped);

    act(&mut state, SystemsCommand::RemoveWebhook { webhook: id });
    answered(&mut state, SystemsAnswer::Removed(id));
    assert_eq!(state.view().systems.webhooks, [webhook(1)]);
}

#[test]
fn who_is_no_admin_any_more_signs_in_again() {
    let mut state = listed();
    act(&mut state, SystemsCommand::Refresh);
    told(
        &mut state,
        Input::Systems(Err(CallFailure::Refused(ErrorCode::TokenExpired.into()))),
    );
    let view = state.view();
    assert_eq!((view.step, view.systems), (ProctorStep::SignIn, Default::default()));
    assert!(view.notice.is_some());
}
