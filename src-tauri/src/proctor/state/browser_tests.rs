//! Signing in through the identity provider, as the window's state machine sees it.

use super::tests::{command, who};
use super::*;

const SERVER: &str = "exam.example.org";
const URL: &str = "https://login.example.org/auth?state=x";

fn through_browser() -> ProctorCommand {
    ProctorCommand::SignInBrowser {
        server: format!(" {SERVER} "),
    }
}

fn wanted(pin: Option<&str>) -> Effect {
    Effect::SignInBrowser {
        authority: SERVER.to_owned(),
        pin: pin.map(str::to_owned),
    }
}

fn answer() -> Input {
    Input::SignedIn(Ok(Box::new(SignInResponse {
        access_token: "token".to_owned(),
        expires_at: 0,
        participant: who(200),
        role: Role::Lead,
        name: "Pat".to_owned(),
    })))
}

/// The browser is open.
fn waiting() -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    assert_eq!(command(&mut state, through_browser()), [wanted(None)]);
    let (effects, _) = state.handle(Input::BrowserSent(URL.to_owned()), 0);
    assert_eq!(effects, [Effect::OpenBrowser(URL.to_owned())]);
    let view = state.view();
    assert_eq!((view.provider.waiting.as_deref(), view.busy), (Some(URL), true));
    state
}

#[test]
fn the_browser_comes_back_and_somebody_is_signed_in() {
    let mut state = waiting();
    let email = "pat@x.org".to_owned();
    state.handle(Input::Known { email }, 0);
    assert_eq!(state.handle(answer(), 0).0, [Effect::ListExams]);
    let view = state.view();
    assert_eq!(
        (view.step, view.provider.waiting, view.leads),
        (ProctorStep::Exams, None, true)
    );
    assert_eq!(
        (view.name.as_str(), view.email.as_str(), view.server.as_str()),
        ("Pat", "pat@x.org", SERVER)
    );
}

#[test]
fn a_server_that_nobody_believes_yet_is_asked_about_first() {
    let mut state = ProctorState::new(Start::default());
    command(&mut state, through_browser());
    let (effects, _) = state.handle(Input::SignedIn(Err(CallFailure::Untrusted)), 0);
    assert!(matches!(&effects[..], [Effect::Probe { .. }]));
    let sha256 = "ab".repeat(32);
    state.handle(Input::Probed(Ok(sha256.clone())), 0);
    let effects = command(&mut state, ProctorCommand::Trust { accept: true });
    assert_eq!(effects[1], wanted(Some(&sha256)));
}

#[test]
fn whoever_leaves_is_waited_for_no_more() {
    let mut state = waiting();
    assert_eq!(
        command(&mut state, ProctorCommand::OpenBrowserAgain),
        [Effect::OpenBrowser(URL.to_owned())]
    );
    assert_eq!(
        command(&mut state, ProctorCommand::LeaveBrowser),
        [Effect::LeaveBrowser]
    );
    let view = state.view();
    assert_eq!((view.provider.waiting, view.busy, view.notice), (None, false, None));
    // What was on its way when it was left.
    for late in [
        answer(),
        Input::BrowserSent(URL.to_owned()),
        Input::BrowserEnded(Notice::new("browser_timed_out")),
    ] {
        assert_eq!(state.handle(late, 0).0, []);
    }
    let view = state.view();
    assert_eq!(
        (view.step, view.provider.waiting, view.notice),
        (ProctorStep::SignIn, None, None)
    );
    for nothing in [ProctorCommand::LeaveBrowser, ProctorCommand::OpenBrowserAgain] {
        assert_eq!(command(&mut state, nothing), []);
    }
}

#[test]
fn what_goes_wrong_is_said_and_the_password_is_there() {
    let ended = |code: &str| Input::BrowserEnded(Notice::new(code));
    let refused = |code: ErrorCode| Input::SignedIn(Err(CallFailure::Refused(code.into())));
    for (input, code) in [
        (ended("browser_turned_away"), "browser_turned_away"),
        (refused(ErrorCode::OidcNoAccount), "oidc_no_account"),
        (refused(ErrorCode::OidcUnavailable), "oidc_unavailable"),
        (refused(ErrorCode::NotFound), "provider_none"),
        (Input::SignedIn(Err(CallFailure::Unreachable)), "unreachable"),
    ] {
        let mut state = waiting();
        assert_eq!(state.handle(input, 0).0, []);
        let view = state.view();
        assert_eq!(view.notice.map(|notice| notice.code).as_deref(), Some(code));
        assert_eq!(
            (view.provider.waiting, view.busy, view.step),
            (None, false, ProctorStep::SignIn)
        );
    }
    // It can still be opened by hand.
    let mut state = waiting();
    state.handle(Input::BrowserMissing, 0);
    let view = state.view();
    assert_eq!(view.notice.unwrap().code, "browser_missing");
    assert!(view.provider.waiting.is_some());
    let mut state = ProctorState::new(Start::default());
    let server = "no server".to_owned();
    assert_eq!(command(&mut state, ProctorCommand::SignInBrowser { server }), []);
    assert_eq!(state.view().notice.unwrap().code, "unreachable");
}

#[test]
fn a_server_is_asked_once_whether_it_has_a_provider() {
    let mut state = ProctorState::new(Start::default());
    let ask = |state: &mut ProctorState, server: &str| {
        let server = server.to_owned();
        command(state, ProctorCommand::AskServer { server })
    };
    let told = |authority: &str, name: Result<Option<&str>, CallFailure>| Input::Provider {
        authority: authority.to_owned(),
        name: name.map(|name| name.map(str::to_owned)),
    };
    let authority = SERVER.to_owned();
    assert_eq!(ask(&mut state, SERVER), [Effect::AskProvider { authority }]);
    assert_eq!(ask(&mut state, SERVER), []);
    state.handle(told("other.example.org", Ok(Some("Other"))), 0);
    assert_eq!(state.view().provider.name, None);
    state.handle(told(SERVER, Ok(Some("Example University"))), 0);
    assert_eq!(state.view().provider.name.as_deref(), Some("Example University"));
    assert_eq!(ask(&mut state, "other.example.org").len(), 1);
    assert_eq!(state.view().provider.name, None, "that was another server's");
    state.handle(told("other.example.org", Err(CallFailure::Unreachable)), 0);
    assert_eq!(ask(&mut state, "other.example.org").len(), 1, "perhaps it answers now");
    state.handle(told("other.example.org", Err(CallFailure::Untrusted)), 0);
    assert_eq!(state.view().provider.name.as_deref(), Some(""));
    assert_eq!(ask(&mut state, "not a server"), []);
    assert_eq!(state.view().provider.name, None);
}
