//! The sitting, from joining to hand-in, without a window, a server or a device.

use super::*;
use crate::clock::SECOND;
use invigil_client::MediaState;
use invigil_shared::error::ErrorCode;
use invigil_shared::exam::{Allowances, ExamStatus, Policy};
use invigil_shared::id::{ExamId, ParticipantId, SessionId};
use invigil_shared::role::Role;
use invigil_shared::signal::ParticipantInfo;
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::Presence;
use invigil_view::candidate::Cover;

fn exam(policy: Policy) -> ExamInfo {
    let id = ExamId::from_parts(1, [1; 10]);
    let (title, code) = ("Statistics I".to_owned(), "STAT-1".to_owned());
    ExamInfo {
        id,
        title,
        code,
        status: ExamStatus::Active,
        starts_at: 0,
        ends_at: 100 * SECOND,
        policy,
    }
}

fn joined(policy: Policy) -> Input {
    Input::Joined(Ok(Box::new(JoinResponse {
        access_token: "token".to_owned(),
        expires_at: 0,
        session: SessionId::from_parts(1, [2; 10]),
        participant: ParticipantId::from_parts(1, [3; 10]),
        exam: exam(policy),
        candidate_label: "Candidate 014".to_owned(),
        seat: Some("C2".to_owned()),
        allowances: Allowances::default(),
    })))
}

fn command(state: &mut CandidateState, command: CandidateCommand) -> Vec<Effect> {
    state.handle(Input::Command(command), 0).0
}

fn join_command() -> CandidateCommand {
    let (server, exam_code) = ("https://exam.example.org".to_owned(), " stat-1 ".to_owned());
    CandidateCommand::Join {
        server,
        exam_code,
        secret: "7k3f-9qxt-m2rd".to_owned(),
    }
}

fn live() -> SourceChange {
    SourceChange::Live {
        device: "Device".to_owned(),
        width: 640,
        height: 360,
        fps: 15,
    }
}

fn at_check(policy: Policy) -> CandidateState {
    let mut state = CandidateState::new(Start::default());
    command(&mut state, join_command());
    state.handle(joined(policy), 0);
    let opened = command(&mut state, CandidateCommand::Consent { agree: true });
    assert_eq!(opened.len(), state.view().sources.len());
    state
}

const ALL: [PublicationKey; 3] = [
    PublicationKey::CAMERA,
    PublicationKey::MICROPHONE,
    PublicationKey::SCREEN,
];

fn in_exam() -> CandidateState {
    let mut state = at_check(Policy::default());
    for key in ALL {
        state.handle(Input::Source(key, live()), 0);
    }
    assert_eq!(command(&mut state, CandidateCommand::StartExam), [Effect::Connect]);
    state.handle(Input::Linked, 0);
    state.handle(Input::Media(MediaState::Connected), 0);
    state
}

fn message(n: u8, kind: MessageKind) -> Message {
    Message {
        id: MessageId::from_parts(5, [n; 10]),
        kind,
        candidate: ParticipantId::from_parts(1, [3; 10]),
        from_candidate: false,
        author: "Proctor".to_owned(),
        text: format!("text {n}"),
        at: i64::from(n),
        acknowledged: false,
    }
}

#[test]
fn joining_asks_the_server_and_shows_what_policy_asks_for() {
    let mut state = CandidateState::new(Start::default());
    let effects = command(&mut state, join_command());
    let wanted = Effect::Join {
        authority: "exam.example.org".to_owned(),
        pin: None,
        exam_code: "STAT-1".to_owned(),
        secret: "7K3F-9QXT-M2RD".to_owned(),
    };
    assert_eq!(effects, [wanted]);
    assert!(state.view().busy);
    assert_eq!(command(&mut state, join_command()), [], "one join at a time");
    assert_eq!(
        state.handle(joined(Policy::default()), 0).0,
        [],
        "nothing is switched on before consent"
    );
    let view = state.view();
    assert_eq!(
        (view.step, view.label.as_str(), view.sources.len()),
        (CandidateStep::Consent, "Candidate 014", 0)
    );
    assert_eq!(command(&mut state, CandidateCommand::Consent { agree: false }), []);
    assert_eq!(state.view().step, CandidateStep::Declined);
}

#[test]
fn a_wrong_secret_says_so_and_can_be_tried_again() {
    let mut state = CandidateState::new(Start::default());
    command(&mut state, join_command());
    let refused = ErrorBody::from(ErrorCode::SecretWrong).with("tries_left", 4);
    state.handle(Input::Joined(Err(CallFailure::Refused(refused))), 0);
    let view = state.view();
    assert_eq!(view.notice, Some(Notice::new("secret_wrong").with("tries_left", 4)));
    assert!(!view.busy);
    assert_eq!(command(&mut state, join_command()).len(), 1);
}

#[test]
fn what_is_missing_or_no_link_is_said_without_a_call() {
    let mut state = CandidateState::new(Start::default());
    let join = |server: &str, exam_code: &str, secret: &str| CandidateCommand::Join {
        server: server.to_owned(),
        exam_code: exam_code.to_owned(),
        secret: secret.to_owned(),
    };
    for (server, code, secret, field) in [
        ("", "E", "S", "server"),
        ("e.org", "", "S", "exam_code"),
        ("e.org", "E", " ", "secret"),
    ] {
        assert_eq!(command(&mut state, join(server, code, secret)), []);
        assert_eq!(state.view().notice.unwrap().params["field"], field);
    }
    assert_eq!(
        command(
            &mut state,
            CandidateCommand::JoinLink {
                link: "https://x".to_owned()
            }
        ),
        []
    );
    assert_eq!(state.view().notice.unwrap().code, "link_invalid");
}

#[test]
fn an_unknown_certificate_is_asked_about_once_and_then_pinned() {
    let mut state = CandidateState::new(Start::default());
    command(&mut state, join_command());
    let authority = "exam.example.org".to_owned();
    let effects = state.handle(Input::Joined(Err(CallFailure::Untrusted)), 0).0;
    assert_eq!(
        effects,
        [Effect::Probe {
            authority: authority.clone()
        }]
    );
    state.handle(Input::Probed(Ok("ab".repeat(32))), 0);
    assert!(!state.view().certificate.unwrap().changed);
    let effects = command(&mut state, CandidateCommand::Trust { accept: true });
    assert_eq!(
        effects[0],
        Effect::Remember {
            authority,
            sha256: "ab".repeat(32)
        }
    );
    assert!(matches!(&effects[1], Effect::Join { pin: Some(pin), .. } if *pin == "ab".repeat(32)));
    state.handle(Input::Joined(Err(CallFailure::Untrusted)), 0);
    state.handle(Input::Probed(Ok("cd".repeat(32))), 0);
    assert!(state.view().certificate.unwrap().changed);
    assert_eq!(command(&mut state, CandidateCommand::Trust { accept: false }), []);
    assert_eq!(state.view().certificate, None);
    assert_eq!(state.handle(joined(Policy::default()), 0).0, []);
    assert_eq!(
        state.view().step,
        CandidateStep::Join,
        "an answer that nobody waits for is none"
    );
}

#[test]
fn the_exam_waits_for_every_required_source() {
    let mut state = at_check(Policy {
        microphone: SourceRule::Optional,
        ..Policy::default()
    });
    state.handle(Input::Source(PublicationKey::CAMERA, live()), 0);
    state.handle(Input::Source(PublicationKey::SCREEN, live()), 0);
    assert!(!state.view().can_start, "the microphone is still being opened");
    state.handle(
        Input::Source(
            PublicationKey::MICROPHONE,
            SourceChange::Failed("microphone_none".to_owned()),
        ),
        0,
    );
    assert!(state.view().can_start);
    state.handle(
        Input::Source(PublicationKey::CAMERA, SourceChange::Failed("camera_none".to_owned())),
        0,
    );
    let view = state.view();
    assert!(!view.can_start);
    assert_eq!(view.sources[0].state, SourceState::Absent);
    assert_eq!(view.sources[0].problem, Some(Notice::new("camera_none")));
    assert_eq!(command(&mut state, CandidateCommand::StartExam), []);
    let again = command(&mut state, CandidateCommand::CheckAgain);
    assert_eq!(again.len(), 2);
}

#[test]
fn a_source_that_policy_leaves_out_is_never_opened() {
    let state = at_check(Policy {
        camera: SourceRule::Off,
        ..Policy::default()
    });
    let publications: Vec<_> = state.view().sources.iter().map(|source| source.publication).collect();
    assert_eq!(publications, [PublicationKey::MICROPHONE, PublicationKey::SCREEN]);
}

#[test]
fn the_test_picture_stands_in_only_where_policy_allows_it() {
    let none = || Input::Source(PublicationKey::CAMERA, SourceChange::Failed("camera_none".to_owned()));
    let mut strict = at_check(Policy::default());
    assert_eq!(strict.handle(none(), 0).0, []);
    let mut demo = at_check(Policy {
        allow_test_picture: true,
        ..Policy::default()
    });
    let stand_in = Effect::Open {
        publication: PublicationKey::CAMERA,
        device: None,
        test_picture: true,
    };
    assert_eq!(demo.handle(none(), 0).0, [stand_in]);
    assert!(demo.view().sources[0].test_picture);
    let mut asked = CandidateState::new(Start {
        test_picture: true,
        ..Start::default()
    });
    command(&mut asked, join_command());
    asked.handle(joined(Policy::default()), 0);
    let effects = command(&mut asked, CandidateCommand::Consent { agree: true });
    assert!(effects.iter().all(|effect| matches!(
        effect,
        Effect::Open {
            test_picture: false,
            ..
        }
    )));
}

#[test]
fn auto_needs_an_exam_that_allows_test_pictures() {
    let start = |policy| {
        let mut state = CandidateState::new(Start {
            auto: true,
            test_picture: false,
        });
        command(&mut state, join_command());
        state.handle(joined(policy), 0);
        for key in ALL {
            state.handle(Input::Source(key, live()), 0);
        }
        state.step()
    };
    assert_eq!(start(Policy::default()), CandidateStep::Consent);
    assert_eq!(
        start(Policy {
            allow_test_picture: true,
            ..Policy::default()
        }),
        CandidateStep::Exam
    );
}

#[test]
fn a_lost_source_is_reported_once_with_its_end() {
    let mut state = in_exam();
    let failed = || Input::Source(PublicationKey::CAMERA, SourceChange::Failed("camera_gone".to_owned()));
    let effects = state.handle(failed(), 0).0;
    let facts = BTreeMap::from([
        ("error".to_owned(), "camera_gone".to_owned()),
        ("publication".to_owned(), "camera/0".to_owned()),
    ]);
    assert_eq!(
        effects,
        [Effect::Report {
            kind: IntegrityKind::CameraLost,
            begins: None,
            facts
        }]
    );
    assert_eq!(state.handle(failed(), 0).0, []);
    assert_eq!(
        state
            .handle(Input::Source(PublicationKey::CAMERA, SourceChange::Starting), 0)
            .0,
        []
    );
    let effects = state.handle(Input::Source(PublicationKey::CAMERA, live()), 0).0;
    let [Effect::Report { kind, begins, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (*kind, *begins),
        (IntegrityKind::CameraReturned, Some(IntegrityKind::CameraLost))
    );
    assert_eq!(state.handle(Input::Source(PublicationKey::CAMERA, live()), 0).0, []);
}

#[test]
fn focus_is_reported_during_the_exam_only() {
    let mut state = at_check(Policy::default());
    assert_eq!(state.handle(Input::Focus(false), 0).0, []);
    let mut state = in_exam();
    assert_eq!(state.handle(Input::Focus(true), 0).0, []);
    assert_eq!(state.handle(Input::Focus(false), 0).0.len(), 1);
    assert_eq!(state.handle(Input::Focus(false), 0).0, []);
    let effects = state.handle(Input::Focus(true), 0).0;
    assert!(matches!(
        effects[0],
        Effect::Report {
            begins: Some(IntegrityKind::FocusLost),
            ..
        }
    ));
}

#[test]
fn the_mark_says_what_is_true() {
    let mut state = in_exam();
    assert_eq!(state.view().mark, Mark::Live);
    state.handle(Input::Unlinked, SECOND);
    assert_eq!(state.view().mark, Mark::NotSending);
    state.handle(Input::Linked, 23 * SECOND);
    assert_eq!(
        (state.view().mark, state.view().link),
        (Mark::Live, LinkView::Back { offline_s: 22 })
    );
    if let Some(exam) = &mut state.exam {
        exam.policy.keeps_video = true;
    }
    assert_eq!(state.view().mark, Mark::Recording);
    // The server is there, but nothing gets through to it.
    for (media, mark) in [
        (MediaState::Interrupted, Mark::NotSending),
        (MediaState::Blocked, Mark::NotSending),
        (MediaState::Connected, Mark::Recording),
    ] {
        state.handle(Input::Media(media), 40 * SECOND);
        assert_eq!(state.view().mark, mark, "{media:?}");
    }
    for key in ALL {
        state.handle(Input::Source(key, SourceChange::Failed("camera_gone".to_owned())), 0);
    }
    assert_eq!(state.view().mark, Mark::NotSending);
    assert_eq!(at_check(Policy::default()).view().mark, Mark::Off);
}

#[test]
fn the_room_brings_time_left_and_what_was_not_acknowledged() {
    let mut state = in_exam();
    let you = ParticipantInfo {
        id: ParticipantId::from_parts(1, [3; 10]),
        role: Role::Candidate,
        label: "Candidate 014".to_owned(),
        seat: None,
        presence: Presence::Online,
        presence_since: 0,
        connection: ConnectionLevel::Good,
        looked_at: 0,
        sitting: Sitting::default(),
    };
    let room = RoomState {
        exam: ExamInfo {
            status: ExamStatus::Paused,
            ..exam(Policy::default())
        },
        you,
        server_time: 10 * SECOND,
        time_left: 60 * SECOND,
        participants: Vec::new(),
        publications: Vec::new(),
        timeline: Vec::new(),
        chain: None,
        messages: vec![message(1, MessageKind::Warning), message(2, MessageKind::Chat)],
    };
    state.handle(Input::Room(Box::new(room.clone())), 0);
    state.handle(Input::Room(Box::new(room)), 0);
    let view = state.view();
    assert_eq!((view.ends_at, view.left_us), (Some(70 * SECOND), Some(60 * SECOND)));
    assert_eq!(view.cover, Some(Cover::ExamPaused));
    assert_eq!(view.warning.as_ref().unwrap().text, "text 1");
    assert_eq!(view.chat.len(), 1, "a message that came before is not shown twice");
    let id = view.warning.unwrap().id;
    assert_eq!(
        command(&mut state, CandidateCommand::Acknowledge { message: id }),
        [Effect::Acknowledge(id)]
    );
    assert_eq!(command(&mut state, CandidateCommand::Acknowledge { message: id }), []);
    assert_eq!((state.view().warning, state.view().chat.len()), (None, 2));
}

#[test]
fn own_lines_show_when_the_server_has_them() {
    let mut state = in_exam();
    assert_eq!(
        command(&mut state, CandidateCommand::Chat { text: "  ".to_owned() }),
        []
    );
    let effects = command(
        &mut state,
        CandidateCommand::Chat {
            text: "Hello".to_owned(),
        },
    );
    let [Effect::Chat { local, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(!state.view().chat[0].sent);
    state.handle(Input::ChatStored { local: *local, at: 77 }, 0);
    assert!(state.view().chat[0].sent && state.view().chat[0].at == 77);
    assert_eq!(
        command(
            &mut state,
            CandidateCommand::Chat {
                text: "x".repeat(MAX_MESSAGE_CHARS + 1)
            }
        ),
        []
    );
    assert_eq!(state.view().notice.unwrap().code, "message_too_long");
    for n in 0..=255 {
        state.handle(Input::Message(message(n, MessageKind::Chat)), 0);
    }
    assert_eq!(state.view().chat.len(), MAX_CHAT);
}

#[test]
fn handing_in_switches_everything_off_and_waits_for_the_last_signals() {
    let mut state = in_exam();
    assert_eq!(
        command(&mut state, CandidateCommand::HandIn),
        [Effect::CloseSources, Effect::Finish]
    );
    let view = state.view();
    assert_eq!((view.step, view.mark), (CandidateStep::Finished, Mark::Off));
    assert!(
        view.sources
            .iter()
            .all(|source| source.state == SourceState::Stopped && !source.sending)
    );
    assert_eq!(command(&mut state, CandidateCommand::HandIn), []);
    assert_eq!(state.handle(Input::Ended, 0).0, [Effect::Disconnect]);
    assert_eq!(state.view().link, LinkView::Idle);
    command(&mut state, CandidateCommand::StartOver);
    assert_eq!(
        (state.view().step, state.view().server.as_str()),
        (CandidateStep::Join, "https://exam.example.org")
    );
}

#[test]
fn an_exam_that_is_ended_by_a_proctor_ends_here_too() {
    let mut state = in_exam();
    let participant = ParticipantId::from_parts(1, [3; 10]);
    let effects = state
        .handle(
            Input::Action(Action::End {
                participant,
                reason: String::new(),
            }),
            0,
        )
        .0;
    assert_eq!(effects, [Effect::CloseSources, Effect::Disconnect]);
    assert_eq!(state.step(), CandidateStep::Finished);
}

#[test]
fn another_device_that_took_over_is_no_hand_in() {
    let mut state = in_exam();
    let effects = state.handle(Input::Dropped(ErrorCode::Replaced.into()), 0).0;
    assert_eq!(effects, [Effect::CloseSources, Effect::Disconnect]);
    let view = state.view();
    assert_eq!((view.step, view.exam_code.as_str()), (CandidateStep::Join, "STAT-1"));
    assert_eq!(view.notice, Some(Notice::new("replaced")));
    assert!(view.sources.is_empty());
}

mod moving;
mod sitting;
