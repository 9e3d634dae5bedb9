//! What proctors do to the sitting, as the window shows it.

use super::*;
use invigil_shared::sitting::OwnPause;

#[test]
fn what_covers_the_page_and_whether_the_clock_stands_follows_the_sitting() {
    let mut state = in_exam();
    let told = |state: &mut CandidateState, sitting: Sitting| {
        let input = Input::Sitting {
            sitting,
            ends_at: 90 * SECOND,
            time_left: 60 * SECOND,
        };
        state.handle(input, 0);
        state.view()
    };
    let reason = "because".to_owned();
    let plain = Sitting {
        reason: reason.clone(),
        ..Sitting::default()
    };
    assert_eq!(told(&mut state, plain.clone()).cover, None);
    let waiting = Sitting {
        admission: Admission::Waiting,
        late: true,
        ..Sitting::default()
    };
    assert_eq!(told(&mut state, waiting).cover, Some(Cover::Waiting { late: true }));
    assert_eq!(
        command(&mut state, CandidateCommand::Ready),
        [],
        "nothing was asked for"
    );
    let asked = Sitting {
        admission: Admission::AskedAgain,
        ..plain.clone()
    };
    assert_eq!(
        told(&mut state, asked).cover,
        Some(Cover::AskedAgain { reason: reason.clone() })
    );
    assert_eq!(command(&mut state, CandidateCommand::Ready), [Effect::AskAdmission]);
    let paused = Sitting {
        pause: Some(OwnPause {
            since: 0,
            left_us: 60 * SECOND,
        }),
        ..plain.clone()
    };
    let view = told(&mut state, paused);
    assert_eq!(
        (view.cover, view.left_us),
        (Some(Cover::Paused { reason: reason.clone() }), Some(60 * SECOND))
    );
    let locked = Sitting {
        locked: true,
        hand_since: Some(5),
        extra_min: 10,
        ..plain.clone()
    };
    let view = told(&mut state, locked);
    assert_eq!(
        (view.cover, view.left_us),
        (Some(Cover::Locked { reason }), None),
        "a lock's clock goes on"
    );
    assert_eq!(
        (view.hand_raised, view.extra_min, view.ends_at),
        (true, 10, Some(90 * SECOND))
    );
    assert_eq!(
        command(&mut state, CandidateCommand::RaiseHand { raised: false }),
        [Effect::RaiseHand(false)]
    );
    let updated = |status| Input::ExamUpdated {
        status,
        ends_at: 90 * SECOND,
        time_left: 60 * SECOND,
    };
    state.handle(updated(ExamStatus::Paused), 0);
    assert_eq!(
        (state.view().cover, state.view().left_us),
        (Some(Cover::ExamPaused), Some(60 * SECOND))
    );
    state.handle(updated(ExamStatus::Waiting), 0);
    let view = state.view();
    let starts_at = view.exam.as_ref().unwrap().starts_at;
    assert_eq!(view.cover, Some(Cover::NotBegun { starts_at }));
    assert_eq!(
        view.left_us,
        Some(90 * SECOND - starts_at),
        "waiting takes nothing of it"
    );
}

#[test]
fn who_is_put_out_learns_why_at_once_or_on_coming_back() {
    let ended = Sitting {
        ended: true,
        reason: "two people".into(),
        ..Sitting::default()
    };
    let told = Input::Sitting {
        sitting: ended,
        ends_at: 0,
        time_left: 0,
    };
    let mut body = ErrorBody::from(ErrorCode::NotAdmitted);
    body.params.insert("reason".into(), "no document".into());
    for (input, rejected, reason) in [(told, false, "two people"), (Input::Out(body), true, "no document")] {
        let mut state = in_exam();
        state.handle(input, 0);
        let (effects, _) = state.handle(Input::Ended, 0);
        assert!(effects.contains(&Effect::CloseSources) && !effects.contains(&Effect::Finish));
        let view = state.view();
        assert_eq!(view.step, CandidateStep::Finished);
        let ended = view.ended.unwrap();
        assert_eq!((ended.rejected, ended.reason.as_str()), (rejected, reason));
    }
}

#[test]
fn a_muted_microphone_is_said_and_who_is_put_out_may_join_again() {
    let mut state = in_exam();
    let told = Input::Sitting {
        sitting: Sitting {
            muted: true,
            ..Sitting::default()
        },
        ends_at: 90 * SECOND,
        time_left: 60 * SECOND,
    };
    state.handle(told, 0);
    assert!(state.view().muted && state.view().cover.is_none());
    let mut body = ErrorBody::from(ErrorCode::Removed);
    body.params.insert("reason".into(), "two people".into());
    let (effects, _) = state.handle(Input::Dropped(body), 0);
    assert!(effects.contains(&Effect::CloseSources) && effects.contains(&Effect::Disconnect));
    // The connection's own end says no more.
    state.handle(Input::Dropped(ErrorCode::Removed.into()), 0);
    let view = state.view();
    assert_eq!((view.step, view.muted), (CandidateStep::Join, false));
    let notice = view.notice.unwrap();
    assert_eq!(
        (notice.code.as_str(), notice.params["reason"].as_str()),
        ("removed", "two people")
    );
}
