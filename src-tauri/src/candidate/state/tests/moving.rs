//! Waiting for "move to this device".

use super::*;

fn refused(state: &mut CandidateState, code: ErrorCode) -> Vec<Effect> {
    state.handle(Input::Joined(Err(CallFailure::Refused(code.into()))), 0).0
}

fn tick(state: &mut CandidateState, now: i64) -> usize {
    state.handle(Input::Tick, now).0.len()
}

/// The server has said that another device holds the session.
fn waiting() -> CandidateState {
    let mut state = CandidateState::new(Start::default());
    command(&mut state, join_command());
    assert_eq!(refused(&mut state, ErrorCode::DeviceWaits), []);
    state
}

#[test]
fn a_device_that_waits_asks_every_few_seconds_until_the_session_is_here() {
    let mut state = waiting();
    let view = state.view();
    assert!(view.moving && !view.busy && view.notice.is_none() && view.step == CandidateStep::Join);
    assert_eq!(command(&mut state, join_command()), [], "it has asked already");
    assert_eq!(tick(&mut state, 10 * SECOND), 0);
    assert_eq!(tick(&mut state, 12 * SECOND), 0);
    let asked = state.handle(Input::Tick, 13 * SECOND).0;
    assert!(matches!(&asked[..], [Effect::Join { secret, .. }] if secret == "7K3F-9QXT-M2RD"));
    assert_eq!(tick(&mut state, 60 * SECOND), 0, "one at a time");
    // The network is away for a while.
    state.handle(Input::Joined(Err(CallFailure::Unreachable)), 0);
    assert!(state.view().moving);
    assert_eq!((tick(&mut state, 61 * SECOND), tick(&mut state, 64 * SECOND)), (0, 1));
    refused(&mut state, ErrorCode::DeviceWaits);
    assert!(state.view().moving);
    state.handle(joined(Policy::default()), 0);
    let view = state.view();
    assert!(!view.moving && view.step == CandidateStep::Consent);
    assert_eq!((tick(&mut state, 90 * SECOND), tick(&mut state, 99 * SECOND)), (0, 0));
}

#[test]
fn a_refusal_or_turning_away_ends_the_wait() {
    let mut state = waiting();
    refused(&mut state, ErrorCode::DeviceRefused);
    let view = state.view();
    assert!(!view.moving && view.notice.unwrap().code == "device_refused");
    let mut state = waiting();
    assert_eq!(command(&mut state, CandidateCommand::StopMoving), []);
    assert!(!state.view().moving);
    assert_eq!((tick(&mut state, 0), tick(&mut state, 9 * SECOND)), (0, 0));
    assert_eq!(command(&mut state, join_command()).len(), 1, "and may ask again");
}
