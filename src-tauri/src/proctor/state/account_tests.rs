//! Signing in with a code, and the own account, without a window or a server.

use super::account::{AccountAnswer, AccountCall};
use super::*;
use invigil_shared::account::{OwnAccount, RecoveryCodes, SecondFactorOffer};
use invigil_view::account::{AccountCommand, AccountDone, FactorOffer};

fn told(state: &mut ProctorState, input: Input) -> Vec<Effect> {
    state.handle(input, 0).0
}

fn command(state: &mut ProctorState, command: ProctorCommand) -> Vec<Effect> {
    told(state, Input::Command(command))
}

fn account(state: &mut ProctorState, act: AccountCommand) -> Vec<Effect> {
    command(state, ProctorCommand::Account { command: act })
}

fn refused(code: ErrorCode) -> CallFailure {
    CallFailure::Refused(code.into())
}

fn answer() -> Box<SignInResponse> {
    Box::new(SignInResponse {
        access_token: "t".into(),
        expires_at: 0,
        participant: ParticipantId::from_parts(1, [1; 10]),
        role: Role::Reviewer,
        name: "Ada".into(),
    })
}

fn own(second_factor: bool) -> OwnAccount {
    OwnAccount {
        email: "ada@example.org".into(),
        name: "Ada".into(),
        role: Role::Reviewer,
        second_factor,
        recovery_codes_left: if second_factor { 10 } else { 0 },
        oidc_linked: false,
    }
}

/// The password is typed and right; the code is asked for.
fn asked() -> ProctorState {
    let mut state = ProctorState::new(Start::default());
    let password = "correct horse".to_owned();
    let (server, email) = ("exam.example.org".into(), "ada@example.org".into());
    let effects = command(
        &mut state,
        ProctorCommand::SignIn {
            server,
            email,
            password,
        },
    );
    assert!(matches!(&effects[..], [Effect::SignIn { code: None, .. }]));
    let required = Input::SignedIn(Err(refused(ErrorCode::SecondFactorRequired)));
    assert!(told(&mut state, required).is_empty());
    state
}

fn give(state: &mut ProctorState, code: &str) -> Vec<Effect> {
    command(state, ProctorCommand::SignInCode { code: code.into() })
}

#[test]
fn a_code_goes_with_the_password_that_was_typed() {
    let mut state = asked();
    let view = state.view();
    assert!(view.asks_code && !view.busy && view.notice.is_none());
    assert_eq!(view.step, ProctorStep::SignIn);
    let effects = give(&mut state, " 123 456 ");
    assert!(
        matches!(&effects[..], [Effect::SignIn { password, code: Some(code), .. }] if password == "correct horse" && code == "123 456")
    );
    assert!(give(&mut state, "123456").is_empty(), "one at a time");
    told(&mut state, Input::SignedIn(Err(refused(ErrorCode::SecondFactorWrong))));
    let view = state.view();
    assert!(view.asks_code && view.notice.unwrap().code == "second_factor_wrong");
    give(&mut state, "654321");
    told(&mut state, Input::SignedIn(Err(refused(ErrorCode::SecretThrottled))));
    assert!(state.view().asks_code, "the password stays right");
    give(&mut state, "654321");
    assert_eq!(told(&mut state, Input::SignedIn(Ok(answer()))), [Effect::ListExams]);
    let view = state.view();
    assert!(!view.asks_code && view.notice.is_none() && view.step == ProctorStep::Exams);
}

#[test]
fn another_refusal_or_turning_back_ends_the_question() {
    let mut state = asked();
    give(&mut state, "1");
    told(&mut state, Input::SignedIn(Err(refused(ErrorCode::CredentialsWrong))));
    let view = state.view();
    assert!(!view.asks_code && view.notice.unwrap().code == "credentials_wrong");
    let mut state = asked();
    assert!(command(&mut state, ProctorCommand::LeaveSignInCode).is_empty());
    assert!(!state.view().asks_code);
    assert!(give(&mut state, "123456").is_empty(), "the password is forgotten");
}

fn opened(second_factor: bool) -> ProctorState {
    let mut state = asked();
    give(&mut state, "1");
    told(&mut state, Input::SignedIn(Ok(answer())));
    told(&mut state, Input::Exams(Ok(Vec::new())));
    let read = [Effect::Account(AccountCall::Read)];
    assert_eq!(command(&mut state, ProctorCommand::ShowAccount), read);
    told(&mut state, Input::Account(Ok(AccountAnswer::Read(own(second_factor)))));
    assert_eq!(state.view().account.own, Some(own(second_factor)));
    state
}

#[test]
fn a_second_factor_is_offered_confirmed_and_its_codes_put_away() {
    let mut state = opened(false);
    assert!(
        account(
            &mut state,
            AccountCommand::Offer {
                password: String::new()
            }
        )
        .is_empty()
    );
    assert_eq!(state.view().notice.unwrap().params["field"], "password");
    let password = "correct horse".to_owned();
    let effects = account(
        &mut state,
        AccountCommand::Offer {
            password: password.clone(),
        },
    );
    assert_eq!(effects, [Effect::Account(AccountCall::Offer { password })]);
    let (secret, uri) = ("ABC".to_owned(), "otpauth://x".to_owned());
    let offer = SecondFactorOffer {
        secret: secret.clone(),
        uri: uri.clone(),
    };
    told(&mut state, Input::Account(Ok(AccountAnswer::Offered(offer))));
    assert_eq!(state.view().account.offer, Some(FactorOffer { secret, uri }));
    let code = || "123456".to_owned();
    let effects = account(&mut state, AccountCommand::Confirm { code: code() });
    assert_eq!(effects, [Effect::Account(AccountCall::Confirm { code: code() })]);
    told(&mut state, Input::Account(Err(refused(ErrorCode::SecondFactorWrong))));
    assert!(state.view().account.offer.is_some(), "a wrong code does not end it");
    account(&mut state, AccountCommand::Confirm { code: code() });
    let codes = vec!["AAAA".to_owned(), "BBBB".to_owned()];
    let recovery = RecoveryCodes { codes: codes.clone() };
    told(&mut state, Input::Account(Ok(AccountAnswer::Confirmed(recovery))));
    let view = state.view().account;
    assert_eq!((view.offer, view.recovery), (None, codes));
    assert_eq!(
        view.own.map(|own| (own.second_factor, own.recovery_codes_left)),
        Some((true, 2))
    );
    assert!(command(&mut state, ProctorCommand::LeaveAccount).is_empty());
    assert_eq!(state.view().step, ProctorStep::Account, "codes are told once");
    account(&mut state, AccountCommand::PutRecoveryAway);
    assert_eq!(state.view().account.done, Some(AccountDone::FactorOn));
    assert_eq!(command(&mut state, ProctorCommand::LeaveAccount), [Effect::ListExams]);
    assert_eq!(state.view().account, AccountView::default());
}

#[test]
fn it_is_turned_off_and_the_password_changed() {
    let mut state = opened(true);
    let off = |password: &str, code: &str| AccountCommand::TurnOff {
        password: password.into(),
        code: code.into(),
    };
    for (command, field) in [(off("", "1"), "password"), (off("x", " "), "code")] {
        assert!(account(&mut state, command).is_empty());
        assert_eq!(state.view().notice.unwrap().params["field"], field);
    }
    assert_eq!(account(&mut state, off("x", "1")).len(), 1);
    told(&mut state, Input::Account(Ok(AccountAnswer::Off(own(false)))));
    let view = state.view().account;
    assert_eq!((view.own, view.done), (Some(own(false)), Some(AccountDone::FactorOff)));
    let change = AccountCommand::ChangePassword {
        password: "x".into(),
        new_password: "another one".into(),
    };
    assert_eq!(account(&mut state, change.clone()).len(), 1);
    assert!(state.view().account.done.is_none());
    told(&mut state, Input::Account(Err(refused(ErrorCode::CredentialsWrong))));
    let view = state.view();
    assert_eq!(view.step, ProctorStep::Account);
    assert_eq!(view.notice.unwrap().code, "password_wrong");
    account(&mut state, change);
    told(&mut state, Input::Account(Ok(AccountAnswer::PasswordChanged(answer()))));
    assert_eq!(state.view().account.done, Some(AccountDone::PasswordChanged));
    account(&mut state, off("x", "1"));
    told(&mut state, Input::Account(Err(refused(ErrorCode::AccessRevoked))));
    assert_eq!(state.view().step, ProctorStep::SignIn);
}

#[test]
fn passwords_codes_and_secrets_are_in_no_log() {
    let secret = "s3cr3t".to_owned();
    let calls = [
        format!(
            "{:?}",
            AccountCall::Offer {
                password: secret.clone()
            }
        ),
        format!("{:?}", AccountCommand::Confirm { code: secret.clone() }),
        format!(
            "{:?}",
            AccountAnswer::Confirmed(RecoveryCodes {
                codes: vec![secret.clone()]
            })
        ),
        format!(
            "{:?}",
            FactorOffer {
                secret: secret.clone(),
                uri: secret.clone()
            }
        ),
    ];
    assert!(calls.iter().all(|text| !text.contains(&secret)));
}
